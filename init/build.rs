//! Link arguments of the binary only: no RUSTFLAGS, so build scripts and proc macros link as usual. `linker/README.md`
//! says what each is for. And the packed texts of `src/runtime/packed.rs`.

#[path = "src/runtime/model.rs"]
mod model;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::{env, fs};

use model::{Counters, Model};

fn main() {
    link();
    pack();
    fs::write(output("messages.rs"), messages()).expect("the build's own directory can be written to");
}

fn link() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../linker/pidone.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rerun-if-changed=build.rs");
    // `linker/flags` leaves one out at a time, to show what it is worth.
    println!("cargo:rerun-if-env-changed=PIDONE_LINK_WITHOUT");
    let without = env::var("PIDONE_LINK_WITHOUT").unwrap_or_default();
    for argument in [
        "-nostartfiles",
        "-static",
        "-no-pie",
        "-Wl,-O2",
        // `core` is built with unwinding; its landing pads are dropped, but their personality routine is still named.
        "-Wl,--defsym=rust_eh_personality=0",
        &format!("-Wl,-T,{script}"),
    ] {
        if without.is_empty() || !argument.starts_with(&without) {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
    }
}

/// Packs the texts, a NUL behind each, in the order of `packed::Text`.
fn pack() {
    let mut bytes = Vec::new();
    for file in ["features.json", "spec.json", "spec-rootless.json", "stats.json", "help.txt"] {
        let path = format!("{}/src/runtime/texts/{file}", env!("CARGO_MANIFEST_DIR"));
        println!("cargo:rerun-if-changed={path}");
        bytes.extend(fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")));
        bytes.push(0);
    }
    println!("cargo:rerun-if-changed=src/runtime/model.rs");
    fs::write(output("texts.packed"), packed(&bytes)).expect("the build's own directory can be written to");
}

fn output(name: &str) -> String {
    env::var("OUT_DIR").expect("cargo sets it") + "/" + name
}

/// Narrows the interval of the code bit by bit, and writes its bytes as they become certain.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut counters: Box<Counters> = vec![0; size_of::<Counters>()].try_into().expect("it is so long");
    let mut model = Model::new(&mut counters);
    let mut code = Vec::new();
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1 != 0)) {
        code.extend(std::iter::from_fn(|| model.shift()));
        model.take(model.middle(), bit);
    }
    code.extend(std::iter::from_fn(|| model.shift()));
    // Behind the end are zeros.
    code.push(model.end());
    // Before the first bit nothing was known of the four bytes that there was room for.
    code.split_off(4)
}

/// The messages of the source for `packing.rs`: those of `t!("...")` packed, one behind the other, and the pairs by which
/// they and those of `c!("...")` are.
fn messages() -> String {
    println!("cargo:rerun-if-changed=src");
    let mut sources = Vec::new();
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the source can be read") {
            let path = entry.expect("the source can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("the source can be read");
                // Of tests there is none in the product.
                sources.push(text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned());
            }
        }
    }
    // In an order: that of a directory is anything.
    let templates: BTreeSet<String> = sources.iter().flat_map(|text| literals(text, "t!(")).collect();
    let names: BTreeSet<String> = sources.iter().flat_map(|text| literals(text, "c!(")).collect();
    // A 1 is `packing::VALUE`.
    let plain = templates.iter().map(|text| text.replace("{}", "\u{1}"));
    let mut packed: Vec<_> = plain.chain(names).map(String::into_bytes).collect();
    let mut table = [[0; 2]; 161];
    for (byte, pair) in pairs(&mut packed, (127..=255).chain(2..32).filter(|byte| *byte != b'\n')) {
        table[usize::from(byte.wrapping_sub(127))] = pair;
    }
    let mut blob: Vec<u8> = Vec::new();
    let mut places = BTreeMap::new();
    let mut longest_first: Vec<_> = templates.iter().zip(packed).collect();
    longest_first.sort_by_key(|(_, packed)| Reverse(packed.len()));
    for (text, packed) in longest_first {
        let bytes = [&packed[..], &[0]].concat();
        // Some are the end of a longer one.
        let place = blob.windows(bytes.len()).position(|window| window == bytes).unwrap_or(blob.len());
        if place == blob.len() {
            blob.extend(bytes);
        }
        places.insert(text, place);
    }
    let places: Vec<_> = places.into_iter().collect();
    format!(
        "/// What bytes stand for, from 127 up, and behind 255 from 0 up to 31.\npub static PAIRS: [[u8; 2]; {}] = {table:?};\n\
         /// All messages, packed, a NUL behind each.\nstatic MESSAGES: [u8; {}] = {blob:?};\n\
         /// Where each is, in the order of the texts: for the compiler.\n\
         const PLACES: [(&str, u16); {}] = {places:?};\n",
        table.len(),
        blob.len(),
        places.len(),
    )
}

/// What stands between quotes in the calls of a macro.
fn literals(text: &str, call: &str) -> Vec<String> {
    let is_call = |at: &usize| !text[..*at].ends_with(|before: char| before.is_ascii_alphanumeric() || before == '_');
    let calls = text.match_indices(call).map(|(at, _)| at).filter(is_call);
    calls.filter_map(|at| literal(text[at + call.len()..].trim_start().strip_prefix('"')?)).collect()
}

/// What the compiler makes of a literal, up to its closing quote.
fn literal(text: &str) -> Option<String> {
    let mut literal = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => return Some(literal),
            '\\' => match rest.next()? {
                'n' => literal.push('\n'),
                // The next line goes on with what is not blank.
                '\n' => rest = rest.as_str().trim_start().chars(),
                other => literal.push(other),
            },
            other => literal.push(other),
        }
    }
}

/// Again and again the pair that occurs most often, then replaced by a byte that no text has.
fn pairs(texts: &mut [Vec<u8>], free: impl Iterator<Item = u8>) -> Vec<(u8, [u8; 2])> {
    let mut pairs = Vec::new();
    for byte in free {
        let mut counts = BTreeMap::new();
        for text in texts.iter() {
            for pair in text.windows(2) {
                *counts.entry([pair[0], pair[1]]).or_insert(0) += 1;
            }
        }
        let Some((pair, _)) = counts.into_iter().max_by_key(|&(pair, count)| (count, Reverse(pair))) else { break };
        for text in texts.iter_mut() {
            *text = replaced(text, pair, byte);
        }
        pairs.push((byte, pair));
    }
    pairs
}

fn replaced(message: &[u8], pair: [u8; 2], by: u8) -> Vec<u8> {
    let mut new = Vec::new();
    let mut rest = message;
    while let Some((first, behind)) = rest.split_first() {
        let is_pair = rest.starts_with(&pair);
        new.push(if is_pair { by } else { *first });
        rest = if is_pair { &behind[1..] } else { behind };
    }
    new
}
