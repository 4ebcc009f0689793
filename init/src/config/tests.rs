//! What the readers of configurations take, refuse, and say of it.

use super::spec::Capabilities;
use super::*;
use crate::abi::namespace::Namespace;
use crate::text::Line;

fn line_of(file: &str, text: &[u8], error: &Error) -> String {
    let mut buffer = [0; limits::LOG_LINE_BYTES];
    let mut line = Line::new(&mut buffer);
    place::print_error(&mut line, file, text, error);
    String::from_utf8(line.bytes().to_vec()).unwrap()
}

/// Parses a config.json: a value of the result as text, or the whole line of the error.
fn config<T>(text: &[u8], look: impl FnOnce(&Spec, &Warnings) -> T) -> core::result::Result<T, String> {
    let mut region = vec![0; limits::ARENA_BYTES];
    let mut arena = Arena::new(&mut region);
    match parse_config(text, &mut arena) {
        Ok((spec, warnings)) => Ok(look(&spec, &warnings)),
        Err(error) => Err(line_of("config.json", text, &error)),
    }
}

fn runtime<T>(text: &[u8], look: impl FnOnce(&Runtime) -> T) -> core::result::Result<T, String> {
    let mut region = vec![0; limits::ARENA_BYTES];
    let mut arena = Arena::new(&mut region);
    match parse_runtime(text, &mut arena) {
        Ok(runtime) => Ok(look(&runtime)),
        Err(error) => Err(line_of("runtime.json", text, &error)),
    }
}

const SERVICE: &[u8] = include_bytes!("samples/linuxkit-service.config.json");
const SERVICE_RUNTIME: &[u8] = include_bytes!("samples/linuxkit-service.runtime.json");

#[test]
fn a_service_of_linuxkits_builder_is_read_completely() {
    config(SERVICE, |spec, warnings| {
        assert_eq!(warnings.iter().count(), 0);
        assert_eq!(spec.oci_version, Some(s!("1.2.0")));
        assert_eq!(spec.hostname, Some(s!("web")));
        let root = spec.root;
        assert_eq!((root.path, root.readonly), (Some(s!("rootfs")), false));
        let process = spec.process;
        assert_eq!(process.args.len(), 3);
        assert_eq!(process.args[2], s!("daemon off; error_log stderr <info> & more;"));
        assert_eq!(process.env[1..], [s!("OPTIONS=a=1&b=<2>"), s!("GREETING=grüß \"dich\" \\ 😀")]);
        assert_eq!(process.cwd, Some(s!("/var/www")));
        assert_eq!((process.user.uid, process.user.gid, process.user.umask), (101, 101, None));
        assert_eq!(process.user.additional_gids, [5, 1000]);
        let capabilities = process.capabilities;
        assert_eq!(capabilities.bounding, 1 << 0 | 1 << 6 | 1 << 7 | 1 << 10);
        assert_eq!(capabilities.effective, 1 << 0 | 1 << 6 | 1 << 7);
        assert_eq!(capabilities.ambient, 1 << 10);
        let limits: Vec<_> = process.rlimits.iter().map(|r| (r.resource, r.soft, r.hard)).collect();
        assert_eq!(limits, [(7, 65536, 1048576), (8, u64::MAX, u64::MAX)]);
        assert!(process.no_new_privileges);
        assert_eq!(process.oom_score_adj, Some(-500));
        assert_eq!(spec.mounts.len(), 8);
        let mount = spec.mounts[2];
        assert_eq!(
            (mount.destination, mount.kind, mount.source),
            (Some(s!("/etc/resolv.conf")), Some(s!("bind")), Some(s!("/etc/resolv.conf")))
        );
        assert_eq!(mount.options, [s!("rw"), s!("rbind"), s!("rshared")]);
        assert_eq!(spec.annotations.len(), 2);
        assert_eq!((spec.annotations[1].name, spec.annotations[1].value), (s!("org.example.note"), s!("a & b")));
        let linux = spec.linux;
        let ids = linux.uid_mappings[0];
        assert_eq!((ids.container_id, ids.host_id, ids.size), (0, 100000, 65536));
        assert_eq!(linux.gid_mappings.len(), 1);
        assert_eq!((linux.sysctl[0].name, linux.sysctl[0].value), (s!("net.ipv4.ip_forward"), s!("1")));
        let namespaces: Vec<_> = linux.namespaces.iter().map(|n| (n.kind, n.path)).collect();
        assert_eq!(namespaces[0], (Namespace::Network, Some(s!("/run/netns/web"))));
        assert_eq!(namespaces[4..], [(Namespace::User, None), (Namespace::Mount, None)]);
        let device = linux.devices[0];
        assert_eq!((device.kind, device.path, device.major), (b'c', Some(s!("/dev/fuse")), Some(10)));
        assert_eq!((device.minor, device.file_mode, device.uid), (Some(229), Some(0o666), None));
        assert_eq!((linux.devices[1].kind, linux.devices[1].gid), (b'p', Some(0)));
        assert_eq!(linux.rootfs_propagation, Some(s!("shared")));
        assert_eq!(linux.cgroups_path, Some(s!("/services/web")));
        assert_eq!(
            (linux.masked_paths, linux.readonly_paths),
            (&[s!("/proc/kcore"), s!("/sys/firmware")][..], &[s!("/proc/sys")][..])
        );
        let resources = linux.resources;
        let rules: Vec<_> = resources.devices.iter().map(|d| (d.allow, d.kind, d.major, d.minor, d.access)).collect();
        assert_eq!(rules[0], (false, None, None, None, 7));
        assert_eq!(rules[1], (true, Some(b'c'), Some(1), Some(3), 3));
        assert_eq!(rules[2], (true, Some(b'b'), None, None, 7));
        let memory = resources.memory;
        assert_eq!((memory.limit, memory.reservation, memory.swap), (Some(134217728), Some(67108864), Some(134217728)));
        let cpu = resources.cpu;
        assert_eq!((cpu.shares, cpu.quota, cpu.period), (Some(512), Some(50000), Some(100000)));
        assert_eq!((cpu.cpus, cpu.mems, cpu.burst, cpu.idle), (Some(s!("0-1")), Some(s!("0")), None, None));
        assert_eq!((resources.pids.limit, resources.block_io.weight), (Some(64), Some(100)));
        assert_eq!(
            (resources.hugepage_limits[0].page_size, resources.hugepage_limits[0].limit),
            (s!("2MB"), 209715200)
        );
        assert_eq!((resources.unified[0].name, resources.unified[0].value), (s!("memory.high"), s!("100000000")));
    })
    .unwrap();
    runtime(SERVICE_RUNTIME, |runtime| {
        assert_eq!(runtime.cgroups, [s!("podruntime"), s!("kubepods")]);
        assert_eq!(runtime.mounts.len(), 4);
        assert_eq!((runtime.mounts[1].kind, runtime.mounts[1].options), (None, &[s!("remount"), s!("private")][..]));
        assert_eq!(runtime.mkdir, [s!("/var/lib/www"), s!("var/cache/nginx")]);
        let interfaces: Vec<_> = runtime.interfaces.iter().map(|i| (i.name, i.add, i.peer, i.create_in_root)).collect();
        assert_eq!(
            interfaces,
            [
                (Some(s!("eth1")), None, None, false),
                (Some(s!("veth0")), Some(s!("veth")), Some(s!("veth1")), false),
                (Some(s!("wg0")), Some(s!("wireguard")), None, true)
            ]
        );
        for (kind, path) in Namespace::ALL.iter().zip(runtime.bind_namespaces.0) {
            let expected = match kind {
                Namespace::Ipc => Some(s!("/run/ns/ipc")),
                Namespace::Network => Some(s!("/run/netns/web")),
                Namespace::Pid => Some(s!("/run/ns/pid")),
                _ => None,
            };
            assert_eq!(path, expected);
        }
        assert_eq!(runtime.namespace, Some(s!("services.linuxkit")));
    })
    .unwrap();
}

const SAMPLES: [&[u8]; 6] = [
    SERVICE,
    include_bytes!("samples/linuxkit-sysctl.config.json"),
    include_bytes!("samples/linuxkit-getty.config.json"),
    include_bytes!("samples/runc-spec.config.json"),
    include_bytes!("samples/docker-default.config.json"),
    include_bytes!("samples/minimal.config.json"),
];
const RUNTIMES: [&[u8]; 2] = [SERVICE_RUNTIME, include_bytes!("samples/linuxkit-sysctl.runtime.json")];

/// A config.json whose `linux` is this.
fn linux(linux: &str) -> String {
    format!(r#"{{"root":{{"path":"r"}},"process":{{"args":["a"],"cwd":"/"}},"linux":{linux}}}"#)
}

/// A config.json with these members more.
fn top(members: &str) -> String {
    format!(r#"{{"root":{{"path":"r"}},"process":{{"args":["a"],"cwd":"/"}},{members}}}"#)
}

/// A config.json whose `process` has these members more.
fn process(members: &str) -> String {
    format!(r#"{{"root":{{"path":"r"}},"process":{{"args":["a"],"cwd":"/",{members}}}}}"#)
}

/// Where in which field, and what: the error of a config.json on one line, without line and column.
fn problem(text: &str) -> String {
    let line = config(text.as_bytes(), |_, _| ()).expect_err(text);
    let place = line.strip_prefix("config.json: line 1, column ").expect(&line);
    place.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(": ").to_string()
}

fn is_fine(text: &str) {
    config(text.as_bytes(), |_, _| ()).unwrap();
}

#[test]
fn files_of_linuxkit_runc_and_docker_are_read_without_a_warning() {
    for text in SAMPLES {
        config(text, |spec, warnings| {
            assert!(spec.root.path.is_some());
            assert!(!spec.process.args.is_empty());
            assert_eq!(warnings.iter().count(), 0);
        })
        .unwrap();
    }
    for text in RUNTIMES {
        assert_eq!(runtime(text, |runtime| runtime.mounts.is_empty()), Ok(false));
    }
    assert_eq!(runtime(b"{}", |runtime| runtime.mounts.len()), Ok(0));
    config(SAMPLES[2], |spec, _| {
        assert_eq!(spec.process.capabilities.permitted, (1 << 41) - 1);
    })
    .unwrap();
}

#[test]
fn every_truncation_is_an_error() {
    let mut region = vec![0; 1 << 16];
    for text in SAMPLES {
        let text = text.trim_ascii_end();
        for end in 0..text.len() {
            assert!(parse_config(&text[..end], &mut Arena::new(&mut region)).is_err());
        }
    }
    for text in RUNTIMES {
        let text = text.trim_ascii_end();
        for end in 0..text.len() {
            assert!(parse_runtime(&text[..end], &mut Arena::new(&mut region)).is_err());
        }
    }
}

#[test]
fn every_change_of_a_byte_is_survived_and_every_error_can_be_printed() {
    let mut region = vec![0; 1 << 16];
    let mut look = |text: &[u8], parse: fn(&[u8], &mut Arena) -> Result<()>| {
        for at in 0..text.len() {
            for byte in *b"\0\"\\,}1\xff" {
                let mut changed = text.to_vec();
                changed[at] = byte;
                if let Err(error) = parse(&changed, &mut Arena::new(&mut region)) {
                    assert!(line_of("x.json", &changed, &error).len() > 20);
                }
            }
        }
    };
    look(SAMPLES[4], |text, arena| parse_config(text, arena).map(|_| ()));
    look(SERVICE_RUNTIME, |text, arena| parse_runtime(text, arena).map(|_| ()));
}

#[test]
fn an_arena_of_any_size_is_survived() {
    let mut region = vec![0; 1 << 16];
    for size in (0..20000).step_by(7) {
        match parse_config(SERVICE, &mut Arena::new(&mut region[..size])) {
            Ok(_) => assert!(size > 2000),
            Err(error) => assert!(matches!(error.cause(), crate::error::Cause::Limit { .. })),
        }
    }
}

#[test]
fn nesting_is_bounded_before_anything_recurses() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for levels in [31, 32, 100_000] {
            let value = format!("{}0{}", open.repeat(levels), close.repeat(levels));
            let text = top(&format!("\"x\":{value}"));
            match config(text.as_bytes(), |_, _| ()) {
                Ok(()) => assert_eq!(levels, 31),
                Err(line) => {
                    assert!(levels > 31);
                    assert!(line.ends_with("nested too deep, at most 32 levels"), "{line}");
                }
            }
        }
    }
    assert!(config("[".repeat(1_000_000).as_bytes(), |_, _| ()).is_err());
}

#[test]
fn an_error_names_line_column_and_field() {
    let text = "{\n  \"root\": {\"path\": \"rootfs\"},\n  \"process\": {\n    \"args\": [\"a\"],\n    \"cwd\": \"/\"\n  },\n  \
                \"linux\": {\n    \"resources\": {\n      \"pids\": {\n        \"limit\": \"many\"\n      }\n    }\n  }\n}\n";
    assert_eq!(
        config(text.as_bytes(), |_, _| ()).unwrap_err(),
        "config.json: line 10, column 18: linux.resources.pids.limit: expected an integer"
    );
    let text = SERVICE.to_vec();
    let at = text.windows(10).position(|window| window == b"\"noexec\",\n").unwrap();
    let mut broken = text.clone();
    broken.splice(at..at + 8, *b"17");
    assert_eq!(
        config(&broken, |_, _| ()).unwrap_err(),
        "config.json: line 88, column 17: mounts[1].options[1]: expected a string"
    );
    assert_eq!(
        runtime(b"{\"interfaces\":[{},\n{\"name\":\"eth0\"}]}", |_| ()).unwrap_err(),
        "runtime.json: line 1, column 16: interfaces[0]: missing name"
    );
    assert_eq!(config(b"", |_, _| ()).unwrap_err(), "config.json: line 1, column 1: unexpected end of the text");
    // Columns are characters, not bytes.
    assert_eq!(
        config("{\"ü\": \"😀\", x}".as_bytes(), |_, _| ()).unwrap_err(),
        "config.json: line 1, column 12: expected a key in quotes"
    );
}

#[test]
fn hostile_keys_can_neither_forge_nor_flood_an_error() {
    let text = top(r#""annotations":{"a.b\n\u001b[2J\"]: ":7}"#);
    assert_eq!(problem(&text), r#"annotations["a.b\x0a\x1b[2J\x22]:\x20"]: expected a string"#);
    let text = top(&format!(r#""annotations":{{"{}":7}}"#, "k".repeat(100_000)));
    assert_eq!(problem(&text), format!("annotations.{}...: expected a string", "k".repeat(64)));
    assert_eq!(problem(&top(r#""annotations":{"":7}"#)), r#"annotations[""]: expected a string"#);
    assert_eq!(
        runtime(b"{\"no such\":1}", |_| ()).unwrap_err(),
        r#"runtime.json: line 1, column 2: ["no\x20such"]: unknown field"#
    );
}

#[test]
fn malformed_json_is_refused_everywhere() {
    for (text, expected) in [
        ("", "unexpected end of the text"),
        (" \n", "unexpected end of the text"),
        ("null", "expected an object"),
        ("[]", "expected an object"),
        ("7", "expected an object"),
        ("{}x", "more after the end"),
        ("{} {}", "more after the end"),
        ("{},", "more after the end"),
        ("\u{feff}{}", "expected a value"),
        ("{\"a\"}", "expected :"),
        ("{\"a\":}", "expected a value"),
        ("{\"a\":1,}", "expected a key in quotes"),
        ("{,}", "expected a key in quotes"),
        ("{a:1}", "expected a key in quotes"),
        ("{\"a\":1 \"b\":2}", "expected , or }"),
        ("{\"a\":[1,]}", "expected a value"),
        ("{\"a\":[1 2]}", "expected , or ]"),
        ("{\"a\":[1}", "expected , or ]"),
        ("{\"a\":1]", "expected , or }"),
        ("{\"a\":[,]}", "expected a value"),
        ("{\"a\":nul}", "expected a value"),
        ("{\"a\":True}", "expected a value"),
        ("{\"a\":nullx}", "expected , or }"),
        ("{\"a\":'x'}", "expected a value"),
        ("{\"a\":01}", "malformed number"),
        ("{\"a\":-}", "malformed number"),
        ("{\"a\":1.}", "malformed number"),
        ("{\"a\":1e}", "malformed number"),
        ("{\"a\":1e+}", "malformed number"),
        ("{\"a\":.5}", "expected a value"),
        ("{\"a\":+1}", "expected a value"),
        ("{\"a\":0x1}", "expected , or }"),
        ("{\"a\":\"\\x\"}", "unknown escape in a string"),
        ("{\"a\":\"\\u12g4\"}", "malformed \\u escape"),
        ("{\"a\":\"\\u+041\"}", "malformed \\u escape"),
        ("{\"a\":\"\\ud800\"}", "lone surrogate in a string"),
        ("{\"a\":\"\\ud800x\"}", "lone surrogate in a string"),
        ("{\"a\":\"\\ud800\\u0041\"}", "lone surrogate in a string"),
        ("{\"a\":\"\\udc00\"}", "lone surrogate in a string"),
        ("{\"a\":\"\\u0000\"}", "NUL in a string"),
        ("{\"a\":\"\t\"}", "control character in a string"),
        ("{\"a\":\"\0\"}", "control character in a string"),
        ("{\"\\q\":1}", "unknown escape in a string"),
        ("{\"a\":\"", "unexpected end of the text"),
        ("{\"a\":\"\\", "unknown escape in a string"),
    ] {
        let line = config(text.as_bytes(), |_, _| ()).expect_err(text);
        assert!(line.ends_with(&format!(": {expected}")), "{text}: {line}");
    }
    let line = config(b"{\"a\":\"\xff\"}", |_, _| ()).unwrap_err();
    assert_eq!(line, "config.json: line 1, column 7: a: not UTF-8");
    let line = config(b"{\"a\":{\"\xff\":1}}", |_, _| ()).unwrap_err();
    assert_eq!(line, "config.json: line 1, column 8: a: not UTF-8");
    assert_eq!(problem(&process(r#""env":["A=1","B=\u0000"]"#)), "process.env[1]: NUL in a string");
    assert_eq!(problem(&process(r#""env":["A=1","B=\udead"]"#)), "process.env[1]: lone surrogate in a string");
    // Well-formed, whatever it is, is skipped where it is unknown.
    is_fine(&top(r#""x":{"y":[1.5e-7,-0,"]}\"\\",null,{"z":{}}],"y":0},"x":"\ud83d\ude00""#));
}

#[test]
fn escapes_are_decoded_in_values_and_in_keys() {
    let text =
        process(r#""env":["A=\"\\\/\b\f\n\r\t","\u00fc\u20ac\ud83d\ude00","\u0026\u003c\u003E","\\u0026","plain"]"#);
    config(text.as_bytes(), |spec, _| {
        let env = spec.process.env;
        assert_eq!(env, [s!("A=\"\\/\x08\x0c\n\r\t"), s!("ü€😀"), s!("&<>"), s!("\\u0026"), s!("plain")]);
    })
    .unwrap();
    let text = top(r#""\u0068ostname":"a","annotations":{"\u0061\/b":"c"}"#);
    config(text.as_bytes(), |spec, _| {
        assert_eq!(spec.hostname, Some(s!("a")));
        assert_eq!(spec.annotations[0].name, s!("a/b"));
    })
    .unwrap();
    // An escape does not hide a field that is refused, nor one given twice.
    assert_eq!(problem(&top(r#""\u0073olaris":{"milestone":"x"}"#)), "solaris: not supported yet");
    assert_eq!(problem(&top(r#""hostname":"a","\u0068ostname":"b""#)), "hostname: given twice");
}

#[test]
fn what_is_given_twice_is_refused_by_name() {
    for (text, expected) in [
        (top(r#""hostname":"a","hostname":"a""#), "hostname: given twice"),
        (top(r#""root":{"path":"x"}"#), "root: given twice"),
        (top(r#""hostname":null,"hostname":"b""#), "hostname: given twice"),
        (process(r#""cwd":"/""#), "process.cwd: given twice"),
        (top(r#""annotations":{"a":"1","b":"2","a":"3"}"#), "annotations.a: given twice"),
        (linux(r#"{"sysctl":{"net.x":"1","net.\u0078":"1"}}"#), r#"linux.sysctl["net.x"]: given twice"#),
        (linux(r#"{"resources":{"unified":{"a":"","a":""}}}"#), "linux.resources.unified.a: given twice"),
        (
            linux(r#"{"namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"pid"}]}"#),
            "linux.namespaces[2].type: given twice",
        ),
        (
            process(r#""rlimits":[{"type":"RLIMIT_CPU","soft":1,"hard":1},{"type":"RLIMIT_CPU","soft":1,"hard":1}]"#),
            "process.rlimits[1].type: given twice",
        ),
    ] {
        assert_eq!(problem(&text), expected);
    }
}

#[test]
fn what_is_missing_is_named() {
    for (text, expected) in [
        ("{}".to_string(), "missing root"),
        (r#"{"root":{"path":"r"}}"#.to_string(), "missing process"),
        (r#"{"root":null,"process":{}}"#.to_string(), "process: missing args"),
        (r#"{"root":{},"process":{"args":["a"],"cwd":"/"}}"#.to_string(), "root: missing path"),
        (r#"{"root":{"path":""},"process":{"args":["a"],"cwd":"/"}}"#.to_string(), "root: missing path"),
        (r#"{"root":{"path":"r"},"process":{"cwd":"/"}}"#.to_string(), "process: missing args"),
        (r#"{"root":{"path":"r"},"process":{"args":[],"cwd":"/"}}"#.to_string(), "process: missing args"),
        (r#"{"root":{"path":"r"},"process":{"args":null,"cwd":"/"}}"#.to_string(), "process: missing args"),
        (r#"{"root":{"path":"r"},"process":{"args":["a"]}}"#.to_string(), "process: missing cwd"),
        (r#"{"root":{"path":"r"},"process":{"args":["a"],"cwd":""}}"#.to_string(), "process: missing cwd"),
        (top(r#""mounts":[{"destination":"/a"},{"type":"proc"}]"#), "mounts[1]: missing destination"),
        (process(r#""rlimits":[{"soft":1,"hard":1}]"#), "process.rlimits[0]: missing type"),
        (process(r#""rlimits":[{"type":"RLIMIT_AS","hard":1}]"#), "process.rlimits[0]: missing soft"),
        (process(r#""rlimits":[{"type":"RLIMIT_AS","soft":1}]"#), "process.rlimits[0]: missing hard"),
        (linux(r#"{"namespaces":[{"path":"/x"}]}"#), "linux.namespaces[0]: missing type"),
        (linux(r#"{"uidMappings":[{"hostID":1,"size":1}]}"#), "linux.uidMappings[0]: missing containerID"),
        (linux(r#"{"gidMappings":[{"containerID":1,"hostID":1}]}"#), "linux.gidMappings[0]: missing size"),
        (linux(r#"{"devices":[{"path":"/dev/x"}]}"#), "linux.devices[0]: missing type"),
        (linux(r#"{"devices":[{"type":"p"}]}"#), "linux.devices[0]: missing path"),
        (linux(r#"{"resources":{"devices":[{"access":"r"}]}}"#), "linux.resources.devices[0]: missing allow"),
        (
            linux(r#"{"resources":{"hugepageLimits":[{"limit":1}]}}"#),
            "linux.resources.hugepageLimits[0]: missing pageSize",
        ),
        (
            linux(r#"{"resources":{"hugepageLimits":[{"pageSize":"2MB"}]}}"#),
            "linux.resources.hugepageLimits[0]: missing limit",
        ),
    ] {
        assert_eq!(problem(&text), expected, "{text}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_refused_in_every_field() {
    const ID: &str = "expected an integer from 0 to 4294967294";
    const U32: &str = "expected an integer from 0 to 4294967295";
    const U64: &str = "expected an integer from 0";
    const I64: &str = "expected an integer";
    const TEXT: &str = "expected a string";
    const FLAG: &str = "expected true or false";
    const LIST: &str = "expected an array";
    const OBJECT: &str = "expected an object";
    const PAIRS: &str = "expected an object of strings";
    const POLICY: &str = abi_text(crate::abi::scheduling::POLICIES);
    const MODE: &str = abi_text(crate::abi::scheduling::MEMORY_POLICIES);
    const fn abi_text(text: &'static CStr) -> &'static str {
        match text.core().to_str() {
            Ok(text) => text,
            Err(_) => panic!(),
        }
    }
    // Path of the field, and what it must be: every field that is read.
    let fields = [
        ("ociVersion", TEXT),
        ("hostname", TEXT),
        ("domainname", TEXT),
        ("process.apparmorProfile", TEXT),
        ("process.selinuxLabel", TEXT),
        ("process.scheduler", OBJECT),
        ("process.scheduler.policy", POLICY),
        ("process.scheduler.nice", I64),
        ("process.scheduler.priority", I64),
        ("process.scheduler.flags", LIST),
        ("process.scheduler.runtime", U64),
        ("process.scheduler.deadline", U64),
        ("process.scheduler.period", U64),
        ("process.ioPriority", OBJECT),
        ("process.ioPriority.class", "expected one of IOPRIO_CLASS_RT IOPRIO_CLASS_BE IOPRIO_CLASS_IDLE"),
        ("process.ioPriority.priority", U64),
        ("process.execCPUAffinity", OBJECT),
        ("process.execCPUAffinity.initial", TEXT),
        ("process.execCPUAffinity.final", TEXT),
        ("hooks", OBJECT),
        ("hooks.prestart", LIST),
        ("hooks.createRuntime", LIST),
        ("hooks.createContainer", LIST),
        ("hooks.startContainer", LIST),
        ("hooks.poststart", LIST),
        ("hooks.poststop", LIST),
        ("hooks.poststop[]", OBJECT),
        ("hooks.poststop[].path", TEXT),
        ("hooks.poststop[].args", LIST),
        ("hooks.poststop[].env", LIST),
        ("hooks.poststop[].timeout", I64),
        ("linux.timeOffsets", OBJECT),
        ("linux.timeOffsets.monotonic", OBJECT),
        ("linux.timeOffsets.boottime", OBJECT),
        ("linux.timeOffsets.boottime.secs", I64),
        ("linux.timeOffsets.boottime.nanosecs", U32),
        ("linux.personality", OBJECT),
        ("linux.personality.domain", "expected one of LINUX LINUX32"),
        ("linux.memoryPolicy", OBJECT),
        ("linux.memoryPolicy.mode", MODE),
        ("linux.memoryPolicy.nodes", TEXT),
        ("linux.memoryPolicy.flags", LIST),
        ("linux.intelRdt", OBJECT),
        ("linux.intelRdt.closID", TEXT),
        ("linux.intelRdt.l3CacheSchema", TEXT),
        ("linux.intelRdt.memBwSchema", TEXT),
        ("linux.intelRdt.schemata", LIST),
        ("linux.intelRdt.schemata[]", TEXT),
        ("linux.intelRdt.enableMonitoring", FLAG),
        ("mounts", LIST),
        ("mounts[]", OBJECT),
        ("mounts[].destination", TEXT),
        ("mounts[].type", TEXT),
        ("mounts[].source", TEXT),
        ("mounts[].options", LIST),
        ("mounts[].options[]", TEXT),
        ("annotations", PAIRS),
        ("annotations.x", TEXT),
        ("root", OBJECT),
        ("root.path", TEXT),
        ("root.readonly", FLAG),
        ("process", OBJECT),
        ("process.args", LIST),
        ("process.args[]", TEXT),
        ("process.env", LIST),
        ("process.env[]", TEXT),
        ("process.cwd", TEXT),
        ("process.user", OBJECT),
        ("process.user.uid", ID),
        ("process.user.gid", ID),
        ("process.user.umask", U32),
        ("process.user.additionalGids", LIST),
        ("process.user.additionalGids[]", ID),
        ("process.capabilities", OBJECT),
        ("process.capabilities.bounding", LIST),
        ("process.capabilities.effective", LIST),
        ("process.capabilities.inheritable", LIST),
        ("process.capabilities.permitted", LIST),
        ("process.capabilities.ambient", LIST),
        ("process.capabilities.ambient[]", "expected the name of a capability"),
        ("process.rlimits", LIST),
        ("process.rlimits[]", OBJECT),
        ("process.rlimits[].type", "expected the name of a resource limit, such as RLIMIT_NOFILE"),
        ("process.rlimits[].soft", U64),
        ("process.rlimits[].hard", U64),
        ("process.noNewPrivileges", FLAG),
        ("process.oomScoreAdj", I64),
        ("linux", OBJECT),
        ("linux.namespaces", LIST),
        ("linux.namespaces[]", OBJECT),
        ("linux.namespaces[].type", "expected one of cgroup, ipc, mount, network, pid, user, uts, time"),
        ("linux.namespaces[].path", TEXT),
        ("linux.uidMappings", LIST),
        ("linux.uidMappings[]", OBJECT),
        ("linux.uidMappings[].containerID", ID),
        ("linux.uidMappings[].hostID", ID),
        ("linux.uidMappings[].size", U32),
        ("linux.gidMappings", LIST),
        ("linux.sysctl", PAIRS),
        ("linux.sysctl.x", TEXT),
        ("linux.devices", LIST),
        ("linux.devices[]", OBJECT),
        ("linux.devices[].type", "expected one of b, c, u, p"),
        ("linux.devices[].path", TEXT),
        ("linux.devices[].major", I64),
        ("linux.devices[].minor", I64),
        ("linux.devices[].fileMode", U32),
        ("linux.devices[].uid", ID),
        ("linux.devices[].gid", ID),
        ("linux.maskedPaths", LIST),
        ("linux.maskedPaths[]", TEXT),
        ("linux.readonlyPaths", LIST),
        ("linux.rootfsPropagation", TEXT),
        ("linux.cgroupsPath", TEXT),
        ("linux.resources", OBJECT),
        ("linux.resources.devices", LIST),
        ("linux.resources.devices[]", OBJECT),
        ("linux.resources.devices[].allow", FLAG),
        ("linux.resources.devices[].type", "expected one of a, b, c"),
        ("linux.resources.devices[].major", I64),
        ("linux.resources.devices[].minor", I64),
        ("linux.resources.devices[].access", "expected a string of the letters r, w, m"),
        ("linux.resources.memory", OBJECT),
        ("linux.resources.memory.limit", I64),
        ("linux.resources.memory.reservation", I64),
        ("linux.resources.memory.swap", I64),
        ("linux.resources.cpu", OBJECT),
        ("linux.resources.cpu.shares", U64),
        ("linux.resources.cpu.quota", I64),
        ("linux.resources.cpu.burst", U64),
        ("linux.resources.cpu.period", U64),
        ("linux.resources.cpu.cpus", TEXT),
        ("linux.resources.cpu.mems", TEXT),
        ("linux.resources.cpu.idle", I64),
        ("linux.resources.pids", OBJECT),
        ("linux.resources.pids.limit", I64),
        ("linux.resources.blockIO", OBJECT),
        ("linux.resources.blockIO.weight", "expected an integer from 0 to 65535"),
        ("linux.resources.hugepageLimits", LIST),
        ("linux.resources.hugepageLimits[]", OBJECT),
        ("linux.resources.hugepageLimits[].pageSize", TEXT),
        ("linux.resources.hugepageLimits[].limit", U64),
        ("linux.resources.unified", PAIRS),
        ("linux.resources.unified.x", TEXT),
    ];
    for (path, expected) in fields {
        for (kind, value) in [
            (TEXT, r#""x y""#),
            (FLAG, "true"),
            (FLAG, "false"),
            (I64, "-1"),
            (U64, "4294967296"),
            ("", "1.5"),
            ("", "1e2"),
            ("", "18446744073709551616"),
            (LIST, r#"[]"#),
            (OBJECT, "{}"),
        ] {
            let fits = match expected {
                TEXT | FLAG | LIST | OBJECT => kind == expected,
                I64 => kind == I64 || kind == U64,
                U64 => kind == U64,
                PAIRS => kind == OBJECT,
                "expected the name of a capability" => kind == TEXT,
                _ => false,
            };
            if fits {
                continue;
            }
            // The document that holds nothing but this field, from the inside out.
            let mut text = value.to_string();
            for part in path.rsplit('.') {
                let name = part.trim_end_matches("[]");
                text = if part.ends_with("[]") { format!("[{text}]") } else { text };
                text = format!("{{\"{name}\":{text}}}");
            }
            assert_eq!(problem(&text), format!("{}: {expected}", path.replace("[]", "[0]")), "{text}");
        }
    }
}

#[test]
fn numbers_are_read_to_their_bounds() {
    for (text, fine) in [
        (linux(r#"{"resources":{"memory":{"limit":9223372036854775807,"swap":-9223372036854775808}}}"#), true),
        (linux(r#"{"resources":{"memory":{"limit":9223372036854775808}}}"#), false),
        (linux(r#"{"resources":{"memory":{"limit":-9223372036854775809}}}"#), false),
        (linux(r#"{"resources":{"memory":{"limit":-0}}}"#), true),
        (linux(r#"{"resources":{"cpu":{"shares":18446744073709551615}}}"#), true),
        (linux(r#"{"resources":{"blockIO":{"weight":65535}}}"#), true),
        (linux(r#"{"resources":{"blockIO":{"weight":65536}}}"#), false),
        (linux(r#"{"uidMappings":[{"containerID":0,"hostID":0,"size":4294967295}]}"#), true),
        (linux(r#"{"uidMappings":[{"containerID":0,"hostID":0,"size":4294967296}]}"#), false),
        (process(r#""user":{"uid":4294967294,"gid":0,"umask":18,"additionalGids":[1,2,3]}"#), true),
        // To setresuid(2) this means "stay root".
        (process(r#""user":{"uid":4294967295}"#), false),
        (process(r#""user":{"additionalGids":[1,4294967295]}"#), false),
    ] {
        assert_eq!(config(text.as_bytes(), |_, _| ()).is_ok(), fine, "{text}");
    }
    // The element that is no integer is named, although the parser stumbles only over what comes after it.
    let list = |list: &str| problem(&process(&format!(r#""user":{{"additionalGids":{list}}}"#)));
    for (text, element) in [("[1.5]", 0), ("[1,2.5,3]", 1), ("[1,2,3e1]", 2), ("[ 1 , \"2\" ]", 1)] {
        assert_eq!(
            list(text),
            format!("process.user.additionalGids[{element}]: expected an integer from 0 to 4294967294")
        );
    }
}

#[test]
fn null_and_empty_are_absent() {
    let text = r#"{"ociVersion":null,"root":{"path":"r","readonly":null},"hostname":null,"domainname":"","mounts":null,
        "annotations":null,"hooks":null,"process":{"args":["a",""],"env":null,"cwd":"/","terminal":null,"user":null,
        "capabilities":null,"rlimits":null,"noNewPrivileges":null,"oomScoreAdj":null},"linux":{"namespaces":null,
        "uidMappings":null,"sysctl":null,"devices":null,"maskedPaths":null,"cgroupsPath":"","seccomp":null,
        "resources":{"devices":[{"allow":true,"type":"","access":""}],"memory":null,"cpu":{"shares":null,"cpus":""},
        "pids":null,"blockIO":null,"hugepageLimits":null,"unified":null}}}"#;
    config(text.as_bytes(), |spec, _| {
        assert_eq!((spec.oci_version, spec.hostname, spec.domainname), (None, None, None));
        let process = spec.process;
        assert_eq!(process.args, [s!("a"), s!("")]);
        assert!(
            process.capabilities == Capabilities::default()
                && process.oom_score_adj.is_none()
                && process.env.is_empty()
        );
        let resources = spec.linux.resources;
        assert!(resources.pids.limit.is_none() && resources.cpu.shares.is_none() && resources.cpu.cpus.is_none());
        assert_eq!((resources.devices[0].kind, resources.devices[0].access), (None, 0));
        assert!(spec.linux.cgroups_path.is_none() && spec.mounts.is_empty());
    })
    .unwrap();
    is_fine(&linux("null"));
    // An element is never absent.
    assert_eq!(problem(&top(r#""mounts":[null]"#)), "mounts[0]: expected an object");
    assert_eq!(problem(&process(r#""env":["a",null]"#)), "process.env[1]: expected a string");
    assert_eq!(problem(&top(r#""annotations":{"a":null}"#)), "annotations.a: expected a string");
}

#[test]
fn known_fields_that_are_not_honoured_are_refused_by_name_unless_neutral() {
    // What surrounds the field; its name; neutral values; values that are refused.
    type Case<'c> = (fn(&str) -> String, &'c str, &'c str, &'c [&'c str], &'c [&'c str]);
    let fields: &[Case] = &[
        (top, "", "windows", &["{}"], &[r#"{"layerFolders":[]}"#]),
        (top, "", "solaris", &["{}"], &[r#"{"milestone":""}"#]),
        (top, "", "vm", &["{}"], &[r#"{"kernel":{}}"#]),
        (top, "", "zos", &["{}"], &[r#"{"namespaces":[]}"#]),
        (top, "", "freebsd", &["{}"], &[r#"{"jail":{}}"#]),
        (process, "process.", "commandLine", &[r#""""#], &[r#""cmd""#]),
        (user, "process.user.", "username", &[r#""""#], &[r#""root""#]),
        (
            |member| linux(&format!(r#"{{"personality":{{"domain":"LINUX",{member}}}}}"#)),
            "linux.personality.",
            "flags",
            &["[]"],
            &[r#"["ADDR_NO_RANDOMIZE"]"#],
        ),
        (rdt, "linux.intelRdt.", "enableCMT", &["false"], &["true"]),
        (rdt, "linux.intelRdt.", "enableMBM", &["false"], &["true"]),
        (
            resource,
            "linux.resources.",
            "network",
            &["{}", r#"{"classID":0,"priorities":[]}"#],
            &[r#"{"classID":1048577}"#, r#"{"priorities":[{"name":"lo","priority":0}]}"#],
        ),
        (memory, "linux.resources.memory.", "kernel", &["0", "-1"], &["1", "-2", "1048576"]),
        (memory, "linux.resources.memory.", "kernelTCP", &["0", "-1"], &["-1000"]),
        (memory, "linux.resources.memory.", "swappiness", &[], &["0", "60"]),
        (memory, "linux.resources.memory.", "disableOOMKiller", &["false"], &["true"]),
        (memory, "linux.resources.memory.", "useHierarchy", &["true"], &["false"]),
        (cpu, "linux.resources.cpu.", "realtimeRuntime", &["0"], &["950000"]),
        (cpu, "linux.resources.cpu.", "realtimePeriod", &["0"], &["1000000"]),
        (block, "linux.resources.blockIO.", "leafWeight", &["0"], &["10"]),
        (weight, "linux.resources.blockIO.weightDevice[0].", "leafWeight", &["0"], &["10"]),
        (memory, "linux.resources.memory.", "disableOOMKiller", &[], &[r#""yes""#, "[1]"]),
    ];
    fn rdt(member: &str) -> String {
        linux(&format!(r#"{{"intelRdt":{{{member}}}}}"#))
    }
    fn user(member: &str) -> String {
        process(&format!(r#""user":{{{member}}}"#))
    }
    fn resource(member: &str) -> String {
        linux(&format!(r#"{{"resources":{{{member}}}}}"#))
    }
    fn memory(member: &str) -> String {
        resource(&format!(r#""memory":{{{member}}}"#))
    }
    fn cpu(member: &str) -> String {
        resource(&format!(r#""cpu":{{{member}}}"#))
    }
    fn weight(member: &str) -> String {
        block(&format!(r#""weightDevice":[{{"major":8,"minor":0,{member}}}]"#))
    }
    fn block(member: &str) -> String {
        resource(&format!(r#""blockIO":{{{member}}}"#))
    }
    for (around, path, name, neutral, refused) in fields {
        for value in neutral.iter().chain(&["null"]) {
            is_fine(&around(&format!(r#""{name}": {value} "#)));
        }
        for value in *refused {
            let text = around(&format!(r#""{name}": {value} "#));
            let of_version_1 = path.starts_with("linux.resources.");
            let why = if of_version_1 { "only control groups of version 1 have it" } else { "not supported yet" };
            assert_eq!(problem(&text), format!("{path}{name}: {why}"), "{text}");
        }
    }
}

#[test]
fn unknown_fields_are_skipped_in_config_json_and_refused_in_runtime_json() {
    is_fine(&top(r#""com.example":{"a":[{}]},"Hostname":7,"consoleSize":[]"#));
    is_fine(&linux(r#"{"resources":{"pids":{"limit":1,"x":{}},"memory":{"useHierarchy":true}},"future":[1]}"#));
    for (text, expected) in [
        (r#"{"interface":[]}"#, "interface: unknown field"),
        (r#"{"bindNS":{"time":"/x"}}"#, "bindNS.time: unknown field"),
        (r#"{"interfaces":[{"name":"a","mtu":1500}]}"#, "interfaces[0].mtu: unknown field"),
        (r#"{"bindNS":{"net":1}}"#, "bindNS.net: expected a string"),
        (r#"{"cgroups":"a"}"#, "cgroups: expected an array"),
        (r#"{"mounts":[{"source":"a"}]}"#, "mounts[0]: missing destination"),
        (r#"{"mkdir":["a",{}]}"#, "mkdir[1]: expected a string"),
        (r#"{"mkdir":[],"mkdir":[]}"#, "mkdir: given twice"),
        (r#"{"interfaces":[{"name":"a","createInRoot":1}]}"#, "interfaces[0].createInRoot: expected true or false"),
    ] {
        let line = runtime(text.as_bytes(), |_| ()).unwrap_err();
        assert!(line.ends_with(&format!(": {expected}")), "{line}");
    }
    runtime(
        br#"{"bindNS":{"ipc":"","net":"/n"},"interfaces":[{"name":"a","add":"","peer":""}],"mounts":null}"#,
        |runtime| {
            assert_eq!(runtime.bind_namespaces.0, [None, None, None, Some(s!("/n")), None, None, None]);
            assert_eq!((runtime.interfaces[0].add, runtime.interfaces[0].peer), (None, None));
        },
    )
    .unwrap();
}

#[test]
fn names_become_numbers_while_parsing() {
    for kind in Namespace::ALL {
        let text = linux(&format!(r#"{{"namespaces":[{{"type":"{}"}}]}}"#, kind.oci_name()));
        config(text.as_bytes(), |spec, _| assert_eq!(spec.linux.namespaces[0].kind, kind)).unwrap();
    }
    for (text, expected) in [
        (
            linux(r#"{"namespaces":[{"type":"net"}]}"#),
            "linux.namespaces[0].type: expected one of cgroup, ipc, mount, network, pid, user, uts, time",
        ),
        (
            process(r#""rlimits":[{"type":"NOFILE","soft":1,"hard":1}]"#),
            "process.rlimits[0].type: expected the name of a resource limit, such as RLIMIT_NOFILE",
        ),
        (linux(r#"{"devices":[{"type":"cc","path":"/dev/x"}]}"#), "linux.devices[0].type: expected one of b, c, u, p"),
        (linux(r#"{"devices":[{"type":"","path":"/dev/x"}]}"#), "linux.devices[0].type: expected one of b, c, u, p"),
        (
            linux(r#"{"resources":{"devices":[{"allow":true,"type":"p"}]}}"#),
            "linux.resources.devices[0].type: expected one of a, b, c",
        ),
        (
            linux(r#"{"resources":{"devices":[{"allow":true,"access":"rx"}]}}"#),
            "linux.resources.devices[0].access: expected a string of the letters r, w, m",
        ),
    ] {
        assert_eq!(problem(&text), expected);
    }
}

#[test]
fn an_unknown_capability_is_a_warning_with_its_place() {
    let text = process(r#""capabilities":{"bounding":["CAP_FUTURE","CAP_CHOWN"],"ambient":["chown"]}"#);
    config(text.as_bytes(), |spec, warnings| {
        assert_eq!(spec.process.capabilities.bounding, 1);
        let lines: Vec<_> = warnings
            .iter()
            .map(|warning| {
                let mut buffer = [0; 200];
                let mut line = Line::new(&mut buffer);
                let problem = place::Problem {
                    file: "config.json",
                    text: text.as_bytes(),
                    at: warning.at,
                    problem: warning.problem,
                };
                line.print(&problem);
                String::from_utf8(line.bytes().to_vec()).unwrap()
            })
            .collect();
        assert!(lines[0].ends_with(": process.capabilities.bounding[0]: unknown capability, ignored"), "{lines:?}");
        assert!(lines[1].ends_with(": process.capabilities.ambient[0]: unknown capability, ignored"), "{lines:?}");
        assert_eq!((lines.len(), warnings.more()), (2, 0));
    })
    .unwrap();
    let many = vec!["\"CAP_X\""; 100].join(",");
    let text = process(&format!(r#""capabilities":{{"bounding":[{many}]}}"#));
    config(text.as_bytes(), |_, warnings| assert_eq!((warnings.iter().count(), warnings.more()), (16, 84))).unwrap();
}

#[test]
fn lists_are_bounded_by_bytes_only() {
    let variables = |count: usize, bytes: usize| {
        let variable = format!("\"{}\"", "v".repeat(bytes - 3));
        process(&format!("\"env\":[{}]", vec![variable; count].join(",")))
    };
    for (count, bytes) in [(2000, 40), (10_000, 80), (16_000, 63), (50_000, 20)] {
        let text = variables(count, bytes);
        assert_eq!(config(text.as_bytes(), |spec, _| spec.process.env.len()), Ok(count));
    }
    // A MiB of environment, to the last byte.
    let mut text = variables(10, 104_000).into_bytes();
    text.resize(limits::CONFIG_BYTES_MAX, b' ');
    assert_eq!(config(&text, |spec, _| spec.process.env.len()), Ok(10));
    text.push(b' ');
    assert_eq!(config(&text, |_, _| ()).unwrap_err(), "read config.json: too many bytes: 1048577, at most 1048576");
    // More records than the memory holds.
    let text = top(&format!("\"mounts\":[{}]", vec![r#"{"destination":"/a"}"#; 45_000].join(",")));
    let line = config(text.as_bytes(), |_, _| ()).unwrap_err();
    assert!(line.starts_with("keep the configuration in memory: too many bytes: "), "{line}");
    let mounts = vec![r#"{"destination":"/a","options":["ro","nosuid"]}"#; 5000].join(",");
    assert_eq!(config(top(&format!("\"mounts\":[{mounts}]")).as_bytes(), |spec, _| spec.mounts.len()), Ok(5000));
}

fn seccomp(members: &str) -> String {
    linux(&format!(r#"{{"seccomp":{{{members}}}}}"#))
}

#[test]
fn a_filter_of_system_calls_is_read_completely() {
    use crate::abi::syscall::{Abi, Name};
    let text = seccomp(
        r#""defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"listenerPath":"/run/a","listenerMetadata":"m",
        "architectures":["SCMP_ARCH_X86","SCMP_ARCH_X32","SCMP_ARCH_SHEB"],"comment":"",
        "flags":["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],"syscalls":[
        {"names":["read","no_such_call"],"action":"SCMP_ACT_NOTIFY","includes":{},"args":null},
        {"names":["clone"],"action":"SCMP_ACT_TRACE","errnoRet":65535,"args":[
            {"index":5,"value":18446744073709551615,"op":"SCMP_CMP_MASKED_EQ","valueTwo":9223372036854775808}]}]"#,
    );
    config(text.as_bytes(), |spec, _| {
        let seccomp = spec.linux.seccomp.unwrap();
        assert_eq!((seccomp.default_action, seccomp.default_errno), (4, Some(38)));
        assert_eq!((seccomp.architectures.0, seccomp.flags.0), (1 << 1 | 1 << 2 | 1 << 22, 2 | 1 << 3));
        assert_eq!((seccomp.listener_path, seccomp.listener_metadata), (Some(s!("/run/a")), Some(s!("m"))));
        let [read, clone] = seccomp.syscalls else { panic!() };
        assert_eq!(read.names, [Name::named(b"read"), Name::UNKNOWN]);
        assert_eq!((read.action, read.errno, read.arguments), (5, None, &[][..]));
        assert_eq!(clone.names[0].number(Abi::X86_64), Some(56));
        assert_eq!((clone.action, clone.errno), (6, Some(65535)));
        let argument = clone.arguments[0];
        assert_eq!((argument.index, argument.operator), (5, 6));
        assert_eq!((argument.value, argument.value_two), (u64::MAX, 1 << 63));
    })
    .unwrap();
}

#[test]
fn unknown_names_in_a_filter_are_refused_by_their_place() {
    use crate::abi::seccomp;
    let rule = |members: &str| {
        seccomp(&format!(
            r#""defaultAction":"SCMP_ACT_LOG","syscalls":[{{"names":["a"],"action":"SCMP_ACT_LOG"}},{{{members}}}]"#
        ))
    };
    let args = |args: &str| rule(&format!(r#""names":["a"],"action":"SCMP_ACT_LOG","args":[{{{args}}}]"#));
    let named = |names: &str| rule(&format!(r#""names":{names},"action":"SCMP_ACT_LOG""#));
    let action = seccomp::ACTIONS.core().to_str().unwrap();
    let operator = seccomp::OPERATORS.core().to_str().unwrap();
    let architecture = seccomp::ARCHITECTURES.core().to_str().unwrap();
    let flag = seccomp::FLAGS.core().to_str().unwrap();
    let errno = r#""names":["a"],"action":"SCMP_ACT_ERRNO","errnoRet":65536"#;
    let value = |value: &str| args(&format!(r#""index":0,"value":{value},"op":"SCMP_CMP_EQ""#));
    for (text, place, expected) in [
        (seccomp(r#""defaultAction":"ERRNO""#), "defaultAction", action),
        (seccomp(r#""defaultAction":"SCMP_ACT_""#), "defaultAction", action),
        (rule(r#""names":["a"],"action":"SCMP_ACT_DENY""#), "syscalls[1].action", action),
        (rule(r#""names":["a"],"action":"""#), "syscalls[1].action", action),
        (rule(r#""names":["a"]"#), "syscalls[1]", "missing action"),
        (linux(r#"{"seccomp":{}}"#), "", "missing defaultAction"),
        (named("[]"), "syscalls[1]", "missing names"),
        (named(r#"["a",1]"#), "syscalls[1].names[1]", "expected the name of a system call"),
        (rule(errno), "syscalls[1].errnoRet", "expected an integer from 0 to 65535"),
        (args(r#""index":0,"value":1,"op":"SCMP_CMP_LIKE""#), "syscalls[1].args[0].op", operator),
        (args(r#""index":0,"value":1"#), "syscalls[1].args[0]", "missing op"),
        (args(r#""index":0,"op":"SCMP_CMP_EQ""#), "syscalls[1].args[0]", "missing value"),
        (args(r#""value":0,"op":"SCMP_CMP_EQ""#), "syscalls[1].args[0]", "missing index"),
        (value("18446744073709551616"), "syscalls[1].args[0].value", "expected an integer from 0"),
        (value("-1"), "syscalls[1].args[0].value", "expected an integer from 0"),
        (seccomp(r#""architectures":["SCMP_ARCH_X86","SCMP_ARCH_Z80"]"#), "architectures[1]", architecture),
        (seccomp(r#""flags":["SECCOMP_FILTER_FLAG_NEW_LISTENER"]"#), "flags[0]", flag),
        (seccomp(r#""flags":["SECCOMP_FILTER_FLAG_"]"#), "flags[0]", flag),
    ] {
        let dot = if place.is_empty() { "" } else { "." };
        assert_eq!(problem(&text), format!("linux.seccomp{dot}{place}: {expected}"), "{text}");
    }
}

#[test]
fn names_in_one_object_are_bounded() {
    let annotations = |count: usize| {
        let members: Vec<_> = (0..count).map(|index| format!("\"k{index}\":\"\"")).collect();
        top(&format!("\"annotations\":{{{}}}", members.join(",")))
    };
    let most = limits::PAIRS_MAX;
    assert_eq!(config(annotations(most).as_bytes(), |spec, _| spec.annotations.len()), Ok(most));
    assert_eq!(
        config(annotations(most + 1).as_bytes(), |_, _| ()).unwrap_err(),
        "read config.json: too many names in one object: 4097, at most 4096"
    );
}
