//! Bundles without their files, links that lead elsewhere, and the largest that there may be.

use qemu_tests::image::Image;
use qemu_tests::observation::probe;
use qemu_tests::root::Root;
use serde_json::json;

use super::{messages_about, must_not_run, seen};

/// Bundles that lack more than a field; their names are behind all others.
pub(super) fn without_files(image: Image) -> Image {
    let long = "l".repeat(61);
    image.edit(|tree| {
        tree.directory("containers/onboot/900-no-config/rootfs", 0o755);
        tree.directory("containers/onboot/901-folder/config.json", 0o755);
        tree.directory(&format!("containers/onboot/902-{long}"), 0o755);
        tree.file("containers/onboot/903-file", 0o644, "not a bundle");
    })
}

#[test]
fn a_bundle_without_its_files_is_named() {
    for (name, line) in [
        ("900-no-config", "read config.json: ENOENT ("),
        ("901-folder", "read config.json: EISDIR ("),
        ("902-", "not started: too many bytes in the name: 65, at most 64"),
    ] {
        let messages = seen().messages(name);
        assert!(messages.iter().any(|message| message.contains(line)), "{name}: {messages:#?}");
    }
    assert!(seen().messages("903-file").is_empty());
}

pub(super) fn links(image: Image) -> Image {
    let mut tree = Root::probe().unwrap().tree().clone();
    tree.symlink("up", "../../../../../../var/lib");
    tree.symlink("absolute", "/var/lib");
    tree.symlink("dangling", "/nowhere/at/all");
    tree.symlink("loop", "loop");
    tree.directory("var/lib", 0o755).file("var/lib/own", 0o644, "of the container\n");
    let root = Root::new(tree);
    let landed = probe(
        "links-inside",
        "mounts , list /var/lib , list /var/lib/by-bind , stat /var/lib/device , cwd , cat /var/lib/own",
    )
    .root(&root)
    .tmpfs("/up/by-tmpfs:size=1m")
    .tmpfs("/dangling/x")
    .mount(json!({ "destination": "/absolute/by-bind", "type": "bind", "source": "/etc", "options": ["rbind", "ro"] }))
    .bind("/etc/hostname:/up/by-file")
    .cwd("/absolute/cwd")
    .masked_path("/up/own")
    .edit_config(|config| {
        config["linux"]["devices"] = json!([{ "path": "/absolute/device", "type": "c", "major": 1, "minor": 3 }]);
    });
    image.onboot(landed).onboot(must_not_run("link-loop").root(&root).tmpfs("/loop/x"))
}

pub(super) fn sizes(image: Image) -> Image {
    let mut large = probe("large", "env");
    for number in 0..900 {
        large = large.env(&format!("VARIABLE_{number}"), &format!("{number}{}", "x".repeat(1000)));
    }
    image.onboot(large)
}

#[test]
fn links_in_an_image_lead_nowhere_but_into_the_image() {
    let name = "links-inside";
    assert_eq!(seen().mount(name, "/var/lib/by-tmpfs").field("type"), "tmpfs", "{}", seen().about(name));
    // What is missing on the way is made there, too.
    assert_eq!(seen().mount(name, "/nowhere/at/all/x").field("type"), "tmpfs");
    assert!(seen().mount(name, "/var/lib/by-bind").options().contains(&"ro"));
    seen().mount(name, "/var/lib/by-file");
    assert!(seen().one(name, "stat").starts_with("/var/lib/device type=character"), "{}", seen().about(name));
    assert_eq!(seen().one(name, "cwd"), "/var/lib/cwd");
    // What was masked through a link is the container's own file.
    assert!(seen().all(name, "cat").is_empty() && seen().all(name, "cat.error").is_empty(), "{}", seen().about(name));
}

#[test]
fn a_link_that_leads_to_itself_is_refused() {
    let messages = messages_about("link-loop");
    assert!(messages.iter().any(|message| message.contains("/loop/x: ELOOP (")), "{messages:#?}");
    assert!(!seen().spoke("link-loop"), "{}", seen().about("link-loop"));
}

#[test]
fn nearly_a_mebibyte_of_environment_is_handed_on() {
    assert_eq!(
        seen().one("large", "env.VARIABLE_899"),
        format!("899{}", "x".repeat(1000)),
        "{:.2000}",
        seen().about("large")
    );
    // With PATH and HOME.
    assert_eq!(seen().output("large").lines().count(), 902);
}
