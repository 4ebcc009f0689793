//! What a plan needs to know about the machine. Read by `observe`, given to [`crate::plan::plan`]; plain data, so that a
//! test can state a machine.

use crate::text::{fields, position};
use crate::texts::CStr;

/// See the module's documentation.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The bundle's directory, absolute.
    pub bundle: &'a CStr,
    /// The container's name.
    pub name: &'a CStr,
    /// Where the container is from.
    pub section: Section,
    /// Whether the bundle has a directory `lower`: a read-write bundle of 2017, or a later one whose runtime.json says so.
    pub lower: bool,
    /// Whether the container was launched before in this boot: what it left for others is still there.
    pub again: bool,
    /// Whether the user namespace that the configuration joins is the machine's own. The kernel refuses to join that.
    pub user_namespace_is_own: bool,
    /// Kinds whose file in the configuration is of another kind, or no namespace: bits, by their numbers.
    pub misplaced_namespaces: u8,
    /// The capabilities that a container can be given.
    pub capabilities: u64,
    /// Controllers that control groups can have.
    pub controllers: Controllers,
    /// Whether groups have `io.bfq.weight`, which then takes the place of `io.weight`.
    pub bfq_weight: bool,
    /// What the command line asks for.
    pub manner: Manner<'a>,
    /// Whether AppArmor confines programs. Only looked at when a profile is asked for.
    pub apparmor: bool,
    /// Whether SELinux labels programs. Only looked at when a label is asked for.
    pub selinux: bool,
    /// What there is of resctrl. Only looked at when `linux.intelRdt` is asked for.
    pub resctrl: Resctrl,
}

impl Facts<'static> {
    /// A kernel with everything, and a service that was never launched: the machine of tests.
    pub const MACHINE: Facts<'static> = Facts {
        bundle: s!("/containers/services/web"),
        name: s!("web"),
        section: Section::Services,
        lower: false,
        again: false,
        user_namespace_is_own: false,
        misplaced_namespaces: 0,
        capabilities: (1 << 41) - 1,
        controllers: Controllers::ALL,
        bfq_weight: false,
        manner: Manner::NONE,
        apparmor: true,
        selinux: true,
        resctrl: Resctrl::Mounted,
    };
}

/// What the machine has for `linux.intelRdt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resctrl {
    /// No resctrl file system where it belongs.
    Absent,
    /// The file system, but not the container's class of service.
    Mounted,
    /// The container's class of service.
    Class,
}

/// What the command line asks for beside the bundle. PID 1 asks for nothing.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'a> {
    /// Whether somebody takes the terminal that a process may want.
    pub console: bool,
    /// Descriptors that are handed on, beside the standard ones.
    pub descriptors: u32,
    /// Name of a new session keyring.
    pub keyring: Option<&'a CStr>,
    /// Whether the root is moved instead of pivoted to.
    pub moves_root: bool,
    /// Whether there are no control groups of version 2, or none are wanted.
    pub no_groups: bool,
    /// Whether the caller is not root of the machine: he can make no device nodes, and filter nobody's use of them.
    pub is_ordinary: bool,
    /// Who makes the control group, if a systemd does.
    pub systemd: Option<Systemd<'a>>,
    /// The process joins the namespaces of a running container, and this control group of it.
    pub joins: Option<&'a CStr>,
}

impl Manner<'_> {
    /// Nothing.
    pub const NONE: Manner<'static> = Manner {
        console: false,
        descriptors: 0,
        keyring: None,
        moves_root: false,
        no_groups: false,
        is_ordinary: false,
        systemd: None,
        joins: None,
    };
}

/// A systemd that can be asked for control groups: the machine's, or a user's.
#[derive(Clone, Copy, Debug)]
pub struct Systemd<'a> {
    /// Where its socket `private` is.
    pub directory: &'a CStr,
    /// The group that all of its groups are in: empty for the machine's.
    pub group: &'a CStr,
}

/// The section of the image that a container is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// One after the other, before services.
    Onboot,
    /// Side by side.
    Services,
    /// One after the other, at the end.
    Onshutdown,
    /// Not from an image.
    Other,
}

impl Section {
    /// The control group that holds the section's containers.
    pub(super) const fn group(self) -> &'static str {
        match self {
            Section::Onboot => "onboot",
            Section::Services => "services",
            Section::Onshutdown => "onshutdown",
            Section::Other => "containers",
        }
    }
}

/// A set of controllers of control groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controllers(u16);

/// Their names.
const NAMES: &[u8] = b"cpuset cpu io memory hugetlb pids rdma misc dmem";

/// What is said of a controller that is missing.
static MISSING: [&CStr; 9] = [
    c!("the kernel has no cpuset controller"),
    c!("the kernel has no cpu controller"),
    c!("the kernel has no io controller"),
    c!("the kernel has no memory controller"),
    c!("the kernel has no hugetlb controller"),
    c!("the kernel has no pids controller"),
    c!("the kernel has no rdma controller"),
    c!("the kernel has no misc controller"),
    c!("the kernel has no dmem controller"),
];

impl Controllers {
    /// Processors and memory nodes to run on.
    pub const CPUSET: Controllers = Controllers(1);
    /// Processor time.
    pub const CPU: Controllers = Controllers(1 << 1);
    /// Block input and output.
    pub const IO: Controllers = Controllers(1 << 2);
    /// Memory and swap.
    pub const MEMORY: Controllers = Controllers(1 << 3);
    /// Huge pages.
    pub const HUGETLB: Controllers = Controllers(1 << 4);
    /// Number of processes.
    pub const PIDS: Controllers = Controllers(1 << 5);

    /// All that pidone knows.
    pub const ALL: Controllers = Controllers((1 << MISSING.len()) - 1);

    /// Not a controller: what is missing was not given to the user's systemd.
    pub const DELEGATED: Controllers = Controllers(1 << 15);

    /// The set that a `cgroup.controllers` file lists. Controllers unknown to pidone are left out.
    pub fn listed(text: &[u8]) -> Controllers {
        fields(text.trim_ascii_end(), b' ').filter_map(Controllers::named).fold(Controllers(0), Controllers::and)
    }

    /// The controller of that name.
    fn named(name: &[u8]) -> Option<Controllers> {
        position(NAMES, name).map(|position| Controllers(1 << position))
    }

    /// The controller that a control file belongs to, by its name.
    pub(super) fn of_file(name: &[u8]) -> Option<Controllers> {
        Controllers::named(fields(name, b'.').next()?)
    }

    /// Both sets.
    pub const fn and(self, other: Controllers) -> Controllers {
        Controllers(self.0 | other.0)
    }

    /// Whether all of `other` are in this set.
    pub(super) const fn has(self, other: Controllers) -> bool {
        self.0 & other.0 == other.0
    }

    /// What to say when this one controller is missing in a set.
    pub(super) fn missing(self, from: Controllers) -> &'static CStr {
        if from.has(Controllers::DELEGATED) {
            return c!("the user's systemd was not given the controller: `systemctl edit user@.service`, Delegate=yes");
        }
        MISSING.get(self.0.trailing_zeros() as usize).copied().unwrap_or(c!("the kernel has no such controller"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_known_by_the_kernels_names() {
        let all = Controllers::listed(b"cpuset cpu io memory hugetlb pids rdma misc dmem future\n");
        for one in [
            Controllers::CPUSET,
            Controllers::CPU,
            Controllers::IO,
            Controllers::MEMORY,
            Controllers::HUGETLB,
            Controllers::PIDS,
        ] {
            assert!(all.has(one));
            assert!(!Controllers::listed(b"").has(one));
        }
        assert_eq!(Controllers::MEMORY.missing(Controllers::CPU), s!("the kernel has no memory controller"));
        assert_eq!(Controllers::listed(b"memory"), Controllers::MEMORY);
        assert_eq!(Controllers::listed(b"cpuset pids"), Controllers::CPUSET.and(Controllers::PIDS));
    }
}
