//! `mini-netlink` against Debian's kernel and `ip`: what is made is there, and what is told is the same. The cases are in
//! `guest/netlink.rs`; here stands what each of them promises.

use std::io::Write;

use qemu_tests::artifacts::probe_binary;
use qemu_tests::image::Image;
use qemu_tests::kernel::Kernel;
use qemu_tests::observation::{Observation, Shared, boot, probe, shared};
use qemu_tests::root::Root;
use qemu_tests::{debian, modules};

/// Kinds of links that the usual choice of modules lacks, and what routes and rules need.
const MODULES: &[&str] = &["bonding", "vrf", "ifb", "macvtap", "tap", "nlmon", "ip_gre"];

/// One boot, one network namespace, all cases.
fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let mut tree = debian::tree(&["iproute2"])?;
        tree.host_file("usr/bin/probe", 0o755, probe_binary()?);
        let modules: Vec<&str> = modules::USUAL.iter().chain(MODULES).copied().collect();
        let cases = probe("cases", "netlink").root(&Root::new(tree)).net_new().capability_all().device(
            "/dev/net/tun",
            "c",
            10,
            200,
            0o600,
        );
        boot(Image::new()?.modules(&modules).onboot(cases), "")
    })
}

/// Holds that each of these cases was carried out, and was right.
///
/// A kernel without modules has not all that the cases want; then nothing is tested, and that is said.
#[track_caller]
fn all_right(cases: &[&str]) {
    if Kernel::from_environment().is_ok_and(|kernel| kernel.modules.is_none()) {
        // Not `eprintln!`, which is kept back when a test passes.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: this kernel has no modules, and so not all kinds of links: {}",
            cases.join(" ")
        );
        return;
    }
    let outcomes = seen().all("cases", "netlink");
    let wrong: Vec<String> = cases
        .iter()
        .filter(|case| !outcomes.contains(&format!("{case} ok")))
        .map(|case| {
            let outcome = outcomes.iter().find(|outcome| outcome.split(' ').next() == Some(case));
            outcome.cloned().unwrap_or_else(|| format!("{case} was not carried out"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), seen().errors("cases"));
}

#[test]
fn links_of_every_kind_are_made_with_their_settings_and_read_back() {
    all_right(&[
        "veth-base",
        "up",
        "veth-left",
        "veth-peer",
        "dummy-dummy7",
        "ifb-ifb7",
        "wireguard-wg7",
        "nlmon-nl7",
        "bridge-br7",
        "vlan-vlan7",
        "vlan-vlan8",
        "macvlan-macvlan7",
        "macvtap-macvtap7",
        "ipvlan-ipvlan7",
        "vxlan-vxlan7",
        "vxlan-vxlan8",
        "vrf-vrf7",
        "bond-bond7",
        "bond-bond8",
        "gretap-gre7",
    ]);
}

#[test]
fn a_tun_link_is_refused_by_the_kernel_and_read_back_if_another_makes_it() {
    all_right(&["tun-refused", "tun-read"]);
}

#[test]
fn links_are_changed_named_listed_and_deleted() {
    all_right(&["settings", "kind-change", "alternative-names", "rename-and-delete", "chosen-index", "of-master"]);
}

#[test]
fn addresses_are_added_replaced_listed_and_deleted() {
    all_right(&[
        "address-plain",
        "address-peer",
        "address-lifetimes",
        "address-six",
        "address-six-peer",
        "address-protocol",
        "address-replace",
        "address-delete",
    ]);
}

#[test]
fn routes_with_all_their_attributes_are_added_appended_replaced_listed_and_deleted() {
    all_right(&[
        "route-setup",
        "route-default",
        "route-default-six",
        "route-link",
        "route-table-on-link",
        "route-via-six",
        "route-metrics",
        "route-multipath",
        "route-multipath-six",
        "route-blackhole",
        "route-unreachable",
        "route-prohibit",
        "route-throw",
        "route-local",
        "route-unreachable-six",
        "route-from-six",
        "route-object",
        "route-service",
        "route-replace-and-append",
        "route-filter",
        "route-delete",
    ]);
}

#[test]
fn neighbours_are_added_replaced_listed_and_deleted() {
    all_right(&["neighbour", "neighbour-router", "neighbour-proxy", "neighbour-replace-and-delete"]);
}

#[test]
fn rules_are_added_listed_and_deleted() {
    all_right(&[
        "rule-networks",
        "rule-mark",
        "rule-suppress",
        "rule-users-and-ports",
        "rule-blackhole-six",
        "rule-prohibit",
        "rule-goto",
        "rule-vrf-six",
        "rule-delete",
    ]);
}

#[test]
fn a_socket_that_checks_strictly_tells_the_same() {
    all_right(&["strict"]);
}
