//! The container's root: what the bundle needs mounted on the machine, and how the process makes it its own.

use crate::abi::mount::*;
use crate::abi::namespace::Namespace;
use crate::arena::Arena;
use crate::config::spec::{Mount, Spec};
use crate::error::{Error, Result};
use crate::plan::facts::Facts;
use crate::plan::mounts::Where;
use crate::plan::step::{Attributes, Base, Place, Step};
use crate::plan::{Request, Steps, devices, hooks, identity, mounts, options, path};
use crate::text::cut;
use crate::texts::CStr;

const RUNTIME_MOUNTS: &CStr = s!("runtime.json: mounts");
const RUNTIME_MKDIR: &CStr = s!("runtime.json: mkdir");

/// The multiplexer of the container's own terminals.
pub(super) const MULTIPLEXER: &CStr = s!("/dev/pts/ptmx");

/// The root's directory on the machine.
pub(super) fn root_path<'a>(spec: &Spec<'a>, facts: &Facts<'a>, to: &mut Steps<'_, 'a>) -> &'a CStr {
    let given = spec.root.path.unwrap_or_default();
    if given.is_empty() {
        to.refuse(s!("root.path"), s!("required"));
    }
    if path::goes_up(given) {
        to.refuse(s!("root.path"), c!("must not contain `..`"));
    }
    path::join(to.arena, if path::is_absolute(given) { s!("/") } else { facts.bundle }, given)
}

/// Bundles of 2017 say nothing about their mounts. With a `lower` the root is an overlay in memory; without, it is used
/// as it is. Later ones list their mounts in runtime.json: a bundle that does both gets them once, from there.
pub(super) fn bundle_mounts<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let of_2017 = request.facts.lower && !is_mounted_by_runtime(request);
    if of_2017 && request.namespaces.joined(Namespace::Mount).is_none() {
        let bundle = request.facts.bundle;
        let memory = Attributes { propagation: MS_PRIVATE, ..Attributes::default() };
        return overlay(to, bundle, request.bundle_root, 0, s!("size=10%"), memory);
    }
    let is_relative = |mount: &Mount| mount.destination.is_some_and(|target| !path::is_absolute(target));
    if !is_mounted_by_runtime(request) && request.runtime.mounts.iter().any(is_relative) {
        // So that what is mounted in it goes when it goes.
        let (source, target) = (request.bundle_root, Place::machine(request.bundle_root));
        to.bind(source, &target, true, &Attributes::default());
    }
}

/// The steps that mount `/containers/volumes/NAME`: an overlay in memory on its `merged`.
///
/// # Errors
/// A name that cannot be told to overlayfs; a bound that was passed.
pub fn volume<'a>(directory: &'a CStr, arena: &mut Arena<'a>) -> Result<&'a [Step<'a>]> {
    let mut to = Steps::new(arena);
    let merged = path::join(to.arena, directory, s!("merged"));
    overlay(&mut to, directory, merged, MS_RELATIME, s!(""), Attributes::default());
    let steps = to.finish();
    arena.check().map(|()| steps)
}

/// A tmpfs on `tmp` of a directory, and on `target` an overlay of `lower` with what will be written in that tmpfs.
fn overlay<'a>(
    to: &mut Steps<'_, 'a>,
    directory: &'a CStr,
    target: &'a CStr,
    flags: u32,
    data: &'a CStr,
    attributes: Attributes,
) {
    // overlayfs separates directories by colons and options by commas, and takes a backslash for an escape.
    if directory.to_bytes().iter().any(|byte| matches!(byte, b':' | b',' | b'\\')) {
        to.arena.fail(Error::wrong(s!("bundle"), c!("its path must not contain a colon, comma or backslash")));
    }
    let memory = path::join(to.arena, directory, s!("tmp"));
    let upper = path::join(to.arena, memory, s!("upper"));
    let work = path::join(to.arena, memory, s!("work"));
    let base = directory.to_bytes();
    let layers =
        to.arena.string(&[b"lowerdir=", base, b"/lower,upperdir=", upper.to_bytes(), b",workdir=", work.to_bytes()]);
    to.mount(s!("tmpfs"), memory, flags, data, &attributes);
    to.make_directory(&Place::machine(upper));
    to.make_directory(&Place::machine(work));
    to.mount(s!("overlay"), target, flags, layers, &Attributes::default());
}

/// runtime.json's mounts, in order, each with the directories that an overlay wants.
pub(super) fn runtime_mounts<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    for (number, mount) in request.runtime.mounts.iter().enumerate() {
        let target = machine_place(request, to, RUNTIME_MOUNTS, number, mount.destination);
        // Those outside the bundle stay when the container ends, for others. Mounting them again would hide what is
        // in them now.
        let is_outside = target.base == Base::Machine && !path::is_below(target.path, request.facts.bundle);
        if request.facts.again && is_outside {
            continue;
        }
        for option in mount.options {
            if let Some((b"upperdir" | b"workdir", directory)) = cut(option.to_bytes(), b'=') {
                let directory = to.arena.copy(directory);
                let directory = path::join(to.arena, s!("/"), directory);
                to.make_directory(&Place::machine(directory));
            }
        }
        mounts::one(request, to, Where::Machine, number, mount, target);
    }
}

/// runtime.json's directories.
pub(super) fn runtime_directories<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    for (number, directory) in request.runtime.mkdir.iter().enumerate() {
        let at = machine_place(request, to, RUNTIME_MKDIR, number, Some(*directory));
        to.make_directory(&at);
    }
}

/// Where runtime.json means: an absolute path is the machine's, a relative one is below the bundle's `rootfs`.
fn machine_place<'a>(
    request: &Request<'_, 'a>,
    to: &mut Steps<'_, 'a>,
    list: &'static CStr,
    number: usize,
    given: Option<&'a CStr>,
) -> Place<'a> {
    let given = given.unwrap_or_default();
    if given.is_empty() {
        to.refuse_entry(list, number, c!("a path is required"));
    }
    if path::goes_up(given) {
        to.refuse_entry(list, number, c!("a path must not contain `..`"));
    }
    let base = if path::is_absolute(given) { Base::Machine } else { Base::Below(request.bundle_root) };
    Place { base, path: path::join(to.arena, s!("/"), given) }
}

/// Whether runtime.json mounts something on the bundle's own `rootfs`.
fn is_mounted_by_runtime(request: &Request) -> bool {
    let is_root = |mount: &Mount| {
        mount.destination.is_some_and(|target| path::is_absolute(target) && path::same(target, request.bundle_root))
    };
    request.runtime.mounts.iter().any(is_root)
}

/// The process goes where its root is. With its own mount namespace the machine's is dropped; in the machine's, the root
/// is only changed; in a joined one, all is there already.
pub(super) fn enter<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    if let Some(path) = request.namespaces.joined(Namespace::Mount) {
        hooks::before_root(request, to);
        identity::labels(request, to);
        to.push(Step::JoinNamespace { kind: Namespace::Mount, path });
        return identity::console(request, to, Place::machine(MULTIPLEXER), None);
    }
    let is_new = request.namespaces.is_new(Namespace::Mount);
    let propagation = root_propagation(request.spec, to);
    if is_new {
        isolate(propagation, to);
    }
    to.push(Step::OpenRoot { path: request.root });
    devices::file_system(request, to);
    mounts::all(request, to);
    devices::nodes(request, to);
    identity::console(request, to, Place::container(MULTIPLEXER), Some(Place::container(s!("/dev/console"))));
    let directory = identity::directory(request.process, to);
    if !path::same(directory, s!("/")) {
        // While the root can be written, and by root: the container's user might not be allowed to.
        to.make_directory(&Place::container(directory));
    }
    hide(request, to);
    // Now that everything in them is made.
    mounts::make_readonly(request, to);
    hooks::before_root(request, to);
    identity::labels(request, to);
    let moves = request.facts.manner.moves_root;
    if moves && request.namespaces.is_mapped() {
        // The machine's /proc stays below, and lets the container's root mount one without masks.
        to.refuse(s!("--no-pivot"), c!("not with a user namespace, whose root would have all of /proc"));
    }
    to.push(match (is_new, moves) {
        (true, false) => Step::PivotRoot,
        (true, true) => Step::MoveRoot,
        (false, _) => Step::ChangeRoot,
    });
    if let Some((kind @ (MS_SHARED | MS_UNBINDABLE), recursive)) = propagation {
        // Only now: pivot_root(2) refuses a shared root. The process's root is the container's from here on.
        set_propagation(kind, recursive, to);
    }
}

/// Keeps the container's mounts from the machine, before there are any. A root that is to be shared keeps the machine's
/// mounts shared as they are: that is how volumes bound into it let mounts through. `OpenRoot` isolates the root itself.
fn isolate(propagation: Option<(u32, bool)>, to: &mut Steps) {
    match propagation {
        Some((MS_SHARED, _)) => {}
        Some((MS_PRIVATE | MS_UNBINDABLE, _)) => set_propagation(MS_PRIVATE, true, to),
        _ => set_propagation(MS_SLAVE, true, to),
    }
}

/// On the root of the process that applies it.
fn set_propagation(kind: u32, recursive: bool, to: &mut Steps) {
    let attributes = Attributes { propagation: kind, propagation_recursive: recursive, ..Attributes::default() };
    to.set_attributes(&Place::machine(s!("/")), &attributes);
}

fn root_propagation(spec: &Spec, to: &mut Steps) -> Option<(u32, bool)> {
    let name = spec.linux.rootfs_propagation.filter(|name| !name.is_empty())?;
    let known = options::propagation(name);
    if known.is_none() {
        to.refuse(c!("linux.rootfsPropagation"), c!("not a kind of propagation"));
    }
    known
}

/// `maskedPaths` and `readonlyPaths`, after all mounts: they are mostly in /proc and /sys.
fn hide<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let linux = &request.spec.linux;
    for (number, path) in linux.masked_paths.iter().enumerate() {
        let at = absolute(to, c!("linux.maskedPaths"), number, path);
        to.push(Step::Mask { at });
    }
    for (number, path) in linux.readonly_paths.iter().enumerate() {
        let at = absolute(to, c!("linux.readonlyPaths"), number, path);
        to.push(Step::MakeReadonly { at });
    }
}

fn absolute<'a>(to: &mut Steps, list: &'static CStr, number: usize, path: &'a CStr) -> Place<'a> {
    if !path::is_absolute(path) {
        to.refuse_entry(list, number, c!("must be absolute"));
    }
    Place::container(path)
}
