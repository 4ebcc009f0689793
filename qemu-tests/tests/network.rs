//! Networks between containers, and namespaces that outlive those who made them.

use anyhow::Result;
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use serde_json::json;

fn connected(name: &str, script: &str) -> Container {
    Container::shell(name, script).net_new().capabilities(&["CAP_NET_ADMIN", "CAP_NET_RAW"]).with_report()
}

#[test]
fn two_services_reach_each_other_over_a_veth_pair() -> Result<()> {
    let left = "ip link set lo up; ip address add 10.9.0.1/24 dev eth0; ip link set eth0 up; exec probe --to /dev/ttyS1 tcp-serve 8080";
    let right = "ip address add 10.9.0.2/24 dev eth0; ip link set eth0 up; \
        probe --to /dev/ttyS1 links , ping 10.9.0.1 , tcp-get 10.9.0.1:8080; kill -USR2 1";
    let image = Image::new()?
        .onboot(Container::shell("pair", "true").net_new().runtime(json!({
            "interfaces": [{ "name": "eth0", "add": "veth", "peer": "right0" }],
            "bindNS": { "net": "/run/netns/left" },
        })))
        .service(connected("left", left).net_path("/run/netns/left"))
        .service(
            connected("right", &right.replace("eth0", "right0"))
                .pid_host()
                .capabilities(&["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_KILL"])
                .runtime(json!({ "interfaces": [{ "name": "right0" }] })),
        );
    let end = image.run("")?;
    assert_eq!(end.probe("ping"), ["10.9.0.1 ok"], "{}\n{}", end.report, end.console);
    assert!(end.probe("tcp-get")[0].starts_with("hello 10.9.0.2 from"), "{}", end.report);
    assert!(end.probe("link").iter().any(|link| link.starts_with("right0 ")), "{}", end.report);
    Ok(())
}

#[test]
fn interfaces_of_a_kind_are_made_inside_and_existing_ones_are_moved() -> Result<()> {
    let image = Image::new()?
        .onboot(Container::probe("maker", "links , say made").net_new().runtime(json!({
            "interfaces": [
                { "name": "inner", "add": "dummy" },
                { "name": "moved", "add": "dummy", "createInRoot": true },
                { "name": "end", "peer": "other" },
            ],
        })))
        .onboot(Container::probe("host", "links , say host"))
        .onboot(
            Container::probe("taker", "links , say taken")
                .net_new()
                .runtime(json!({ "interfaces": [{ "name": "other" }] })),
        );
    let end = image.run("")?;
    let mut seen = vec![Vec::new()];
    for line in end.report.lines() {
        if line.starts_with("PROBE say=") {
            seen.push(Vec::new());
        } else if let (Some(link), Some(last)) = (line.strip_prefix("PROBE link="), seen.last_mut()) {
            last.push(link.split(' ').next().unwrap_or_default().to_owned());
        }
    }
    for name in ["lo", "inner", "moved", "end"] {
        assert!(seen[0].iter().any(|link| link == name), "{name}: {seen:?}");
    }
    // The pair's other end goes with its peer's namespace when that ends.
    assert!(!seen[1].iter().any(|link| link == "inner" || link == "moved" || link == "end"), "{seen:?}");
    Ok(())
}

#[test]
fn a_missing_interface_is_an_error_of_that_container() -> Result<()> {
    let container =
        Container::probe("x", "say must-not-run").net_new().runtime(json!({ "interfaces": [{ "name": "absent0" }] }));
    let end = Image::new()?.onboot(container).onboot(Container::probe("y", "say y")).run("")?;
    assert_eq!(end.probe("say"), ["y"]);
    let said = end.console.lines().any(|line| line.contains("pidone: ") && line.contains("absent0"));
    assert!(said, "{}", end.console);
    Ok(())
}
