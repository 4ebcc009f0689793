//! What runtime.json must not have.

use serde_json::{Value, json};

use super::{Refusal, must_not_run, raw_runtime, runtime};

pub(super) fn runtimes() -> Vec<Refusal> {
    let interfaces = |list: Value| json!({ "interfaces": list });
    vec![
        raw_runtime(
            "runtime-truncated",
            "{\"mounts\": [",
            "runtime.json: line 1, column 13: mounts[0]: unexpected end of the text",
        ),
        raw_runtime(
            "runtime-unknown",
            "{\"restart\": \"always\"}",
            "runtime.json: line 1, column 2: restart: unknown field",
        ),
        raw_runtime(
            "runtime-twice",
            "{\"mkdir\": [], \"mkdir\": []}",
            "runtime.json: line 1, column 15: mkdir: given twice",
        ),
        raw_runtime(
            "runtime-type",
            "{\n  \"mkdir\": [\"/a\", 5]\n}",
            "runtime.json: line 2, column 19: mkdir[1]: expected a string",
        ),
        raw_runtime(
            "runtime-too-large",
            format!("{{\"mkdir\": [\"/{}\"]}}", "x".repeat(256 * 1024)),
            "read runtime.json: too many bytes: 262145, at most 262144",
        ),
        raw_runtime(
            "runtime-kind",
            "{\"bindNS\": {\"time\": \"/run/x\"}}",
            "runtime.json: line 1, column 13: bindNS.time: unknown field",
        ),
        runtime(
            "folder-outside",
            json!({ "mkdir": ["a", "../../../../var/escaped"] }),
            "runtime.json: mkdir[1]: a path must not contain `..`",
        ),
        runtime(
            "mount-outside",
            json!({ "mounts": [{ "destination": "../../x", "type": "tmpfs" }] }),
            "runtime.json: mounts[3]: a path must not contain `..`",
        ),
        runtime(
            "groups-outside",
            json!({ "cgroups": ["../x"] }),
            "runtime.json: cgroups[0]: must be a path without `..`",
        ),
        runtime(
            "bound-outside",
            json!({ "bindNS": { "net": "/run/../../etc/x" } }),
            "runtime.json: bindNS: a path must not contain `..`",
        ),
        runtime(
            "link-name-long",
            interfaces(json!([{ "name": "sixteen-letters-" }])),
            "runtime.json: interfaces[0]: name: must be 1 to 15 bytes without slash, colon, percent sign and space",
        ),
        runtime("link-name-missing", interfaces(json!([{ "add": "dummy" }])), "interfaces[0]: missing name"),
        runtime(
            "link-name-odd",
            interfaces(json!([{ "name": "eth%d", "add": "dummy" }])),
            "runtime.json: interfaces[0]: name: must be 1 to 15 bytes without slash, colon, percent sign and space",
        ),
        runtime(
            "link-twice",
            interfaces(json!([{ "name": "a", "add": "dummy" }, { "name": "a", "add": "dummy" }])),
            "runtime.json: interfaces[1]: name: another interface has it already",
        ),
        runtime(
            "pair-of-one",
            interfaces(json!([{ "name": "eth0", "add": "veth" }])),
            "runtime.json: interfaces[0]: peer: required for a veth",
        ),
        runtime(
            "pair-of-dummies",
            interfaces(json!([{ "name": "eth0", "add": "dummy", "peer": "x" }])),
            "runtime.json: interfaces[0]: peer: only a veth has one",
        ),
        Refusal {
            name: "link-of-machine",
            container: must_not_run("link-of-machine").runtime(interfaces(json!([{ "name": "eth0", "add": "dummy" }]))),
            line: "runtime.json: interfaces: the container has no network namespace of its own",
        },
    ]
}
