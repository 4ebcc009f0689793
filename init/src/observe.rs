//! Kernel state to `Facts`: read only, and only what a plan asks for.

use core::ffi::CStr;

use crate::abi::namespace::Namespace;
use crate::config::spec::Spec;
use crate::plan::facts::{Controllers, Facts, Section};
use crate::sys::AsFd;
use crate::sys::file::{self, CWD, Open};
use crate::text::number;

/// CAP_CHECKPOINT_RESTORE, the last one in Linux 5.9: for a machine without /proc.
const CAPABILITY_LAST: u8 = 40;

/// The machine as a launch of this bundle finds it. What cannot be read counts as not there.
pub fn facts<'a>(section: Section, name: &'a CStr, bundle: &'a CStr, spec: &Spec) -> Facts<'a> {
    let mut buffer = [0; 512];
    let controllers = file::read_file(c"/sys/fs/cgroup/cgroup.controllers", &mut buffer).unwrap_or_default();
    Facts {
        bundle,
        name,
        section,
        lower: has_lower(bundle),
        again: false,
        user_namespace_is_own: joins_own_user_namespace(spec),
        controllers: Controllers::listed(controllers),
        capability_last: capability_last(),
        bfq_weight: file::exists(c"/sys/module/bfq"),
    }
}

fn has_lower(bundle: &CStr) -> bool {
    let directory = file::open(CWD, bundle, Open::Directory);
    directory.and_then(|bundle| file::open_itself(bundle.as_fd(), c"lower")).is_ok()
}

fn capability_last() -> u8 {
    let mut buffer = [0; 16];
    let text = file::read_file(c"/proc/sys/kernel/cap_last_cap", &mut buffer).unwrap_or_default();
    number(text.trim_ascii_end(), 10).and_then(|last| u8::try_from(last).ok()).unwrap_or(CAPABILITY_LAST)
}

fn joins_own_user_namespace(spec: &Spec) -> bool {
    let user = spec.linux.namespaces.iter().find(|entry| entry.kind == Namespace::User);
    let Some(path) = user.and_then(|entry| entry.path) else { return false };
    file::are_same(path, c"/proc/self/ns/user")
}
