//! From `create` to `delete`.

use std::fs;

use serde_json::json;

use super::host::{await_true, host, reap};

#[test]
fn a_life_goes_step_by_step_and_what_is_out_of_place_changes_nothing() {
    let Some(host) = host("life") else { return };
    let id = &*host.id("a");
    host.bad(&["state", id], "container does not exist");
    host.bad(&["start", id], "container does not exist");
    host.bad(&["kill", id], "container does not exist");
    host.bad(&["delete", id], "container does not exist");
    host.bad(&["exec", id, "true"], "container does not exist");
    host.good(&["delete", "--force", id]);

    let pid_file = host.path("pid");
    host.good(&["create", id, "--pid-file", pid_file.to_str().unwrap()]);
    let state = host.state(id);
    assert_eq!(state["status"], "created");
    assert_eq!(state["id"], id);
    assert_eq!(state["ociVersion"], "1.3.0");
    assert_eq!(state["bundle"], host.path("bundle").to_str().unwrap());
    assert_eq!(state["annotations"]["org.example.key"], "a \"value\"");
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), state["pid"].to_string());
    let pid = state["pid"].to_string();
    let words = |pid: &str| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(!words(&pid).starts_with(b"sleep"), "the program runs already");
    host.bad(&["create", id], "already exists");
    host.bad(&["delete", id], "not stopped");
    host.bad(&["resume", id], "wrong state");
    assert_eq!(host.status(id), "created");

    host.good(&["start", id]);
    assert_eq!(host.status(id), "running");
    assert_eq!(words(&pid), b"sleep\x001000\0");
    host.bad(&["start", id], "already running");
    host.bad(&["create", id], "already exists");
    host.bad(&["delete", id], "not stopped");
    host.bad(&["kill", id, "NOTHING"], "unknown signal");
    assert_eq!(host.status(id), "running");

    host.good(&["pause", id]);
    assert_eq!(host.status(id), "paused");
    host.bad(&["pause", id], "wrong state");
    host.bad(&["exec", id, "true"], "paused");
    host.good(&["resume", id]);
    assert_eq!(host.status(id), "running");

    host.good(&["kill", id, "SIGKILL"]);
    host.await_status(id, "stopped");
    assert_eq!(host.state(id)["pid"], 0);
    host.bad(&["kill", id], "container not running");
    host.bad(&["start", id], "stopped");
    host.bad(&["pause", id], "container not running");
    host.bad(&["exec", id, "true"], "container not running");
    host.bad(&["create", id], "already exists");
    host.good(&["delete", id]);
    host.bad(&["state", id], "container does not exist");
    host.assert_clean();
}

#[test]
fn ids_are_held_to_runcs_characters() {
    let Some(host) = host("ids") else { return };
    for id in ["", ".", "..", "a/b", "a b", "ä", "a\nb", "../a"] {
        assert_eq!(host.run(&["create", id]).code, 1, "{id:?}");
    }
    host.bad(&["create", &"x".repeat(1025)], "too many bytes");
    for (number, id) in ["A.b_c+d-0", "..a", "-a"].iter().enumerate() {
        // An id that looks like an option can only be given behind `--`, which conmon does not.
        if number < 2 {
            host.good(&["create", id]);
            host.good(&["delete", "-f", id]);
        }
    }
    host.assert_clean();
}

#[test]
fn exit_codes_are_the_programs_or_say_why_there_was_none() {
    let Some(host) = host("codes") else { return };
    let id = &*host.id("a");
    for (args, code) in [
        (&["sh", "-c", "exit 7"][..], 7),
        (&["true"], 0),
        (&["sh", "-c", "kill -9 $$; kill -9 1"], 0),
        (&["nothing"], 127),
        (&["/bin/nothing"], 127),
        (&["/etc"], 126),
        (&["/bin/broken"], 126),
    ] {
        host.configure(args, |_| {});
        let done = host.run(&["run", id]);
        assert_eq!(done.code, code, "{args:?}: {}", done.err);
        host.assert_clean();
    }
    // What callers look for: conmon hands these words to podman.
    for (args, says) in [(["nothing"], "no such file or directory"), (["/etc"], "permission denied")] {
        host.configure(&args, |_| {});
        host.bad(&["create", id], says);
        host.assert_clean();
    }
    // And not for anything else.
    host.configure(&["true"], |config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.push(json!({"destination": "/x", "type": "bind", "source": "/nowhere", "options": ["bind"]}));
    });
    let done = host.run(&["create", id]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("ENOENT") && !done.err.contains("no such file"), "{}", done.err);
    host.assert_clean();

    host.configure(&["sleep", "1000"], |_| {});
    host.good(&["run", "-d", id]);
    for (program, code) in [
        (&["sh", "-c", "exit 5"][..], 5),
        (&["true"], 0),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["nothing"], 127),
        (&["/etc"], 126),
    ] {
        let words: Vec<&str> = ["exec", id].into_iter().chain(program.iter().copied()).collect();
        assert_eq!(host.run(&words).code, code, "{program:?}");
    }
    host.good(&["delete", "-f", id]);
    host.assert_clean();
}

#[test]
fn killing_reaches_everybody_even_without_a_pid_namespace() {
    let Some(host) = host("everybody") else { return };
    for ends_before in [false, true] {
        let id = host.id("everybody");
        host.configure(&["sleep", "1000"], |config| {
            config["linux"]["namespaces"].as_array_mut().unwrap().retain(|entry| entry["type"] != "pid");
        });
        host.good(&["run", "--detach", &id]);
        host.good(&["exec", "--detach", &id, "sleep", "1001"]);
        host.good(&["kill", &id, "0"]);
        let all: Vec<i32> = serde_json::from_str(&host.good(&["ps", "--format", "json", &id])).unwrap();
        let first = host.state(&id)["pid"].as_i64().unwrap() as i32;
        assert_eq!(all.len(), 2);
        if ends_before {
            // SAFETY: takes numbers.
            unsafe { libc::kill(first, libc::SIGKILL) };
            host.await_status(&id, "stopped");
            host.bad(&["kill", &id, "0"], "container not running");
        }
        host.good(&["kill", &id, "KILL"]);
        for pid in all {
            await_true("the end", || {
                reap(&pid.to_string());
                // SAFETY: takes numbers.
                unsafe { libc::kill(pid, 0) != 0 }
            });
        }
        host.good(&["delete", &id]);
    }
}

#[test]
fn a_hook_that_fails_before_the_program_leaves_a_stopped_container() {
    let Some(host) = host("hook") else { return };
    let id = &*host.id("a");
    let (hooked, gone) = (host.path("hooked"), host.path("gone"));
    host.configure(&["sleep", "1000"], |config| {
        config["hooks"] = json!({
            "startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]}],
            "poststart": [{"path": "/bin/sh", "args": ["sh", "-c", format!("touch {}", hooked.display())]}],
            "poststop": [{"path": "/bin/sh", "args": ["sh", "-c", format!("touch {}", gone.display())]}],
        });
    });
    // runtime-spec, lifecycle: an error, the container is stopped, and what follows is `delete`, with its hooks.
    host.good(&["create", id]);
    host.bad(&["start", id], "hook");
    host.await_status(id, "stopped");
    host.bad(&["start", id], "stopped");
    host.bad(&["create", id], "already exists");
    assert!(!hooked.exists() && !gone.exists());
    host.good(&["delete", id]);
    assert!(gone.exists() && !hooked.exists());
    host.assert_clean();
    // Whoever says `run` does not say `delete`.
    fs::remove_file(&gone).unwrap();
    let done = host.run(&["run", id]);
    assert!(done.code == 125 && done.err.contains("hook"), "{} {}", done.code, done.err);
    assert!(gone.exists() && !hooked.exists());
    host.assert_clean();
}

#[test]
fn states_can_have_a_tmpfs_of_their_own() {
    let Some(host) = host("tmpfs") else { return };
    let ids: Vec<String> = (0..6).map(|number| host.id(&number.to_string())).collect();
    // At the same time: there must be one in the end, with all of them.
    std::thread::scope(|scope| {
        for id in &ids {
            scope.spawn(|| host.good(&["--tmpfs-root", "create", id]));
        }
    });
    let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap();
    let root = host.path("root");
    let own: Vec<_> = mounts.lines().filter(|line| line.split(' ').nth(1) == root.to_str()).collect();
    let [own] = own[..] else { panic!("{own:?}") };
    assert!(own.contains(" tmpfs rw,nosuid,nodev,noexec") && own.contains("mode=700"), "{own}");
    for id in &ids {
        assert_eq!(host.status(id), "created");
        host.good(&["delete", "-f", id]);
    }
    host.assert_clean();
}

#[test]
fn two_hundred_containers_of_eight_callers_leave_nothing() {
    let Some(host) = host("many") else { return };
    const CALLERS: usize = 8;
    const EACH: usize = 25;
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let host = &host;
            scope.spawn(move || {
                for number in 0..EACH {
                    let id = &*host.id(&format!("{caller}-{number}"));
                    host.good(&["create", id]);
                    host.good(&["start", id]);
                    assert_eq!(host.status(id), "running");
                    host.good(&["delete", "--force", id]);
                }
            });
        }
    });
    host.assert_clean();
}
