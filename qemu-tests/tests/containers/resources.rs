//! Limits of control groups, and kernel parameters.

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::probe;
use serde_json::json;

use super::seen;

pub(super) fn resources(image: Image) -> Image {
    let files = LIMITS.iter().map(|(file, _)| format!("cat /sys/fs/cgroup/limits/of/one/{file} , "));
    let words = format!("{} cgroup", files.collect::<String>());
    let limited = probe("limited", &words).cgroups_path("/limits/of/one").resources(json!({
        "memory": { "limit": 64 << 20, "reservation": 16 << 20, "swap": 96 << 20 },
        "cpu": { "shares": 512, "quota": 50_000, "period": 200_000, "cpus": "0", "mems": "0" },
        "pids": { "limit": 64 },
        "hugepageLimits": [{ "pageSize": "2MB", "limit": 4 << 20 }],
        "unified": { "memory.high": "33554432", "cgroup.max.depth": "3" },
    }));
    let bomb = "for i in $(seq 30); do sleep 5 & done; echo PROBE bomb=survived";
    let bounded = Container::shell("bounded", bomb).resources(json!({ "pids": { "limit": 8 } }));
    let greedy =
        Container::shell("greedy", "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo PROBE greedy=survived")
            .resources(json!({ "memory": { "limit": 16 << 20, "swap": 16 << 20 } }));
    let sysctl =
        probe("sysctl", "sysctl net.ipv4.ip_forward , sysctl kernel.shm_rmid_forced , sysctl kernel.domainname")
            .net_new()
            .ipc_new()
            .uts_new()
            .sysctl("net.ipv4.ip_forward", "1")
            .sysctl("kernel.shm_rmid_forced", "1")
            .sysctl("kernel.domainname", "example.org");
    let machines = "sysctl net.ipv4.ip_forward , sysctl kernel.shm_rmid_forced , sysctl kernel.domainname";
    image.onboot(limited).onboot(bounded).onboot(greedy).onboot(sysctl).onboot(probe("sysctl-of-machine", machines))
}

/// Control files, and what they say of the container `limited`.
const LIMITS: [(&str, &str); 11] = [
    ("memory.max", "67108864"),
    ("memory.low", "16777216"),
    ("memory.swap.max", "33554432"),
    ("memory.high", "33554432"),
    // 10 to the power of (9² + 125 * 9) / 612 - 7 / 34, rounded up
    ("cpu.weight", "59"),
    ("cpu.max", "50000 200000"),
    ("cpuset.cpus", "0"),
    ("cpuset.mems", "0"),
    ("pids.max", "64"),
    ("hugetlb.2MB.max", "4194304"),
    ("cgroup.max.depth", "3"),
];

#[test]
fn limits_are_read_back_from_the_control_group() {
    let read = seen().all("limited", "cat");
    assert_eq!(read, LIMITS.map(|(_, value)| value), "{}", seen().about("limited"));
}

#[test]
fn limits_are_in_force() {
    assert!(seen().all("bounded", "bomb").is_empty(), "{}", seen().about("bounded"));
    assert!(seen().errors("bounded").contains("can't fork"), "{}", seen().about("bounded"));
    assert!(seen().all("greedy", "greedy").is_empty(), "{}", seen().about("greedy"));
}

#[test]
fn kernel_parameters_are_set_in_the_containers_own_namespaces_only() {
    let parameters = |name: &str| {
        ["net.ipv4.ip_forward", "kernel.shm_rmid_forced", "kernel.domainname"]
            .map(|key| seen().one(name, &format!("sysctl.{key}")))
    };
    assert_eq!(parameters("sysctl"), ["1", "1", "example.org"], "{}", seen().about("sysctl"));
    assert_eq!(parameters("sysctl-of-machine"), ["0", "0", "(none)"]);
}
