//! WireGuard through `mini-netlink` against Debian's kernel and `wg`. The cases are in `guest/wireguard.rs`; here stands what
//! each of them promises.

use qemu_tests::artifacts::probe_binary;
use qemu_tests::debian;
use qemu_tests::image::Image;
use qemu_tests::observation::{Observation, Shared, boot, probe, shared};
use qemu_tests::root::Root;

fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let mut tree = debian::tree(&["wireguard-tools"])?;
        tree.host_file("usr/bin/probe", 0o755, probe_binary()?);
        let cases = probe("cases", "wireguard").root(&Root::new(tree)).net_new().capability_all();
        boot(Image::new()?.onboot(cases), "")
    })
}

#[track_caller]
fn all_right(cases: &[&str]) {
    let outcomes = seen().all("cases", "wireguard");
    for case in cases {
        let outcome = outcomes.iter().find(|outcome| outcome.split(' ').next() == Some(case));
        assert_eq!(outcome, Some(&format!("{case} ok")), "{}", seen().about("cases"));
    }
}

#[test]
fn a_private_key_of_wg_is_read_and_the_kernel_derives_the_public_one_that_wg_does() {
    all_right(&["keys"]);
}

#[test]
fn devices_and_peers_that_are_made_are_those_that_wg_shows() {
    all_right(&["settings", "changes"]);
}

#[test]
fn what_wg_made_is_told_as_wg_tells_it() {
    all_right(&["made-by-wg"]);
}

#[test]
fn peers_that_fill_many_messages_arrive_whole_in_both_directions() {
    all_right(&["many", "small-buffer"]);
}

#[test]
fn a_handshake_and_the_bytes_are_told() {
    all_right(&["handshake"]);
}

#[test]
fn what_is_no_device_and_no_family_is_refused_by_name() {
    all_right(&["refusals"]);
}
