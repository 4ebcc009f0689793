//! Networks between containers: pairs, links that are made and links that are moved.

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{Observation, Shared, boot_vm, probe, shared};
use qemu_tests::vm::Ending;
use serde_json::{Value, json};

/// One boot with a container for every question, and a network card.
fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let parts = [loopback, made, moved, pair];
        let image = parts.into_iter().fold(Image::new()?, |image, part| part(image));
        let card = ["-nic", "user,model=virtio-net-pci,mac=52:54:00:12:34:56"];
        boot_vm(image, |vm| vm.arguments(card), Ending::PowerOff)
    })
}

/// The names of the links that a container saw.
fn links(name: &str) -> Vec<String> {
    let lines = seen().all(name, "link");
    assert!(!lines.is_empty(), "{}", seen().about(name));
    lines.iter().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn has(name: &str, link: &str) -> bool {
    links(name).iter().any(|other| other == link)
}

fn with(name: &str, interfaces: Value) -> Container {
    probe(name, "links").net_new().runtime(json!({ "interfaces": interfaces }))
}

fn loopback(image: Image) -> Image {
    let talk = "probe tcp-serve 80 & server=$!; probe ping 127.0.0.1 & ping=$!; probe tcp-get 127.0.0.1:80 & old=$!; \
        probe tcp-get [::1]:80 & wait $! $old $ping; probe links; kill $server";
    image
        .onboot(Container::shell("loopback", talk).net_new().capabilities(&["CAP_NET_RAW", "CAP_NET_BIND_SERVICE"]))
        .onboot(probe("machine-loopback", "links"))
}

#[test]
fn the_loopback_of_a_new_network_namespace_is_up_with_both_addresses() {
    for name in ["loopback", "machine-loopback"] {
        assert!(seen().all(name, "link").iter().any(|link| link.starts_with("lo up=1")), "{}", seen().about(name));
        let addresses = seen().all(name, "address");
        for address in ["lo 127.0.0.1/8", "lo ::1/128"] {
            assert!(addresses.contains(&address.to_owned()), "{name}: {addresses:?}");
        }
    }
    assert_eq!(links("loopback"), ["lo"]);
    assert_eq!(seen().one("loopback", "ping"), "127.0.0.1 ok");
    let answers = seen().all("loopback", "tcp-get");
    for peer in ["127.0.0.1", "::1"] {
        assert!(answers.iter().any(|answer| answer.starts_with(&format!("hello {peer} from "))), "{answers:?}");
    }
}

fn made(image: Image) -> Image {
    let inside = json!([
        { "name": "dummy7", "add": "dummy" },
        { "name": "bridge7", "add": "bridge" },
        { "name": "outside7", "add": "dummy", "createInRoot": true },
        { "name": "wg7", "add": "wireguard", "createInRoot": true },
        { "name": "eth0", "add": "veth", "peer": "peer7" },
        { "name": "eth1", "peer": "peer8", "createInRoot": true },
    ]);
    let kinds = "cd /sys/class/net; for link in *; do echo PROBE link=$link $(cat $link/flags) $(grep DEVTYPE $link/uevent); done";
    image
        .onboot(
            Container::shell("made", kinds)
                .net_new()
                .runtime(json!({ "interfaces": inside, "bindNS": { "net": "/run/made" } })),
        )
        .onboot(probe("beside-made", "links"))
        .onboot(with("parentless", json!([{ "name": "macvlan7", "add": "macvlan" }])))
        .onboot(
            Container::shell("children", "ip link add link eth0 name macvlan7 type macvlan && probe links")
                .capabilities(&["CAP_NET_ADMIN", "CAP_NET_RAW"])
                .net_path("/run/made"),
        )
        .onboot(Container::shell("unbinds", "umount /run/made").capability_all().bind("/run:/run").edit_config(
            |config| {
                config["linux"]["namespaces"] = json!([]);
            },
        ))
}

#[test]
fn links_are_made_in_the_container() {
    for link in ["lo", "dummy7", "bridge7", "outside7", "wg7", "eth0", "eth1"] {
        assert!(has("made", link), "{link}: {}", seen().about("made"));
    }
    assert_eq!(links("made").len(), 7);
    // BROADCAST and NOARP are a dummy's.
    for link in ["dummy7 0x82", "outside7 0x82", "bridge7 0x1002 DEVTYPE=bridge", "wg7 0x90 DEVTYPE=wireguard"] {
        assert!(seen().all("made", "link").iter().any(|line| line.trim() == link), "{link}: {}", seen().about("made"));
    }
}

#[test]
fn of_what_is_made_only_peers_are_outside() {
    let outside = links("beside-made");
    assert!(outside.contains(&"peer7".into()) && outside.contains(&"peer8".into()), "{outside:?}");
    let inside = |link: &&String| ["dummy7", "bridge7", "outside7", "wg7", "eth1"].contains(&link.as_str());
    assert_eq!(outside.iter().filter(inside).count(), 0, "{outside:?}");
}

#[test]
fn a_kind_that_needs_a_parent_is_refused_by_the_kernel_and_named() {
    let messages = seen().messages("-parentless:");
    assert!(
        messages.iter().any(|message| message.contains("give interface macvlan7: new macvlan: EINVAL (")),
        "{messages:#?}"
    );
    assert!(has("children", "macvlan7"), "{}", seen().about("children"));
}

fn moved(image: Image) -> Image {
    let make = "ip link add moved7 type dummy && ip link set moved7 address 02:00:00:00:00:07 && probe links";
    image
        .onboot(Container::shell("maker", make).capabilities(&["CAP_NET_ADMIN", "CAP_NET_RAW"]))
        .onboot(with("taker", json!([{ "name": "moved7" }])))
        .onboot(probe("beside-taker", "links"))
        .onboot(with("card", json!([{ "name": "eth0" }])))
        .onboot(with("card-again", json!([{ "name": "eth0" }])))
        .onboot(with("fails", json!([{ "name": "eth0" }, { "name": "half7", "add": "dummy" }, { "name": "absent7" }])))
        .onboot(probe("after-moves", "links"))
}

#[test]
fn an_existing_link_is_moved_into_the_container() {
    assert!(has("maker", "moved7"), "{}", seen().about("maker"));
    let moved = seen().all("taker", "link");
    assert!(
        moved.iter().any(|link| link.starts_with("moved7 ") && link.ends_with("mac=02:00:00:00:00:07")),
        "{moved:?}"
    );
    assert!(!has("beside-taker", "moved7"));
}

#[test]
fn a_network_card_comes_back_when_its_container_has_ended_or_failed() {
    for name in ["card", "card-again", "after-moves"] {
        let cards = seen().all(name, "link");
        let is_card = |link: &String| link.starts_with("eth0 ") && link.ends_with("mac=52:54:00:12:34:56");
        assert!(cards.iter().any(is_card), "{}", seen().about(name));
    }
    assert!(!has("after-moves", "half7"));
}

/// Two services, each in its own network namespace. The one behind the pair's peer ends the machine when it has seen all.
fn pair(image: Image) -> Image {
    let keeper = with("pair-keeper", json!([{ "name": "eth0", "add": "veth", "peer": "right7" }]))
        .runtime(json!({ "bindNS": { "net": "/run/netns/left" } }));
    let left = "ip address add 10.9.0.1/24 dev eth0; ip link set eth0 up; probe links; exec probe tcp-serve 80";
    let right = "ip address add 10.9.0.2/24 dev right7; ip link set right7 up; \
        probe links , ping 10.9.0.1 , tcp-get 10.9.0.1:80; kill -USR2 1";
    let capabilities = ["CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_NET_BIND_SERVICE", "CAP_KILL"];
    image
        .onboot(keeper)
        .service(Container::shell("left", left).net_path("/run/netns/left").capabilities(&capabilities))
        .service(
            Container::shell("right", right)
                .net_new()
                .pid_host()
                .capabilities(&capabilities)
                .runtime(json!({ "interfaces": [{ "name": "right7" }] })),
        )
}

#[test]
fn two_services_in_their_own_networks_reach_each_other_over_a_pair() {
    assert_eq!(links("left"), ["lo", "eth0"], "{}", seen().about("left"));
    assert_eq!(links("right"), ["lo", "right7"], "{}", seen().about("right"));
    assert_eq!(seen().one("right", "ping"), "10.9.0.1 ok", "{}", seen().about("right"));
    assert!(seen().one("right", "tcp-get").starts_with("hello 10.9.0.2 from "), "{}", seen().about("right"));
    assert_eq!(seen().all("left", "tcp-served"), ["10.9.0.2"]);
}
