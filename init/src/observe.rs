//! Kernel state to `Facts`: read only, and only what a plan asks for.

use crate::abi::namespace::Namespace;
use crate::config::spec::Spec;
use crate::plan::facts::{Controllers, Facts, Manner, Resctrl, Section};
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;
use crate::sys::{AsFd, identity, namespace};
use crate::text::number;
use crate::texts::CStr;

/// CAP_CHECKPOINT_RESTORE, the last one in Linux 5.9: for a machine without /proc.
const CAPABILITY_LAST: u8 = 40;

/// The machine as a launch of this bundle finds it. What cannot be read counts as not there.
pub fn facts<'a>(section: Section, name: &'a CStr, bundle: &'a CStr, spec: &Spec) -> Facts<'a> {
    let mut buffer = [0; 512];
    let process = &spec.process;
    let controllers = file::read_start(s!("/sys/fs/cgroup/cgroup.controllers"), &mut buffer).unwrap_or_default();
    Facts {
        bundle,
        name,
        section,
        lower: has_lower(bundle),
        again: false,
        user_namespace_is_own: joins_own_user_namespace(spec),
        controllers: Controllers::listed(controllers),
        misplaced_namespaces: misplaced_namespaces(spec),
        capabilities: capabilities(spec),
        bfq_weight: file::exists(s!("/sys/module/bfq")),
        manner: Manner::NONE,
        apparmor: process.apparmor_profile.is_some() && says_yes(s!("/sys/module/apparmor/parameters/enabled")),
        selinux: process.selinux_label.is_some() && file::exists(s!("/sys/fs/selinux/enforce")),
        resctrl: spec.linux.intel_rdt.map_or(Resctrl::Absent, |rdt| resctrl(rdt.class.unwrap_or(name))),
    }
}

fn has_lower(bundle: &CStr) -> bool {
    let mut path = PathBuffer::empty();
    path.below(bundle, s!("lower")).and_then(|lower| file::open_itself(CWD, lower)).is_ok()
}

/// What this process has, which it can hand on. All that there are, where a user namespace of the container's gives them.
fn capabilities(spec: &Spec) -> u64 {
    let own = identity::permitted_capabilities().unwrap_or(0);
    let is_mapped = spec.linux.namespaces.iter().any(|entry| entry.kind == Namespace::User);
    // All that there are: no gap below the highest.
    if own & own.wrapping_add(1) == 0 || !is_mapped { own } else { u64::MAX >> (63 - capability_last().min(63)) }
}

fn misplaced_namespaces(spec: &Spec) -> u8 {
    let mut kinds = 0;
    for entry in spec.linux.namespaces {
        // One that is not there is no fact yet: what is mounted before may bring it.
        if let Some(path) = entry.path
            && let Ok(file) = file::open(CWD, path, Open::Events)
            && namespace::kind(file.as_fd()).map(u64::from) != Ok(entry.kind.flag())
        {
            kinds |= 1 << entry.kind as u8;
        }
    }
    kinds
}

fn says_yes(path: &CStr) -> bool {
    file::read_file(path, &mut [0; 16]).is_ok_and(|text| text.starts_with(b"Y"))
}

fn resctrl(class: &CStr) -> Resctrl {
    let mut path = PathBuffer::empty();
    if !file::exists(s!("/sys/fs/resctrl/schemata")) {
        Resctrl::Absent
    } else if path.below(s!("/sys/fs/resctrl"), class).is_ok_and(file::exists) {
        Resctrl::Class
    } else {
        Resctrl::Mounted
    }
}

fn capability_last() -> u8 {
    let mut buffer = [0; 16];
    let text = file::read_file(s!("/proc/sys/kernel/cap_last_cap"), &mut buffer).unwrap_or_default();
    number(text.trim_ascii_end(), 10).and_then(|last| u8::try_from(last).ok()).unwrap_or(CAPABILITY_LAST)
}

fn joins_own_user_namespace(spec: &Spec) -> bool {
    let user = spec.linux.namespaces.iter().find(|entry| entry.kind == Namespace::User);
    let Some(path) = user.and_then(|entry| entry.path) else { return false };
    file::are_same(path, s!("/proc/self/ns/user"))
}
