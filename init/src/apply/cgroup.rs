//! Control groups, version 2: Documentation/admin-guide/cgroup-v2.rst.

use crate::sys::wait;
use crate::sys::{AsFd, BorrowedFd, OwnedFd};
use crate::texts::CStr;

use super::{Applier, absence_is_fine, numbered};
use crate::abi::Errno;
use crate::abi::bpf::Instruction;
use crate::plan::step::Controllers;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::{PathBuffer, copied};
use crate::sys::process::Pid;
use crate::sys::{Result, bpf};
use crate::text::{fields, number};

pub(super) const ROOT: &CStr = s!("/sys/fs/cgroup");

/// How long a killed group may take to be empty: a process in the kernel's uninterruptible sleep may take for ever.
const EMPTY_SECONDS: u64 = 2;

/// Opens a group by its path from the root, never leaving the root.
pub fn open_cgroup(path: &CStr) -> Result<OwnedFd> {
    file::open_in_root(file::open(CWD, ROOT, Open::Directory)?.as_fd(), path, Open::Directory)
}

impl<'a> Applier<'_, 'a> {
    /// The group that the steps are about.
    pub(super) fn group(&mut self, path: &'a CStr) -> Result<BorrowedFd<'_>> {
        let group = match self.group.take() {
            Some((known, group)) if known == path => group,
            _ => open_cgroup(path)?,
        };
        Ok(self.group.insert((path, group)).1.as_fd())
    }
}

/// Makes a group and its ancestors. Every ancestor, the root first, hands all its controllers down, so that the group has
/// them: `all`. The root itself is there already: making it only hands down.
#[inline(never)]
pub(super) fn make(path: &CStr, all: Controllers) -> Result<OwnedFd> {
    if path != s!("/")
        && let Ok(group) = make_last(path, all)
    {
        return Ok(group);
    }
    let mut group = file::open(CWD, ROOT, Open::Directory)?;
    delegate_all(group.as_fd())?;
    let mut components = fields(path.to_bytes(), b'/').filter(|component| !component.is_empty()).peekable();
    while let Some(component) = components.next() {
        let mut buffer = [0; 256];
        let name = copied(&mut buffer, component)?;
        file::existing_is_fine(file::make_directory_in(group.as_fd(), name, 0o755))?;
        group = file::open_itself(group.as_fd(), name)?;
        if components.peek().is_some() {
            delegate_all(group.as_fd())?;
        }
    }
    Ok(group)
}

/// Makes a group whose ancestors are there. An error, too, if they do not hand down all that the root has.
#[inline(never)]
fn make_last(path: &CStr, all: Controllers) -> Result<OwnedFd> {
    let mut buffer = PathBuffer::empty();
    let path = buffer.join(&[ROOT.to_bytes(), path.to_bytes()])?;
    file::make_directory(path, 0o755)?;
    let group = file::open_itself(CWD, path)?;
    let mut has = [0; 512];
    let has = read_controllers(group.as_fd(), &mut has)?;
    if Controllers::listed(has) == all { Ok(group) } else { Err(Errno::NODEV) }
}

/// What the kernel gives at once.
fn read_controllers<'b>(group: BorrowedFd, buffer: &'b mut [u8]) -> Result<&'b [u8]> {
    let length = file::read(file::open(group, s!("cgroup.controllers"), Open::Read)?.as_fd(), buffer)?;
    buffer.get(..length as usize).ok_or(Errno::INVAL)
}

/// Writes `+controller` for each controller of the group into its subtree_control. What is above a group that was
/// delegated to its user is somebody else's.
fn delegate_all(group: BorrowedFd) -> Result<()> {
    let mut buffer = [0; 512];
    let controllers = read_controllers(group, &mut buffer)?;
    let control = match file::open(group, s!("cgroup.subtree_control"), Open::Write) {
        Err(Errno::ACCESS) => return Ok(()),
        control => control?,
    };
    for controller in fields(controllers.trim_ascii_end(), b' ').filter(|name| !name.is_empty()) {
        let mut request = [0; 64];
        let mut line = crate::text::Line::new(&mut request);
        line.byte(b'+').raw(controller);
        match file::write(control.as_fd(), line.bytes()) {
            // EBUSY: processes live in the group itself. EOPNOTSUPP: the group is threaded. The controller is then not
            // handed down, and a limit that needs it fails by name.
            Err(Errno::BUSY | Errno::NOTSUP) => {}
            result => result?,
        }
    }
    Ok(())
}

/// Writes a control file of a group.
pub fn write(path: &CStr, control: &CStr, text: &CStr) -> Result<()> {
    write_in(open_cgroup(path)?.as_fd(), control, text)
}

pub(super) fn write_in(group: BorrowedFd, control: &CStr, text: &CStr) -> Result<()> {
    file::write(file::open(group, control, Open::Write)?.as_fd(), text.to_bytes())
}

/// Where the kernel (4.15) says which files of a group may be given away; before, it was these.
const DELEGATE: &CStr = s!("/sys/kernel/cgroup/delegate");
const DELEGATE_DEFAULT: &[u8] = b"cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

#[inline(never)]
pub(super) fn give(path: &CStr, user: u32) -> Result<()> {
    let mut buffer = [0; 1024];
    let files = match file::read_file(DELEGATE, &mut buffer) {
        Ok(files) => files,
        Err(_) => DELEGATE_DEFAULT,
    };
    let group = open_cgroup(path)?;
    file::set_owner(group.as_fd(), user, LEAVE)?;
    for name in fields(files.trim_ascii_end(), b'\n') {
        let mut buffer = [0; 128];
        let opened = file::open(group.as_fd(), copied(&mut buffer, name)?, Open::PlaceItself);
        absence_is_fine(opened.and_then(|opened| file::set_owner(opened.as_fd(), user, LEAVE)))?;
    }
    Ok(())
}

/// The group stays as it is: chown(2).
const LEAVE: u32 = u32::MAX;

pub(super) fn check_memory(path: &CStr, most: u64) -> Result<()> {
    let mut buffer = [0; 32];
    let used = file::open(open_cgroup(path)?.as_fd(), s!("memory.current"), Open::Read)?;
    let used = file::read_all(used.as_fd(), &mut buffer)?;
    let used = number(used.trim_ascii_end(), 10).ok_or(Errno::PROTO)?;
    if used > most { Err(Errno::BUSY) } else { Ok(()) }
}

/// Whether there are processes in a group or in those below it, or would be frozen there.
pub fn is_in_use(path: &CStr) -> bool {
    // `populated 0`, `frozen 0`.
    !path.is_empty() && read_cgroup(path, s!("cgroup.events"), &mut [0; 128]).is_ok_and(|events| events.contains(&b'1'))
}

/// Reads a control file of a group, as far as there is room, never leaving the root of groups.
pub fn read_cgroup<'b>(path: &CStr, control: &CStr, buffer: &'b mut [u8]) -> Result<&'b [u8]> {
    let mut place = PathBuffer::empty();
    let place = place.join(&[path.to_bytes(), b"/", control.to_bytes()])?;
    let control = file::open_in_root(file::open(CWD, ROOT, Open::Directory)?.as_fd(), place, Open::Read)?;
    Ok(file::read_all(control.as_fd(), buffer)?)
}

/// The control group of a process, from the root of all groups: /proc/PID/cgroup.
pub fn group_of(pid: Pid, buffer: &mut [u8]) -> Result<&[u8]> {
    let mut path = [0; 32];
    let text = file::read_file(numbered(&mut path, "/proc/", pid.unsigned_abs(), b"/cgroup")?, buffer)?;
    // Of version 2 there is one hierarchy, and its number is 0.
    let line = fields(text, b'\n').find_map(|line| line.strip_prefix(b"0::"));
    line.ok_or(Errno::NODEV)
}

/// Calls `each` with every process of a group and of those below it.
pub fn each_process(path: &CStr, each: &mut dyn FnMut(Pid) -> Result<()>) -> Result<()> {
    processes_in(open_cgroup(path)?.as_fd(), crate::limits::EMPTY_DEPTH_MAX, each)
}

fn processes_in(group: BorrowedFd, depth: usize, each: &mut dyn FnMut(Pid) -> Result<()>) -> Result<()> {
    let list = file::open(group, s!("cgroup.procs"), Open::Read)?;
    let mut buffer = [0; crate::limits::PROCESSES_BYTES];
    let mut pid = 0_u32;
    loop {
        // Whole lines or pieces of them.
        let length = file::read(list.as_fd(), &mut buffer)? as usize;
        for byte in buffer.get(..length).unwrap_or_default() {
            match byte {
                b'0'..=b'9' => pid = pid.wrapping_mul(10).wrapping_add(u32::from(byte - b'0')),
                _ => each(core::mem::take(&mut pid) as Pid)?,
            }
        }
        if length == 0 {
            break;
        }
    }
    file::for_each_entry(group, &mut |name, kind| {
        if kind != file::FileType::DIRECTORY || depth == 0 {
            return Ok(());
        }
        processes_in(file::open_itself(group, name)?.as_fd(), depth - 1, each)
    })
}

pub(super) fn filter_devices(group: BorrowedFd, program: &[Instruction]) -> Result<()> {
    let program = bpf::load_device_program(program)?;
    bpf::attach_device_program(group, program.as_fd())
}

/// Kills what is in a group, waits until it is empty and removes it with the groups inside it.
pub(super) fn remove(path: &CStr) -> Result<()> {
    if path.is_empty() {
        return Ok(());
    }
    // It mostly is empty.
    if absence_is_fine(remove_empty(path)).is_ok() {
        return Ok(());
    }
    let group = match open_cgroup(path) {
        Err(errno) => return absence_is_fine(Err(errno)),
        Ok(group) => group,
    };
    kill_all(group.as_fd())?;
    remove_below(group.as_fd(), crate::limits::EMPTY_DEPTH_MAX)?;
    absence_is_fine(remove_empty(path))
}

fn remove_empty(path: &CStr) -> Result<()> {
    let mut buffer = PathBuffer::empty();
    file::remove_directory(CWD, buffer.join(&[ROOT.to_bytes(), path.to_bytes()])?)
}

fn kill_all(group: BorrowedFd) -> Result<()> {
    let kill = file::open(group, s!("cgroup.kill"), Open::Write)?;
    let events = file::open(group, s!("cgroup.events"), Open::Read)?;
    file::write(kill.as_fd(), b"1")?;
    // The kernel announces a change of `populated` as an exceptional condition of the file.
    for _ in 0..16 {
        let mut buffer = [0; 128];
        file::rewind(events.as_fd())?;
        let text = file::read_all(events.as_fd(), &mut buffer)?;
        if text.windows(11).any(|window| window == b"populated 0") {
            return Ok(());
        }
        if !wait::exceptional(events.as_fd(), EMPTY_SECONDS)? {
            return Err(Errno::BUSY);
        }
    }
    Err(Errno::BUSY)
}

/// Removes the groups inside a group; a container may have made some.
fn remove_below(group: BorrowedFd, depth: usize) -> Result<()> {
    file::for_each_entry(group, &mut |name, kind| {
        if kind != file::FileType::DIRECTORY {
            return Ok(());
        }
        if depth == 0 {
            return Err(Errno::NOTEMPTY);
        }
        remove_below(file::open_itself(group, name)?.as_fd(), depth - 1)?;
        file::remove_directory(group, name)
    })
}
