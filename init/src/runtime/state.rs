//! A container's directory: `<root>/<id>/`, 0700, whose making reserves the id. In it
//!
//! - `config.json`, as it was when the container was created: all that is done later is planned from it. `runtime.json`
//!   if the bundle had one;
//! - `state.json`: what else is to be known, above all the first process, by its id and the time when it started;
//! - `start`: the socket at which a created container waits.
//!
//! They appear in this order: the copy of the configuration before anything is done to the machine, and whole before the
//! state, which always is (`rename`), and names the process before that is let go. A creator that dies leaves a process that
//! soon ends by itself, and a directory from which `delete` cleans up. Commands that change something lock the directory.

use super::Caller;
use crate::abi::Errno;
use crate::abi::mount::{MS_NODEV, MS_NOEXEC, MS_NOSUID};
use crate::arena::Arena;
use crate::config;
use crate::config::spec::Kept;
use crate::error::{Context, Error, Result};
use crate::limits;
use crate::plan::state::{self, State};
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::{PathBuffer, join};
use crate::sys::process::{Handle, Pid};
use crate::sys::socket::{self, Kind};
use crate::sys::texts::until_nul;
use crate::sys::{AsFd, BorrowedFd, OwnedFd, map, mount, time};
use crate::text::{Line, Value, fields, has, number};
use crate::texts::CStr;
use core::cell::Cell;

/// The socket at which a created container waits.
pub(super) const START: &CStr = s!("start");
/// The state.
const STATE: &CStr = s!("state.json");
/// The state that is to come.
const NEW: &CStr = s!("new");

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Somebody is making it.
    Creating,
    /// It waits for `start`.
    Created,
    Running,
    Paused,
    /// Its first process has ended, or there never was one.
    Stopped,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }

    /// Whether there is a first process.
    pub(super) fn is_alive(self) -> bool {
        matches!(self, Status::Created | Status::Running | Status::Paused)
    }
}

/// runc's characters: letters, digits and `_+-.`.
pub(super) fn check_id(id: &CStr) -> Result<()> {
    let id = id.to_bytes();
    if id.len() > limits::ID_BYTES_MAX {
        return Err(Error::limit(c!("container id"), s!("bytes"), id.len(), limits::ID_BYTES_MAX));
    }
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || has(b"_+-.", *byte);
    if id.is_empty() || id == b"." || id == b".." || !id.iter().all(is_good) {
        return Err(Error::wrong(c!("container id"), c!("invalid: letters, digits and _+-. only")));
    }
    Ok(())
}

/// A container's directory.
pub(super) struct Place<'i> {
    pub(super) directory: OwnedFd,
    path: &'i CStr,
    pub(super) id: &'i CStr,
    /// Whether it is locked, by us.
    is_ours: Cell<bool>,
    /// A connection to where the container waits, of whoever has locked it.
    waits: Cell<Option<OwnedFd>>,
}

/// Why it could not be loaded.
pub(super) const ABSENT: &CStr = c!("container does not exist");

/// A container that is there.
pub(super) struct Container {
    pub(super) place: Place<'static>,
    pub(super) kept: Kept<'static>,
    pub(super) status: Status,
}

pub(super) const LOAD: &CStr = c!("load the container");

impl<'i> Place<'i> {
    /// Reserves an id, and locks what it is reserved by.
    pub(super) fn reserve(buffer: &'i mut PathBuffer, root: &CStr, id: &'i CStr) -> Result<Place<'i>> {
        const DOING: &CStr = c!("make the container's directory");
        let path = buffer.below(root, id).doing(DOING)?;
        let mut made = file::make_directory_in(CWD, path, 0o700);
        if made == Err(Errno::NOENT) {
            made = file::make_directories(root).and_then(|()| file::make_directory_in(CWD, path, 0o700));
        }
        match made {
            Err(Errno::EXIST) => return Err(Error::wrong(s!("create"), c!("container with this id already exists"))),
            made => made.doing(DOING)?,
        }
        let place = Place::open(path, id).and_then(|place| place.lock().map(|()| place));
        if place.is_err() {
            // Nobody else has it.
            let _ = file::remove_directory(CWD, path);
        }
        place
    }

    /// The directory of a container that is there.
    pub(super) fn find(buffer: &'i mut PathBuffer, root: &CStr, id: &'i CStr) -> Result<Place<'i>> {
        Place::open(buffer.below(root, id).doing(LOAD)?, id)
    }

    fn open(path: &'i CStr, id: &'i CStr) -> Result<Place<'i>> {
        match file::open(CWD, path, Open::DirectoryItself) {
            Err(Errno::NOENT) => Err(Error::wrong(LOAD, ABSENT)),
            opened => Ok(Place {
                directory: opened.doing(LOAD)?,
                path,
                id,
                is_ours: Cell::new(false),
                waits: Cell::new(None),
            }),
        }
    }

    /// Waits until nobody else changes the container.
    pub(super) fn lock(&self) -> Result<()> {
        const DOING: &CStr = c!("lock the container");
        file::lock(self.directory.as_fd(), true).doing(DOING)?;
        self.is_ours.set(true);
        Ok(())
    }

    /// An error if it was removed meanwhile.
    pub(super) fn check(&self) -> Result<()> {
        if file::is_removed(self.directory.as_fd()).doing(LOAD)? { Err(Error::wrong(LOAD, ABSENT)) } else { Ok(()) }
    }

    /// Lets others change it.
    pub(super) fn unlock(&self) {
        file::unlock(self.directory.as_fd());
        self.is_ours.set(false);
    }

    /// Whether somebody else changes it.
    fn is_locked(&self) -> bool {
        let looked = file::open_itself(self.directory.as_fd(), s!("."));
        looked.is_ok_and(|looked| file::lock(looked.as_fd(), false) == Err(Errno::AGAIN))
    }

    /// Its path.
    pub(super) fn path(&self) -> &'i CStr {
        self.path
    }

    /// What is kept of the container, and where it is in its life.
    pub(super) fn load(&self, kept: &mut Kept<'static>) -> Result<Status> {
        let text = match map::read(self.directory.as_fd(), STATE) {
            // Somebody is about to write it.
            Ok([]) => b"{}",
            Err(Errno::NOENT) => self.check().map(|()| &b"{}"[..])?,
            text => text.doing(LOAD)?,
        };
        let mut arena = Arena::new(map::zeroed(6 * text.len() + 4096).doing(LOAD)?);
        config::read_kept(text, &mut arena, kept)?;
        Ok(self.status(kept))
    }

    fn status(&self, kept: &Kept) -> Status {
        if !is_alive(kept) {
            // A creator holds the lock, unless it is dead.
            let is_made = kept.pid() == 0 && !self.is_ours.get() && self.is_locked();
            return if is_made { Status::Creating } else { Status::Stopped };
        }
        // It is gone when the container was started; when somebody died over that, nobody listens.
        if let Ok(connection) = self.connect() {
            // Nobody else's stays: who starts the container would wait for the end of it.
            self.waits.set(Some(connection).filter(|_| self.is_ours.get()));
            return Status::Created;
        }
        if is_frozen(kept.cgroup.unwrap_or_default()) { Status::Paused } else { Status::Running }
    }

    /// The connection to where the container waits, once.
    pub(super) fn connection(&self) -> crate::sys::Result<OwnedFd> {
        self.waits.take().ok_or(Errno::CONNRESET)
    }

    fn connect(&self) -> crate::sys::Result<OwnedFd> {
        socket::connect(Kind::Messages, self.directory.as_fd(), START)
    }

    /// Writes a file.
    pub(super) fn write(&self, name: &CStr, text: &[u8]) -> crate::sys::Result<()> {
        file::write_all(file::open(self.directory.as_fd(), name, Open::Replace)?.as_fd(), text)
    }

    /// Writes the state, which may be the first: an object whose end is yet to come.
    pub(super) fn save(&self, state: &mut Line, is_first: bool) -> Result<()> {
        let text = state.byte(b'}').bytes();
        // What is no longer than a page is there whole or not at all.
        let saved = if is_first && text.len() <= 4096 {
            self.write(STATE, text)
        } else {
            self.write(NEW, text).and_then(|()| file::rename(self.directory.as_fd(), NEW, STATE))
        };
        state.shorten();
        saved.doing(c!("write the state"))
    }

    /// Removes the directory: the id is free again.
    pub(super) fn remove(&self) -> Result<()> {
        let directory = self.directory.as_fd();
        // What mostly is all.
        for name in [STATE, s!("config.json")] {
            let _ = file::remove(directory, name);
        }
        let mut removed = file::remove_directory(CWD, self.path());
        if removed == Err(Errno::NOTEMPTY) {
            removed = file::for_each_entry(directory, &mut |name, _| file::remove(directory, name))
                .and_then(|()| file::remove_directory(CWD, self.path()));
        }
        removed.doing(c!("remove the container's directory"))
    }
}

/// Whether the first process is there, and the one that it was. If that cannot be found out it is: what is said to be gone
/// may be killed.
pub(super) fn is_alive(kept: &Kept) -> bool {
    match started(kept.pid()) {
        Ok(found) => found.is_some_and(|(state, time)| time == kept.start_time && !matches!(state, b'Z' | b'X')),
        Err(_) => true,
    }
}

/// A process that must be the container's first.
pub(super) fn process(kept: &Kept) -> Result<Handle> {
    let handle = Handle::open(kept.pid());
    // Only now: the id may have been another's before.
    if handle.is_err() || !is_alive(kept) {
        return Err(Error::wrong(c!("look for its process"), c!("container not running")));
    }
    handle.doing(c!("look for its process"))
}

/// The state of a process, and when it started, in the kernel's clock ticks: /proc/PID/stat. None if there is no such
/// process.
pub(super) fn started(pid: Pid) -> crate::sys::Result<Option<(u8, u64)>> {
    if pid <= 0 {
        return Ok(None);
    }
    let (mut path, mut buffer) = ([0; 32], [0; 1024]);
    let mut digits = [0; 10];
    let path = join(&mut path, &[b"/proc/", crate::sys::path::decimal(&mut digits, pid.unsigned_abs()), b"/stat"])?;
    match file::read_start(path, &mut buffer) {
        Err(Errno::NOENT | Errno::SRCH) => Ok(None),
        text => Ok(state_and_start(text?)),
    }
}

fn state_and_start(text: &[u8]) -> Option<(u8, u64)> {
    // The second field, a name in parentheses, may hold anything.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let mut rest = fields(text.get(end + 2..)?, b' ');
    let state = rest.next()?.first().copied()?;
    // The third field was the first of these; the time is the 22nd.
    Some((state, number(rest.nth(18)?, 10)?))
}

/// Whether a control group is frozen, or about to be.
fn is_frozen(group: &CStr) -> bool {
    let mut buffer = [0; 8];
    !group.is_empty() && crate::apply::read_cgroup(group, s!("cgroup.freeze"), &mut buffer) == Ok(b"1\n")
}

/// Where states are unless somebody says otherwise.
pub(super) const ROOT: &CStr = s!("/run/pidone");

/// Mounts a tmpfs where states are, unless something is mounted there.
pub(super) fn mount_root(root: &CStr) -> crate::sys::Result<()> {
    file::make_directories(root)?;
    // Others may be about to.
    let directory = file::open(CWD, root, Open::Directory)?;
    file::lock(directory.as_fd(), true)?;
    if file::is_mount_point(root) {
        return Ok(());
    }
    mount::mount(s!("pidone"), root, s!("tmpfs"), MS_NOSUID | MS_NODEV | MS_NOEXEC, s!("mode=0700"))
}

/// Keeps of a container of PID 1 what the commands need, so that they find it as one of their own. Its configuration is
/// not copied: it is in the image.
///
/// # Errors
/// The kernel's.
pub fn record(name: &CStr, bundle: &CStr, group: &CStr, pid: Pid) -> Result<()> {
    forget(name);
    let (mut path, mut buffer) = (PathBuffer::empty(), PathBuffer::empty());
    let place = Place::reserve(&mut buffer, ROOT, name)?;
    path.below(bundle, s!("config.json"))
        .and_then(|config| file::make_link(config, place.directory.as_fd(), s!("config.json")))
        .doing(STATE)?;
    let mut buffer = [0; limits::PATH_BYTES_MAX];
    let mut line = Line::new(&mut buffer);
    let mut time = [0; 32];
    let kept = Kept { bundle: Some(bundle), created: created(&mut time), owner: Some(s!("root")), ..Kept::default() };
    line.byte(b'{');
    members(&mut line, name, &kept, "running", None);
    process_members(&mut line, pid, group)?;
    place.save(&mut line, true)
}

/// Forgets it.
pub fn forget(name: &CStr) {
    // There is none if it was never launched.
    let _ = Place::find(&mut PathBuffer::empty(), ROOT, name).and_then(|place| place.remove());
}

/// This moment as text.
pub(super) fn created(buffer: &mut [u8; 32]) -> Option<&CStr> {
    let mut line = Line::new(buffer);
    line.time(time::real_seconds() as i64).byte(0);
    until_nul(line.written())
}

/// Writes what else is kept of a container, once there is its first process.
pub(super) fn process_members(line: &mut Line, pid: Pid, group: &CStr) -> Result<()> {
    // Without it nobody could tell later whether it still is the same.
    let Ok(Some((_, time))) = started(pid) else {
        return Err(Error::wrong(s!("create"), c!("cannot tell when the process started")));
    };
    let values = [Value::Number(pid.unsigned_abs().into()), Value::Number(time)];
    line.format(t!(",\"pid\":{},\"startTime\":{},\"cgroup\":"), &values);
    state::string(line, group.to_bytes());
    Ok(())
}

/// Writes a container's state as JSON.
pub(super) fn write(line: &mut Line, id: &CStr, kept: &Kept, status: Status) {
    let pid = if status.is_alive() { kept.pid().unsigned_abs() } else { 0 };
    line.byte(b'{');
    members(line, id, kept, status.name(), Some(pid));
    line.byte(b'}');
}

/// Writes the members of that object.
pub(super) fn members(line: &mut Line, id: &CStr, kept: &Kept, status: &'static str, pid: Option<u32>) {
    let known = State {
        version: kept.version.unwrap_or(s!("1.0.0")),
        id,
        status,
        pid,
        bundle: kept.bundle.unwrap_or_default(),
        annotations: kept.annotations,
    };
    state::members(line, &known);
    for (name, value) in [(",\"rootfs\":", kept.rootfs), (",\"created\":", kept.created), (",\"owner\":", kept.owner)] {
        state::string(line.text(name), value.unwrap_or_default().to_bytes());
    }
}

/// `pidone state`.
pub(super) fn print(caller: &Caller) -> u8 {
    let container = caller.container();
    let mut line = Line::new(caller.must(buffer(&container.kept)));
    write(&mut line, container.place.id, &container.kept, container.status);
    line.byte(b'\n');
    caller.show(c!("write the state"), line.bytes());
    0
}

/// Room for a container's state as text.
pub(super) fn buffer(kept: &Kept) -> Result<&'static mut [u8]> {
    let mut length = 32 * 1024;
    for pair in kept.annotations {
        length += 6 * (pair.name.count_bytes() + pair.value.count_bytes()) + 8;
    }
    map::zeroed(length).doing(LOAD)
}

/// Listens at the place where the container is to wait.
pub(super) fn gate(place: BorrowedFd) -> Result<OwnedFd> {
    socket::listen(place, START).doing(c!("make the socket for start"))
}
