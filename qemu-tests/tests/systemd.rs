//! Control groups that systemd makes: `--systemd-cgroup`, with podman's default manager and by hand, on a machine whose
//! init is systemd; by root, and by a user whose own systemd does it. One guest: a script says what it saw, a promise looks
//! at one thing of that.

use anyhow::Result;
use qemu_tests::debian_host::{Guest, Host};
use qemu_tests::promises;
use qemu_tests::vm::Builder;

static GUEST: Guest = Guest::new(machine);

promises! { GUEST;
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
    the_rest_of_a_bandwidth_is_left_as_it_is: "update-two" => "0: 20000 50000|52428800|",
    the_process_that_waited_does_not_count: "lonely" => "0: 1|1|container/|",
    a_command_is_executed_under_a_profile: "profile" => "0: pidone-test (enforce)|",
    a_slice_is_below_those_of_its_name: "slices" => "0: /a.slice/a-b.slice/p-two.scope/container|running|",
    a_failure_before_there_is_a_process_leaves_no_unit: "refused" => "1: 0|",
    nothing_is_left_of_our_own: "left-of-own" => "0: 0|0|0|",
    a_user_creates_a_container_in_a_scope_of_his_own: "user-create" => "0: /user.slice/user-1000.slice/user@1000.service/user.slice/pidone-one.scope/container|created|",
    a_users_container_is_started: "user-start" => "0: running|",
    a_user_executes_a_command_in_the_group: "user-exec" => "9: 0::/|",
    a_users_scope_is_delegated: "user-unit" => "0: active|yes|user.slice|",
    a_user_changes_limits: "user-update" => "0: 67108864|",
    a_limit_whose_controller_a_user_was_not_given_is_not_changed: "user-update-missing" =>
        "1: ...linux.resources.cpu.cpus: the user's systemd was not given the controller...Delegate=yes|",
    a_user_deletes_a_running_container: "user-delete" => "0: |",
    a_user_runs_a_container_to_its_end: "user-run" => "7: |",
    a_users_slice_is_below_those_of_its_name: "user-slices" =>
        "0: /user.slice/user-1000.slice/user@1000.service/a.slice/a-b.slice/p-two.scope/container|67108864|",
    a_limit_whose_controller_a_user_was_not_given_is_refused: "user-missing" =>
        "125: ...linux.resources.cpu.cpus: the user's systemd was not given the controller...Delegate=yes|",
    nothing_is_left_of_a_users_own: "user-left" => "0: 0|0|0|",
    a_user_without_a_systemd_is_told_how_to_have_one: "no-session" => "1: ...--systemd-cgroup: ...`loginctl enable-linger USER`...",
    podmans_default_for_a_user_is_systemd: "user-podman-manager" => "0: systemd|",
    a_users_streams_and_exit_code_come_back: "user-podman-run" => "7: out|",
    a_users_group_is_a_scope_of_his_own_systemd: "user-podman-group" => "0: /user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container|",
    a_users_limits_are_in_force: "user-podman-limits" => "0: 67108864|33|50000 100000|",
    a_users_command_is_executed_in_the_group: "user-podman-exec" => "9: 0::/|",
    a_users_usage_is_told: "user-podman-stats" => "0: long ...kB / 67.11MB|",
    a_users_limits_are_changed: "user-podman-update" => "0: 100663296|",
    a_users_container_is_frozen_and_goes_on: "user-podman-pause" => "0: paused|running|",
    a_users_container_is_stopped_politely: "user-podman-stop" => "0: exited 5|",
    a_users_stopped_container_is_started_again: "user-podman-restart" => "0: running|",
    a_users_container_is_killed: "user-podman-kill" => "0: 137|",
    nothing_is_left_of_a_users_podman: "user-podman-left" => "0: 0|0|0|",
}

fn machine() -> Result<Builder> {
    let packages = ["podman", "conmon", "crun", "iptables", "systemd", "uidmap", "dbus", "dbus-user-session"];
    let mut host = Host::new(&packages)?.with_systemd().with_store();
    host.own()
        .file("profile", 0o644, include_bytes!("data/apparmor-profile.bin"))
        .file("etc/pam.d/systemd-user", 0o644, PAM)
        .file("etc/pam.d/other", 0o644, "")
        .file("etc/containers/containers.conf", 0o644, CONTAINERS);
    host.machine(&[SCRIPT, SCRIPT_OF_USER].concat())
}

const CONTAINERS: &str = "[containers]\nlog_driver=\"k8s-file\"\n[engine]\ncgroup_manager=\"systemd\"\n\
    events_logger=\"file\"\nruntime_supports_json=[\"pidone\"]\n[engine.runtimes]\npidone=[\"/usr/bin/pidone\"]\n";

/// What Debian's scripts would have made: nothing is asked of a user whose processes are begun by systemd.
const PAM: &str = "account required pam_permit.so\nsession required pam_permit.so\nsession optional pam_systemd.so\n";

const SCRIPT: &str = r#"
echo messagebus:x:100:100::/nonexistent:/usr/sbin/nologin >> /etc/passwd; echo messagebus:x:100: >> /etc/group
systemctl start dbus.socket systemd-logind
loginctl enable-linger user
for attempt in $(seq 100); do [ -S /run/user/1000/bus ] && break; sleep 0.2; done
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
sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"sleep", "100"/' config.json
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
systemctl list-units --all --no-legend "$1" | wc -l; find /sys/fs/cgroup -name "$1" | wc -l; ls ${XDG_RUNTIME_DIR:-/run}/pidone | wc -l
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
check update-two sh -c 'pidone update --cpu-quota 20000 two && pidone update --cpu-period 50000 two && pidone update --memory 50M two
    cd /sys/fs/cgroup$(group two) && cat cpu.max memory.max'
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

const SCRIPT_OF_USER: &str = r#"
chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap
chmod 755 /tmp/bundle /tmp/bundle/rootfs; chmod 666 /dev/console
cat > /tmp/user <<'END'
export XDG_RUNTIME_DIR=/run/user/1000 HOME=/home/user PATH=$PATH
cd
END
# u COMMAND...: as the user, from a process in none of his groups.
u() { su -s /bin/sh -c '. /tmp/user; "$@"' -- user user "$@"; }
mkdir -p /home/user/bundle/; cp -r /tmp/bundle/rootfs /home/user/bundle/
chown -R 1000:1000 /home/user; u sh -c 'cd bundle && pidone spec --rootless && sh /tmp/bundle/edit'
check user-create u sh -c 'pidone --systemd-cgroup create -b bundle one < /dev/null > one.log 2>&1; cat one.log; group one; status one'
check user-start u sh -c 'pidone start one && status one'
check user-exec u pidone exec one sh -c 'cat /proc/self/cgroup; exit 9'
check user-unit u sh -c 'for name in ActiveState Delegate Slice; do systemctl --user show --value -p $name pidone-one.scope; done'
check user-update u sh -c 'pidone update --memory 67108864 one && cat /sys/fs/cgroup$(group one)/memory.max'
check user-update-missing u pidone update --cpuset-cpus 0 one
check user-delete u pidone delete --force one
(cd /home/user/bundle; sed 's/"linux": {/"linux": { "cgroupsPath": "a-b.slice:p:two", "resources": { "memory": { "limit": 67108864 } },/' config.json > two.json
    sed 's/"memory": {[^}]*} }/"cpu": { "cpus": "0" } }/' two.json > missing.json; sed 's/"sleep", "100"/"sh", "-c", "exit 7"/' config.json > exit.json)
check user-run u pidone --systemd-cgroup run --config bundle/exit.json -b bundle two
check user-slices u sh -c 'pidone --cgroup-manager systemd run -d --config bundle/two.json -b bundle two < /dev/null > two.log 2>&1; cat two.log; group two; cat /sys/fs/cgroup$(group two)/memory.max; pidone delete --force two'
check user-missing u sh -c 'pidone --systemd-cgroup run --config bundle/missing.json -b bundle two'
check user-left u left 'p*.scope'
check no-session u sh -c 'XDG_RUNTIME_DIR=/tmp pidone --systemd-cgroup run -b bundle four'
i=localhost/busybox
u sh -c "tar -C bundle/rootfs -c . | podman --storage-driver vfs import - $i" > /dev/null 2>&1
cat > /usr/bin/r <<'END'
#!/bin/sh
exec podman --storage-driver vfs --runtime pidone "$@"
END
chmod 755 /usr/bin/r
check user-podman-manager u sh -c 'r info -f "{{.Host.CgroupManager}}"'
check user-podman-run u r run --rm --network none $i sh -c 'echo out; exit 7'
id=$(u r run -d --name long --network none --memory 64m --pids-limit 33 --cpus 0.5 $i sh -c 'trap "exit 5" TERM; while :; do sleep 0.1; done')
export group=$(cut -d: -f3 /proc/$(u r inspect -f '{{.State.Pid}}' long)/cgroup)
check user-podman-group sh -c "echo $group | sed s/$id/ID/"
check user-podman-limits sh -c 'cd /sys/fs/cgroup$group && cat memory.max pids.max cpu.max'
check user-podman-exec u r exec long sh -c 'cat /proc/self/cgroup; exit 9'
check user-podman-stats u r stats --no-stream --format '{{.Name}} {{.MemUsage}}' long
check user-podman-update u sh -c 'r update --memory 96m long > /dev/null && cat /sys/fs/cgroup$group/memory.max'
check user-podman-pause u sh -c 'r pause long > /dev/null && r inspect -f "{{.State.Status}}" long && r unpause long > /dev/null && r inspect -f "{{.State.Status}}" long'
check user-podman-stop u sh -c 'r stop -t 20 long > /dev/null; r inspect -f "{{.State.Status}} {{.State.ExitCode}}" long'
check user-podman-restart u sh -c 'r start long > /dev/null && r inspect -f "{{.State.Status}}" long'
check user-podman-kill u sh -c 'r kill -s KILL long > /dev/null; r wait long'
u r rm -f -a > /dev/null
check user-podman-left u left 'libpod-*.scope'
"#;
