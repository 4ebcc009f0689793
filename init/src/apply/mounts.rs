//! Mounting. Targets are descriptors: a new file system is mounted on `.` after fchdir(2), a bind is attached to one.
//! Nothing is ever mounted by a path that a hostile image could have changed since it was looked at.

use crate::sys::{AsFd, BorrowedFd, OwnedFd};
use crate::sys::{file::FileType, process};
use crate::texts::CStr;

use super::{Applier, absence_is_fine, files, namespaces};
use crate::abi::Errno;
use crate::abi::mount::{MS_MOVE, MS_PRIVATE, MS_RDONLY, MS_SLAVE};
use crate::limits::{EMPTY_DEPTH_MAX, IDMAPPED_MOUNTS_MAX};
use crate::plan::step::{Attributes, Base, Bind, Existing, NewMount, Place, Step};
use crate::sys::file::{self, CWD, Open};
use crate::sys::{Result, mount as calls};
use crate::text::fields;

impl<'a> Applier<'_, 'a> {
    pub(super) fn mount(&mut self, mount: &NewMount<'a>) -> Result<()> {
        if mount.existing == Existing::Keep && file::is_mount_point(mount.target.path) {
            return Ok(());
        }
        // Most are in a directory where one was just made, and are not there.
        let (is_there, target) = match self.make_beside(&mount.target) {
            Some(target) => (false, target),
            // A link cannot be entered.
            None => match self.open(&mount.target, if mount.no_link { Open::PlaceItself } else { Open::Place }) {
                Err(Errno::NOENT) => (false, self.make_new(&mount.target)?),
                found => {
                    // It may be any directory: what is known may be hidden soon.
                    self.parent = None;
                    (true, found?)
                }
            },
        };
        process::enter(target.as_fd())?;
        calls::mount(mount.source, s!("."), mount.kind, mount.flags, mount.data)?;
        if mount.copy_up {
            // What was opened before still shows what is hidden now.
            let hidden = file::open(target.as_fd(), s!("."), Open::Directory)?;
            let shown = self.open(&mount.target, Open::Directory)?;
            files::copy(hidden.as_fd(), shown.as_fd(), EMPTY_DEPTH_MAX)?;
        } else if is_there && mount.kind == s!("tmpfs") && !has_mode(mount.data) && mount.target.base == Base::Container
        {
            // What the image lets others do there, it still does.
            let mode = file::status_of(target.as_fd())?.mode;
            files::set_mode(self.open(&mount.target, Open::Place)?.as_fd(), mode)?;
        }
        if mount.attributes.set | mount.attributes.clear | mount.attributes.propagation == 0 {
            return Ok(());
        }
        set_on(self.open(&mount.target, Open::Place)?.as_fd(), &mount.attributes)
    }

    pub(super) fn bind(&mut self, bind: &Bind) -> Result<()> {
        let prepared = if bind.is_prepared() { self.mapped.as_mut() } else { None };
        let tree = match prepared.and_then(|mapped| mapped.take()) {
            Some(tree) if bind.ids.is_some() => tree,
            // A copy of its own first: there, the container's root cannot clear the machine's flags (mount_namespaces(7)).
            prepared => copy_of(bind).or_else(|errno| prepared.ok_or(errno))?,
        };
        set_on(tree.as_fd(), &bind.attributes)?;
        let target = self.open_target(&bind.target, file::kind_of(tree.as_fd())?)?;
        calls::attach(tree.as_fd(), target.as_fd())
    }

    pub(super) fn set_attributes(&mut self, at: &Place, attributes: &Attributes) -> Result<()> {
        if at.path == s!("/") {
            self.isolated |= at.base == Base::Machine
                && attributes.propagation_recursive
                && matches!(attributes.propagation, MS_SLAVE | MS_PRIVATE);
            match at.base {
                Base::Machine => return set_on(CWD, attributes),
                Base::Container => return set_on(self.root()?.as_fd(), attributes),
                Base::Below(_) => {}
            }
        }
        set_on(self.open(at, Open::Place)?.as_fd(), attributes)
    }

    pub(super) fn make_readonly(&self, at: &Place) -> Result<()> {
        absence_is_fine(self.open(at, Open::Place).and_then(|place| {
            let copy = calls::clone_readonly(place.as_fd(), s!(""), true)?;
            calls::attach(copy.as_fd(), place.as_fd())
        }))
    }

    pub(super) fn mask(&mut self, at: &Place) -> Result<()> {
        absence_is_fine(self.open(at, Open::Place).and_then(|place| match process::enter(place.as_fd()) {
            // No directory.
            Err(Errno::NOTDIR) => {
                let null = match self.null.take() {
                    Some(null) => null,
                    None => machine_null()?,
                };
                let copy = calls::clone_tree_at(null.as_fd(), s!(""), false);
                self.null = Some(null);
                calls::attach(copy?.as_fd(), place.as_fd())
            }
            entered => {
                entered.and_then(|()| calls::mount(s!("tmpfs"), s!("."), s!("tmpfs"), MS_RDONLY, s!("nr_inodes=1")))
            }
        }))
    }

    pub(super) fn open_root(&mut self, path: &CStr) -> Result<()> {
        if !self.isolated {
            let place = file::open(CWD, path, Open::Place)?;
            // pivot_root(2) refuses a root whose parent mount is shared, and a shared one would show the bind to the
            // machine.
            calls::set_attributes(mount_of(&place)?.as_fd(), 0, 0, MS_PRIVATE, false)?;
        }
        let tree = calls::clone_tree(path, true)?;
        calls::attach_at(tree.as_fd(), CWD, path)?;
        self.root = Some(tree);
        Ok(())
    }

    pub(super) fn pivot_root(&self) -> Result<()> {
        let machine = if self.isolated { None } else { Some(file::open(CWD, s!("/"), Open::Place)?) };
        process::enter(self.root()?.as_fd())?;
        calls::pivot_here()?;
        // The machine's root is stacked on the new one now. It must not take the machine's own mounts along when it goes.
        if let Some(machine) = machine {
            calls::set_attributes(machine.as_fd(), 0, 0, MS_SLAVE, true)?;
        }
        // What is on top.
        calls::unmount(s!("."), true)
    }

    pub(super) fn move_root(&self) -> Result<()> {
        process::enter(self.root()?.as_fd())?;
        calls::mount(s!("."), s!("/"), s!(""), MS_MOVE, s!(""))?;
        process::change_root()?;
        process::change_directory(s!("/"))
    }

    pub(super) fn change_root(&self) -> Result<()> {
        process::enter(self.root()?.as_fd())?;
        process::change_root()
    }
}

/// Whether a tmpfs is asked for certain permissions.
fn has_mode(data: &CStr) -> bool {
    fields(data.to_bytes(), b',').any(|option| option.starts_with(b"mode="))
}

/// A detached copy of what is to be bound, which shows the ids wanted.
fn copy_of(bind: &Bind) -> Result<OwnedFd> {
    let tree = calls::clone_tree(bind.source, bind.recursive)?;
    if bind.is_prepared() {
        // As in the container's mount namespace, which is a slave of the machine's.
        calls::set_attributes(tree.as_fd(), 0, 0, MS_SLAVE, true)?;
    }
    if let Some(ids) = bind.ids {
        let namespace = namespaces::with_ids(ids.uids, ids.gids)?;
        calls::map_ids(tree.as_fd(), namespace.as_fd(), ids.recursive)?;
    }
    Ok(tree)
}

/// Copies that perhaps only the machine can make, made before the container's process is: in the order of the steps that bind
/// them. Empty for nearly every container.
pub struct Mapped {
    trees: [Option<OwnedFd>; IDMAPPED_MOUNTS_MAX],
    next: usize,
}

impl Mapped {
    /// None, so that a step makes its own.
    pub const fn none() -> Mapped {
        Mapped { trees: [const { None }; IDMAPPED_MOUNTS_MAX], next: 0 }
    }

    /// Makes the copies for a list of steps. A failure comes with the number of the step.
    pub fn prepare(&mut self, steps: &[Step]) -> core::result::Result<(), (usize, Errno)> {
        let mut free = self.trees.iter_mut();
        for (number, step) in steps.iter().enumerate() {
            if let Step::Bind(bind) = step
                && bind.is_prepared()
                && let Some(place) = free.next()
            {
                *place = match copy_of(bind) {
                    Err(errno) if bind.ids.is_some() => return Err((number, errno)),
                    // Perhaps the process can: what it binds may be in a mount that it makes.
                    copy => copy.ok(),
                };
            }
        }
        Ok(())
    }

    fn take(&mut self) -> Option<OwnedFd> {
        let tree = self.trees.get_mut(self.next)?.take();
        self.next += 1;
        tree
    }
}

/// Changes what is to be changed, in as few calls as the two kinds of recursion allow.
fn set_on(mount: BorrowedFd, wanted: &Attributes) -> Result<()> {
    let Attributes { set, clear, propagation, recursive, propagation_recursive } = *wanted;
    if set | clear != 0 {
        calls::set_attributes(mount, set, clear, 0, recursive)?;
    }
    if propagation != 0 {
        calls::set_attributes(mount, 0, 0, propagation, propagation_recursive)?;
    }
    Ok(())
}

/// The root of the mount that a place is in, found by walking up: at most as many steps as the path is deep.
fn mount_of(place: &OwnedFd) -> Result<OwnedFd> {
    let mut here = file::open(place.as_fd(), s!("."), Open::Place)?;
    for _ in 0..crate::limits::PATH_BYTES_MAX {
        if file::is_mount_root(here.as_fd())? {
            return Ok(here);
        }
        here = file::open(here.as_fd(), s!(".."), Open::Place)?;
    }
    Err(Errno::LOOP)
}

/// The machine's /dev/null, which must be that very device: a masked file must not show anything else (CVE-2025-31133).
fn machine_null() -> Result<OwnedFd> {
    let null = file::open(CWD, s!("/dev/null"), Open::PlaceItself)?;
    let right = file::is_node(null.as_fd(), FileType::CHARACTER_DEVICE, rustix::fs::makedev(1, 3))?;
    if right { Ok(null) } else { Err(Errno::NODEV) }
}

pub(super) fn unmount(path: &CStr) -> Result<()> {
    // What is mounted below goes along. A bind of a shared folder is of one group with that folder, which would lose its
    // own mounts too.
    if let Ok(place) = file::open(CWD, path, Open::PlaceItself) {
        // Refused for what is no mount point; then there is nothing to unmount either.
        let _ = calls::set_attributes(place.as_fd(), 0, 0, MS_PRIVATE, true);
    }
    match calls::unmount(path, true) {
        // Not a mount point.
        Err(Errno::INVAL) => Ok(()),
        result => absence_is_fine(result),
    }
}

/// Makes a file of the machine, with its parents, to bind something on, and attaches `tree` to it.
pub(super) fn attach_on_file(applier: &mut Applier, tree: BorrowedFd, path: &CStr) -> Result<()> {
    let target = applier.open_target(&Place { base: Base::Machine, path }, FileType::REGULAR_FILE)?;
    calls::attach(tree, target.as_fd())
}
