//! What commands say: logs, states, usage.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::host::host;

#[test]
fn a_log_of_json_holds_one_error_and_nothing_else() {
    let Some(host) = host("log") else { return };
    let id = &*host.id("a");
    let log = host.path("log");
    // An unknown capability is a warning.
    host.configure(&["nothing"], |config| {
        config["process"]["capabilities"]["bounding"].as_array_mut().unwrap().push(json!("CAP_NOTHING"));
    });
    let done = host.run(&["--log", log.to_str().unwrap(), "--log-format=json", "create", id]);
    assert_eq!(done.code, 1);
    let record: Value = serde_json::from_slice(&fs::read(&log).unwrap()).unwrap();
    assert_eq!(record["level"], "error");
    assert_eq!(record["errno"], libc::ENOENT);
    assert!(record["step"].as_u64().unwrap() > 10, "{record}");
    assert!(record["msg"].as_str().unwrap().contains("no such file or directory"), "{record}");
    let time = record["time"].as_str().unwrap();
    assert!(time.len() == 20 && time.ends_with('Z') && time.contains('T'), "{time}");
    host.assert_clean();
}

#[test]
fn a_log_of_text_has_runcs_lines() {
    let Some(host) = host("text") else { return };
    let id = &*host.id("a");
    let log = host.path("log");
    let log = log.to_str().unwrap();
    host.configure(&["noth\"ing"], |_| {});
    host.bad(&["--log", log, "--log-format", "text", "create", id], "pidone: ");
    host.bad(&["--log", log, "state", id], "pidone: ");
    host.bad(&["--log-format", "xml", "state", id], "--log-format: must be text or json");
    let text = fs::read_to_string(log).unwrap();
    let [first, second] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    for line in [first, second] {
        let rest = line.strip_prefix("time=\"").expect(line);
        let (time, rest) = rest.split_at(20);
        assert!(time.ends_with('Z') && time.contains('T'), "{line}");
        let message = rest.strip_prefix("\" level=error msg=").expect(line);
        // Go quotes as JSON does, as far as we use it.
        let message: String = serde_json::from_str(message).expect(line);
        assert!(message.starts_with(&format!("{id}: ")), "{line}");
    }
    assert!(first.contains("no such file or directory"), "{first}");
    assert!(second.contains("container does not exist"), "{second}");
    host.assert_clean();
}

#[test]
fn usage_is_told_again_and_again_until_the_container_ends() {
    let Some(host) = host("events") else { return };
    let id = &*host.id("a");
    host.good(&["run", "-d", id]);
    let mut events = host.command(&["events", "--interval", "300ms", id]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(events.stdout.take().unwrap()).lines();
    let mut times = Vec::new();
    for _ in 0..3 {
        let told: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!((&told["type"], &told["id"]), (&json!("stats"), &json!(id)));
        times.push(Instant::now());
    }
    let apart = times[2] - times[1];
    assert!(apart > Duration::from_millis(200) && apart < Duration::from_secs(4), "{apart:?}");
    host.good(&["kill", id, "KILL"]);
    for line in lines {
        line.unwrap();
    }
    assert!(events.wait().unwrap().success());
    host.bad(&["events", "--interval", "often", id], "--interval");
    host.good(&["delete", id]);
    host.assert_clean();
}

#[test]
fn what_there_is_and_what_it_uses_is_told() {
    let Some(host) = host("told") else { return };
    assert_eq!(host.good(&["list", "-f", "json"]).trim(), "[]");
    let ids = [host.id("a"), host.id("b")];
    for id in &ids {
        host.good(&["create", id]);
    }
    let listed: Vec<Value> = serde_json::from_str(&host.good(&["list", "--format=json"])).unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|entry| entry["status"] == "created" && entry["owner"] == "root"));
    let quiet = host.good(&["list", "-q"]);
    let mut names: Vec<&str> = quiet.lines().collect();
    names.sort();
    assert_eq!(names, ids);
    assert_eq!(host.good(&["list"]).lines().count(), 3);
    let told: Value = serde_json::from_str(&host.good(&["events", "--stats", &ids[0]])).unwrap();
    assert_eq!(told["type"], "stats");
    assert!(told["data"]["cpu"]["usage"]["total"].as_u64().unwrap() > 0, "{told}");
    let features: Value = serde_json::from_str(&host.good(&["features"])).unwrap();
    assert!(features["mountOptions"].as_array().unwrap().contains(&json!("rro")));
    assert!(features["linux"]["capabilities"].as_array().unwrap().contains(&json!("CAP_BPF")));
    host.bad(&["update", "--memory", "much", &ids[0]], "not a number");
    // What crun has and we have not.
    host.bad(&["delete", "--regex", "a.*"], "--regex: not supported");
    host.bad(&["kill", "--regex", "a.*", "9"], "--regex: not supported");
    let mounts = host.run(&["mounts", "add", &ids[0], "file"]);
    assert!(mounts.code == 2 && mounts.err.contains("unknown command `mounts`"), "{} {}", mounts.code, mounts.err);
    host.good(&["update", &ids[0]]);
    for id in &ids {
        host.good(&["delete", "-f", id]);
    }
    host.assert_clean();
}
