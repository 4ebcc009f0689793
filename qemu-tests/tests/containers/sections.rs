//! What an image says of its containers: runtime.json, volumes, their order.

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::probe;
use qemu_tests::root::Root;
use qemu_tests::tree::Tree;
use serde_json::json;

use super::seen;

pub(super) fn runtime(image: Image) -> Image {
    let maker = probe("runtime", "stat /made/by/runtime , stat /shared , list /groups , mounts")
        .bind("/sys/fs/cgroup:/groups")
        .bind("/var/shared:/shared")
        .runtime(json!({
            "mkdir": ["/var/absolute/folder", "made/by/runtime"],
            "mounts": [
                { "destination": "/var/shared", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "mode=710", "noexec"] },
                { "destination": "relative", "type": "tmpfs", "source": "tmpfs", "options": ["size=2m"] },
            ],
            "cgroups": ["extra/inner", "/other"],
            "namespace": "services.linuxkit",
        }));
    image.onboot(maker).onboot(
        probe("after-runtime", "stat /v/shared , stat /v/absolute/folder , list /groups/extra")
            .bind("/var:/v")
            .bind("/sys/fs/cgroup:/groups"),
    )
}

#[test]
fn runtime_folders_mounts_and_groups_are_made_for_it_and_for_others() {
    let stats = seen().all("runtime", "stat");
    assert!(stats[0].starts_with("/made/by/runtime type=directory mode=0755"), "{}", seen().about("runtime"));
    assert!(stats[1].starts_with("/shared type=directory mode=0710"), "{stats:#?}");
    let groups = seen().all("runtime", "list");
    assert!(groups.contains(&"extra".into()) && groups.contains(&"other".into()), "{groups:?}");
    let relative = seen().mount("runtime", "/relative");
    assert!(relative.super_options().contains(&"size=2048k"), "{}", relative.field("super"));
    let stats = seen().all("after-runtime", "stat");
    assert!(stats[0].starts_with("/v/shared type=directory mode=0710"), "{}", seen().about("after-runtime"));
    assert!(stats[1].starts_with("/v/absolute/folder type=directory"), "{stats:#?}");
    assert!(seen().all("after-runtime", "list").contains(&"inner".into()));
}

pub(super) fn volumes(image: Image) -> Image {
    let mut tree = Tree::new();
    tree.file("from-image", 0o644, "given\n");
    let volume = "/containers/volumes/data/merged:/data";
    let meet = |name: &str, other: &str| {
        let script = format!(
            "touch /meet/{name}; for i in $(seq 300); do [ -e /meet/{other} ] && echo PROBE met={other} && exit; sleep 0.1; done"
        );
        Container::shell(name, &script).bind("/containers/volumes/meet/merged:/meet")
    };
    image
        .volume("data", Some(&Root::new(tree)))
        .volume("meet", None)
        .onboot(
            probe("volume-writer", "cat /data/from-image , write /data/from-image changed , write /data/new kept")
                .bind(volume),
        )
        .onboot(
            probe("volume-reader", "cat /data/from-image , cat /data/new , write /data/x y")
                .bind(&format!("{volume}:ro")),
        )
        .service(meet("meet-a", "meet-b"))
        .service(meet("meet-b", "meet-c"))
        .service(meet("meet-c", "meet-a"))
}

#[test]
fn a_volume_is_writable_over_its_image_and_shared() {
    assert_eq!(seen().all("volume-writer", "cat"), ["given"], "{}", seen().about("volume-writer"));
    assert_eq!(seen().all("volume-reader", "cat"), ["changed", "kept"], "{}", seen().about("volume-reader"));
    assert_eq!(seen().one("volume-reader", "write"), "/data/x EROFS");
}

#[test]
fn services_run_at_the_same_time() {
    for (name, other) in [("meet-a", "meet-b"), ("meet-b", "meet-c"), ("meet-c", "meet-a")] {
        assert_eq!(seen().all(name, "met"), [other], "{}", seen().about(name));
    }
}

pub(super) fn order(image: Image) -> Image {
    let turn = |name: &str, end: &str| {
        let script = format!("echo {name}-in >> /data/order; sleep 0.3; echo {name}-out >> /data/order; {end}");
        Container::shell(name, &script).bind("/containers/volumes/meet/merged:/data")
    };
    image
        .onboot(turn("turn-z", "exit 3"))
        .onboot(turn("turn-y", "kill -9 $$").pid_host())
        .onboot(turn("turn-x", "exit 0"))
        .onboot(Container::shell("turns", "cat /data/order").bind("/containers/volumes/meet/merged:/data"))
}

#[test]
fn onboot_containers_run_in_the_order_of_their_names_and_never_two_at_once() {
    let order: Vec<&str> = seen().output("turns").split_whitespace().collect();
    let expected = ["turn-z-in", "turn-z-out", "turn-y-in", "turn-y-out", "turn-x-in", "turn-x-out"];
    assert_eq!(order, expected, "{}", seen().about("turn"));
}
