//! Plans of whole configurations, compared with `golden/NAME.plan`; run with `BLESS=1` to write those anew and read the
//! difference. The configurations are those of `config/samples` and `golden/NAME.config.json`, each with a
//! `NAME.runtime.json` if there is one, and `NAME.facts`: words that say how the machine differs from [`Facts::MACHINE`].

use crate::texts::CStr;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};

use crate::abi::namespace::Namespace;
use crate::arena::Arena;
use crate::config::spec::{Pids, Resources};
use crate::config::{parse_config, parse_runtime};
use crate::error::Error;
use crate::limits;
use crate::plan::facts::{Controllers, Facts, Resctrl, Section};
use crate::plan::plan;
use crate::plan::step::{Base, Place, Plan, Step};
use crate::text::{Line, Print};

pub(super) const MACHINE: Facts = Facts::MACHINE;

struct Case {
    name: String,
    config: String,
    runtime: Option<String>,
    facts: String,
}

fn cases() -> Vec<Case> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    for folder in ["config/samples", "plan/golden"] {
        for entry in std::fs::read_dir(source.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            if let Some(name) = file.strip_suffix(".config.json") {
                assert!(found.insert(name.to_owned(), path.with_file_name(name)).is_none(), "two cases {name}");
            }
        }
    }
    let read = |path: &Path, suffix: &str| std::fs::read_to_string(format!("{}{suffix}", path.display()));
    let case = |(name, path): (String, PathBuf)| Case {
        config: read(&path, ".config.json").unwrap(),
        runtime: read(&path, ".runtime.json").ok(),
        facts: read(&golden(&name), ".facts").unwrap_or_default(),
        name,
    };
    found.into_iter().map(case).collect()
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/golden").join(name)
}

fn facts(words: &str, name: &'static CStr, bundle: &'static CStr) -> Facts<'static> {
    let mut facts = Facts { name, bundle, ..MACHINE };
    for word in words.split_whitespace() {
        match word {
            "onboot" => facts.section = Section::Onboot,
            "onshutdown" => facts.section = Section::Onshutdown,
            "other" => facts.section = Section::Other,
            "lower" => facts.lower = true,
            "again" => facts.again = true,
            "user-namespace-is-own" => facts.user_namespace_is_own = true,
            "bfq" => facts.bfq_weight = true,
            "old-kernel" => facts.capabilities = (1 << 38) - 1,
            "no-security-modules" => (facts.apparmor, facts.selinux) = (false, false),
            "no-resctrl" => facts.resctrl = Resctrl::Absent,
            "resctrl-class" => facts.resctrl = Resctrl::Class,
            "namespace-is-misplaced" => facts.misplaced_namespaces = 1 << Namespace::Network as u8,
            "no-controllers" => facts.controllers = Controllers::default(),
            _ => match word.split_once('=') {
                Some(("bundle", path)) => facts.bundle = leaked(path),
                Some(("name", name)) => facts.name = leaked(name),
                _ => panic!("unknown fact {word}"),
            },
        }
    }
    facts
}

fn leaked(text: &str) -> &'static CStr {
    CStr::of(Box::leak(CString::new(text).unwrap().into_boxed_c_str()))
}

/// Memory for one plan, lent by the test to one after the other.
pub(super) fn region() -> Vec<u8> {
    vec![0; limits::ARENA_BYTES]
}

fn plan_of<'a>(
    config: &str,
    runtime: Option<&str>,
    facts: &Facts<'a>,
    region: &'a mut [u8],
) -> Result<Plan<'a>, Error> {
    let mut arena = Arena::new(region);
    let (spec, _) = parse_config(config.as_bytes(), &mut arena)?;
    let runtime = runtime.map(|text| parse_runtime(text.as_bytes(), &mut arena)).transpose()?.unwrap_or_default();
    plan(&spec, &runtime, facts, &mut arena)
}

fn plan_of_case<'a>(case: &Case, region: &'a mut [u8]) -> Result<Plan<'a>, Error> {
    let facts = facts(&case.facts, leaked(&case.name), leaked(&format!("/containers/services/{}", case.name)));
    plan_of(&case.config, case.runtime.as_deref(), &facts, region)
}

/// What is said of a configuration that there is no plan for.
fn refusal(config: &str, runtime: Option<&str>, facts: &Facts<'static>) -> String {
    match plan_of(config, runtime, facts, &mut region()) {
        Ok(plan) => panic!("{config}\n{runtime:?}\nis planned: {}", printed(&plan)),
        Err(error) => printed(&error),
    }
}

pub(super) fn printed(value: &dyn Print) -> String {
    let mut buffer = vec![0; 1 << 20];
    let mut line = Line::new(&mut buffer);
    line.print(value);
    assert!(!line.overflowed());
    String::from_utf8(line.bytes().to_vec()).unwrap()
}

fn flags(plan: &Plan) -> String {
    let new = Namespace::ALL.into_iter().filter(|kind| plan.clone_flags & kind.flag() != 0);
    let names: Vec<_> = new.map(Namespace::oci_name).collect();
    format!("new namespaces: {}\ngroup: {}\n", names.join(" "), plan.cgroup.core().to_str().unwrap())
}

#[test]
fn plans_are_as_written_down() {
    let mut different = Vec::new();
    let mut region = region();
    for case in cases() {
        let text = match plan_of_case(&case, &mut region) {
            Ok(plan) => flags(&plan) + &printed(&plan),
            Err(error) => printed(&error) + "\n",
        };
        let path = golden(&case.name).with_extension("plan");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if text != expected {
            let line = text.lines().zip(expected.lines()).find(|(now, then)| now != then);
            different.push(format!("{}: now, and in the file: {line:#?}", case.name));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Looks at every plan of every case.
fn each_plan(look: impl Fn(&str, &Plan)) {
    let mut region = region();
    let mut count = 0;
    for case in cases() {
        if let Ok(plan) = plan_of_case(&case, &mut region) {
            look(&case.name, &plan);
            count += 1;
        }
    }
    assert!(count > 25, "{count} plans");
}

fn position(steps: &[Step], is: impl Fn(&Step) -> bool) -> Option<usize> {
    steps.iter().position(is)
}

/// The place that a step changes, if it names one.
fn place<'a>(step: &Step<'a>) -> Option<Place<'a>> {
    match *step {
        Step::MakeDirectory { at, .. }
        | Step::MakeSymlink { at, .. }
        | Step::Write { at, .. }
        | Step::SetAttributes { at, .. }
        | Step::MakeReadonly { at }
        | Step::Mask { at } => Some(at),
        Step::MakeDevice(node) => Some(node.at),
        Step::Mount(mount) => Some(mount.target),
        Step::Bind(bind) => Some(bind.target),
        _ => None,
    }
}

fn is_container_place(step: &Step) -> bool {
    place(step).is_some_and(|place| place.base == Base::Container)
}

#[test]
fn the_program_is_executed_last_and_once() {
    each_plan(|name, plan| {
        let executes = |steps: &[Step]| steps.iter().filter(|step| matches!(step, Step::Execute(_))).count();
        assert!(matches!(plan.inside.last(), Some(Step::Execute(_))), "{name}");
        assert_eq!(executes(plan.inside), 1, "{name}");
        assert_eq!(executes(plan.before) + executes(plan.after) + executes(plan.clean), 0, "{name}");
    });
}

#[test]
fn a_containers_paths_are_used_only_while_its_root_is_open() {
    each_plan(|name, plan| {
        for outside in [plan.before, plan.after, plan.clean] {
            assert!(!outside.iter().any(is_container_place), "{name}");
        }
        let opened = position(plan.inside, |step| matches!(step, Step::OpenRoot { .. }));
        let left = position(plan.inside, |step| matches!(step, Step::PivotRoot | Step::ChangeRoot));
        let joined = position(plan.inside, |step| matches!(step, Step::JoinNamespace { kind: Namespace::Mount, .. }));
        assert!(opened.is_some() == left.is_some() && opened.is_some() != joined.is_some(), "{name}");
        for (number, _) in plan.inside.iter().enumerate().filter(|(_, step)| is_container_place(step)) {
            assert!(opened < Some(number) && Some(number) < left, "{name}: step {number}");
        }
    });
}

#[test]
fn nothing_is_mounted_once_the_machines_root_is_gone() {
    each_plan(|name, plan| {
        let mut left = false;
        for step in plan.inside {
            let mounts = matches!(step, Step::Mount(_) | Step::Bind(_) | Step::Mask { .. } | Step::MakeReadonly { .. });
            assert!(!(left && mounts), "{name}: {}", printed(step));
            left |= matches!(step, Step::PivotRoot | Step::ChangeRoot);
        }
    });
}

#[test]
fn privileges_go_in_the_one_order_that_works() {
    each_plan(|name, plan| {
        let order = [
            position(plan.inside, |step| matches!(step, Step::BecomeRoot)),
            position(plan.inside, |step| matches!(step, Step::PivotRoot | Step::ChangeRoot)),
            position(plan.inside, |step| matches!(step, Step::SetRlimit(_))),
            position(plan.inside, |step| matches!(step, Step::LimitCapabilities { .. })),
            position(plan.inside, |step| matches!(step, Step::SetUser { .. })),
            position(plan.inside, |step| matches!(step, Step::ChangeDirectory { .. })),
            position(plan.inside, |step| matches!(step, Step::SetCapabilities(_))),
            position(plan.inside, |step| matches!(step, Step::Execute(_))),
        ];
        assert!(order.iter().flatten().is_sorted(), "{name}: {order:?}");
        assert!(order.iter().skip(3).all(Option::is_some), "{name}");
    });
}

/// While there is the privilege to, or where none is needed and nothing but the exec follows.
#[test]
fn system_calls_are_filtered_as_late_as_can_be() {
    let mut seen = std::cell::Cell::new((0, 0));
    each_plan(|name, plan| {
        let Some(filter) = position(plan.inside, |step| matches!(step, Step::FilterSystemCalls(_))) else { return };
        let privileges = position(plan.inside, |step| matches!(step, Step::SetNoNewPrivileges));
        let user = position(plan.inside, |step| matches!(step, Step::SetUser { .. }));
        if privileges.is_some() {
            assert_eq!(filter, plan.inside.len() - 2, "{name}");
            seen.set((seen.get().0 + 1, seen.get().1));
        } else {
            assert_eq!(Some(filter + 1), user, "{name}");
            seen.set((seen.get().0, seen.get().1 + 1));
        }
    });
    let (late, early) = *seen.get_mut();
    assert!(late > 0 && early > 0, "{late} {early}");
}

#[test]
fn a_filter_that_makes_no_sense_is_refused_by_name() {
    let linux = |seccomp: &str| config("", &format!(r#"{ISOLATED}, "seccomp": {{{seccomp}}}"#), "");
    let allow = r#""defaultAction": "SCMP_ACT_ALLOW""#;
    let rules =
        |rule: &str| linux(&format!(r#"{allow}, "syscalls": [{{"names": ["a"], "action": "SCMP_ACT_LOG"}}, {rule}]"#));
    let notify = r#"{"names": ["mount"], "action": "SCMP_ACT_NOTIFY"}"#;
    let many: Vec<_> = (0..1100)
        .map(|value| {
            format!(
                r#"{{"names": ["read"], "action": "SCMP_ACT_LOG", "args": [{{"index": 0, "value": {value}, "op": "SCMP_CMP_EQ"}}]}}"#
            )
        })
        .collect();
    for (text, expected) in [
        (
            linux(r#""defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/x""#),
            "config.json: linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default: nobody would be there to ask",
        ),
        (
            linux(r#""defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096"#),
            "config.json: linux.seccomp.defaultErrnoRet: an errnoRet is at most 4095",
        ),
        (
            linux(&format!(r#"{allow}, "defaultErrnoRet": 1"#)),
            "config.json: linux.seccomp.defaultErrnoRet: an errnoRet is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only",
        ),
        (
            rules(r#"{"names": ["a"], "action": "SCMP_ACT_KILL", "errnoRet": 0}"#),
            "config.json: linux.seccomp.syscalls[1]: an errnoRet is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only",
        ),
        (
            rules(r#"{"names": ["a"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096}"#),
            "config.json: linux.seccomp.syscalls[1]: an errnoRet is at most 4095",
        ),
        (
            rules(
                r#"{"names": ["a"], "action": "SCMP_ACT_LOG", "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}"#,
            ),
            "config.json: linux.seccomp.syscalls[1]: args: index: must be from 0 to 5",
        ),
        (rules(notify), "config.json: linux.seccomp.listenerPath: required for SCMP_ACT_NOTIFY"),
        (
            linux(&format!(r#"{allow}, "listenerPath": "run/x", "syscalls": [{notify}]"#)),
            "config.json: linux.seccomp.listenerPath: must be absolute",
        ),
        (
            linux(&format!(r#"{allow}, "listenerMetadata": "x""#)),
            "config.json: linux.seccomp.listenerMetadata: must not be set without listenerPath",
        ),
        (rules(&many.join(",")), "plan the container: too many instructions in linux.seccomp: 4097, at most 4096"),
    ] {
        assert_eq!(refusal(&text, None, &MACHINE), expected);
    }
}

#[test]
fn a_user_namespace_is_mapped_before_anybody_becomes_its_root() {
    each_plan(|name, plan| {
        let born = plan.inside.iter().fold(plan.clone_flags, |flags, step| match step {
            Step::MakeProcess { namespaces } => flags | namespaces,
            _ => flags,
        });
        let is_new = born & Namespace::User.flag() != 0;
        assert_eq!(matches!(plan.after.first(), Some(Step::MapIds { .. })), is_new, "{name}");
        let joins = position(plan.inside, |step| matches!(step, Step::JoinNamespace { kind: Namespace::User, .. }));
        let becomes = position(plan.inside, |step| matches!(step, Step::BecomeRoot));
        assert_eq!(becomes.is_some(), is_new || joins.is_some(), "{name}");
        assert!(
            becomes.is_none()
                || becomes
                    < position(plan.inside, |step| matches!(step, Step::Mount(_)) || is_container_place(step))
                        .or(Some(usize::MAX)),
            "{name}"
        );
        let another = |step: &Step| matches!(step, Step::JoinNamespace { kind, .. } if *kind != Namespace::User);
        assert!(joins < position(plan.inside, another).or(Some(usize::MAX)), "{name}");
    });
}

#[test]
fn every_mount_in_the_bundle_is_unmounted_and_every_other_taken_back_on_failure() {
    each_plan(|name, plan| {
        let outside: Vec<_> = plan.before.iter().chain(plan.after).collect();
        for undo in plan.undo {
            assert!(usize::from(undo.of) < outside.len(), "{name}");
        }
        assert!(plan.undo.is_sorted_by(|one, next| one.of >= next.of), "{name}");
        for (number, step) in outside.iter().enumerate() {
            let (Step::Mount(_) | Step::Bind(_)) = step else { continue };
            let Some(Place { base: Base::Machine, path }) = place(step) else { continue };
            let unmounts = |step: &Step| matches!(step, Step::Unmount { path: unmounted } if *unmounted == path);
            let undone = plan.undo.iter().any(|undo| usize::from(undo.of) == number && unmounts(&undo.step));
            assert!(undone != plan.clean.iter().any(unmounts), "{name}: {}", printed(*step));
        }
    });
}

/// Every path of a bundle's files is the image's, and may be a link to anywhere.
#[test]
fn an_images_paths_are_never_used_as_the_machines() {
    each_plan(|name, plan| {
        for step in plan.before {
            let Some(Place { base: Base::Machine, path }) = place(step) else { continue };
            assert!(!path.core().to_str().unwrap().contains("/rootfs/"), "{name}: {}", printed(step));
        }
    });
}

/// The smallest configuration, with parts added or replaced.
fn config(process: &str, linux: &str, rest: &str) -> String {
    format!(
        r#"{{"process": {{"args": ["/init"], "cwd": "/"{process}}}, "linux": {{{linux}}}, {rest}
            "root": {{"path": "rootfs"}}, "ociVersion": "1.0.2"}}"#
    )
}

const ISOLATED: &str = r#""namespaces": [{"type": "mount"}]"#;

/// Every refusal that is the planner's, with its text: field, entry, reason.
#[test]
fn what_cannot_work_is_refused_by_name() {
    let linux = |part: &str| config("", &format!("{ISOLATED}, {part}"), "");
    let mount = |part: &str| config("", ISOLATED, &format!(r#""mounts": [{{"destination": "/x", {part}}}],"#));
    let mapped = |uids: &str, gids: &str| {
        format!(
            r#""namespaces": [{{"type": "mount"}}, {{"type": "user"}}], "uidMappings": [{uids}], "gidMappings": [{gids}]"#
        )
    };
    let root = r#"{"containerID": 0, "hostID": 1000, "size": 10}"#;
    let other = r#"{"containerID": 1, "hostID": 1000, "size": 10}"#;
    let cases = [
        (r#"{"root": {"path": "x"}, "process": {"args": ["x"], "cwd": "/"}}"#.to_owned(), "ociVersion: "),
        (
            r#"{"ociVersion": "2.0.0", "root": {"path": "x"}, "process": {"args": ["x"], "cwd": "/"}}"#.to_owned(),
            "ociVersion: this version",
        ),
        (
            r#"{"ociVersion": "1.0.0", "root": {"path": "../x"}, "process": {"args": ["x"], "cwd": "/"}}"#.to_owned(),
            "root.path: must not contain `..`",
        ),
        (config(r#", "env": ["A=1", "PATH"]"#, "", ""), "process.env[1]: must be NAME=value"),
        (config(r#", "oomScoreAdj": 1001"#, "", ""), "process.oomScoreAdj: must be from -1000 to 1000"),
        (
            config(r#", "rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]"#, "", ""),
            "process.rlimits[0]: soft: must not be more than hard",
        ),
        (
            config(r#", "capabilities": {"effective": ["CAP_CHOWN"]}"#, "", ""),
            "process.capabilities.effective: must all be in permitted, too",
        ),
        (
            config(r#", "capabilities": {"inheritable": ["CAP_CHOWN"]}"#, "", ""),
            "process.capabilities.inheritable: must all be in bounding, too",
        ),
        (config("", "", r#""hostname": "x","#), "hostname: the container has no uts namespace of its own"),
        (config("", "", r#""domainname": "x","#), "domainname: the container has no uts namespace of its own"),
        (
            config("", r#""namespaces": [{"type": "pid", "path": "x"}]"#, ""),
            "linux.namespaces[0]: path: must be absolute",
        ),
        (
            config("", r#""namespaces": [{"type": "mount"}, {"type": "user"}]"#, ""),
            "linux.uidMappings: required with a user namespace",
        ),
        (config("", &mapped(root, ""), ""), "linux.gidMappings: required with a user namespace"),
        (config("", &mapped(root, other), ""), "linux.gidMappings: the container's id 0 must be mapped"),
        (
            config(r#", "user": {"uid": 10, "gid": 0}"#, &mapped(root, root), ""),
            "linux.uidMappings: an id of process.user is not mapped",
        ),
        (
            config(r#", "user": {"uid": 0, "gid": 0, "additionalGids": [11]}"#, &mapped(root, root), ""),
            "linux.gidMappings: an id of process.user is not mapped",
        ),
        (
            config("", &format!(r#""uidMappings": [{root}], "gidMappings": [{root}]"#), ""),
            "linux.namespaces: mount: needed in a container with a user namespace of its own",
        ),
        (
            config("", &format!(r#""namespaces": [{{"type": "user", "path": "/x"}}], "uidMappings": [{root}]"#), ""),
            "linux.uidMappings: a joined user namespace has its mappings already",
        ),
        (
            config("", r#""namespaces": [{"type": "user", "path": "/x"}]"#, ""),
            "linux.namespaces: mount: needed in a container with a user namespace of its own",
        ),
        (
            linux(r#""cgroupsPath": "system.slice:pidone:web""#),
            "linux.cgroupsPath: the form slice:prefix:name needs --systemd-cgroup",
        ),
        (linux(r#""cgroupsPath": "/a/../b""#), "linux.cgroupsPath: must not contain `..`"),
        (linux(r#""cgroupsPath": "//""#), "linux.cgroupsPath: must not be the root of all groups"),
        (linux(r#""rootfsPropagation": "rsharing""#), "linux.rootfsPropagation: not a kind of propagation"),
        (linux(r#""rootfsPropagation": "ro""#), "linux.rootfsPropagation: not a kind of propagation"),
        (linux(r#""maskedPaths": ["/a", "b"]"#), "linux.maskedPaths[1]: must be absolute"),
        (linux(r#""readonlyPaths": [""]"#), "linux.readonlyPaths[0]: must be absolute"),
        (
            linux(r#""sysctl": {"net.ipv4.ip_forward": "1"}"#),
            "linux.sysctl[0]: the container has no network namespace of its own",
        ),
        (linux(r#""sysctl": {"kernel.sem": "1"}"#), "linux.sysctl[0]: the container has no ipc namespace of its own"),
        (
            linux(r#""sysctl": {"kernel.domainname": "x"}"#),
            "linux.sysctl[0]: the container has no uts namespace of its own",
        ),
        (linux(r#""sysctl": {"kernel.panic": "1"}"#), "linux.sysctl[0]: belongs to no namespace"),
        (linux(r#""sysctl": {"net/../kernel/panic": "1"}"#), "linux.sysctl[0]: not a name below /proc/sys"),
        (linux(r#""sysctl": {"net..x": "1"}"#), "linux.sysctl[0]: not a name below /proc/sys"),
        (linux(r#""sysctl": {".": "1"}"#), "linux.sysctl[0]: not a name below /proc/sys"),
        (
            config("", r#""namespaces": [{"type": "uts"}], "sysctl": {"kernel.hostname": "a"}"#, r#""hostname": "b","#),
            "linux.sysctl[0]: contradicts hostname or domainname",
        ),
        (
            linux(r#""devices": [{"path": "dev/x", "type": "c", "major": 1, "minor": 3}]"#),
            "linux.devices[0]: path: required, and must be absolute",
        ),
        (
            linux(r#""devices": [{"path": "/dev/../x", "type": "c", "major": 1, "minor": 3}]"#),
            "linux.devices[0]: path: must be the path of a file, without `..`",
        ),
        (
            linux(r#""devices": [{"path": "/dev/x", "type": "c", "major": 4096, "minor": 3}]"#),
            "linux.devices[0]: major: required, from 0 to 4095",
        ),
        (
            linux(r#""devices": [{"path": "/dev/x", "type": "b", "major": 1}]"#),
            "linux.devices[0]: minor: required, from 0 to 1048575",
        ),
        (linux(r#""resources": {"memory": {"limit": -2}}"#), "linux.resources.memory.limit: must not be negative"),
        (linux(r#""resources": {"memory": {"swap": 5}}"#), "linux.resources.memory.swap: needs a memory.limit"),
        (
            linux(r#""resources": {"memory": {"swap": 5, "limit": 6}}"#),
            "linux.resources.memory.swap: must not be less than memory.limit",
        ),
        (linux(r#""resources": {"cpu": {"idle": 2}}"#), "linux.resources.cpu.idle: must be 0 or 1"),
        (
            linux(r#""resources": {"blockIO": {"weight": 9}}"#),
            "linux.resources.blockIO.weight: must be from 10 to 1000",
        ),
        (
            linux(r#""resources": {"hugepageLimits": [{"pageSize": "../x", "limit": 1}]}"#),
            "linux.resources.hugepageLimits[0]: pageSize: must be like",
        ),
        (linux(r#""resources": {"unified": {"../x": "1"}}"#), "linux.resources.unified[0]: must be a file's name"),
        (linux(r#""resources": {"unified": {"memory..x": "1"}}"#), "linux.resources.unified[0]: must be a file's name"),
        (
            linux(r#""resources": {"unified": {"cgroup.freeze": "1"}}"#),
            "linux.resources.unified[0]: of cgroup's own files",
        ),
        (
            linux(r#""resources": {"unified": {"unknown.max": "1"}}"#),
            "linux.resources.unified[0]: names no controller known",
        ),
        (
            mount(r#""type": "tmpfs", "options": ["idmap"]"#),
            "mounts[0]: options: idmap and mappings are for bind mounts",
        ),
        (
            mount(r#""source": "/x", "options": ["rbind", "ridmap"]"#),
            "mounts[0]: options: idmap needs uidMappings and gidMappings, or a new user namespace",
        ),
        (
            mount(&format!(r#""source": "/x", "options": ["bind"], "uidMappings": [{root}]"#)),
            "mounts[0]: uidMappings and gidMappings: one needs the other",
        ),
        (mount(r#""type": "ramfs", "options": ["tmpcopyup"]"#), "mounts[0]: options: tmpcopyup is for tmpfs"),
        (mount(r#""source": "/x", "options": ["bind", "tmpcopyup"]"#), "mounts[0]: options: tmpcopyup is for tmpfs"),
        (
            mount(r#""source": "/x", "options": ["bind", "copy-symlink"]"#),
            "mounts[0]: options: copy-symlink is not supported",
        ),
        (
            config(
                "",
                &format!(r#"{ISOLATED}, "mountLabel": "a\"b""#),
                r#""mounts": [{"destination": "/x", "type": "tmpfs"}],"#,
            ),
            "linux.mountLabel: must not contain a quotation mark",
        ),
        (linux(r#""netDevices": {"eth0": {}}"#), "linux.netDevices: the container has no network namespace of its own"),
        (
            config(
                "",
                r#""namespaces": [{"type": "network"}], "netDevices": {"eth0": {}, "eth1": {"name": "a/b"}}"#,
                "",
            ),
            "linux.netDevices[1]: name: must be 1 to 15 bytes without slash, colon, percent sign and space",
        ),
        (
            linux(r#""resources": {"rdma": {"a": {"hcaHandles": 1}, "b": {}}}"#),
            "linux.resources.rdma[1]: needs hcaHandles or hcaObjects",
        ),
        (
            linux(r#""resources": {"blockIO": {"weightDevice": [{"major": 8, "minor": 0}]}}"#),
            "linux.resources.blockIO.weightDevice[0]: must be from 10 to 1000",
        ),
        (
            linux(r#""resources": {"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0}]}}"#),
            "linux.resources.blockIO.throttleReadBpsDevice[0]: rate: required",
        ),
        (mount(r#""source": "/x", "options": ["rbind", "size=1"]"#), "mounts[0]: options: unknown for a bind mount"),
        (mount(r#""source": "/x", "options": ["rbind", "sync"]"#), "mounts[0]: options: unknown for a bind mount"),
        (mount(r#""options": ["rbind"]"#), "mounts[0]: source: required for a bind mount"),
        (mount(r#""options": ["ro"]"#), "mounts[0]: type: required unless it is a bind mount"),
        (
            mount(r#""type": "tmpfs", "options": ["shared", "slave"]"#),
            "mounts[0]: options: more than one kind of propagation",
        ),
        (
            config("", "", r#""mounts": [{"destination": "/./", "type": "tmpfs"}],"#),
            "mounts[0]: destination: must not be the root itself",
        ),
    ];
    let mut wrong = Vec::new();
    for (config, expected) in cases {
        let error = refusal(&config, None, &MACHINE);
        if !error.contains(expected) {
            wrong.push(format!("{config}\n{error}\nwanted: {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_runtime_json_that_cannot_work_is_refused_by_name() {
    let shared = config("", ISOLATED, "");
    let own = config("", r#""namespaces": [{"type": "mount"}, {"type": "network"}]"#, "");
    for (config, runtime, expected) in [
        (
            &shared,
            r#"{"interfaces": [{"name": "eth0"}]}"#,
            "interfaces: the container has no network namespace of its own",
        ),
        (&own, r#"{"interfaces": [{"name": "eth0"}, {"name": ".."}]}"#, "interfaces[1]: name: must be"),
        (&own, r#"{"interfaces": [{"name": "a b"}]}"#, "interfaces[0]: name: must be"),
        (&own, r#"{"interfaces": [{"name": "a", "peer": "b/c"}]}"#, "interfaces[0]: peer: must be"),
        (&own, r#"{"interfaces": [{"name": "a", "add": "veth"}]}"#, "interfaces[0]: peer: required for a veth"),
        (
            &own,
            r#"{"interfaces": [{"name": "a", "add": "dummy", "peer": "b"}]}"#,
            "interfaces[0]: peer: only a veth has one",
        ),
        (
            &own,
            r#"{"interfaces": [{"name": "a"}, {"name": "a"}]}"#,
            "interfaces[1]: name: another interface has it already",
        ),
        (&shared, r#"{"mkdir": ["/ok", "../x"]}"#, "mkdir[1]: a path must not contain `..`"),
        (&shared, r#"{"mkdir": [""]}"#, "mkdir[0]: a path is required"),
        (
            &shared,
            r#"{"mounts": [{"destination": "a/../../b", "type": "tmpfs"}]}"#,
            "mounts[0]: a path must not contain `..`",
        ),
        (&shared, r#"{"mounts": [{"destination": "/x"}]}"#, "mounts[0]: type: required"),
        (&shared, r#"{"cgroups": ["a/../b"]}"#, "cgroups[0]: must be a path"),
        (&shared, r#"{"cgroups": ["/"]}"#, "cgroups[0]: must be a path"),
        (&shared, r#"{"bindNS": {"net": "/run/../x"}}"#, "bindNS: a path must not contain `..`"),
    ] {
        let error = refusal(config, Some(runtime), &MACHINE);
        assert!(error.contains("runtime.json: ") && error.contains(expected), "{runtime}\n{error}\nwanted: {expected}");
    }
}

#[test]
fn a_limit_whose_controller_is_missing_is_refused_by_name() {
    let facts = Facts { controllers: Controllers::default(), ..MACHINE };
    for (resources, expected) in [
        (r#""memory": {"limit": 1}"#, "linux.resources.memory.limit: the kernel has no memory controller"),
        (r#""memory": {"reservation": 1}"#, "linux.resources.memory.reservation: the kernel has no memory controller"),
        (r#""cpu": {"shares": 1024}"#, "linux.resources.cpu.shares: the kernel has no cpu controller"),
        (r#""cpu": {"quota": 1000}"#, "linux.resources.cpu.quota: the kernel has no cpu controller"),
        (r#""cpu": {"cpus": "0"}"#, "linux.resources.cpu.cpus: the kernel has no cpuset controller"),
        (r#""pids": {"limit": 1}"#, "linux.resources.pids.limit: the kernel has no pids controller"),
        (r#""blockIO": {"weight": 10}"#, "linux.resources.blockIO.weight: the kernel has no io controller"),
        (r#""hugepageLimits": [{"pageSize": "2MB", "limit": 1}]"#, "the kernel has no hugetlb controller"),
        (r#""unified": {"misc.max": "x 1"}"#, "linux.resources.unified[0]: the kernel has no misc controller"),
    ] {
        let config = config("", &format!(r#""resources": {{{resources}}}"#), "");
        assert!(plan_of(&config, None, &MACHINE, &mut region()).is_ok(), "{config}");
        let error = refusal(&config, None, &facts);
        assert!(error.contains(expected), "{error}\nwanted: {expected}");
    }
}

#[test]
fn shares_and_weights_keep_their_ends() {
    let written = |resources: &str| {
        let config = config("", &format!(r#""resources": {{{resources}}}"#), "");
        let mut region = region();
        let plan = plan_of(&config, None, &MACHINE, &mut region).unwrap();
        plan.before.iter().find_map(|step| match step {
            Step::WriteCgroup { text, .. } => Some(text.core().to_str().unwrap().to_owned()),
            _ => None,
        })
    };
    assert_eq!(written(r#""cpu": {"shares": 0}"#), None);
    assert_eq!(written(r#""cpu": {"shares": 1}"#).as_deref(), Some("1"));
    assert_eq!(written(r#""cpu": {"shares": 1024}"#).as_deref(), Some("100"));
    assert_eq!(written(r#""cpu": {"shares": 262144}"#).as_deref(), Some("10000"));
    assert_eq!(written(r#""cpu": {"shares": 9999999}"#).as_deref(), Some("10000"));
    assert_eq!(written(r#""blockIO": {"weight": 10}"#).as_deref(), Some("1"));
    assert_eq!(written(r#""blockIO": {"weight": 1000}"#).as_deref(), Some("10000"));
    assert_eq!(written(r#""memory": {"limit": 5, "swap": 5}"#).as_deref(), Some("0"));
    assert_eq!(written(r#""pids": {"limit": 0}"#).as_deref(), Some("max"));
    let wanted = Resources { pids: Pids { limit: Some(0) }, ..Resources::default() };
    let mut region = region();
    let steps = crate::plan::update(&wanted, s!("/a"), &MACHINE, &mut Arena::new(&mut region)).unwrap();
    assert!(matches!(steps, [Step::WriteCgroup { text, .. }] if *text == s!("1")));
}

#[test]
fn a_volume_is_an_overlay_in_memory() {
    let mut region = region();
    let steps: Vec<_> = crate::plan::volume(s!("/containers/volumes/data"), &mut Arena::new(&mut region))
        .unwrap()
        .iter()
        .map(|step| printed(step))
        .collect();
    assert_eq!(
        steps,
        [
            "mount tmpfs on /containers/volumes/data/tmp (relatime)",
            "make directory /containers/volumes/data/tmp/upper (0755)",
            "make directory /containers/volumes/data/tmp/work (0755)",
            "mount overlay on /containers/volumes/data/merged (relatime,lowerdir=/containers/volumes/data/lower,\
             upperdir=/containers/volumes/data/tmp/upper,workdir=/containers/volumes/data/tmp/work)",
        ]
    );
    assert!(crate::plan::volume(s!("/containers/volumes/a:b"), &mut Arena::new(&mut region)).is_err());
}

/// A megabyte of one kind of entry.
fn large(entry: impl Fn(usize) -> String) -> String {
    let mut list = String::new();
    for number in 0.. {
        let entry = entry(number);
        if list.len() + entry.len() > limits::CONFIG_BYTES_MAX - 1000 {
            return list;
        }
        list += if list.is_empty() { "" } else { "," };
        list += &entry;
    }
    list
}

#[test]
fn a_megabyte_of_anything_is_planned() {
    let env = large(|number| format!(r#""VARIABLE_{number}=some value""#));
    let mounts = large(|number| {
        format!(
            r#"{{"destination": "/var/lib/kubelet/pods/{number}", "type": "bind", "source": "/var/lib/volumes/{number}",
                "options": ["rbind", "ro", "rslave"]}}"#
        )
    });
    let rules = large(|number| format!(r#"{{"allow":true,"type":"c","major":{number},"access":"r"}}"#));
    for text in [
        config(&format!(r#", "env": [{env}]"#), "", ""),
        config("", ISOLATED, &format!(r#""mounts": [{mounts}],"#)),
        config("", &format!(r#""resources": {{"devices": [{rules}]}}"#), ""),
    ] {
        let error = plan_of(&text, None, &MACHINE, &mut region()).err().map(|error| printed(&error));
        assert_eq!(error, None, "{text:.200}");
    }
}

#[test]
fn too_many_steps_are_counted() {
    let masked = vec![r#""/x""#; limits::STEPS_MAX].join(",");
    let config = config("", &format!(r#""maskedPaths": [{masked}]"#), "");
    let mut region = vec![0; 8 * limits::ARENA_BYTES];
    let mut arena = Arena::new(&mut region);
    let (spec, _) = parse_config(config.as_bytes(), &mut arena).unwrap();
    let error = plan(&spec, &Default::default(), &MACHINE, &mut arena).unwrap_err();
    assert_eq!(printed(&error), "plan the container: too many steps: 16385, at most 16384");
}

#[test]
fn a_plan_that_does_not_fit_is_an_error() {
    for case in cases().iter().filter(|case| case.name.starts_with("r")) {
        let mut whole = region();
        let mut whole = Arena::new(&mut whole);
        let (spec, _) = parse_config(case.config.as_bytes(), &mut whole).unwrap();
        let runtime = case.runtime.as_ref().map(|text| parse_runtime(text.as_bytes(), &mut whole).unwrap());
        let runtime = runtime.unwrap_or_default();
        let facts = facts(&case.facts, s!("web"), s!("/containers/services/web"));
        let fits = |size: &usize| plan(&spec, &runtime, &facts, &mut Arena::new(&mut vec![0; *size])).is_ok();
        let mut sizes = (0..64 << 10).step_by(97);
        let smallest = sizes.find(fits);
        assert!(smallest.is_some_and(|size| size > 0) && sizes.all(|size| fits(&size)), "{}", case.name);
    }
}

#[test]
fn what_cannot_be_done_for_a_process_is_refused_by_name() {
    let process = |part: &str| config(&format!(", {part}"), ISOLATED, "");
    let linux = |part: &str| config("", &format!("{ISOLATED}, {part}"), "");
    for (config, words, expected) in [
        (process(r#""scheduler": {"policy": "SCHED_RR", "priority": 100}"#), "", "process.scheduler: nice must be"),
        (process(r#""scheduler": {"policy": "SCHED_RR", "priority": -1}"#), "", "process.scheduler: nice must be"),
        (process(r#""scheduler": {"policy": "SCHED_OTHER", "nice": 20}"#), "", "process.scheduler: nice must be"),
        (process(r#""scheduler": {"policy": "SCHED_OTHER", "nice": -21}"#), "", "process.scheduler: nice must be"),
        (process(r#""scheduler": {"policy": "SCHED_IDLE", "period": 1}"#), "", "process.scheduler: runtime, deadline"),
        (
            process(r#""ioPriority": {"class": "IOPRIO_CLASS_RT", "priority": 8}"#),
            "",
            "process.ioPriority.priority: must be from 0 to 7",
        ),
        (process(r#""execCPUAffinity": {"initial": "1-0"}"#), "", "process.execCPUAffinity.initial: must be a list"),
        (process(r#""execCPUAffinity": {"final": "x"}"#), "", "process.execCPUAffinity.final: must be a list"),
        (process(r#""apparmorProfile": "x""#), "no-security-modules", "process.apparmorProfile: the kernel does not"),
        (process(r#""selinuxLabel": "x""#), "no-security-modules", "process.selinuxLabel: the kernel does not use"),
        (linux(r#""memoryPolicy": {"mode": "MPOL_BIND", "nodes": "8192"}"#), "", "linux.memoryPolicy.nodes: must be"),
        (linux(r#""timeOffsets": {"boottime": {"secs": 1}}"#), "", "linux.timeOffsets: the container has no new time"),
        (
            config(
                "",
                r#""namespaces": [{"type": "time"}], "timeOffsets": {"boottime": {"nanosecs": 1000000000}}"#,
                "",
            ),
            "",
            "linux.timeOffsets: nanosecs: must be less than",
        ),
        (config("", ISOLATED, r#""hooks": {"prestart": [{"path": "a"}]},"#), "", "hooks.prestart[0]: path: must be"),
        (
            config("", ISOLATED, r#""hooks": {"poststop": [{"path": "/a"}, {"path": "/a", "timeout": 0}]},"#),
            "",
            "hooks.poststop[1]: timeout: must be more than 0",
        ),
        (linux(r#""intelRdt": {}"#), "no-resctrl", "linux.intelRdt: no resctrl file system is mounted"),
        (linux(r#""intelRdt": {"closID": "a/b"}"#), "", "linux.intelRdt.closID: must be a name"),
        (linux(r#""intelRdt": {"closID": ".."}"#), "", "linux.intelRdt.closID: must be a name"),
        (linux(r#""intelRdt": {"closID": "a"}"#), "", "linux.intelRdt.closID: there is no such class"),
        (linux(r#""intelRdt": {"schemata": ["L3:0=1\nL3:1=1"]}"#), "", "linux.intelRdt: a schema must be one line"),
        (linux(r#""sysctl": {"user.max_mnt_namespaces": "1"}"#), "", "linux.sysctl[0]: the container has no user"),
        (
            config("", r#""namespaces": [{"type": "network", "path": "/run/netns/a"}]"#, ""),
            "namespace-is-misplaced",
            "linux.namespaces[0]: path: not a namespace of this type",
        ),
    ] {
        let error = refusal(&config, None, &facts(words, s!("web"), s!("/containers/services/web")));
        assert!(error.contains(expected), "{config}\n{error}\nwanted: {expected}");
    }
}
