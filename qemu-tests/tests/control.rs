//! A running machine is looked at and told what to do, whatever its containers do meanwhile.

use anyhow::{Result, ensure};
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{self, Observation, Shared, shared};
use serde_json::{Value, json};

/// What comes before each script: `run WORDS...` runs pidone, and shows what it said and its exit code.
const RUN: &str = "run() { echo; echo \"+ $*\"; /machine/init \"$@\" 2>&1; echo \"= $?\"; }\n";

/// A container that asks the machine it runs on. `device_all` lets it execute from the machine's /dev.
fn operator(name: &str, script: &str) -> Container {
    Container::shell(name, &format!("{RUN}{script}")).pid_host().bind("/:/machine").bind("/run:/run").capability_all()
}

/// What a command said, its exit code in the last line.
fn said<'o>(seen: &'o Observation, asker: &str, command: &str) -> &'o str {
    answers(seen, asker, command).first().copied().unwrap_or_default()
}

/// What a command said that succeeded, as JSON.
fn parsed(seen: &Observation, asker: &str, command: &str) -> Result<Value> {
    let text = said(seen, asker, command).strip_suffix("= 0").unwrap_or_default();
    serde_json::from_str(text).map_err(|error| anyhow::anyhow!("{command}: {error}\n{}", seen.about(asker)))
}

/// One container of a list.
fn named<'v>(list: &'v Value, name: &str) -> &'v Value {
    list.as_array().into_iter().flatten().find(|one| one["name"] == name).unwrap_or(&Value::Null)
}

fn looked_at() -> &'static Observation {
    static SHARED: Shared = Shared::new();
    shared(&SHARED, || {
        let script = "run status; run status --json; run status web; run status web --json; run status nobody
            run timeline; run timeline --json; run wait three; run wait failed; run wait nobody; run wait; run status a b
            run status --nonsense; run status --help
            (sleep 2; kill -9 $(cat /run/web.pid)) & run wait web; sleep 1; run status web --json";
        let image = Image::new()?
            .onboot(Container::shell("first", "true"))
            .service(Container::shell("three", "exit 3"))
            .service(Container::new("failed").args(["/nowhere"]))
            .service(
                Container::shell("web", "echo $$ > /run/web.pid; x=; while true; do sleep 1; done")
                    .pid_host()
                    .bind("/run:/run")
                    .resources(json!({ "memory": { "limit": 64 << 20 } })),
            )
            .service(operator("operator", &format!("sleep 3; {script}")))
            .service(operator("guest", "sleep 3; run status web; run wait three").user(1000, 1000));
        observation::boot(image, "pidone.timing")
    })
}

#[test]
fn status_is_a_table_and_a_list() -> Result<()> {
    let seen = looked_at();
    let table = said(seen, "operator", "status");
    let row = |name: &str| table.lines().find(|line| line.split(' ').next() == Some(name)).unwrap_or_default();
    let words = |name: &str| row(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let about = || seen.about("operator");
    ensure!(words("NAME").len() == words("web").len(), "{}", about());
    ensure!(words("000-first")[1..8] == ["onboot", "ended", "-", "-", "0", "0", "-"], "{}", about());
    ensure!(words("three")[1..8] == ["service", "failed", "-", "-", "0", "3", "-"], "{}", about());
    ensure!(words("failed")[1..8] == ["service", "failed", "-", "-", "0", "-", "-"], "{}", about());
    ensure!(words("web")[1..3] == ["service", "running"] && words("web")[5..8] == ["0", "-", "-"], "{}", about());

    let list = parsed(seen, "operator", "status --json")?;
    let web = named(&list, "web");
    ensure!(web["pid"].as_u64() > Some(1) && web["state"] == "running" && web["lastCode"].is_null(), "{web}");
    ensure!((1_000_000..60_000_000).contains(&web["uptimeUs"].as_u64().unwrap_or_default()), "{web}");
    ensure!((1..64 << 20).contains(&web["memory"].as_u64().unwrap_or_default()), "{web}");
    ensure!(web["cpuUs"].as_u64() > Some(0) && web["oomKills"] == 0, "{web}");
    ensure!(named(&list, "three")["lastCode"] == 3 && named(&list, "000-first")["state"] == "ended", "{list}");
    ensure!(list.as_array().map(Vec::len) == Some(6), "{list}");
    let one = parsed(seen, "operator", "status web --json")?;
    ensure!(one.as_array().map(Vec::len) == Some(1) && one[0]["pid"] == web["pid"], "{one}");
    ensure!(said(seen, "operator", "status web").lines().count() == 3, "{}", about());
    Ok(())
}

#[test]
fn an_unprivileged_user_may_look() -> Result<()> {
    let seen = looked_at();
    ensure!(said(seen, "guest", "status web").contains("running"), "{}", seen.about("guest"));
    ensure!(said(seen, "guest", "wait three") == "= 3", "{}", seen.about("guest"));
    Ok(())
}

#[test]
fn the_timeline_is_the_log_s_and_a_list() -> Result<()> {
    let seen = looked_at();
    let text = said(seen, "operator", "timeline");
    for line in ["0.000 kernel", " pidone", " setup", " up", " onboot 000-first: executed after "] {
        ensure!(text.contains(line), "{line}\n{text}");
    }
    let logged = seen.messages("onboot 000-first").iter().filter(|line| line.starts_with("timing")).count();
    ensure!(logged == 1, "{}", seen.end.console);
    let whole = parsed(seen, "operator", "timeline --json")?;
    let phases: Vec<_> = whole["phases"].as_array().into_iter().flatten().collect();
    ensure!(phases[0]["name"] == "kernel" && phases[1]["name"] == "pidone", "{whole}");
    ensure!(phases.is_sorted_by_key(|phase| phase["us"].as_u64()) && phases.len() == 9, "{whole}");
    let first = named(&whole["containers"], "000-first");
    let times = ["forkedUs", "executedUs", "endedUs"].map(|name| first[name].as_u64());
    ensure!(times.is_sorted() && times[0] > phases[1]["us"].as_u64(), "{first}");
    Ok(())
}

#[test]
fn wait_ends_with_the_program_s_code() -> Result<()> {
    let seen = looked_at();
    let ends = |command: &str| said(seen, "operator", command).lines().last().unwrap_or_default().to_owned();
    for (command, code) in [("wait three", 3), ("wait web", 137), ("wait failed", 125), ("wait nobody", 125)] {
        ensure!(ends(command) == format!("= {code}"), "{command}\n{}", seen.about("operator"));
    }
    let after = seen.output("operator").rsplit_once("+ status web --json\n").map_or("", |(_, text)| text);
    let list: Value = serde_json::from_str(after.trim_end().strip_suffix("= 0").unwrap_or_default())?;
    ensure!(list[0]["lastSignal"] == 9 && list[0]["state"] == "failed" && list[0]["pid"].is_null(), "{list}");
    Ok(())
}

#[test]
fn what_cannot_be_answered_is_refused_in_words() -> Result<()> {
    let seen = looked_at();
    for (command, answer) in [
        ("status nobody", "pidone: nobody: there is no such container, or it is no service\n= 1"),
        ("wait nobody", "pidone: nobody: there is no such container, or it is no service\n= 125"),
        ("wait failed", "pidone: failed: it has not run\n= 125"),
        ("wait", "pidone: \"\": the name of a container is required\n= 2"),
        ("status a b", "pidone: b: one name at most\n= 2"),
        ("status --nonsense", "pidone: --nonsense: no such option\n= 2"),
    ] {
        ensure!(said(seen, "operator", command) == answer, "{command}\n{}", seen.about("operator"));
    }
    ensure!(said(seen, "operator", "status --help").contains("pidone status"), "{}", seen.about("operator"));
    Ok(())
}

fn changed() -> &'static Observation {
    static SHARED: Shared = Shared::new();
    shared(&SHARED, || {
        let script = "sleep 3; look() { run status $1 --json; }
            look web; run stop web; run stop web; look web; run start web; run start web; look web
            run restart web; look web; run stop phoenix; sleep 2; look phoenix; run start phoenix; look phoenix
            run restart broken; run stop stubborn; look stubborn; run stop nobody; run restart 000-first; run stop
            run start nobody; run start";
        let polite = "trap 'exit 0' TERM; while true; do sleep 0.1; done";
        let image = Image::new()?
            .onboot(Container::shell("first", "true"))
            .service(Container::shell("web", polite))
            .service(Container::shell("phoenix", polite).annotation("pidone.restart", "always"))
            .service(Container::new("broken").args(["/nowhere"]))
            .service(
                Container::shell("stubborn", "trap '' TERM; while true; do sleep 1; done")
                    .annotation("pidone.grace", "1s"),
            )
            .service(
                operator("guest", "sleep 2; run stop web; run start web; run restart web; run status web")
                    .user(1000, 1000),
            )
            .service(operator("operator", &format!("{script}; sleep 1; kill -USR2 1")));
        observation::boot(image, "")
    })
}

/// Each answer to a command that was given more than once, up to its exit code.
fn answers<'o>(seen: &'o Observation, asker: &str, command: &str) -> Vec<&'o str> {
    let parts = seen.output(asker).split("\n+ ").filter_map(|part| part.strip_prefix(&format!("{command}\n")));
    parts.map(whole).collect()
}

/// What was written up to an exit code, if there is one.
fn whole(part: &str) -> &str {
    let mut lines = part.split_inclusive('\n');
    let before: usize = lines.by_ref().take_while(|line| !line.starts_with("= ")).map(str::len).sum();
    let code = part[before..].lines().next().map_or(0, str::len);
    part[..before + code].trim_end()
}

/// What was found whenever it was looked at a container.
fn looks(seen: &Observation, name: &str) -> Result<Vec<Value>> {
    let all = answers(seen, "operator", &format!("status {name} --json"));
    let parse =
        |text: &str| Ok(serde_json::from_str::<Value>(text.strip_suffix("= 0").unwrap_or_default())?[0].clone());
    all.into_iter().map(parse).collect()
}

#[test]
fn services_are_stopped_started_and_restarted() -> Result<()> {
    let seen = changed();
    let about = || seen.about("operator");
    let all = |command: &str| answers(seen, "operator", command);
    ensure!(all("stop web") == ["web: stopped\n= 0"; 2] && all("start web") == ["web: running\n= 0"; 2], "{}", about());
    ensure!(all("restart web") == ["web: running\n= 0"], "{}", about());
    let web = looks(seen, "web")?;
    ensure!(web.len() == 4 && web[1]["state"] == "stopped" && web[1]["lastCode"] == 0, "{}", about());
    let pids: Vec<_> = [0, 2, 3].iter().map(|look: &usize| web[*look]["pid"].as_u64()).collect();
    ensure!(pids.is_sorted_by(|one, next| one < next) && pids[0].is_some(), "{}", about());
    ensure!((&web[2]["restarts"], &web[3]["restarts"]) == (&json!(0), &json!(1)), "{}", about());
    ensure!(all("restart broken") == ["pidone: broken: failed\n= 1"], "{}", about());
    Ok(())
}

#[test]
fn a_service_that_was_stopped_is_not_restarted_by_its_policy() -> Result<()> {
    let seen = changed();
    let phoenix = looks(seen, "phoenix")?;
    let of = |look: usize| (phoenix[look]["state"].as_str(), phoenix[look]["restarts"].as_u64());
    ensure!((of(0), of(1)) == ((Some("stopped"), Some(0)), (Some("running"), Some(0))), "{}", seen.about("operator"));
    Ok(())
}

#[test]
fn a_service_that_does_not_listen_is_killed_after_its_grace_time() -> Result<()> {
    let seen = changed();
    let stubborn = looks(seen, "stubborn")?;
    ensure!(answers(seen, "operator", "stop stubborn") == ["stubborn: stopped\n= 0"], "{}", seen.about("operator"));
    ensure!(stubborn[0]["lastSignal"] == 9, "{}", seen.about("operator"));
    Ok(())
}

#[test]
fn only_root_may_touch_and_only_services_can_be() -> Result<()> {
    let seen = changed();
    for verb in ["stop", "start", "restart"] {
        let answer = answers(seen, "guest", &format!("{verb} web"));
        ensure!(answer == ["pidone: web: only root may do that\n= 1"], "{}", seen.about("guest"));
    }
    ensure!(said(seen, "guest", "status web").contains("running"), "{}", seen.about("guest"));
    for command in ["stop nobody", "restart 000-first"] {
        let answer = said(seen, "operator", command);
        ensure!(answer.ends_with("there is no such container, or it is no service\n= 1"), "{answer}");
    }
    // That is the command of an OCI runtime.
    let answer = said(seen, "operator", "start nobody");
    ensure!(answer.contains("container does not exist") && answer.ends_with("= 1"), "{answer}");
    ensure!(said(seen, "operator", "start").ends_with("= 1"), "{}", seen.about("operator"));
    Ok(())
}

/// What its life is like with these services beside it; `look` prints what process 1 has.
fn besieged() -> &'static Observation {
    static SHARED: Shared = Shared::new();
    shared(&SHARED, || {
        let script =
            "look() { echo; echo \"+ look $1\"; grep Rss: /proc/1/smaps_rollup; echo fds $(ls /proc/1/fd | wc -l); }
            stop_answerers() {
                for id in $(pidof init); do grep -q '^PPid:.1$' /proc/$id/status && kill -STOP $id; done
            }
            storm() { for i in $(seq $1); do /machine/init status web --json > /tmp/$i 2>&1 || echo bad >> /tmp/$i & done; wait; }
            sleep 4; run status; storm 3; probe control-nonsense , control-rude 5; run status web --json; look before
            storm 100; echo; echo '+ storm'; cat /tmp/*; echo
            probe user 1000 , control-silent 40 > /dev/null & sleep 1; run status web; run status web --json
            probe control-silent 40 > /dev/null & sleep 1; stop_answerers; run status web --json
            run status hog --json; run status child --json; run status bomb --json; run stop bomb
            probe control-nonsense , control-silent 1 , control-rude 300
            run wait forker
            while /machine/init status forker | grep -q ending; do sleep 1; done; run status forker --json; look between
            storm 50; probe control-silent 5 , control-rude 100 > /dev/null; run restart bomb; run stop bomb; look after
            echo; echo '+ oom'; cat /proc/1/oom_score_adj /proc/self/oom_score_adj; sleep 1; kill -9 -1";
        let limit = |bytes: u64| json!({ "memory": { "limit": bytes } });
        let image = Image::new()?
            .service(Container::shell("web", "while true; do sleep 1; done"))
            .service(Container::new("forker").args(["/bin/probe", "orphans", "5000"]).pid_host())
            .service(Container::probe("bomb", "bomb").resources(json!({ "pids": { "limit": 50 } })))
            .service(Container::shell("hog", "exec tail /dev/zero").resources(limit(16 << 20)))
            .service(Container::shell("child", "tail /dev/zero; sleep 1000").resources(limit(16 << 20)))
            .service(operator("operator", script).tmpfs("/tmp"))
            .service(operator("guest", "sleep 8; run status web --json").user(1000, 1000));
        let machine = |vm: qemu_tests::vm::Builder| vm.memory_mib(1024).deadline(std::time::Duration::from_secs(400));
        observation::boot_vm(image, machine, qemu_tests::vm::Ending::PowerOff)
    })
}

#[test]
fn status_is_right_whatever_the_services_do() -> Result<()> {
    let seen = besieged();
    let about = || seen.about("operator");
    let one = |name: &str| looks(seen, name).map(|looks| looks.last().cloned().unwrap_or_default());
    let (hog, child, bomb, forker) = (one("hog")?, one("child")?, one("bomb")?, one("forker")?);
    ensure!(hog["lastSignal"] == 9 && hog["state"] == "failed" && hog["oomKills"] == 1, "{hog}\n{}", about());
    ensure!(child["state"] == "running" && child["oomKills"] == 1, "{child}\n{}", about());
    ensure!(bomb["state"] == "running" && bomb["oomKills"] == 0, "{bomb}\n{}", about());
    ensure!(answers(seen, "operator", "stop bomb") == ["bomb: stopped\n= 0"; 2], "{}", about());
    ensure!(forker["lastCode"] == 0 && forker["state"] == "ended", "{forker}\n{}", about());
    ensure!(seen.all("forker", "orphans.fork") == ["ok"], "{}", seen.about("forker"));
    let said = seen.messages("service hog");
    ensure!(said.iter().any(|line| line.contains("out of memory: the kernel has killed 1 of its")), "{said:?}");
    Ok(())
}

#[test]
fn a_storm_of_clients_is_answered_and_those_that_hang_hold_no_place_for_ever() -> Result<()> {
    let seen = besieged();
    let about = || seen.about("operator");
    let storm = answers(seen, "operator", "storm");
    let storm = storm.first().copied().unwrap_or_default();
    ensure!(storm.matches("\"state\":\"running\"").count() == 100 && !storm.contains("bad"), "{}", about());
    ensure!(said(seen, "operator", "status web").contains("running"), "root was kept out\n{}", about());
    let guest = parsed(seen, "guest", "status web --json")?;
    ensure!(named(&guest, "web")["state"] == "running", "{}", seen.about("guest"));
    Ok(())
}

#[test]
fn process_1_does_not_grow_over_it() -> Result<()> {
    let seen = besieged();
    let looks = ["before", "between", "after"].map(|when| said(seen, "operator", &format!("look {when}")));
    let kilobytes = |look: &str| look.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    let [before, between, after] = looks.map(kilobytes);
    // What it does for the first time it needs code for, which stays; after that nothing.
    ensure!(before.is_some() && between == after && after <= before.map(|before| before + 64), "{looks:?}");
    let descriptors = looks.map(|look| look.lines().find(|line| line.starts_with("fds ")));
    ensure!(descriptors[0].is_some() && descriptors[1..] == [descriptors[0]; 2], "{looks:?}");
    Ok(())
}

#[test]
fn nonsense_is_called_so() -> Result<()> {
    let seen = besieged();
    let answers = seen.all("operator", "control-nonsense");
    ensure!(answers.len() == 16 && answers[..8] == answers[8..], "{answers:?}");
    ensure!(answers[..6] == ["3"; 6] && answers[6..8] == ["5"; 2], "{answers:?}");
    Ok(())
}

#[test]
fn process_1_is_never_killed_for_memory_and_its_containers_are() -> Result<()> {
    let seen = besieged();
    let oom = answers(seen, "operator", "oom");
    ensure!(oom == ["-1000\n0"], "{}", seen.about("operator"));
    Ok(())
}
