//! Mounts of config.json and runtime.json: what kind of step each becomes.

use crate::abi::mount::{MOUNT_ATTR_ATIME, MOUNT_ATTR_RDONLY, MS_RDONLY, MS_REMOUNT};
use crate::abi::namespace::Namespace;
use crate::config::spec::Mount;
use crate::error::Error;
use crate::limits::IDMAPPED_MOUNTS_MAX;
use crate::plan::options::{self, Options};
use crate::plan::step::{Attributes, Base, Bind, Existing, IdMap, NewMount, Place, Step};
use crate::plan::{Request, Steps, path};
use crate::text::{has, position};
use crate::texts::CStr;

/// Where a list of mounts belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// runtime.json: the machine's mount namespace.
    Machine,
    /// config.json: the container's root.
    Container,
}

impl Where {
    #[inline(never)]
    fn refuse(self, to: &mut Steps, number: usize, problem: &'static CStr) {
        let list = match self {
            Where::Machine => s!("runtime.json: mounts"),
            Where::Container => s!("mounts"),
        };
        to.refuse_entry(list, number, problem);
    }
}

/// config.json's mounts, in order.
pub(super) fn all<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    for (number, mount) in request.spec.mounts.iter().enumerate() {
        let target = container_place(to, number, mount);
        one(request, to, Where::Container, number, mount, target);
    }
}

/// A tmpfs that is to be read-only is mounted writable, since mount points and devices are still to be made in it.
fn is_made_readonly_later(mount: &Mount, options: &Options) -> bool {
    mount.kind == Some(s!("tmpfs")) && options.bind.is_none() && !options.remount && options.flags & MS_RDONLY != 0
}

/// The read-only ones that had to wait, and the root.
pub(super) fn make_readonly<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let attributes = Attributes { set: MOUNT_ATTR_RDONLY, ..Attributes::default() };
    for (number, mount) in request.spec.mounts.iter().enumerate() {
        let options = Options::read(mount.options);
        if is_made_readonly_later(mount, &options) {
            let at = container_place(to, number, mount);
            to.set_attributes(&at, &attributes);
        }
    }
    if request.spec.root.readonly {
        to.set_attributes(&Place::container(s!("/")), &attributes);
    }
}

fn container_place<'a>(to: &mut Steps<'_, 'a>, number: usize, mount: &Mount<'a>) -> Place<'a> {
    let target = mount.destination.unwrap_or_default();
    if mount.destination.is_none() {
        Where::Container.refuse(to, number, c!("destination: required"));
    }
    if path::same(target, s!("/")) {
        Where::Container.refuse(to, number, c!("destination: must not be the root itself"));
    }
    Place::container(if path::is_absolute(target) { target } else { path::join(to.arena, s!("/"), target) })
}

/// One mount, whatever kind it is of.
#[inline(never)]
pub(super) fn one<'a>(
    request: &Request<'_, 'a>,
    to: &mut Steps<'_, 'a>,
    place: Where,
    number: usize,
    mount: &Mount<'a>,
    target: Place<'a>,
) {
    let options = &Options::read(mount.options);
    if let Some(problem) = options.problem {
        place.refuse(to, number, problem);
    }
    let kind = mount.kind.filter(|kind| *kind != s!("none")).unwrap_or_default();
    let bind = options.bind.or((kind == s!("bind")).then_some(false));
    let is_file_system_changed = options.has_data || options.file_system != 0;
    if options.remount && !is_file_system_changed {
        return change(to, target, options);
    }
    if let Some(recursive) = bind {
        if is_file_system_changed {
            place.refuse(to, number, c!("options: unknown for a bind mount"));
        }
        let source = mount.source.unwrap_or_default();
        if source.is_empty() {
            place.refuse(to, number, c!("source: required for a bind mount"));
        }
        if options.copy_up {
            place.refuse(to, number, COPY_UP);
        }
        let base = if path::is_absolute(source) { s!("/") } else { request.facts.bundle };
        let source = path::join(to.arena, base, source);
        let ids = match ids(request, mount, options) {
            Ok(ids) => ids,
            Err(problem) => return place.refuse(to, number, problem),
        };
        let is_far = request.namespaces.is_mapped();
        return bind_with(to, source, target, recursive, options, ids, is_far);
    }
    if is_mapped(mount, options) {
        place.refuse(to, number, c!("options: idmap and mappings are for bind mounts"));
    }
    if options.copy_up && kind != s!("tmpfs") {
        place.refuse(to, number, COPY_UP);
    }
    if kind.is_empty() {
        if options.attributes.propagation != 0 && !is_file_system_changed {
            return change(to, target, options);
        }
        place.refuse(to, number, c!("type: required unless it is a bind mount"));
    }
    if place == Where::Container && !options.remount {
        let is_cgroup = kind == s!("cgroup") || kind == s!("cgroup2");
        let namespaces = &request.namespaces;
        let is_machines = !namespaces.is_governed(Namespace::Network) || is_bound(request, s!("/sys"));
        if is_cgroup && namespaces.is_new(Namespace::Cgroup) && is_machines {
            // The machine's /sys is shown then, and in it this file system: the kernel mounts none on itself.
            let own = path::join(to.arena, s!("/sys/fs/cgroup"), request.cgroup);
            return bind_machines(to, own, target, false, options);
        }
        if let Some(shown) = shown_by_machine(request, kind) {
            return bind_machines(to, shown, target, !is_cgroup, options);
        }
        if is_cgroup {
            return file_system(request, to, s!("cgroup2"), s!("cgroup"), target, mount, options);
        }
    }
    file_system(request, to, kind, mount.source.unwrap_or_default(), target, mount, options);
}

/// Whether the configuration mounts there what the machine has.
#[inline(never)]
pub(super) fn is_bound(request: &Request, target: &CStr) -> bool {
    request.spec.mounts.iter().any(|mount| {
        mount.destination.is_some_and(|other| path::same(other, target))
            && (mount.kind == Some(s!("bind")) || Options::read(mount.options).bind.is_some())
    })
}

const COPY_UP: &CStr = c!("options: tmpcopyup is for tmpfs");

fn is_mapped(mount: &Mount, options: &Options) -> bool {
    options.id_map.is_some() || mount.uid_mappings.len() + mount.gid_mappings.len() > 0
}

/// The ids that a mount shows: its own mappings, or the container's.
fn ids<'a>(
    request: &Request<'_, 'a>,
    mount: &Mount<'a>,
    options: &Options,
) -> core::result::Result<Option<IdMap<'a>>, &'static CStr> {
    if !is_mapped(mount, options) {
        return Ok(None);
    }
    let (mut uids, mut gids) = (mount.uid_mappings, mount.gid_mappings);
    if uids.is_empty() != gids.is_empty() {
        return Err(c!("uidMappings and gidMappings: one needs the other"));
    }
    if uids.is_empty() {
        if !request.namespaces.is_new(Namespace::User) {
            return Err(c!("options: idmap needs uidMappings and gidMappings, or a new user namespace"));
        }
        (uids, gids) = (request.spec.linux.uid_mappings, request.spec.linux.gid_mappings);
    }
    Ok(Some(IdMap { uids, gids, recursive: options.id_map == Some(true) }))
}

/// File systems that show a namespace, and where the machine has them.
static SHOWING: &[(&CStr, Namespace, &CStr)] = &[
    (s!("proc"), Namespace::Pid, s!("/proc")),
    (s!("sysfs"), Namespace::Network, s!("/sys")),
    (s!("mqueue"), Namespace::Ipc, s!("/dev/mqueue")),
    (s!("cgroup"), Namespace::Cgroup, s!("/sys/fs/cgroup")),
    (s!("cgroup2"), Namespace::Cgroup, s!("/sys/fs/cgroup")),
];

/// Where the machine has a file system of which the container cannot or must not have an instance of its own:
/// - in a user namespace the kernel only mounts those that show a namespace of its own;
/// - a control group file system without a namespace of its own is the machine's, and a bind of it says so.
fn shown_by_machine(request: &Request, kind: &CStr) -> Option<&'static CStr> {
    let (_, namespace, shown) = SHOWING.iter().find(|(known, ..)| *known == kind)?;
    let namespaces = &request.namespaces;
    let is_possible = namespaces.is_governed(*namespace);
    let is_wanted = *namespace != Namespace::Cgroup || namespaces.is_own(Namespace::Cgroup);
    (!is_possible || !is_wanted).then_some(shown)
}

/// A bind of what the machine has, with at least the restrictions asked for, on all of it.
fn bind_machines<'a>(to: &mut Steps<'_, 'a>, source: &'a CStr, target: Place<'a>, recursive: bool, options: &Options) {
    // The access time mode is a restriction to nobody, and cannot be set without being cleared.
    let set = (options.attributes.set | options.below.set) & !MOUNT_ATTR_ATIME;
    let attributes = Attributes { set, clear: 0, recursive, ..options.attributes };
    to.bind(source, &target, recursive, &attributes);
}

fn bind_with<'a>(
    to: &mut Steps<'_, 'a>,
    source: &'a CStr,
    target: Place<'a>,
    recursive: bool,
    options: &Options,
    ids: Option<IdMap<'a>>,
    is_far: bool,
) {
    let has_own = options.attributes.set | options.attributes.clear != 0;
    let two_calls = has_own && options.has_below();
    let attributes = if has_own { options.attributes } else { options.below_with_propagation() };
    let ids = ids.and_then(|ids| to.arena.filled(1, ids).first());
    let is_far = is_far && to.mapped < IDMAPPED_MOUNTS_MAX;
    to.mapped += usize::from(is_far || ids.is_some());
    if to.mapped > IDMAPPED_MOUNTS_MAX {
        let what = c!("mounts that show other ids");
        to.arena.fail(Error::limit(c!("plan the container"), what, to.mapped, IDMAPPED_MOUNTS_MAX));
    }
    to.push(Step::Bind(Bind { source, target, recursive, attributes, ids, is_far }));
    if two_calls {
        to.set_attributes(&target, &options.below);
    }
}

/// Changes an existing mount.
fn change<'a>(to: &mut Steps<'_, 'a>, at: Place<'a>, options: &Options) {
    to.set_attributes(&at, &options.attributes);
    if options.has_below() {
        to.set_attributes(&at, &options.below);
    }
}

#[inline(never)]
fn file_system<'a>(
    request: &Request<'_, 'a>,
    to: &mut Steps<'_, 'a>,
    kind: &'a CStr,
    source: &'a CStr,
    target: Place<'a>,
    mount: &Mount<'a>,
    options: &Options,
) {
    let mut flags = options.flags | if options.remount { MS_REMOUNT } else { 0 };
    if target.base == Base::Container && is_made_readonly_later(mount, options) {
        flags &= !MS_RDONLY;
    }
    let mut data = data(to, mount.options);
    if target.base == Base::Container && !options.remount && position(UNLABELLED, kind.to_bytes()).is_none() {
        data = labelled(request, to, data.to_bytes());
    }
    let source = if source.is_empty() { kind } else { source };
    let attributes = options.below_with_propagation();
    let (existing, copy_up) = (Existing::Cover, options.copy_up);
    let no_link = target.base == Base::Container && (kind == s!("proc") || kind == s!("sysfs"));
    to.push(Step::Mount(NewMount { kind, source, target, flags, data, existing, attributes, copy_up, no_link }));
}

/// File systems that have labels of their own.
static UNLABELLED: &[u8] = b"proc sysfs mqueue cgroup2";

/// A file system's data with `linux.mountLabel`.
pub(super) fn labelled<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>, data: &[u8]) -> &'a CStr {
    let Some(label) = request.spec.linux.mount_label else { return to.arena.copy(data) };
    if has(label.to_bytes(), b'"') {
        to.refuse(c!("linux.mountLabel"), c!("must not contain a quotation mark"));
    }
    let separator: &[u8] = if data.is_empty() { b"" } else { b"," };
    // Its categories have commas between.
    to.arena.string(&[data, separator, b"context=\"", label.to_bytes(), b"\""])
}

/// The options that only the file system knows, with commas between.
fn data<'a>(to: &mut Steps<'_, 'a>, options: &[&'a CStr]) -> &'a CStr {
    let mut pieces = to.arena.list::<&[u8]>();
    let mut separator: &[u8] = b"";
    for option in options.iter().filter(|option| options::is_data(option)) {
        to.arena.push(&mut pieces, separator);
        to.arena.push(&mut pieces, option.to_bytes());
        separator = b",";
    }
    let pieces = to.arena.finish(pieces);
    to.arena.string(pieces)
}
