//! The one vocabulary: everything pidone does to the machine is a [`Step`]. Booting is a constant list of steps,
//! launching a container a computed one; `apply` performs both, `print` writes both down.
//!
//! What keeps it honest: no step has a result that a later one needs; each says in its data which failures are fine;
//! container paths stay unresolved until the moment of use; a step is `Copy` and prints as one line; a list has no `if`.

use crate::abi::bpf::{Classic, Instruction};
use crate::abi::namespace::Namespace;
use crate::config::spec::{
    Capabilities, ConsoleSize, Hook, IdMapping, IoPriority, MemoryPolicy, Personality, Rlimit, Scheduler,
};
pub use crate::plan::facts::Controllers;
use crate::plan::state::State;
use crate::text::Phrase;
use crate::texts::CStr;

/// Where a path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base<'a> {
    /// The root of the process that applies the step: the machine's, and the container's after `PivotRoot`.
    Machine,
    /// A directory of the machine that holds files of an image. Resolved as for a container.
    Below(&'a CStr),
    /// The container's root. Resolved with openat2(2) and `RESOLVE_IN_ROOT` when the step is applied, so that no link
    /// in a hostile image leads out of it.
    Container,
}

/// A path and where it starts.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Where it starts.
    pub base: Base<'a>,
    /// The path, absolute from there.
    pub path: &'a CStr,
}

impl<'a> Place<'a> {
    /// A path on the machine.
    pub const fn machine(path: &'a CStr) -> Place<'a> {
        Place { base: Base::Machine, path }
    }

    /// A path inside the container's root.
    pub const fn container(path: &'a CStr) -> Place<'a> {
        Place { base: Base::Container, path }
    }
}

/// What may fail without harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Absence is an error.
    Error,
    /// What is to be changed need not exist (ENOENT, ENOTDIR).
    Ok,
}

/// What to do about a mount point that is one already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Mount on top of it.
    Cover,
    /// Keep what is there.
    Keep,
}

/// Kind of a device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// `c` or `u`.
    Character,
    /// `b`.
    Block,
    /// `p`.
    Fifo,
}

/// A device node.
#[derive(Clone, Copy, Debug)]
pub struct DeviceNode<'a> {
    /// Where.
    pub at: Place<'a>,
    /// Kind.
    pub kind: DeviceKind,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Attributes to change on an existing mount: mount_setattr(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `MOUNT_ATTR_*` to set.
    pub set: u32,
    /// `MOUNT_ATTR_*` to clear.
    pub clear: u32,
    /// `MS_SHARED`, `MS_PRIVATE`, `MS_SLAVE`, `MS_UNBINDABLE`, or 0 to leave it.
    pub propagation: u32,
    /// Whether `set` and `clear` also hold for the mounts below.
    pub recursive: bool,
    /// Whether `propagation` also holds for the mounts below.
    pub propagation_recursive: bool,
}

/// A new file system instance: mount(2).
#[derive(Clone, Copy, Debug)]
pub struct NewMount<'a> {
    /// File system type.
    pub kind: &'a CStr,
    /// Device or name.
    pub source: &'a CStr,
    /// Where. Made (as a directory) when missing.
    pub target: Place<'a>,
    /// `MS_*` flags, without propagation.
    pub flags: u32,
    /// File system specific options, comma separated.
    pub data: &'a CStr,
    /// What if something is mounted there.
    pub existing: Existing,
    /// Propagation and recursive attributes to set afterwards, in one more call if not the default.
    pub attributes: Attributes,
    /// Whether it begins with a copy of what it hides.
    pub copy_up: bool,
    /// Whether a link in the target's place is refused: what is trusted to be there must not be elsewhere (CVE-2019-19921).
    pub no_link: bool,
}

/// Other ids than those that files have: mount_setattr(2) MOUNT_ATTR_IDMAP.
#[derive(Clone, Copy, Debug)]
pub struct IdMap<'a> {
    /// User ids: of the files (`container_id`) and as shown (`host_id`).
    pub uids: &'a [IdMapping],
    /// Group ids.
    pub gids: &'a [IdMapping],
    /// Whether it also holds for the mounts below.
    pub recursive: bool,
}

/// A bind mount: open_tree(2), mount_setattr(2), move_mount(2).
#[derive(Clone, Copy, Debug)]
pub struct Bind<'a> {
    /// What: a file or directory of the machine.
    pub source: &'a CStr,
    /// Where. Made, of the source's kind, when missing.
    pub target: Place<'a>,
    /// Whether the mounts below the source come along.
    pub recursive: bool,
    /// What to change on the copy before it is attached.
    pub attributes: Attributes,
    /// Ids to show. Only the machine may decide that: the launcher prepares such a copy before the process exists.
    pub ids: Option<&'a IdMap<'a>>,
    /// Whether the process is in a user namespace, and may have no way to the source: the launcher's copy is for that case.
    pub is_far: bool,
}

impl Bind<'_> {
    /// Whether the launcher makes a copy.
    pub fn is_prepared(&self) -> bool {
        self.is_far || self.ids.is_some()
    }
}

/// An interface for the container's network namespace: LinuxKit's runtime.json.
#[derive(Clone, Copy, Debug)]
pub struct InterfaceStep<'a> {
    /// Name inside the container.
    pub name: &'a CStr,
    /// How it comes to be.
    pub origin: Origin<'a>,
}

/// How an interface comes to be in a container.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// It exists on the machine and is moved.
    Existing,
    /// It exists on the machine under this name. It is moved with its addresses and set up.
    Device {
        /// Its name on the machine.
        from: &'a CStr,
    },
    /// One end of a veth pair; the other, of this name, stays on the machine.
    Veth {
        /// Name of the end that stays.
        peer: &'a CStr,
    },
    /// A new link of this kind, made on the machine and moved.
    MadeOutside {
        /// Link kind as in `ip link add type`.
        kind: &'a CStr,
    },
    /// A new link of this kind, made in the container's namespace.
    MadeInside {
        /// Link kind as in `ip link add type`.
        kind: &'a CStr,
    },
}

/// When a hook is run: runtime-spec `config.md#posix-platform-hooks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Moment {
    /// By the launcher, when the process is in its namespaces, before it leaves the machine's root.
    Prestart,
    /// The same, later.
    CreateRuntime,
    /// By the process, then, in its namespaces: the path is still the machine's.
    CreateContainer,
    /// By the process, just before its program.
    StartContainer,
    /// By the launcher, when the program is running.
    Poststart,
    /// By the cleaner, when the container is gone.
    Poststop,
}

impl Moment {
    /// The list in config.json.
    pub fn field(self) -> &'static CStr {
        match self {
            Moment::Prestart => c!("hooks.prestart"),
            Moment::CreateRuntime => c!("hooks.createRuntime"),
            Moment::CreateContainer => c!("hooks.createContainer"),
            Moment::StartContainer => c!("hooks.startContainer"),
            Moment::Poststart => c!("hooks.poststart"),
            Moment::Poststop => c!("hooks.poststop"),
        }
    }

    /// The container's status then.
    pub(super) fn status(self) -> &'static str {
        match self {
            Moment::StartContainer => "created",
            Moment::Poststart => "running",
            Moment::Poststop => "stopped",
            _ => "creating",
        }
    }
}

/// One effect on the machine.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Makes a directory and its parents (0755). An existing directory keeps its mode.
    MakeDirectory {
        /// Where.
        at: Place<'a>,
        /// Permissions, the umask not applied.
        mode: u32,
    },
    /// Makes a device node; an existing node of the same kind and number is kept and given mode and owner.
    MakeDevice(DeviceNode<'a>),
    /// Makes a symbolic link; an existing file of any kind is kept.
    MakeSymlink {
        /// Where.
        at: Place<'a>,
        /// What it says.
        to: &'a CStr,
    },
    /// Writes a text into an existing file in one write(2): the way procfs, sysfs and cgroup files want it.
    Write {
        /// Which file.
        at: Place<'a>,
        /// What, without a newline.
        text: &'a CStr,
        /// What if it is not there.
        absent: Absent,
    },
    /// Makes sure that a file has a line, blanks before it not counted. EINVAL: it has not.
    ExpectLine {
        /// Which file of the machine.
        path: &'a CStr,
        /// The line.
        text: &'a CStr,
    },
    /// Mounts a new file system instance.
    Mount(NewMount<'a>),
    /// Bind-mounts a file or directory.
    Bind(Bind<'a>),
    /// Changes attributes of the mount at a place.
    SetAttributes {
        /// A mount point.
        at: Place<'a>,
        /// What to change.
        attributes: Attributes,
    },
    /// Makes a path read-only (with all below it) by binding it on itself: runtime-spec `linux.readonlyPaths`.
    MakeReadonly {
        /// Which path; absence is fine.
        at: Place<'a>,
    },
    /// Hides a path: a directory under an empty read-only tmpfs, a file under the machine's /dev/null:
    /// runtime-spec `linux.maskedPaths`.
    Mask {
        /// Which path; absence is fine.
        at: Place<'a>,
    },
    /// Unmounts what is on top at a machine path, lazily with everything below. Absence is fine.
    Unmount {
        /// Which path.
        path: &'a CStr,
    },
    /// Removes what a directory holds, not the directory, without leaving its file system.
    Empty {
        /// Which directory of the machine.
        path: &'a CStr,
    },
    /// Removes a file of the machine. Absence is fine.
    RemoveFile {
        /// Which file.
        path: &'a CStr,
    },
    /// Removes a directory of the machine, a control group among them, unless it holds something. Absence is fine.
    RemoveDirectory {
        /// Which directory.
        path: &'a CStr,
    },
    /// Has systemd make a control group, a transient scope, in the slice before it, around a process that waits until the
    /// container's is there.
    MakeScope {
        /// Path of the container's group below it: `/system.slice/pidone-web.scope/container`.
        path: &'a CStr,
        /// Where systemd's socket is: `/run/systemd`.
        directory: &'a CStr,
    },
    /// Makes a control group and its ancestors, and hands every controller that exists down to it.
    MakeCgroup {
        /// Absolute path from the cgroup root: `/services/web`.
        path: &'a CStr,
        /// All that exist, as far as pidone knows them.
        controllers: Controllers,
    },
    /// Writes one control file of a control group.
    WriteCgroup {
        /// Path of the group.
        path: &'a CStr,
        /// File: `memory.max`.
        file: &'a CStr,
        /// Text.
        text: &'a CStr,
        /// What if the kernel has no such file.
        absent: Absent,
    },
    /// Gives a control group to a user, with the files that the kernel lists for that: cgroups(7), delegation.
    GiveCgroup {
        /// Path of the group.
        path: &'a CStr,
        /// The user, on the machine.
        uid: u32,
    },
    /// Refuses (EBUSY) a control group that uses more memory than this.
    CheckMemory {
        /// Path of the group.
        path: &'a CStr,
        /// Bytes.
        most: u64,
    },
    /// Attaches a device filter to a control group: `BPF_CGROUP_DEVICE`.
    FilterDevices {
        /// Path of the group.
        path: &'a CStr,
        /// The compiled rules.
        program: &'a [Instruction],
    },
    /// Removes a control group after killing what is in it. Absence is fine.
    RemoveCgroup {
        /// Path of the group.
        path: &'a CStr,
    },
    /// Gives the new user namespace its mappings, from outside: user_namespaces(7).
    MapIds {
        /// uid_map.
        uids: &'a [IdMapping],
        /// gid_map.
        gids: &'a [IdMapping],
    },
    /// Gives the container an interface.
    Interface(InterfaceStep<'a>),
    /// Takes an interface back from the container's process, with its addresses.
    ReturnInterface {
        /// Its name in the container.
        name: &'a CStr,
        /// Its name on the machine.
        to: &'a CStr,
    },
    /// Deletes a link of the machine, and with one end of a veth pair the other. Absence is fine.
    DeleteLink {
        /// Its name.
        name: &'a CStr,
    },
    /// Sets the loopback interface up; the kernel gives it 127.0.0.1/8 and ::1/128.
    LoopbackUp,
    /// Binds a namespace of the container's process on a file.
    BindNamespace {
        /// Which.
        kind: Namespace,
        /// The file; made with its parents when missing.
        path: &'a CStr,
    },
    /// Joins a namespace by a file: setns(2).
    JoinNamespace {
        /// Which.
        kind: Namespace,
        /// Its file, on the machine.
        path: &'a CStr,
    },
    /// Makes the container's process, which does all that follows, a sibling of this one, which ends: clone3(2). Only a
    /// launch can.
    MakeProcess {
        /// `CLONE_NEW*` of the namespaces that it is born with.
        namespaces: u64,
    },
    /// Leaves the current cgroup namespace for a new one rooted where the process is: unshare(2). After clone3(2)
    /// has put it into its group, or the root would be the launcher's.
    NewCgroupNamespace,
    /// Leaves the current time namespace for a new one: unshare(2). Its clocks can only be set before anybody is in it.
    NewTimeNamespace {
        /// The lines of /proc/PID/timens_offsets: time_namespaces(7).
        offsets: &'a CStr,
    },
    /// Becomes root of a user namespace: all ids 0, no additional groups.
    BecomeRoot,
    /// Starts a session, so that the machine's terminal cannot signal the container.
    NewSession,
    /// sethostname(2).
    SetHostname {
        /// The name.
        name: &'a CStr,
    },
    /// setdomainname(2).
    SetDomainname {
        /// The name.
        name: &'a CStr,
    },
    /// Makes a directory of the machine the container's root: binds it on itself, so that it is a mount of its own, and
    /// resolves every later container path in it.
    OpenRoot {
        /// The directory.
        path: &'a CStr,
    },
    /// Makes the container's root the root of its mount namespace and drops the machine's: pivot_root(2).
    PivotRoot,
    /// Moves the container's root over the machine's, where that cannot be pivoted away from: MS_MOVE of mount(2).
    MoveRoot,
    /// Makes a terminal of the container's own, for its process and for whoever is to have the other end.
    OpenConsole(Console<'a>),
    /// Joins namespaces of a running container: setns(2). Its pid namespace holds for children.
    JoinContainer {
        /// `CLONE_NEW*`.
        flags: u64,
    },
    /// Gets a session keyring of its own: keyctl(2). A kernel without keyrings is fine.
    NewKeyring {
        /// Its name.
        name: &'a CStr,
    },
    /// Makes the container's root the process's root in the machine's mount namespace: chroot(2).
    ChangeRoot,
    /// Sets a resource limit: prlimit(2).
    SetRlimit(Rlimit),
    /// Sets how the container's process gets processor time: sched_setattr(2).
    SetScheduler(Scheduler),
    /// Sets how the container's process gets its input and output: ioprio_set(2).
    SetIoPriority(IoPriority),
    /// Sets where memory is taken from: set_mempolicy(2).
    SetMemoryPolicy {
        /// As asked for.
        policy: MemoryPolicy<'a>,
        /// The nodes as bits; empty if none are named.
        nodes: &'a [u64],
    },
    /// Sets which processors this process runs on: sched_setaffinity(2).
    SetProcessors {
        /// As asked for.
        list: &'a CStr,
        /// The same as bits.
        processors: &'a [u64],
    },
    /// Sets the execution domain: personality(2).
    SetPersonality(Personality),
    /// prctl(2) PR_SET_NO_NEW_PRIVS.
    SetNoNewPrivileges,
    /// Drops every capability not in the set from the bounding set.
    LimitCapabilities {
        /// What stays.
        bounding: u64,
    },
    /// Takes user, group, additional groups and umask, and keeps permitted capabilities across the change.
    SetUser {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
        /// Additional group ids.
        groups: &'a [u32],
        /// File mode creation mask.
        umask: u32,
    },
    /// Filters the process's system calls from now on, and those of its program: seccomp(2).
    FilterSystemCalls(Filter<'a>),
    /// Sets the permitted, effective, inheritable and ambient sets.
    SetCapabilities(Capabilities),
    /// Changes to the working directory, made (0755) when missing, and checks that it is inside the root.
    ChangeDirectory {
        /// Absolute inside the container.
        path: &'a CStr,
    },
    /// Waits until the launcher has done its part, hooks among it: only its launch can.
    AwaitHooks,
    /// Runs a hook and waits for its end. ECANCELED: it could not be executed, or did not succeed.
    RunHook {
        /// When.
        moment: Moment,
        /// What.
        hook: &'a Hook<'a>,
        /// What it is told; the process's id is filled in.
        state: &'a State<'a>,
    },
    /// Replaces the process by the container's program; every descriptor from 3 up is closed.
    Execute(Program<'a>),
}

/// A terminal: pty(7).
#[derive(Clone, Copy, Debug)]
pub struct Console<'a> {
    /// The multiplexer of the container's own terminals.
    pub multiplexer: Place<'a>,
    /// Where the terminal is bound, too.
    pub bound: Option<Place<'a>>,
    /// Whose it is.
    pub uid: u32,
    /// Its size.
    pub size: ConsoleSize,
}

/// A filter of system calls.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// The compiled rules.
    pub program: &'a [Classic],
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
    /// What is done about calls that no rule is for, by its position in [`crate::abi::seccomp::ACTIONS`].
    pub default: u8,
    /// The error number that goes with it.
    pub default_data: u16,
    /// The architectures that it knows, as bits, in the order of [`crate::abi::seccomp::ARCHITECTURES`].
    pub architectures: u32,
    /// Who is asked, if there is a rule that asks.
    pub listener: Option<Listener<'a>>,
}

/// Who answers for a filter.
#[derive(Clone, Copy, Debug)]
pub struct Listener<'a> {
    /// Its socket, on the machine. It is sent the filter's descriptor and who asks.
    pub path: &'a CStr,
    /// What the configuration tells it.
    pub metadata: Option<&'a CStr>,
    /// The container's state.
    pub state: &'a State<'a>,
}

/// What a container runs.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// Program and arguments. A name without a slash is looked up in the `PATH` of `environment`.
    pub arguments: &'a [&'a CStr],
    /// `NAME=value` strings, the last of each name only.
    pub environment: &'a [&'a CStr],
    /// Descriptors beside the standard ones that it is handed.
    pub descriptors: u32,
    /// Whose home directory the container's /etc/passwd is asked for, if the environment has no `HOME`.
    pub home_of: Option<u32>,
}

/// All that a launch does, in four lists, and how to take it back.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// `CLONE_NEW*` of the namespaces that the first process inside is born with.
    pub clone_flags: u64,
    /// Control group the process is born in, from the cgroup root.
    pub cgroup: &'a CStr,
    /// On the machine, before the container's process exists.
    pub before: &'a [Step<'a>],
    /// Inside, by the container's process, up to and including the exec.
    pub inside: &'a [Step<'a>],
    /// On the machine, after the process has done all of `inside` up to `start`, or to `AwaitHooks`.
    pub after: &'a [Step<'a>],
    /// Position in `inside` of the first step that waits for `after`, and for the word to start: the exec, or the hooks
    /// before it.
    pub start: usize,
    /// On the machine, once the program is running.
    pub poststart: &'a [Step<'a>],
    /// On the machine, when the container has ended: in this order, best effort.
    pub clean: &'a [Step<'a>],
    /// On the machine, before `clean`, when the launch failed: takes back what `clean` leaves for others to use (mounts
    /// of runtime.json, bound namespaces). In this order, best effort.
    pub undo: &'a [Undo<'a>],
    /// What the operator should know about this plan.
    pub notes: &'a [Phrase],
}

/// How to take back one step of `before` or `after`.
#[derive(Clone, Copy, Debug)]
pub struct Undo<'a> {
    /// Position of that step in `before` followed by `after`. What was never done must not be taken back: a mount that
    /// failed may have had another one below.
    pub of: u16,
    /// What takes it back.
    pub step: Step<'a>,
}
