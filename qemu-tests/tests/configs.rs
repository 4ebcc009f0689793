//! Configurations as other tools write them run as they are. `data/runc-spec.json` and `data/crun-spec.json` are what
//! `runc spec` (1.1.5) and `crun spec` (1.8.1) wrote; `data/docker.json` and `data/kubernetes-pod.json` what Docker (20.10) and
//! containerd's CRI plugin (1.6) wrote in the machine of `cri.rs`, with other ids, paths and programs, and without what is of
//! that machine: its profile of AppArmor, Docker's hook, systemd's form of a group. The engines themselves run in `engines.rs`
//! and `cri.rs`.

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{Observation, Shared, boot, probe, shared};
use qemu_tests::root::Root;
use serde_json::{Value, json};

/// One boot with every configuration.
fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let image = Image::new()?.onboot(preparer()).onboot(sandbox());
        let image = image.onboot(given("docker", include_bytes!("../data/docker.json")));
        let image = image.onboot(given("pod", include_bytes!("../data/kubernetes-pod.json")).root(&pause()));
        let spec = |name: &str, text: &[u8]| given(name, &without_terminal(text)).read_only().args(["sh"]);
        let image = image.onboot(spec("runc-spec", include_bytes!("../data/runc-spec.json")));
        boot(image.onboot(spec("crun-spec", include_bytes!("../data/crun-spec.json"))), "")
    })
}

fn given(name: &str, text: &[u8]) -> Container {
    Container::new(name).raw_config(text)
}

/// PID 1 gives nobody a terminal: `pidone run` does.
fn without_terminal(text: &[u8]) -> Vec<u8> {
    let mut config: Value = serde_json::from_slice(text).unwrap();
    config["process"]["terminal"] = json!(false);
    // It is to say something before its input ends.
    config["process"]["args"] = json!(["sh", "-c", "probe mounts , caps , limits , hostname , ids , cwd"]);
    serde_json::to_vec(&config).unwrap()
}

/// What Docker and the kubelet prepare: a root, and files to bind.
fn preparer() -> Container {
    let root = "/lib/docker/overlay2/0123/merged";
    let script = format!(
        "mkdir -p {root}/bin {root}/etc {root}/usr/sbin /lib/docker/containers/0123 && cp /bin/busybox /bin/probe {root}/bin && \
        printf '#!/bin/busybox sh\\nexec /bin/probe args , env , mounts , caps , hostname , cgroup\\n' > {root}/usr/sbin/nginx && \
        chmod 755 {root}/usr/sbin/nginx && cd /lib/docker/containers/0123 && touch hosts hostname && \
        echo nameserver 192.0.2.1 > resolv.conf && mkdir -p /run/pod/shm /run/pod/token && cd /run/pod && \
        echo 10.0.0.2 pod-0 > etc-hosts && echo pod-0 > hostname && echo nameserver 192.0.2.2 > resolv.conf && touch log && \
        echo token > token/token && chmod 666 log && echo PROBE prepared=yes"
    );
    // /var itself is not for programs.
    let memory = json!({ "mounts": [{ "destination": "/var/lib/docker", "type": "tmpfs", "source": "tmpfs" }] });
    Container::shell("preparer", &script).bind("/var/lib:/lib").bind("/run:/run").capability_all().runtime(memory)
}

/// The pod's own container, whose namespaces the others join.
fn sandbox() -> Container {
    let bind = json!({ "bindNS": { "net": "/run/pod/net", "ipc": "/run/pod/ipc", "uts": "/run/pod/uts" } });
    probe("sandbox", "ns").net_new().ipc_new().uts_new().hostname("pod-0").runtime(bind)
}

/// A root whose `/pause` looks around.
fn pause() -> Root {
    let mut tree = Root::probe().unwrap().tree().clone();
    let look = "#!/bin/busybox sh\nexec /bin/probe ids , caps , status Seccomp , hostname , cgroup , mounts , ns , \
        cat /etc/hosts , cat /var/run/secrets/kubernetes.io/serviceaccount/token , write /dev/termination-log done , \
        cat /sys/fs/cgroup/memory.max , cat /sys/fs/cgroup/memory.swap.max , cat /sys/fs/cgroup/cpu.max , \
        cat /sys/fs/cgroup/cpu.weight\n";
    tree.file("pause", 0o755, look);
    for file in ["etc/hosts", "etc/hostname", "etc/resolv.conf"] {
        tree.file(file, 0o644, "");
    }
    tree.directory("var/run/secrets/kubernetes.io/serviceaccount", 0o755);
    Root::new(tree)
}

#[test]
fn what_runc_and_crun_write_to_begin_with_runs() {
    for name in ["runc-spec", "crun-spec"] {
        assert!(seen().mount(name, "/").options().contains(&"ro"), "{}", seen().about(name));
        assert_eq!(seen().mount(name, "/dev/mqueue").field("type"), "mqueue");
        // CAP_AUDIT_WRITE, CAP_KILL, CAP_NET_BIND_SERVICE.
        assert_eq!(seen().one(name, "caps.effective"), "0000000020000420");
        assert_eq!(seen().one(name, "limit.nofile"), "1024:1024");
        assert_eq!(seen().one(name, "no_new_privs"), "1");
    }
    assert_eq!(seen().one("runc-spec", "hostname"), "runc");
}

#[test]
fn what_docker_writes_runs() {
    assert_eq!(seen().one("preparer", "prepared"), "yes", "{}", seen().about("preparer"));
    assert_eq!(seen().one("docker", "hostname"), "0123456789ab", "{}", seen().about("docker"));
    assert_eq!(seen().one("docker", "env.HOSTNAME"), "0123456789ab");
    assert_eq!(seen().one("docker", "caps.effective"), "00000000a80425fb");
    assert_eq!(seen().mount("docker", "/dev/shm").field("type"), "tmpfs");
}

#[test]
fn what_containerd_writes_for_a_pod_runs() {
    let name = "pod";
    assert_eq!(seen().one(name, "uid"), "1000", "{}", seen().about(name));
    assert_eq!(seen().one(name, "caps.bounding"), "0000000000000000");
    assert_eq!((seen().one(name, "no_new_privs"), seen().one(name, "status.Seccomp")), ("1".into(), "2".into()));
    assert_eq!((seen().one(name, "hostname"), seen().one(name, "cgroup")), ("pod-0".into(), "/".into()));
    assert_eq!(seen().one(name, "oom_score_adj"), "900");
    for kind in ["net", "ipc", "uts"] {
        assert_eq!(seen().one(name, &format!("ns.{kind}")), seen().one("sandbox", &format!("ns.{kind}")));
    }
    assert_eq!(seen().all(name, "cat"), ["10.0.0.2 pod-0", "token", "67108864", "0", "50000 100000", "59"]);
    assert_eq!(seen().one(name, "write"), "/dev/termination-log ok");
    assert!(seen().mount(name, "/etc/resolv.conf").options().contains(&"ro"));
}
