//! Mounts with every option, masked and read-only paths, propagation.

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::probe;
use serde_json::json;

use super::seen;

pub(super) fn mounts(image: Image) -> Image {
    let words = "mounts , stat /m/fine , write /m/ro/x y , write /m/file-ro y , cat /m/file , stat /m/made-file , \
        write /m/small/x y , stat /m/relative , write /dev/shm/x y , cat /etc/passwd , stat /etc/passwd , \
        stat /proc/kcore , list /proc/irq , write /proc/irq/x y , write /proc/sys/kernel/domainname x , write /etc/x y , stat /m/link/there";
    let container = probe("mounts", words)
        .capability_all()
        .tmpfs("/m/fine:noatime,nodiratime,nosymfollow,nosuid,nodev,noexec,sync,size=1m,mode=711")
        .tmpfs("/m/ro:ro,size=1m")
        .tmpfs("/m/late:noatime,strictatime,ro,rw,nosuid,suid")
        .tmpfs("/m/small:size=64k,nr_inodes=1")
        .tmpfs("m/relative:mode=700")
        .mount(
            json!({ "destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "mode=1777"] }),
        )
        .mount(json!({ "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid"] }))
        .bind("/etc/hostname:/m/file")
        .bind("/etc/hostname:/m/file-ro:ro")
        .bind("/etc/hostname:/m/new/folder/made-file")
        .bind("/dev:/m/dev-ro:ro")
        .bind("/dev:/m/dev-rro:rro")
        .mount(json!({ "destination": "/m/dev-alone", "type": "bind", "source": "/dev", "options": ["bind"] }))
        .bind("/var/lib:/m/shared")
        .bind("/var/lib:/m/private:rprivate")
        .bind("/var/lib:/m/slave:rslave")
        .bind("/var/lib:/m/unbindable:runbindable")
        // Links inside of the root are followed inside of the root.
        .tmpfs("/m/link/there:mode=750")
        .masked_path("/etc/passwd")
        .masked_path("/proc/kcore")
        .masked_path("/proc/irq")
        .masked_path("/proc/absent")
        .readonly_path("/proc/sys")
        .readonly_path("/etc")
        .readonly_path("/absent")
        .edit_config(|config| {
            let more = json!([
                { "destination": "/m/again", "type": "tmpfs", "source": "first", "options": ["size=1m"] },
                { "destination": "/m/again", "options": ["remount", "bind", "ro", "noexec"] },
                { "destination": "/m/resized", "type": "tmpfs", "source": "first", "options": ["size=1m"] },
                { "destination": "/m/resized", "type": "tmpfs", "options": ["remount", "size=2m"] },
            ]);
            let list = config["mounts"].as_array_mut().unwrap();
            list.extend(more.as_array().unwrap().clone());
        });
    image.onboot(container)
}

#[test]
fn every_mount_option_is_honoured() {
    let options = |target: &str| seen().mount("mounts", target).field("options").to_owned();
    assert_eq!(
        options("/m/fine"),
        "rw,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow",
        "{}",
        seen().about("mounts")
    );
    let fine = seen().mount("mounts", "/m/fine");
    assert!(["sync", "size=1024k", "mode=711"].iter().all(|option| fine.super_options().contains(option)));
    assert_eq!(options("/m/ro"), "ro,relatime");
    assert!(seen().all("mounts", "write").contains(&"/m/ro/x EROFS".into()));
    assert_eq!(options("/m/late"), "rw");
    assert_eq!(options("/m/again"), "ro,noexec,relatime");
    assert!(seen().mount("mounts", "/m/resized").super_options().contains(&"size=2048k"));
    assert_eq!(seen().mount("mounts", "/m/relative").super_options().iter().filter(|o| **o == "mode=700").count(), 1);
    assert_eq!(seen().mount("mounts", "/dev/mqueue").field("type"), "mqueue");
    assert!(seen().all("mounts", "write").contains(&"/dev/shm/x ok".into()));
}

#[test]
fn binds_are_of_files_or_folders_alone_or_with_all_below_and_read_only_as_far_as_asked() {
    assert!(seen().all("mounts", "cat").contains(&"pidone-test".into()), "{}", seen().about("mounts"));
    assert!(seen().all("mounts", "write").contains(&"/m/file-ro EROFS".into()));
    seen().mount("mounts", "/m/new/folder/made-file");
    let is_read_only = |target: &str| seen().mount("mounts", target).options().contains(&"ro");
    assert!(is_read_only("/m/dev-ro") && !is_read_only("/m/dev-ro/pts"));
    assert!(is_read_only("/m/dev-rro") && is_read_only("/m/dev-rro/pts"));
    assert!(!is_read_only("/m/dev-alone"));
    let all = seen().all("mounts", "mount");
    assert!(!all.iter().any(|mount| mount.starts_with("/m/dev-alone/")), "{all:#?}");
}

#[test]
fn the_propagation_of_a_mount_is_the_one_asked_for() {
    let propagation = |target: &str| seen().mount("mounts", target).field("propagation").to_owned();
    assert!(propagation("/m/shared").starts_with("shared:"), "{}", propagation("/m/shared"));
    assert_eq!(propagation("/m/private"), "private");
    assert!(propagation("/m/slave").starts_with("master:"), "{}", propagation("/m/slave"));
    assert_eq!(propagation("/m/unbindable"), "unbindable");
}

#[test]
fn masked_paths_are_empty_and_readonly_paths_cannot_be_written_to() {
    let stats = seen().all("mounts", "stat");
    for masked in ["/etc/passwd", "/proc/kcore"] {
        let null = format!("{masked} type=character mode=0666 uid=0 gid=0 size=0 device=1:3");
        assert!(stats.contains(&null), "{stats:#?}");
    }
    assert!(seen().all("mounts", "list").is_empty(), "{:#?}", seen().all("mounts", "list"));
    let written = seen().all("mounts", "write");
    for path in ["/proc/irq/x", "/proc/sys/kernel/domainname", "/etc/x"] {
        assert!(written.contains(&format!("{path} EROFS")), "{written:#?}");
    }
}

pub(super) fn propagation(image: Image) -> Image {
    let kinds = ["shared", "rslave", "private", "unbindable"];
    let image = kinds
        .into_iter()
        .fold(image, |image, kind| image.onboot(probe(&format!("root-{kind}"), "mounts").rootfs_propagation(kind)));
    let sharer = |folder: &str| {
        let script = format!("mkdir /lib/{folder} && mount -t tmpfs tmpfs /lib/{folder} && touch /lib/{folder}/flag");
        Container::shell(&format!("sharer-{folder}"), &script).capability_all().bind("/var/lib:/lib")
    };
    image
        .onboot(sharer("let-out").rootfs_propagation("shared"))
        .onboot(sharer("kept-in"))
        .onboot(probe("sharee", "list /lib/let-out , list /lib/kept-in").bind("/var/lib:/lib"))
}

#[test]
fn the_propagation_of_the_root_is_the_one_asked_for() {
    let propagation = |name: &str| seen().mount(name, "/").field("propagation").to_owned();
    assert!(propagation("root-shared").starts_with("shared:"), "{}", seen().about("root-shared"));
    assert_eq!(propagation("root-unbindable"), "unbindable");
    assert_eq!(propagation("root-private"), "private");
    for name in ["root-rslave", "current-rw", "seed-ro"] {
        assert!(!propagation(name).contains("shared:"), "{name} {}", propagation(name));
    }
}

#[test]
fn a_mount_made_in_a_container_is_seen_outside_if_its_root_is_shared() {
    assert_eq!(seen().all("sharee", "list"), ["flag"], "{}\n{}", seen().about("sharer"), seen().about("sharee"));
    assert!(seen().messages("sharer").iter().all(|message| message.contains("ended with code 0")));
}
