//! Control groups that systemd makes: `--systemd-cgroup`, with podman's default manager and by hand, on a machine whose
//! init is systemd. One guest: a script says what it saw, a promise looks at one thing of that.

use std::sync::OnceLock;

use anyhow::Result;
use qemu_tests::debian_host::Host;
use qemu_tests::vm::{End, Ending};

/// Promises: a name, the key of what the script saw, and what that must be.
macro_rules! promises {
    ($($name:ident: $key:literal => $expected:literal,)*) => {
        $(#[test] fn $name() { expect($key, $expected); })*
    };
}

promises! {
    systemd_is_offered: "offered" => "0: +SYSTEMD|1|",
    the_streams_and_the_exit_code_come_back: "run" => "7: out|",
    a_missing_program_is_127: "missing" => "127",
    the_group_is_a_scope_in_the_slice: "group" => "0: /machine.slice/libpod-ID.scope/container|",
    the_scope_is_delegated: "unit" => "0: active|yes|machine.slice|",
    the_limits_are_in_the_scope: "limits" => "0: 67108864|33|50000 100000|59|",
    a_command_is_executed_in_the_group: "exec" => "9: 0::/|",
    devices_are_those_allowed: "devices" => "0: fine|refused|",
    limits_are_changed: "update" => "0: 100663296|35|",
    a_reload_of_systemd_leaves_the_limits: "reload-limits" => "0: 100663296|33|50000 100000|35|",
    a_reload_of_systemd_leaves_the_devices: "reload-devices" => "0: fine|refused|",
    a_container_is_frozen_and_goes_on: "pause" => "0: paused|running|",
    a_container_is_stopped_politely: "stop" => "0: exited 5|",
    a_stopped_container_is_started_again: "restart" => "0: running|",
    a_container_is_killed: "kill" => "0: 137|",
    nothing_is_left_of_podmans: "left" => "0: 0|0|0|",
    the_default_is_a_scope_of_our_own: "create" => "0: /system.slice/pidone-one.scope/container|created|",
    the_process_that_waited_does_not_count: "lonely" => "0: 1|1|container/|",
    a_command_is_executed_under_a_profile: "profile" => "0: pidone-test (enforce)|",
    a_slice_is_below_those_of_its_name: "slices" => "0: /a.slice/a-b.slice/p-two.scope/container|running|",
    a_failure_before_there_is_a_process_leaves_no_unit: "refused" => "1: 0|",
    nothing_is_left_of_our_own: "left-of-own" => "0: 0|0|0|",
}

fn expect(key: &str, expected: &str) {
    static END: OnceLock<Result<End, String>> = OnceLock::new();
    let end = END.get_or_init(|| machine().map_err(|error| format!("{error:#}"))).as_ref().unwrap();
    assert_eq!(end.probe(key).join(""), expected, "{key}\n{}", end.console);
}

fn machine() -> Result<End> {
    let mut host = Host::new(&["podman", "conmon", "crun", "iptables", "systemd"])?.with_systemd();
    host.own()
        .file("profile", 0o644, include_bytes!("data/apparmor-profile.bin"))
        .file("etc/containers/containers.conf", 0o644, CONTAINERS)
        .file("etc/containers/storage.conf", 0o644, STORAGE)
        .file("etc/containers/policy.json", 0o644, "{\"default\":[{\"type\":\"insecureAcceptAnything\"}]}\n");
    let end = host.machine(SCRIPT)?.start()?.expect(Ending::PowerOff)?;
    println!("{}", end.report);
    Ok(end)
}

const CONTAINERS: &str = "[containers]\nlog_driver=\"k8s-file\"\n[engine]\ncgroup_manager=\"systemd\"\n\
    events_logger=\"file\"\nruntime_supports_json=[\"pidone\"]\n[engine.runtimes]\npidone=[\"/usr/bin/pidone\"]\n";

const STORAGE: &str = "[storage]\ndriver=\"overlay\"\nrunroot=\"/run/containers\"\ngraphroot=\"/tmp/store\"\n";

const SCRIPT: &str = r#"
make_root() {
    mkdir -p $1/bin $1/tmp $1/etc
    cp /usr/bin/busybox $1/bin/
    for name in $(busybox --list | grep -v busybox); do ln -sf busybox $1/bin/$name; done
    printf 'root:x:0:0:root:/root:/bin/sh\n' > $1/etc/passwd; printf 'root:x:0:\n' > $1/etc/group
}
mkdir -p /tmp/bundle
make_root /tmp/bundle/rootfs
p() { podman --runtime pidone "$@"; }
cat > /tmp/bundle/edit <<'END'
sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sleep", "100"/' /tmp/bundle/config.json
END
(cd /tmp/bundle; pidone spec; sh edit)
# group ID: the control group of a container of our own.
cat > /usr/bin/group <<'END'
#!/bin/sh
cut -d: -f3 /proc/$(pidone state $1 | tr ',' '\n' | grep '"pid"' | tr -dc 0-9)/cgroup
END
cat > /usr/bin/status <<'END'
#!/bin/sh
pidone state $1 | tr ',' '\n' | grep '"status"' | cut -d'"' -f4
END
# left PATTERN: units, failed units, groups, states.
cat > /usr/bin/left <<'END'
#!/bin/sh
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    systemctl list-units --all --no-legend "$1" | grep -q . || break
    sleep 0.5
done
systemctl list-units --all --no-legend "$1" | wc -l; find /sys/fs/cgroup -name "$1" | wc -l; ls /run/pidone | wc -l
END
chmod 755 /usr/bin/group /usr/bin/status /usr/bin/left

check offered sh -c 'pidone --version | grep -o +SYSTEMD; pidone features | grep -c "\"systemd\": true"'
check create sh -c 'pidone --systemd-cgroup create -b /tmp/bundle one < /dev/null > /tmp/one 2>&1 && group one && status one'
cat /profile > /sys/kernel/security/apparmor/.load
check started sh -c 'pidone start one && status one; pidone list; systemctl status --no-pager pidone-one.scope'
check profile pidone exec --apparmor pidone-test one cat /proc/self/attr/current
check ended sh -c 'pidone kill one KILL; sleep 1; pidone delete one'
sed 's/"resources": {/"resources": { "pids": { "limit": 1 },/' /tmp/bundle/config.json > /tmp/lonely.json
check lonely sh -c 'pidone --systemd-cgroup run -d --config /tmp/lonely.json -b /tmp/bundle lonely < /dev/null > /tmp/lonely 2>&1; cat /tmp/lonely
    cd /sys/fs/cgroup$(group lonely) && cat pids.max pids.current && cd .. && ls -d */ && pidone delete --force lonely'
sed -i 's/"linux": {/"linux": { "cgroupsPath": "a-b.slice:p:two",/' /tmp/bundle/config.json
check slices sh -c 'pidone --cgroup-manager systemd run -d -b /tmp/bundle two < /dev/null > /tmp/two 2>&1 && group two && status two'
check delete-two pidone delete --force two
sed -i 's/a-b.slice:p:two/a-b.slice:p:three/; s/"resources": {/"resources": { "unified": { "memory.max": "nothing" },/' /tmp/bundle/config.json
check refused-text pidone --systemd-cgroup create -b /tmp/bundle three
check refused sh -c 'pidone --systemd-cgroup create -b /tmp/bundle three 2> /dev/null; code=$?; left "p-three.scope" > /tmp/left; head -1 /tmp/left; exit $code'
check left-of-own left "p*-[ot][nwh]*.scope"

podman info > /dev/null
tar -C /tmp/bundle/rootfs -c . | podman import - localhost/busybox > /dev/null 2>&1
i=localhost/busybox
check run p run --rm --network none $i sh -c 'echo out; exit 7'
p run --rm --network none $i /no/such/program; say missing $?
p run -d --name long --network none --memory 64m --pids-limit 33 --cpus 0.5 --cpu-shares 512 $i sh -c 'trap "exit 5" TERM; while :; do sleep 0.1; done'
id=$(podman inspect -f '{{.Id}}' long)
export group=$(cut -d: -f3 /proc/$(podman inspect -f '{{.State.Pid}}' long)/cgroup) unit=libpod-$id.scope
check group sh -c "echo $group | sed s/$id/ID/"
check unit sh -c 'for name in ActiveState Delegate Slice; do systemctl show --value -p $name $unit; done'
limits='cd /sys/fs/cgroup$group; cat memory.max pids.max cpu.max cpu.weight'
devices='podman --runtime pidone exec long sh -c "echo x > /dev/null && echo fine; rm -f /x; mknod /x c 1 11 2> /dev/null; head -c 1 /x 2> /dev/null || echo refused"'
check limits sh -c "$limits"
check exec p exec long sh -c 'cat /proc/self/cgroup; exit 9'
check devices sh -c "$devices"
check update sh -c 'podman --runtime pidone update --memory 96m --cpu-shares 256 long > /dev/null && cd /sys/fs/cgroup$group && cat memory.max cpu.weight'
systemctl daemon-reload
check reload-limits sh -c "$limits"
check reload-devices sh -c "$devices"
check pause sh -c 'podman --runtime pidone pause long > /dev/null && podman inspect -f "{{.State.Status}}" long && podman --runtime pidone unpause long > /dev/null && podman inspect -f "{{.State.Status}}" long'
check stop sh -c 'podman --runtime pidone stop -t 20 long > /dev/null; podman inspect -f "{{.State.Status}} {{.State.ExitCode}}" long'
check restart sh -c 'podman --runtime pidone start long > /dev/null && podman inspect -f "{{.State.Status}}" long'
check kill sh -c 'podman --runtime pidone kill -s KILL long > /dev/null; podman wait long'
p rm -f -a > /dev/null
check left left 'libpod-*.scope'
"#;
