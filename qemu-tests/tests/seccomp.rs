//! Filters of system calls, as the kernel has them in a running container.

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{Observation, Shared, boot, probe, shared};
use qemu_tests::profile;
use serde_json::{Value, json};

const AGENT: &str = "/run/agent.sock";

fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let engine = match profile::seccomp() {
            Ok(seccomp) => Some(seccomp),
            Err(error) => {
                eprintln!("SKIPPED: the engines' profile: {error:#}");
                None
            }
        };
        let mut image = rules(Image::new()?);
        if let Some(seccomp) = engine {
            image = engines(image, &seccomp);
        }
        boot(refused(listeners(image)), "")
    })
}

fn filtered(name: &str, words: &str, seccomp: &Value) -> Container {
    let seccomp = seccomp.clone();
    probe(name, words).edit_config(move |config| config["linux"]["seccomp"] = seccomp.clone())
}

/// Allows all but what the rules are for.
fn allowing(rules: Value) -> Value {
    json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules })
}

const GETPRIORITY: u64 = libc::SYS_getpriority as u64;

fn rules(image: Image) -> Image {
    let on = |index: u32, operator: &str, value: u64, two: u64| json!({ "index": index, "op": format!("SCMP_CMP_{operator}"), "value": value, "valueTwo": two });
    let errno = |errno: u32, args: Value| json!({ "names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": args });
    let operators = allowing(json!([
        errno(101, json!([on(1, "EQ", 0x1_0000_0001, 0)])),
        errno(102, json!([on(1, "GT", 0xffff_ffff_ffff_fff0, 0)])),
        errno(103, json!([on(2, "LT", 5, 0), on(3, "GE", 7, 0)])),
        errno(104, json!([on(2, "LE", 5, 0), on(3, "MASKED_EQ", 6, 4)])),
        errno(105, json!([on(4, "NE", 0, 0)])),
    ]));
    let calls = [
        "0 0x100000001",
        "0 1",
        "0 0xfffffffffffffff1",
        "0 0 4 7",
        "0 0 5 7",
        "0 0 5 5",
        "0 0 5 2",
        "0 0 6 5 1",
        "0 0 6 5",
    ];
    let words: Vec<String> = calls.iter().map(|arguments| format!("call {GETPRIORITY} {arguments}")).collect();
    let actions = allowing(json!([
        { "names": ["getppid"], "action": "SCMP_ACT_ERRNO" },
        { "names": ["fchdir"], "action": "SCMP_ACT_KILL_PROCESS" },
        { "names": ["chroot"], "action": "SCMP_ACT_TRAP" },
        { "names": ["ustat"], "action": "SCMP_ACT_KILL" },
        { "names": ["getsid"], "action": "SCMP_ACT_LOG" },
        { "names": ["getpgid"], "action": "SCMP_ACT_TRACE", "errnoRet": 5 },
        { "names": ["no_kernel_has_this"], "action": "SCMP_ACT_KILL" },
    ]));
    let words_of_actions = format!(
        "call {} 0 , dies call {} 0 , dies call {} 0 , dies call {} 0 , call {} 0 , call {} 0 , status Seccomp , status Seccomp_filters",
        libc::SYS_getppid,
        libc::SYS_fchdir,
        libc::SYS_chroot,
        libc::SYS_ustat,
        libc::SYS_getsid,
        libc::SYS_getpgid
    );
    // getpid is 39 here, 20 on i386; x32 has the same number with bit 30.
    let foreign = "call 39 , dies call32 20 , dies call 0x40000027";
    let i386 = |seccomp: &Value| {
        let mut seccomp = seccomp.clone();
        seccomp["architectures"] = json!(["SCMP_ARCH_X86"]);
        seccomp
    };
    let getpid = allowing(json!([{ "names": ["getpid", "socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77 }]));
    // Only what a program needs from its exec on, and to say what it has to say.
    let least = json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "syscalls": [{
            "names": ["execve", "brk", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "readlink",
                "getrandom", "mprotect", "mmap", "munmap", "mremap", "poll", "rt_sigaction", "rt_sigprocmask", "sigaltstack",
                "sched_getaffinity", "gettid", "write", "exit_group", "futex", "fstat", "newfstatat", "read", "uname", "madvise"],
            "action": "SCMP_ACT_ALLOW",
        }],
    });
    image
        .onboot(filtered("operators", &words.join(" , "), &operators))
        .onboot(filtered("actions", &words_of_actions, &actions).user(1000, 1000))
        .onboot(filtered("foreign", foreign, &allowing(json!([]))))
        .onboot(filtered("i386", "call 39 , call32 20 , call32 102 1 0 , call32 102 2 0", &i386(&getpid)))
        .onboot(filtered("least", "say runs", &least).no_new_privileges())
        .onboot(
            filtered(
                "no-exec",
                "say must-not-run",
                &allowing(json!([
                    { "names": ["execve"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95 },
                    { "names": ["sendto", "write", "read", "exit_group"], "action": "SCMP_ACT_KILL_PROCESS" },
                ])),
            )
            .no_new_privileges(),
        )
        .onboot(probe("unfiltered", "status Seccomp"))
}

#[test]
fn every_operator_sees_all_64_bits_of_an_argument() {
    let answers: Vec<String> = seen().all("operators", "call");
    let answers: Vec<&str> = answers.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
    let is_errno = |index: usize, errno: u32| assert_eq!(answers[index], name(errno), "{answers:?}");
    for (index, errno) in [(0, 101), (2, 102), (3, 103), (5, 104), (7, 105)] {
        is_errno(index, errno);
    }
    for index in [1, 4, 6, 8] {
        assert!(answers[index].parse::<u32>().is_ok() || index == 4, "{answers:?}");
    }
    // 7 & 6 is not 4.
    assert!(answers[4].parse::<u32>().is_ok(), "{answers:?}");
}

fn name(errno: u32) -> String {
    match errno {
        101 => "ENETUNREACH".into(),
        _ => format!("errno-{errno}"),
    }
}

#[test]
fn every_action_is_the_kernels() {
    let result = |number: i64| {
        let lines = seen().all("actions", "call");
        let line = lines.iter().find(|line| line.starts_with(&format!("{number} "))).cloned().unwrap_or_default();
        line.rsplit(' ').next().unwrap_or_default().to_owned()
    };
    assert_eq!(result(libc::SYS_getppid), "EPERM", "{}", seen().about("actions"));
    assert_eq!(
        seen().all("actions", "died"),
        [libc::SIGSYS, libc::SIGSYS, libc::SIGSYS].map(|signal| signal.to_string())
    );
    assert!(result(libc::SYS_getsid).parse::<u32>().is_ok(), "{}", seen().about("actions"));
    // Nobody traces.
    assert_eq!(result(libc::SYS_getpgid), "ENOSYS", "{}", seen().about("actions"));
}

#[test]
fn the_filter_is_the_only_one_and_is_where_it_was_asked_for() {
    assert_eq!((status("actions", "Seccomp"), status("actions", "Seccomp_filters")), ("2".into(), "1".into()));
    assert_eq!(status("unfiltered", "Seccomp"), "0");
}

#[test]
fn calls_of_another_architecture_kill_unless_it_is_listed() {
    assert!(seen().one("foreign", "call").starts_with("39 "), "{}", seen().about("foreign"));
    assert_eq!(seen().all("foreign", "died"), ["31", "31"], "{}", seen().about("foreign"));
    assert_eq!(seen().one("i386", "call"), "39 errno-77");
    // A kernel without i386 knows no such call.
    let calls = seen().all("i386", "call32");
    assert_eq!(calls[..2], ["20 errno-77", "102 1 0 errno-77"], "{}", seen().about("i386"));
    assert_ne!(calls[2], "102 2 0 errno-77");
}

#[test]
fn without_new_privileges_a_filter_need_not_allow_what_pidone_does() {
    assert_eq!(seen().one("least", "say"), "runs", "{}", seen().about("least"));
}

#[test]
fn a_program_that_its_filter_does_not_let_start_is_reported_without_a_call() {
    assert!(!seen().spoke("no-exec"));
    let messages = seen().messages("no-exec").join("\n");
    assert!(messages.contains("execute /bin/probe"), "{messages}");
    assert!(messages.contains("EOPNOTSUPP"), "{messages}");
}

/// A line of /proc/self/status.
fn status(name: &str, field: &str) -> String {
    seen().one(name, &format!("status.{field}"))
}

/// The profile of podman and its like, in both orders of installing it.
fn engines(image: Image, seccomp: &Value) -> Image {
    // socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT) is not for those without CAP_AUDIT_WRITE.
    let words = format!(
        "status Seccomp , status NoNewPrivs , call {} 16 3 9 , call {} 16 3 0 , call {} 0x20008 , call {} 1 , call {} 0 , call {} , call 600",
        libc::SYS_socket,
        libc::SYS_socket,
        libc::SYS_personality,
        libc::SYS_personality,
        libc::SYS_bpf,
        libc::SYS_clone3
    );
    let container = |name: &str| filtered(name, &words, seccomp).capabilities(&profile::CAPABILITIES).user(1000, 1000);
    image.onboot(container("engine")).onboot(container("engine-nnp").no_new_privileges())
}

#[test]
fn the_engines_profile_is_in_force() {
    if !seen().spoke("engine") && profile::seccomp().is_err() {
        return;
    }
    for (name, privileges) in [("engine", "0"), ("engine-nnp", "1")] {
        assert_eq!((status(name, "Seccomp"), status(name, "NoNewPrivs")), ("2".into(), privileges.into()));
        let answers: Vec<String> =
            seen().all(name, "call").iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
        assert_eq!(answers[0], "EINVAL", "{}", seen().about(name));
        assert!(answers[1].parse::<u32>().is_ok() && answers[2].parse::<u32>().is_ok(), "{answers:?}");
        // Not among the allowed ones: ENOSYS, the default. Forbidden: EPERM.
        assert_eq!((&answers[3][..], &answers[4][..], &answers[6][..]), ("ENOSYS", "EPERM", "ENOSYS"), "{answers:?}");
    }
}

fn listeners(image: Image) -> Image {
    let notify = |path: &str| {
        let mut seccomp = allowing(json!([{ "names": ["getpriority", "execve"], "action": "SCMP_ACT_NOTIFY" }]));
        seccomp["listenerPath"] = json!(path);
        seccomp["listenerMetadata"] = json!("the \"meta\" data");
        seccomp["flags"] = json!(["SECCOMP_FILTER_FLAG_LOG"]);
        seccomp
    };
    let words = format!("call {GETPRIORITY} 0 , status Seccomp , fds");
    let agent = probe("agent", &format!("agent {AGENT} /machine/cgroup.procs 2"))
        .pid_host()
        .bind("/run:/run")
        .bind("/sys/fs/cgroup:/machine");
    image
        .onboot(agent)
        .onboot(filtered("asks", &words, &notify(AGENT)).annotation("org.example", "a"))
        .onboot(filtered("asks-nnp", &words, &notify(AGENT)).no_new_privileges())
        .onboot(filtered("nobody-listens", "say must-not-run", &notify("/run/nobody.sock")))
}

#[test]
fn a_listener_is_sent_the_filter_and_answers_for_it() {
    for name in ["asks", "asks-nnp"] {
        assert_eq!(
            seen().one(name, "call"),
            format!("{GETPRIORITY} 0 errno-{}", libc::EXDEV),
            "{}",
            seen().about("agent")
        );
        assert_eq!(status(name, "Seccomp"), "2");
    }
    let asked = seen().all("agent", "asked");
    let count = |number: i64| asked.iter().filter(|asked| **asked == number.to_string()).count();
    assert_eq!((count(libc::SYS_getpriority), count(libc::SYS_execve)), (2, 2), "{asked:?}");
}

#[test]
fn a_listener_is_told_the_containers_state() {
    let states = seen().all("agent", "state");
    let state: Value = serde_json::from_str(&states[0]).unwrap();
    let pid = state["pid"].as_u64().unwrap();
    assert_eq!(state["fds"], json!(["seccompFd"]));
    assert_eq!(state["metadata"], "the \"meta\" data");
    assert_eq!(state["ociVersion"], state["state"]["ociVersion"]);
    assert_eq!((state["state"]["pid"].as_u64(), &state["state"]["status"]), (Some(pid), &json!("creating")));
    assert!(state["state"]["id"].as_str().unwrap().ends_with("asks"), "{state}");
    assert!(state["state"]["bundle"].as_str().unwrap().starts_with("/containers/onboot/"), "{state}");
    assert_eq!(state["state"]["annotations"]["org.example"], "a");
    assert!(pid > 1);
}

fn refused(image: Image) -> Image {
    REFUSED.iter().fold(image, |image, (name, seccomp, _)| {
        image.onboot(filtered(name, "say must-not-run", &serde_json::from_str(seccomp).unwrap()))
    })
}

const REFUSED: [(&str, &str, &str); 6] = [
    ("refuse-default", r#"{ "syscalls": [] }"#, "linux.seccomp: missing defaultAction"),
    (
        "refuse-action",
        r#"{ "defaultAction": "SCMP_ACT_DENY" }"#,
        "linux.seccomp.defaultAction: expected one of SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS",
    ),
    (
        "refuse-operator",
        r#"{ "defaultAction": "SCMP_ACT_LOG", "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_LOG",
            "args": [{ "index": 0, "value": 1, "op": "SCMP_CMP_LIKE" }] }] }"#,
        "linux.seccomp.syscalls[0].args[0].op: expected one of SCMP_CMP_NE",
    ),
    (
        "refuse-architecture",
        r#"{ "defaultAction": "SCMP_ACT_LOG", "architectures": ["SCMP_ARCH_Z80"] }"#,
        "linux.seccomp.architectures[0]: expected one of SCMP_ARCH_X86_64",
    ),
    (
        "refuse-flag",
        r#"{ "defaultAction": "SCMP_ACT_LOG", "flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"] }"#,
        "linux.seccomp.flags[0]: expected one of SECCOMP_FILTER_FLAG_TSYNC",
    ),
    (
        "refuse-notify",
        r#"{ "defaultAction": "SCMP_ACT_LOG", "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_NOTIFY" }] }"#,
        "config.json: linux.seccomp.listenerPath: required for SCMP_ACT_NOTIFY",
    ),
];

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    for (name, _, line) in REFUSED {
        assert!(!seen().spoke(name), "{name}");
        assert!(seen().messages(name).iter().any(|message| message.contains(line)), "{}", seen().about(name));
    }
    assert!(!seen().spoke("nobody-listens"));
    let messages = seen().messages("nobody-listens").join("\n");
    assert!(messages.contains("connect to linux.seccomp.listenerPath: ENOENT"), "{messages}");
}
