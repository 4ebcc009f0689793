//! Who may import whom: the table of ARCHITECTURE.md, held against the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A module, and the modules of ours that it may use. `abi` names error numbers, so it knows `text`; tests may use more
/// and do not count.
const ALLOWED: &[(&str, &str)] = &[
    ("main", "command log sys texts"),
    ("command", "abi arena boot control error launch limits logger plan runtime supervise sys text texts"),
    ("runtime", "abi apply arena config error launch limits log observe plan sys text texts"),
    ("control", "abi limits plan supervise sys text texts"),
    ("boot", "abi apply arena config control error launch limits log logger plan runtime supervise sys text texts"),
    ("supervise", "abi config error limits log sys text texts"),
    ("launch", "abi apply arena config error limits log logger observe plan sys text texts"),
    ("logger", "abi limits log sys text texts"),
    ("apply", "abi arena config limits plan sys text texts"),
    ("observe", "abi config plan sys text texts"),
    ("plan", "abi arena config error limits text texts"),
    ("config", "abi arena error limits record text texts"),
    ("log", "limits sys text"),
    ("sys", "abi error limits"),
    ("text", "abi error packing texts"),
    ("packing", "texts"),
    ("error", "abi texts"),
    ("abi", "text texts"),
    ("limits", ""),
];

#[test]
fn every_import_points_down_the_table() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (module, allowed) in ALLOWED {
        let mut used = BTreeSet::new();
        for place in [source.join(module), source.join(format!("{module}.rs"))] {
            collect(&place, &mut used);
        }
        let allowed: BTreeSet<String> = allowed.split_whitespace().chain([*module]).map(str::to_owned).collect();
        let wrong: Vec<_> = used.difference(&allowed).collect();
        assert!(wrong.is_empty(), "{module} may not use {wrong:?}: see ARCHITECTURE.md");
    }
}

#[test]
fn every_module_is_in_the_table() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(source).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        let known = ALLOWED.iter().any(|(module, _)| *module == name) || matches!(name.as_str(), "lib" | "imports");
        assert!(known, "{name} is not in the table");
    }
}

#[test]
fn unsafe_stands_only_in_sys_and_the_entry() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    each_file(&source, &mut |path, text| {
        let inside = path.starts_with(source.join("sys")) || path.ends_with("main.rs") || path.ends_with("imports.rs");
        assert!(inside || !product_part(text).contains("unsafe"), "{}: unsafe outside sys", path.display());
    });
}

/// The names of our modules that a file or folder uses.
fn collect(place: &Path, used: &mut BTreeSet<String>) {
    each_file(place, &mut |_, text| {
        for rest in product_part(text).split("crate::").skip(1) {
            let names = match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap_or(""),
                None => rest.split(|byte: char| !byte.is_ascii_alphanumeric() && byte != '_').next().unwrap_or(""),
            };
            for name in names.split(',') {
                let name = name.trim().split(':').next().unwrap_or("");
                if !name.is_empty() && name != "self" {
                    used.insert(name.to_owned());
                }
            }
        }
    });
}

fn each_file(place: &Path, each: &mut dyn FnMut(&Path, &str)) {
    if place.is_dir() {
        for entry in fs::read_dir(place).unwrap() {
            each_file(&entry.unwrap().path(), each);
        }
    } else if place.is_file() && place.extension().is_some_and(|extension| extension == "rs") {
        each(place, &fs::read_to_string(place).unwrap());
    }
}

/// A file without its tests, which stand at its end, and without documentation.
fn product_part(text: &str) -> String {
    let product = text.split("#[cfg(test)]").next().unwrap_or("");
    product.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}
