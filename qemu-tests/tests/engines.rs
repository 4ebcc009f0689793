//! Container engines, unmodified, with pidone as their runtime.
//!
//! One guest an engine: a script drives it and says what it saw, a promise looks at one thing of that. Images are made in
//! the guest; no registry is asked. `PIDONE_ENGINES_RUNTIME=crun` shows what the engine makes of another runtime.

use anyhow::Result;
use qemu_tests::debian_host::Host;
use qemu_tests::vm::Builder;

mod podman {
    use qemu_tests::debian_host::Guest;

    static GUEST: Guest = Guest::new(super::podman);

    qemu_tests::promises! { GUEST;
        the_streams_and_the_exit_code_come_back: "run" => "7: out|err|",
        a_missing_program_is_127: "missing" => "127: ...",
        a_missing_program_is_named: "missing-name" => "127: ...nosuchprogram...no such file or directory...",
        a_program_that_cannot_be_executed_is_126: "not-executable" => "126: ...ermission denied...",
        a_terminal_is_one: "terminal" => "0: /dev/pts/0|...",
        users_and_groups_are_those_asked_for: "user" => "0: uid=1000(1000) gid=1001(1001) groups=7,1001(1001)|",
        environment_directory_and_hostname_are_set: "environment" => "0: blue|/var/work|inner|",
        a_root_can_be_read_only: "read-only" => "0: touch: /x: Read-only file system|refused|",
        limits_are_in_the_control_group: "limits" => "0: 67108864|33|50000 100000|...",
        capabilities_are_those_asked_for: "capabilities" =>
            "0: CapInh:\t0000000000000000|CapPrm:\t0000000000000001|CapEff:\t0000000000000001|CapBnd:\t0000000000000001|CapAmb:\t0000000000000000|",
        the_usual_filter_is_in_force: "seccomp" => "0: Seccomp:\t2|...",
        a_privileged_container_may_mount: "privileged" => "0: Seccomp:\t0|mounted|",
        volumes_are_bound: "volume" => "0: text|touch: /data/x: Read-only file system|refused|",
        temporary_file_systems_are_mounted: "tmpfs" => "0: tmpfs /scratch tmpfs|",
        paths_are_masked: "masked" => "0: 0|touch: /proc/sys/kernel/hostname: Read-only file system|refused|",
        devices_are_made: "device" => "0: /dev/kmsg|",
        sysctls_are_set: "sysctl" => "0: 1|",
        limits_of_the_process_are_set: "ulimit" => "0: 77|88|",
        an_init_of_the_engine_can_be_put_first: "init" => "0: podman-init|",
        ids_are_mapped: "user-namespace" => "0: 0| 0 100000 5000|",
        namespaces_of_the_host_are_shared: "host" => "0: tests|",
        a_network_is_joined: "bridge" => "0: 1|1|",
        a_service_is_reached: "reach" => "0: page|",
        a_command_is_executed_inside: "exec" => "9: inside|",
        a_command_inside_has_a_terminal: "exec-terminal" => "0: /dev/pts/0|",
        a_missing_command_inside_is_127: "exec-missing" => "127: ...",
        a_command_inside_has_its_own_user: "exec-user" => "0: 5|b|/tmp|",
        a_command_inside_reads_its_input: "exec-input" => "0: given|",
        a_command_inside_can_be_left_alone: "exec-detached" => "0: .../done|",
        processes_are_listed: "top" => "0: s...|",
        usage_is_told: "stats" => "0: long|",
        a_container_is_frozen_and_goes_on: "pause" => "0: paused|running|",
        limits_are_changed: "update" => "0: 100663296|35|",
        output_is_logged: "logs" => "0: begun|",
        a_container_is_stopped_politely: "stop" => "0: exited 5|",
        the_last_line_is_logged: "logs-after" => "0: begun|bye|",
        a_stopped_container_is_started_again: "restart" => "0: running|",
        a_container_is_killed: "kill" => "0: 137|",
        a_container_is_removed: "remove" => "0: long|",
        a_pod_shares_its_network: "pod" => "0: [...]|pod|",
        a_step_of_a_build_is_run_by_buildah: "buildah" => "4: 0|...built|",
        a_step_of_a_build_has_a_terminal: "buildah-terminal" => "0: .../dev/pts/0|",
        nothing_is_left: "left" => "...: 0|0|0|0|",
        an_ordinary_user_runs_a_container: "rootless" => "3: hello|0|...",
        an_ordinary_user_executes_inside: "rootless-exec" => "9: 0|",
    }
}

mod containerd {
    use qemu_tests::debian_host::Guest;

    static GUEST: Guest = Guest::new(super::containerd);

    qemu_tests::promises! { GUEST;
        the_output_and_the_exit_code_come_back: "run" => "3: out|",
        a_missing_program_is_named: "missing" => "1: .../no/such/program...",
        a_terminal_is_one: "terminal" => "0: .../dev/pts/0|",
        limits_are_in_the_control_group: "limits" => "0: 67108864|50000 100000|",
        environment_and_directory_are_set: "environment" => "0: 0|b|/tmp|refused|",
        the_usual_filter_is_in_force: "seccomp" => "0: Seccomp:\t2|",
        a_task_is_listed: "list" => "0: long RUNNING|",
        a_command_is_executed_inside: "exec" => "4: inside|",
        processes_are_listed: "ps" => "0: 2|",
        a_task_is_frozen_and_goes_on: "pause" => "0: PAUSED|RUNNING|",
        usage_is_told: "metrics" => "0: ...",
        a_task_is_killed_and_deleted: "kill" => "0: STOPPED|...",
        nothing_is_left: "left" => "...: 0|0|0|",
    }
}

fn podman() -> Result<Builder> {
    let packages = [
        "podman",
        "conmon",
        "crun",
        "netavark",
        "aardvark-dns",
        "iptables",
        "uidmap",
        "catatonit",
        "slirp4netns",
        "fuse-overlayfs",
        "strace",
        "buildah",
        "bsdutils",
    ];
    let mut host = Host::new(&packages)?;
    host.own().file("etc/containers/containers.conf", 0o644, CONTAINERS);
    run(host, PODMAN)
}

fn containerd() -> Result<Builder> {
    let mut host = Host::new(&["containerd", "podman", "conmon", "crun", "runc", "strace", "bsdutils"])?;
    let config = "version = 2\nroot = \"/tmp/containerd\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";
    host.own().file("etc/containerd/config.toml", 0o644, config);
    run(host, CONTAINERD)
}

fn run(host: Host, script: &str) -> Result<Builder> {
    let runtime = std::env::var("PIDONE_ENGINES_RUNTIME").unwrap_or("pidone".into());
    host.with_store().machine(&format!("export runtime={runtime}\n{MAKE_ROOT}{script}"))
}

/// podman reads a runtime's log as JSON only if it knows its name.
const CONTAINERS: &str = "[containers]\nlog_driver=\"k8s-file\"\ninit_path=\"/usr/bin/catatonit\"\n\
    [engine]\ncgroup_manager=\"cgroupfs\"\nevents_logger=\"file\"\nruntime_supports_json=[\"crun\",\"pidone\"]\n\
    [engine.runtimes]\npidone=[\"/usr/bin/pidone\"]\n";

const MAKE_ROOT: &str = r#"
make_root() {
    mkdir -p $1/bin $1/tmp $1/etc $1/mnt $1/var/work
    cp /usr/bin/busybox $1/bin/
    for name in $(busybox --list | grep -v busybox); do ln -sf busybox $1/bin/$name; done
    echo text > $1/etc/data
    printf 'root:x:0:0:root:/root:/bin/sh\n' > $1/etc/passwd; printf 'root:x:0:\n' > $1/etc/group
}
"#;

const PODMAN: &str = r#"
podman info > /dev/null
make_root /tmp/root
tar -C /tmp/root -c . | podman import - localhost/busybox > /dev/null 2>&1
p() { podman --runtime ${runtime:-pidone} "$@"; }
i=localhost/busybox

check version sh -c 'pidone --version | head -1'
check run sh -c 'podman --runtime ${runtime:-pidone} run --rm --network none localhost/busybox sh -c "echo out; echo err >&2; exit 7" 2> /tmp/err; code=$?; cat /tmp/err; exit $code'
check missing p run --rm --network none $i /no/such/program
check missing-name p run --rm --network none $i nosuchprogram
check not-executable p run --rm --network none $i /etc/data
check terminal p run --rm -t --network none $i sh -c 'test -t 0 && test -t 1 && tty && stty size'
check user p run --rm --network none --user 1000:1001 --group-add 7 $i id
check environment p run --rm --network none --env COLOUR=blue --workdir /var/work --hostname inner $i sh -c 'echo $COLOUR; pwd; hostname'
check read-only p run --rm --network none --read-only $i sh -c 'exec 2>&1; touch /x || echo refused'
check limits p run --rm --network none --memory 64m --pids-limit 33 --cpus 0.5 --cpu-shares 512 $i sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max cpu.max cpu.weight'
check capabilities p run --rm --network none --cap-drop ALL --cap-add CHOWN $i grep Cap /proc/self/status
check seccomp p run --rm --network none $i sh -c 'exec 2>&1; grep Seccomp: /proc/self/status; unshare -U true || echo refused'
check privileged p run --rm --network none --privileged $i sh -c 'grep Seccomp: /proc/self/status; mount -t tmpfs x /mnt && echo mounted'
check volume p run --rm --network none -v /tmp/root/etc:/data:ro $i sh -c 'exec 2>&1; cat /data/data; touch /data/x || echo refused'
check tmpfs p run --rm --network none --tmpfs /scratch:size=1m $i sh -c 'grep " /scratch " /proc/mounts | cut -d" " -f1-3'
check masked p run --rm --network none $i sh -c 'exec 2>&1; wc -c < /proc/kcore; touch /proc/sys/kernel/hostname || echo refused'
check device p run --rm --network none --device /dev/kmsg $i ls /dev/kmsg
check sysctl p run --rm --network none --sysctl net.ipv4.ip_forward=1 $i cat /proc/sys/net/ipv4/ip_forward
check ulimit p run --rm --network none --ulimit nofile=77:88 $i sh -c 'ulimit -n; ulimit -Hn'
check init p run --rm --network none --init $i sh -c 'cat /proc/1/comm'
check user-namespace p run --rm --network none --uidmap 0:100000:5000 $i sh -c 'id -u; tr -s " " < /proc/self/uid_map'
check host p run --rm --network host --pid host --ipc host $i cat /proc/1/comm
check bridge p run --rm $i sh -c 'ip -4 address show eth0 | grep -c inet; ip route | grep -c default'
check reach sh -c 'podman --runtime ${runtime:-pidone} run -d --name web localhost/busybox sh -c "mkdir /www; echo page > /www/index.html; httpd -f -h /www" > /dev/null &&
    address=$(podman inspect -f "{{.NetworkSettings.IPAddress}}" web) && sleep 1 && wget -qO- http://$address/'

p run -d --name long --network none $i sh -c 'trap "echo bye; exit 5" TERM; echo begun; while :; do sleep 0.1; done' > /dev/null
check exec p exec long sh -c 'echo inside; exit 9'
check exec-terminal p exec -t long sh -c 'test -t 1 && tty'
check exec-missing p exec long /no/such/program
check exec-user p exec --user 5 --env A=b --workdir /tmp long sh -c 'id -u; echo $A; pwd'
check exec-input sh -c 'echo given | podman --runtime ${runtime:-pidone} exec -i long cat'
check exec-detached sh -c 'podman --runtime ${runtime:-pidone} exec -d long touch /done && sleep 1 && podman --runtime ${runtime:-pidone} exec long ls /done'
check top sh -c 'podman top long comm | tail -1'
check stats sh -c 'podman stats --no-stream --format "{{.Name}}" long'
check pause sh -c 'podman --runtime ${runtime:-pidone} pause long > /dev/null && podman inspect -f "{{.State.Status}}" long && podman --runtime ${runtime:-pidone} unpause long > /dev/null && podman inspect -f "{{.State.Status}}" long'
check update sh -c 'podman --runtime ${runtime:-pidone} update --memory 96m --cpu-shares 256 long > /dev/null && podman --runtime ${runtime:-pidone} exec long sh -c "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.weight"'
check logs p logs long
check stop sh -c 'podman --runtime ${runtime:-pidone} stop -t 20 long > /dev/null; podman inspect -f "{{.State.Status}} {{.State.ExitCode}}" long'
check logs-after p logs long
check restart sh -c 'podman --runtime ${runtime:-pidone} start long > /dev/null && podman inspect -f "{{.State.Status}}" long'
check kill sh -c 'podman --runtime ${runtime:-pidone} kill -s KILL long > /dev/null; podman wait long'
check remove p rm -f long
check pod sh -c 'podman --runtime ${runtime:-pidone} pod create --share-parent=false --name pod > /dev/null && podman --runtime ${runtime:-pidone} run -d --pod pod --name first localhost/busybox sleep 100 > /dev/null &&
    podman --runtime ${runtime:-pidone} run --rm --pod pod localhost/busybox sh -c "ls -l /proc/self/ns/net | sed s/.*net:// ; hostname" && podman --runtime ${runtime:-pidone} pod rm -t 0 -f pod > /dev/null'
cat > /usr/bin/build <<'END'
#!/bin/sh
buildah run --runtime /usr/bin/${runtime:-pidone} --network none "$@"
END
chmod 755 /usr/bin/build
export working=$(buildah from localhost/busybox)
check buildah sh -c 'build $working sh -c "echo built > /made; id -u; exit 4"; code=$?; build $working cat /made; exit $code'
check buildah-terminal script -qec 'build -t $working tty' /dev/null
buildah rm $working > /dev/null
p rm -f -a > /dev/null; sleep 1
check left sh -c 'ls /run/pidone 2>/dev/null | wc -l; mount | grep -c /tmp/store/overlay/.*/merged; find /sys/fs/cgroup -name "libpod-*" | wc -l; ps | grep -c "[c]onmon"'

mkdir -p /run/user/1000; chown 1000 /run/user/1000; chmod 755 /tmp/root; chmod 666 /dev/console
chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap
cat > /tmp/rootless <<'END'
export XDG_RUNTIME_DIR=/run/user/1000 HOME=/home/user PATH=$PATH
cd
tar -C /tmp/root -c . | podman --storage-driver vfs import - localhost/busybox > /dev/null 2>&1
podman --runtime ${runtime:-pidone} --cgroup-manager cgroupfs --storage-driver vfs "$@"
END
r() { su -s /bin/sh -c '. /tmp/rootless' -- user rootless "$@"; }
check rootless r run --rm --network none $i sh -c 'echo hello; id -u; wc -l < /proc/self/uid_map; exit 3'
r run -d --name mine --network none $i sleep 1000 > /dev/null
check rootless-exec r exec mine sh -c 'id -u; exit 9'
r rm -f mine > /dev/null
"#;

const CONTAINERD: &str = r#"
make_root /tmp/root
podman() { command podman "$@" > /dev/null 2>&1; }
tar -C /tmp/root -c . | podman import - localhost/busybox
podman save --format oci-archive -o /tmp/image.tar localhost/busybox
containerd > /tmp/containerd.log 2>&1 &
for attempt in $(seq 100); do ctr version > /dev/null 2>&1 && break; sleep 0.2; done
check import ctr images import --base-name localhost/busybox /tmp/image.tar
export image=$(ctr images list -q | head -1)
c() { command=$1; shift; ctr $command --runc-binary /usr/bin/${runtime:-pidone} "$@"; }
check run c run --rm $image one sh -c 'echo out; exit 3'
check missing c run --rm $image two /no/such/program
check terminal sh -c "script -qc 'ctr run --rm -t --runc-binary /usr/bin/${runtime:-pidone} $image three tty' /dev/null"
check limits sh -c 'ctr run -d --runc-binary /usr/bin/${runtime:-pidone} --memory-limit 67108864 --cpus 0.5 $image four sleep 100; cd /sys/fs/cgroup/default/four; cat memory.max cpu.max; ctr tasks kill -s KILL four; sleep 1; ctr containers delete four'
check environment c run --rm --env A=b --cwd /tmp --read-only $image five sh -c 'id -u; echo $A; pwd; touch /x 2> /dev/null || echo refused'
check seccomp c run --rm --seccomp $image six grep Seccomp: /proc/self/status
c run -d $image long sleep 1000
check list sh -c 'ctr tasks list | tail -1 | tr -s " " | cut -d" " -f1,3'
check exec ctr tasks exec --exec-id a long sh -c 'echo inside; exit 4'
check ps sh -c 'ctr tasks ps long | wc -l'
check pause sh -c 'ctr tasks pause long && ctr tasks list | grep -o PAUSED; ctr tasks resume long && ctr tasks list | grep -o RUNNING'
check metrics sh -c 'ctr tasks metrics long | grep -c memory'
check kill sh -c 'ctr tasks kill -s SIGTERM long; ctr tasks kill -s SIGKILL long; sleep 1; ctr tasks list | grep -o STOPPED; ctr tasks delete long; ctr containers delete long'
check left sh -c 'ls /run/containerd/runc/default 2>/dev/null | wc -l; find /sys/fs/cgroup/default -mindepth 1 -type d 2>/dev/null | wc -l; ps | grep -c "[c]ontainerd-shim"'
say log "$(grep -c level=error /tmp/containerd.log) $(grep level=error /tmp/containerd.log | head -3 | tr '\n' '|')"
"#;
