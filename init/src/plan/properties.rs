//! What becomes of every property of the specification: the table of `docs/config.md`, made from what the planner does
//! with configurations that set one property each; run with `BLESS=1` to write it anew. That the list is complete is
//! held against the specification's own schema in `qemu-tests/tests/specification.rs`.
//!
//! A line of `properties.txt` is the property, the part of the configuration that is set, its text, and the text that it is
//! compared with, if that is not the smallest configuration.

use std::path::Path;

use crate::arena::Arena;
use crate::config::{parse_config, place};
use crate::plan::golden::{MACHINE, printed, region};
use crate::plan::plan;
use crate::plan::state::{self, State};
use crate::text::Line;

const PROPERTIES: &str = include_str!("properties.txt");

const NAMESPACES: &str = r#""namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
    {"type": "cgroup"}, {"type": "time"}]"#;

/// The smallest configuration, with one part set.
fn config(part: &str, text: &str) -> String {
    let of = |name: &str, otherwise: &str| if part == name { text.to_owned() } else { otherwise.to_owned() };
    let more = |name: &str| if part == name && !text.is_empty() { format!(", {text}") } else { String::new() };
    let linux = of("linux", NAMESPACES);
    let linux = if linux.contains("\"namespaces\"") { linux } else { format!("{NAMESPACES}{}", more("linux")) };
    format!(
        r#"{{"ociVersion": {}, "root": {{{}}}, "process": {{"args": {}, "cwd": {}{}}}, "linux": {{{linux}}}{}}}"#,
        of("version", "\"1.3.0\""),
        of("root", "\"path\": \"rootfs\""),
        of("args", "[\"/init\"]"),
        of("cwd", "\"/\""),
        more("process"),
        more("top"),
    )
}

/// What there is to see of a configuration: all of its plan, what is printed of it, and the container's state; or why it
/// is refused.
fn effect(config: &str) -> Result<[String; 3], String> {
    let mut region = region();
    let mut arena = Arena::new(&mut region);
    let result = parse_config(config.as_bytes(), &mut arena).and_then(|(spec, _)| {
        let facts = crate::plan::facts::Facts {
            manner: crate::plan::facts::Manner { console: true, ..MACHINE.manner },
            ..MACHINE
        };
        let plan = plan(&spec, &Default::default(), &facts, &mut arena)?;
        let mut buffer = vec![0; 4096];
        let mut line = Line::new(&mut buffer);
        let annotations = spec.annotations;
        let (version, id, bundle) = (s!("1.3.0"), MACHINE.name, MACHINE.bundle);
        state::print(&mut line, &State { version, id, status: "created", pid: None, bundle, annotations });
        Ok([format!("{plan:?}"), printed(&plan), String::from_utf8(line.bytes().to_vec()).unwrap()])
    });
    result.map_err(|error| {
        let mut buffer = vec![0; 4096];
        let mut line = Line::new(&mut buffer);
        place::print_error(&mut line, "config.json", config.as_bytes(), &error);
        String::from_utf8(line.bytes().to_vec()).unwrap()
    })
}

/// What becomes of a property, and what shows it.
fn row(line: &str) -> Result<String, String> {
    let fields: Vec<&str> = line.split(" | ").collect();
    let (&[property, part, text], compared) = fields.split_first_chunk().unwrap();
    let without = match compared {
        [text] => config(part, text),
        _ => config("", ""),
    };
    let without = effect(&without).map_err(|error| format!("{property}: the configuration without it: {error}"))?;
    match effect(&config(part, text)) {
        Err(error) => {
            let name = property.replace("[]", "").replace(".*", "");
            let parent = name.rsplit_once('.').map_or(name.as_str(), |(parent, _)| parent);
            let grandparent = parent.rsplit_once('.').map_or(parent, |(parent, _)| parent);
            let plain = error.replace("[0]", "");
            let is_named = [name.as_str(), parent, grandparent].iter().any(|name| plain.contains(&format!("{name}: ")));
            if !is_named {
                return Err(format!("{property}: refused as {error}"));
            }
            let problem = error.rsplit_once(": ").unwrap().1;
            Ok(format!("| `{property}` | refused | {problem} |"))
        }
        Ok([plan, printed, state]) => {
            let difference = printed.lines().find(|line| !without[1].contains(&format!("{line}\n")));
            let shown = match difference {
                Some(line) => format!("`{}`", line.trim()),
                None if plan != without[0] => "in a part of the plan that is not printed".to_owned(),
                None if state != without[2] => "in the container's state".to_owned(),
                // Of the specification's own will: it is for processes that join a container.
                None if property.starts_with("process.execCPUAffinity.") => "in processes of `pidone exec`".to_owned(),
                None => return Err(format!("{property} has no effect")),
            };
            Ok(format!("| `{property}` | applied | {shown} |"))
        }
    }
}

#[test]
fn every_property_of_the_specification_is_applied_or_refused_by_name() {
    let (rows, wrong): (Vec<_>, Vec<_>) = PROPERTIES.lines().map(row).partition(Result::is_ok);
    let wrong: Vec<String> = wrong.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let rows: Vec<String> = rows.into_iter().filter_map(Result::ok).collect();
    let text = format!(
        "# Every property of config.json\n\n\
        What becomes of each property of the OCI runtime specification 1.3 on Linux. The table is made by a test from what \
        `pidone plan` does with a configuration that sets this property: the line of the plan that shows it, or why it is \
        refused. `[]` is an element of a list, `*` any name. What is not in the table is unknown to the specification, and \
        passed over.\n\n\
        A value that asks for nothing (`false`, 0, an empty list) is never refused.\n\n\
        | property | | shown by |\n|---|---|---|\n{}\n",
        rows.join("\n")
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let line = text.lines().zip(expected.lines()).find(|(now, then)| now != then);
    assert!(text == expected, "now, and in docs/config.md: {line:#?}");
}
