//! Which namespaces a container makes, joins and shares, and where each is entered.

use crate::abi::namespace::Namespace;
use crate::config::spec::{IdMapping, Spec, TimeOffset, TimeOffsets};
use crate::plan::facts::Facts;
use crate::plan::step::Step;
use crate::plan::{Request, Steps, path};
use crate::text::Line;
use crate::texts::CStr;

const LIST: &CStr = c!("linux.namespaces");
const OFFSETS: &CStr = c!("linux.timeOffsets");

/// Two lines of a clock's name and two numbers.
const OFFSETS_BYTES: usize = 96;

/// A container's namespaces. What is neither new nor joined is shared with the machine.
#[derive(Clone, Copy)]
pub(super) struct Namespaces<'a> {
    /// `CLONE_NEW*` of the new ones.
    new: u64,
    /// Files of those to join, in the order of [`Namespace::ALL`].
    joined: [Option<&'a CStr>; 8],
    /// Whether the clocks of a new time namespace are to be set.
    has_clocks: bool,
}

impl<'a> Namespaces<'a> {
    /// Decides, and refuses what cannot work together. That no type is listed twice is proven by the parser.
    #[inline(never)]
    pub(super) fn read(spec: &Spec<'a>, facts: &Facts<'a>, to: &mut Steps) -> Namespaces<'a> {
        let mut namespaces =
            Namespaces { new: 0, joined: [None; 8], has_clocks: has_offsets(&spec.linux.time_offsets) };
        for (number, entry) in spec.linux.namespaces.iter().enumerate() {
            let Some(file) = entry.path.filter(|path| !path.is_empty()) else {
                namespaces.new |= entry.kind.flag();
                continue;
            };
            if !path::is_absolute(file) {
                to.refuse_entry(LIST, number, c!("path: must be absolute"));
            }
            if facts.misplaced_namespaces >> entry.kind as u8 & 1 == 1 {
                to.refuse_entry(LIST, number, c!("path: not a namespace of this type"));
            }
            if !(entry.kind == Namespace::User && facts.user_namespace_is_own)
                && let Some(place) = namespaces.joined.get_mut(entry.kind as usize)
            {
                *place = Some(file);
            }
        }
        namespaces.add_user_namespace(spec, to);
        namespaces.check_together(spec, to);
        namespaces
    }

    /// Mappings imply a user namespace, and a new one needs them.
    fn add_user_namespace(&mut self, spec: &Spec, to: &mut Steps) {
        let (uids, gids) = (spec.linux.uid_mappings, spec.linux.gid_mappings);
        if uids.len() + gids.len() > 0 {
            if self.joined(Namespace::User).is_some() {
                to.refuse(c!("linux.uidMappings"), c!("a joined user namespace has its mappings already"));
            }
            self.new |= Namespace::User.flag();
        }
        if !self.is_new(Namespace::User) {
            return;
        }
        let user = &spec.process.user;
        check_mappings(to, c!("linux.uidMappings"), uids, &[user.uid]);
        check_mappings(to, c!("linux.gidMappings"), gids, &[user.gid]);
        check_mappings(to, c!("linux.gidMappings"), gids, user.additional_gids);
    }

    fn check_together(&self, spec: &Spec, to: &mut Steps) {
        let mount = c!("linux.namespaces: mount");
        // It could not even mount in the machine's, or in one that belongs to the machine.
        let is_right =
            if self.is_new(Namespace::User) { self.is_new(Namespace::Mount) } else { self.is_own(Namespace::Mount) };
        if self.is_mapped() && !is_right {
            to.refuse(mount, c!("needed in a container with a user namespace of its own"));
        }
        if self.has_clocks && !self.is_new(Namespace::Time) {
            to.refuse(OFFSETS, c!("the container has no new time namespace"));
        }
        if !self.is_own(Namespace::Uts) {
            let mut refuse = |field, name: Option<&CStr>| {
                if name.is_some_and(|name| !name.is_empty()) {
                    to.refuse(field, c!("the container has no uts namespace of its own"));
                }
            };
            refuse(s!("hostname"), spec.hostname);
            refuse(s!("domainname"), spec.domainname);
        }
    }

    /// Whether the container gets a new one.
    pub(super) fn is_new(&self, kind: Namespace) -> bool {
        self.new & kind.flag() != 0
    }

    /// The file of the one that the container joins.
    pub(super) fn joined(&self, kind: Namespace) -> Option<&'a CStr> {
        self.joined.get(kind as usize).copied().flatten()
    }

    /// Whether it is another one than the machine's.
    pub(super) fn is_own(&self, kind: Namespace) -> bool {
        self.is_new(kind) || self.joined(kind).is_some()
    }

    /// Whether the container's root is the master of its namespace of this kind: in a user namespace, of what belongs to
    /// that. What is joined together with it is taken to.
    pub(super) fn is_governed(&self, kind: Namespace) -> bool {
        !self.is_mapped() || self.is_new(kind) || !self.is_new(Namespace::User) && self.joined(kind).is_some()
    }

    /// Whether the container is in a user namespace.
    pub(super) fn is_mapped(&self) -> bool {
        self.is_own(Namespace::User)
    }

    /// `CLONE_NEW*` of all that are not the machine's.
    pub(super) fn all(&self) -> u64 {
        let own = |flags, kind: Namespace| if self.is_own(kind) { flags | kind.flag() } else { flags };
        Namespace::ALL.into_iter().fold(self.new, own)
    }

    /// `CLONE_NEW*` that the process is born with: all but cgroup, whose root is to be the group that it is born into, and
    /// time if its clocks are to be set, which only goes before anybody is in it.
    fn born_with(&self) -> u64 {
        let later = if self.has_clocks { Namespace::Time.flag() } else { 0 };
        self.new & !Namespace::Cgroup.flag() & !later
    }

    /// Whether a process that joins must make another one. A pid namespace is joined by children alone. What belongs to the
    /// machine cannot be joined from a new user namespace, and what is to belong to a joined one is made in it.
    fn is_made_by_joiner(&self) -> bool {
        let is_joined = |kind: Namespace| kind != Namespace::Mount && self.joined(kind).is_some();
        is_joined(Namespace::Pid)
            || is_joined(Namespace::User) && self.new != 0
            || self.is_new(Namespace::User) && Namespace::ALL.into_iter().any(is_joined)
    }

    /// `CLONE_NEW*` that the launcher makes a process with.
    pub(super) fn clone_flags(&self) -> u64 {
        if self.is_made_by_joiner() { 0 } else { self.born_with() }
    }
}

/// Joins, first of all inside. The user namespace is first, since it gives the right to join the others; the mount
/// namespace is left to `rootfs`, since the other files are found in the machine's.
pub(super) fn join<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let namespaces = &request.namespaces;
    if let Some(path) = namespaces.joined(Namespace::User) {
        to.push(Step::JoinNamespace { kind: Namespace::User, path });
    }
    for kind in Namespace::ALL {
        if let Some(path) = namespaces.joined(kind)
            && !matches!(kind, Namespace::User | Namespace::Mount)
        {
            to.push(Step::JoinNamespace { kind, path });
        }
    }
    if namespaces.is_made_by_joiner() {
        to.push(Step::MakeProcess { namespaces: namespaces.born_with() });
    }
}

/// A new time namespace, through the machine's /proc.
pub(super) fn set_clocks<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    if !request.namespaces.has_clocks {
        return;
    }
    let mut buffer = [0; OFFSETS_BYTES];
    let mut line = Line::new(&mut buffer);
    let TimeOffsets { monotonic, boottime } = request.spec.linux.time_offsets;
    set_clock("monotonic ", &monotonic, &mut line, to);
    set_clock("\nboottime ", &boottime, &mut line, to);
    let offsets = to.arena.copy(line.bytes());
    to.push(Step::NewTimeNamespace { offsets });
}

#[inline(never)]
fn set_clock(clock: &str, offset: &TimeOffset, line: &mut Line, to: &mut Steps) {
    if offset.nanoseconds >= 1_000_000_000 {
        to.refuse(OFFSETS, c!("nanosecs: must be less than 1000000000"));
    }
    line.text(clock).signed(offset.seconds.unwrap_or(0)).byte(b' ').number(offset.nanoseconds.into());
}

fn has_offsets(offsets: &TimeOffsets) -> bool {
    let is_set = |offset: &TimeOffset| offset.seconds.is_some() || offset.nanoseconds != 0;
    is_set(&offsets.monotonic) || is_set(&offsets.boottime)
}

/// First in `after`, and done before the child may start: ids must be mapped before it can be anybody.
pub(super) fn map_ids<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    if request.namespaces.is_new(Namespace::User) {
        let linux = &request.spec.linux;
        to.push(Step::MapIds { uids: linux.uid_mappings, gids: linux.gid_mappings });
    }
}

/// LinuxKit's bindNS: once the process exists.
pub(super) fn bind<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    for (kind, file) in Namespace::ALL.into_iter().zip(request.runtime.bind_namespaces.0) {
        let Some(file) = file.filter(|file| !file.is_empty()) else { continue };
        if path::goes_up(file) {
            return to.refuse(s!("runtime.json: bindNS"), c!("a path must not contain `..`"));
        }
        let path = path::join(to.arena, s!("/"), file);
        if request.facts.again {
            // The file still shows the namespace of the time before.
            to.push(Step::Unmount { path });
        }
        to.push(Step::BindNamespace { kind, path });
    }
}

fn check_mappings(to: &mut Steps, field: &'static CStr, mappings: &[IdMapping], ids: &[u32]) {
    let is_mapped = |id: &u32| {
        mappings.iter().any(|mapping| id.checked_sub(mapping.container_id).is_some_and(|offset| offset < mapping.size))
    };
    if mappings.is_empty() {
        to.refuse(field, c!("required with a user namespace"));
    }
    if !is_mapped(&0) {
        to.refuse(field, c!("the container's id 0 must be mapped: it sets the container up"));
    }
    if !ids.iter().all(is_mapped) {
        to.refuse(field, c!("an id of process.user is not mapped"));
    }
}
