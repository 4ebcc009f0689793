//! Kubernetes' way to a container: containerd's CRI plugin, asked as the kubelet asks it, with pidone below the shim; and
//! docker on the same containerd. One guest whose init is systemd: a script says what it saw, a promise looks at one thing
//! of that.
//!
//! `cri/` stands for `crictl`, which Debian does not have.

use anyhow::Result;
use qemu_tests::artifacts::cri_client;
use qemu_tests::debian_host::{Guest, Host};
use qemu_tests::promises;
use qemu_tests::vm::Builder;

static GUEST: Guest = Guest::new(machine);

promises! { GUEST;
    a_pod_has_an_address: "pidone-pod" => "0: ready 10.88.7.2|",
    a_container_is_created: "pidone-created" => "0: created 0  |",
    a_container_is_started: "pidone-running" => "0: running 0  |",
    a_container_is_in_its_pods_group: "pidone-group" => "0: /kubepods/burstable/pod1/ID|",
    a_command_is_executed_inside: "pidone-exec" => "3: uid=1000 gid=0(root) groups=0(root),2000|/tmp|pod-0|error|",
    rights_and_files_are_those_asked_for: "pidone-rights" => "0: CapEff:\t0000000000000000|NoNewPrivs:\t1|Seccomp:\t2|900|10.88.7.1 gateway|token|80|nameserver 192.0.2.2|touch: /x: Read-only file system|",
    a_container_has_its_pods_network: "pidone-network" => "0: ...inet 10.88.7.2/24...",
    a_missing_command_is_named: "pidone-missing" => "1: ...execute /no/such/program...no such file or directory...",
    limits_are_in_the_control_group: "pidone-limits" => "0: 67108864|50000 100000|59|",
    usage_is_told: "pidone-stats" => "0: true true|",
    limits_are_changed: "pidone-updated" => "0: 100663296|35|",
    a_container_is_stopped_politely: "pidone-stopped" => "0: exited 5 Error |",
    output_is_logged: "pidone-log" => "0: F begun|F bye|",
    a_container_is_removed: "pidone-remove" => "0: |",
    a_missing_program_is_named: "pidone-no-program" => "1: ...execute /no/such/program...no such file or directory...",
    a_container_without_a_program_is_one_that_could_not_start: "pidone-no-program-status" => "0: exited 128 StartError ...",
    a_pod_is_stopped: "pidone-pod-stopped" => "0: not ready |",
    a_pod_is_removed: "pidone-remove-pod" => "0: |",
    nothing_is_left_of_a_pod: "pidone-left" => "1: 0|0|0|",
    with_systemd_a_pod_has_an_address: "systemd-pod" => "0: ready 10.88.7.3|",
    with_systemd_a_container_is_created: "systemd-created" => "0: created 0  |",
    with_systemd_a_container_is_started: "systemd-running" => "0: running 0  |",
    with_systemd_a_container_is_in_its_pods_group: "systemd-group" => "0: /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod2.slice/cri-containerd-ID.scope/container|",
    with_systemd_a_command_is_executed_inside: "systemd-exec" => "3: uid=1000 gid=0(root) groups=0(root),2000|/tmp|pod-0|error|",
    with_systemd_rights_and_files_are_those_asked_for: "systemd-rights" => "0: CapEff:\t0000000000000000|NoNewPrivs:\t1|Seccomp:\t2|900|10.88.7.1 gateway|token|80|nameserver 192.0.2.2|touch: /x: Read-only file system|",
    with_systemd_a_container_has_its_pods_network: "systemd-network" => "0: ...inet 10.88.7.3/24...",
    with_systemd_a_missing_command_is_named: "systemd-missing" => "1: ...execute /no/such/program...no such file or directory...",
    with_systemd_limits_are_in_the_control_group: "systemd-limits" => "0: 67108864|50000 100000|59|",
    with_systemd_usage_is_told: "systemd-stats" => "0: true true|",
    with_systemd_limits_are_changed: "systemd-updated" => "0: 100663296|35|",
    with_systemd_a_container_is_stopped_politely: "systemd-stopped" => "0: exited 5 Error |",
    with_systemd_output_is_logged: "systemd-log" => "0: F begun|F bye|",
    with_systemd_a_container_is_removed: "systemd-remove" => "0: |",
    with_systemd_a_missing_program_is_named: "systemd-no-program" => "1: ...execute /no/such/program...no such file or directory...",
    with_systemd_a_container_without_a_program_is_one_that_could_not_start: "systemd-no-program-status" => "0: exited 128 StartError ...",
    with_systemd_a_pod_is_stopped: "systemd-pod-stopped" => "0: not ready |",
    with_systemd_a_pod_is_removed: "systemd-remove-pod" => "0: |",
    with_systemd_nothing_is_left_of_a_pod: "systemd-left" => "1: 0|0|0|",
    docker_uses_pidone_and_systemd: "docker-runtime" => "0: pidone systemd 2|",
    docker_hands_on_the_streams_and_the_exit_code: "docker-run" => "7: b|/tmp|5|",
    docker_names_a_missing_program: "docker-missing" => "127: ...no such file or directory...",
    docker_gives_a_terminal: "docker-terminal" => "0: .../dev/pts/0|",
    docker_sets_limits: "docker-limits" => "0: 67108864|33|50000 100000|",
    docker_confines_by_its_profile: "docker-rights" => "0: CapEff:\t00000000a80425fb|Seccomp:\t2|docker-default (enforce)|",
    docker_gives_a_network: "docker-network" => "0: 1|1|",
    docker_executes_inside: "docker-exec" => "9: d|0::/|",
    docker_tells_usage: "docker-stats" => "0: long ...|",
    docker_freezes_and_thaws: "docker-pause" => "0: paused|running|",
    docker_changes_limits: "docker-update" => "0: 100663296|35|",
    docker_stops_politely: "docker-stop" => "0: exited 5|begun|bye|",
    docker_kills_and_removes: "docker-restart" => "0: 137|long|",
    docker_leaves_nothing: "docker-left" => "...: 0|0|0|",
}

fn machine() -> Result<Builder> {
    let packages = [
        "containerd",
        "containernetworking-plugins",
        "apparmor",
        "bsdutils",
        "docker.io",
        "podman",
        "conmon",
        "crun",
        "runc",
        "catatonit",
        "iptables",
        "systemd",
    ];
    let mut host = Host::new(&packages)?.with_systemd().with_store();
    host.own()
        .host_file("usr/bin/cri", 0o755, cri_client()?)
        .file("etc/containerd/config.toml", 0o644, CONTAINERD)
        .file("etc/cni/net.d/10-pods.conflist", 0o644, NETWORK)
        .file("etc/docker/daemon.json", 0o644, DOCKER);
    host.machine(SCRIPT)
}

/// Two handlers, as a cluster has runtime classes: control groups by their files, and by systemd.
const CONTAINERD: &str = r#"version = 2
root = "/tmp/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:latest"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "pidone"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.pidone]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.pidone.options]
      BinaryName = "/usr/bin/pidone"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.systemd]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.systemd.options]
      BinaryName = "/usr/bin/pidone"
      SystemdCgroup = true
"#;

const NETWORK: &str = r#"{ "cniVersion": "0.4.0", "name": "pods", "plugins": [{ "type": "bridge", "bridge": "pods0",
  "isGateway": true, "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.88.7.0/24" }]],
  "routes": [{ "dst": "0.0.0.0/0" }] } }] }
"#;

const DOCKER: &str = r#"{ "data-root": "/tmp/docker", "default-runtime": "pidone",
  "runtimes": { "pidone": { "path": "/usr/bin/pidone" } } }
"#;

const SCRIPT: &str = r#"
make_root() {
    mkdir -p $1/bin $1/tmp $1/etc
    cp /usr/bin/busybox $1/bin/
    for name in $(busybox --list | grep -v busybox); do ln -sf busybox $1/bin/$name; done
    printf 'root:x:0:0:root:/root:/bin/sh\n' > $1/etc/passwd; printf 'root:x:0:\n' > $1/etc/group
}
await() { for attempt in $(seq 100); do "$@" > /dev/null 2>&1 && return; sleep 0.2; done; say never "$*"; return 1; }
make_root /tmp/root
mkdir -p /tmp/pause /run/pod/token
cp /usr/bin/catatonit /tmp/pause/pause
echo 10.88.7.1 gateway > /run/pod/etc-hosts; touch /run/pod/log; echo token > /run/pod/token/token; chmod 666 /run/pod/log
podman info > /dev/null
tar -C /tmp/root -c . | podman import - localhost/busybox > /dev/null 2>&1
tar -C /tmp/pause -c . | podman import --change 'ENTRYPOINT ["/pause", "-P"]' - localhost/pause > /dev/null 2>&1
podman save -m --format docker-archive -o /tmp/images.tar localhost/busybox localhost/pause > /dev/null 2>&1
containerd > /tmp/containerd.log 2>&1 &
await ctr version
ctr -n k8s.io images import /tmp/images.tar > /dev/null
await cri ready
check images ctr -n k8s.io images list -q
check version cri version
export image=localhost/busybox:latest

# pod HANDLER NAME CGROUP: the life of a pod.
pod() {
    handler=$1 name=$2 group=$3
    mkdir -p /var/log/pods/$name
    export pod=$(cri run-pod $handler $name $group)
    check $handler-pod cri pod-status $pod
    export one=$(cri create $pod $name $group one $image sh -c 'echo begun; trap "echo bye; exit 5" TERM; while :; do sleep 0.1; done')
    check $handler-created cri status $one
    check $handler-start cri start $one
    check $handler-running cri status $one
    check $handler-group sh -c 'cut -d: -f3 /proc/$(pidone --root /run/containerd/runc/k8s.io state $one | tr "," "\n" | grep "\"pid\"" | tr -dc 0-9)/cgroup | sed s/$one/ID/'
    check $handler-exec cri exec $one sh -c 'id; pwd; hostname; echo error >&2; exit 3'
    check $handler-rights cri exec $one sh -c 'grep -E "CapEff|NoNewPrivs|Seccomp:" /proc/self/status; cat /proc/self/oom_score_adj; touch /x; cat /etc/hosts; cat /var/run/secrets/kubernetes.io/serviceaccount/token; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; cat /etc/resolv.conf'
    check $handler-network cri exec $one ip -4 address show eth0
    check $handler-missing cri exec $one /no/such/program
    check $handler-limits cri exec $one sh -c 'cd /sys/fs/cgroup; cat memory.max cpu.max cpu.weight'
    check $handler-stats sh -c 'set -- $(cri stats $one); echo $([ $1 -gt 1000000 ] && echo true) $([ $2 -gt 4096 ] && echo true)'
    check $handler-update cri update $one 100663296 256
    check $handler-updated cri exec $one sh -c 'cd /sys/fs/cgroup; cat memory.max cpu.weight'
    # What `data/` has, with other names.
    [ $handler = systemd ] || say config-kubernetes "$(base64 -w0 /run/containerd/io.containerd.runtime.v2.task/k8s.io/$one/config.json)"
    check $handler-stop cri stop $one 20
    check $handler-stopped cri status $one
    check $handler-log sh -c 'cut -d" " -f3- /var/log/pods/$0/one.log' $name
    check $handler-remove cri remove $one
    two=$(cri create $pod $name $group two $image /no/such/program)
    check $handler-no-program cri start $two
    check $handler-no-program-status cri status $two
    check $handler-stop-pod cri stop-pod $pod
    check $handler-pod-stopped cri pod-status $pod
    check $handler-remove-pod cri remove-pod $pod
    check $handler-left sh -c 'ls /run/containerd/runc/k8s.io | wc -l; find /sys/fs/cgroup -path "*kubepods*" -name "*[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]*" | wc -l; ps | grep -c "[c]ontainerd-shim"'
}
pod pidone web /kubepods/burstable/pod1
pod systemd web-shared kubepods-burstable-pod2.slice

dockerd --containerd /run/containerd/containerd.sock > /tmp/dockerd.log 2>&1 &
await docker version || say dockerd "$(tail -3 /tmp/dockerd.log | tr '\n' '|')"
tar -C /tmp/root -c . | docker import - busybox > /dev/null
check docker-runtime sh -c 'docker info --format "{{.DefaultRuntime}} {{.CgroupDriver}} {{.CgroupVersion}}"'
check docker-run docker run --rm --network none -e A=b -w /tmp --user 5 busybox sh -c 'echo $A; pwd; id -u; exit 7'
check docker-missing docker run --rm --network none busybox /no/such/program
check docker-terminal script -qec 'docker run --rm -it --network none busybox tty' /dev/null
check docker-limits docker run --rm --network none --memory 64m --pids-limit 33 --cpus 0.5 busybox sh -c 'cd /sys/fs/cgroup; cat memory.max pids.max cpu.max'
check docker-rights docker run --rm --network none busybox sh -c 'grep -E "CapEff|Seccomp:" /proc/self/status; cat /proc/self/attr/current'
export long=$(docker run -d --name long busybox sh -c 'trap "echo bye; exit 5" TERM; echo begun; while :; do sleep 0.1; done')
check docker-network docker exec long sh -c 'ip -4 address show eth0 | grep -c inet; ip route | grep -c default'
say config-docker "$(base64 -w0 /run/containerd/io.containerd.runtime.v2.task/moby/$long/config.json)"
check docker-exec docker exec -e C=d long sh -c 'echo $C; cat /proc/self/cgroup; exit 9'
check docker-stats docker stats --no-stream --format '{{.Name}} {{.PIDs}}' long
check docker-pause sh -c 'docker pause long > /dev/null && docker inspect -f "{{.State.Status}}" long && docker unpause long > /dev/null && docker inspect -f "{{.State.Status}}" long'
check docker-update sh -c 'docker update --memory 96m --memory-swap 96m --cpu-shares 256 long > /dev/null && docker exec long sh -c "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.weight"'
check docker-stop sh -c 'docker stop -t 20 long > /dev/null; docker inspect -f "{{.State.Status}} {{.State.ExitCode}}" long; docker logs long'
check docker-restart sh -c 'docker start long > /dev/null && docker kill long > /dev/null && docker wait long; docker rm long'
check docker-left sh -c 'ls /run/docker/runtime-runc/moby /run/containerd/runc/moby 2> /dev/null | grep -cv :; find /sys/fs/cgroup -name "docker-*" | wc -l; ps | grep -c "[c]ontainerd-shim"'
say log "$(grep -E 'level=(error|warning)' /tmp/containerd.log /tmp/dockerd.log | tail -20 | tr '\n' '|')"
"#;
