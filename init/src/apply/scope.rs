//! A control group that systemd makes: a transient scope, asked for over systemd's own socket. D-Bus Specification,
//! "Message Protocol" and "Authentication Protocol"; org.freedesktop.systemd1(5).
//!
//! A scope is made around a process. It is made around one that only waits, so that the container's own process finds the
//! group with its limits in force and is born there, as in every other group. The one that waits is killed then; it has a
//! group of its own meanwhile, since in the container's it would count.

use super::{Words, cgroup};
use crate::abi::{Errno, signal};
use crate::arena::Arena;
use crate::limits;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::{PathBuffer, copy};
use crate::sys::process::{self, Fork, Pid};
use crate::sys::socket::{self, Kind};
use crate::sys::{AsFd, BorrowedFd, OwnedFd, Result, identity, map, time, wait};
use crate::text::{Line, cut_last, fields};
use crate::texts::CStr;

/// Who we are is asked of the kernel: a number would have to be the one that systemd sees, which is another one in a user
/// namespace.
const HELLO: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";

/// systemd's own socket: as old as its D-Bus interface, for its user alone, and there without a bus.
#[inline(never)]
fn connect(directory: &CStr) -> Result<OwnedFd> {
    socket::connect(Kind::Stream, file::open(CWD, directory, Open::Directory)?.as_fd(), s!("private"))
}

/// The group that all groups of the systemd are in whose socket is in that directory. Nothing is above the machine's.
#[inline(never)]
pub fn group_above<'a>(directory: &CStr, arena: &mut Arena<'a>) -> Result<&'a CStr> {
    let mut buffer = [0; limits::PATH_BYTES_MAX];
    let (systemd, _) = socket::peer(connect(directory)?.as_fd())?;
    let group = cgroup::group_of(systemd, &mut buffer)?;
    // It is in one of them itself.
    let (above, name) = cut_last(group, b'/');
    Ok(arena.copy(if matches!(name, b"" | b"init.scope") { above } else { group }))
}

/// Has a user's systemd take this process in, with a scope of its own.
pub fn enter(directory: &CStr) -> Result<()> {
    let (mut buffer, pid) = ([0; 32], process::own_pid());
    let mut name = Line::new(&mut buffer);
    // No container's has a colon.
    name.text("pidone:").number(pid.unsigned_abs().into()).text(".scope");
    ask(directory, name.bytes(), b"user.slice", pid, None)
}

/// Makes the scope that a group is to be in, and the slice before it: the process that waits there, for [`release`]. The
/// scope's own limits are systemd's, which sets them anew when it is reloaded.
#[inline(never)]
pub(super) fn make(path: &CStr, directory: &CStr, words: Option<&mut Words>) -> Result<Pid> {
    let scope = cut_last(path.to_bytes(), b'/').0;
    let (above, name) = cut_last(scope, b'/');
    let slice = cut_last(above, b'/').1;
    let slice = if slice.ends_with(b".slice") { slice } else { b"-.slice" };
    let launcher = process::own_pid();
    let Fork::Parent(pid) = process::fork()? else {
        // Nobody else would end it if the launcher was killed, be it by now.
        if identity::end_with_parent().is_ok() && process::parent() == launcher {
            let _ = wait::ready(&[], None);
        }
        process::exit(0)
    };
    let made = ask(directory, name, slice, pid, words).and_then(|()| {
        let (mut path, mut digits) = (PathBuffer::empty(), [0; 11]);
        let parent = cgroup::open_cgroup(path.join(&[scope])?)?;
        file::make_directory_in(parent.as_fd(), s!("pidone"), 0o755)?;
        let own = path.join(&[scope, b"/pidone"])?;
        // Only a scope without processes of its own can hand controllers down.
        let mut number = Line::new(&mut digits);
        let number = number.number(pid.unsigned_abs().into()).terminated().unwrap_or_default();
        cgroup::write(own, s!("cgroup.procs"), number)
    });
    if made.is_err() {
        release(pid);
    }
    made.map(|()| pid)
}

/// Ends the process that waits in a scope, and removes its group; if it never came there, there are others in its group.
pub fn release(pid: Pid) {
    let (mut text, mut path) = ([0; limits::PATH_BYTES_MAX], PathBuffer::empty());
    let group = cgroup::group_of(pid, &mut text).unwrap_or_default();
    let _ = process::kill(pid, signal::KILL);
    let _ = process::reap(pid, true);
    let _ = path.join(&[cgroup::ROOT.to_bytes(), group]).and_then(|path| file::remove_directory(CWD, path));
}

fn ask(directory: &CStr, name: &[u8], slice: &[u8], pid: Pid, words: Option<&mut Words>) -> Result<()> {
    let until = time::monotonic_us() + limits::SCOPE_US;
    let socket = connect(directory)?;
    let socket = socket.as_fd();
    let room = map::zeroed(limits::REQUEST_BYTES_MAX + limits::MESSAGE_BYTES_MAX)?;
    let (ours, theirs) = room.split_at_mut_checked(limits::REQUEST_BYTES_MAX).ok_or(Errno::NOBUFS)?;
    let request = request(ours, name, slice, pid).ok_or(Errno::NAMETOOLONG)?;
    file::write_all(socket, HELLO)?;
    // A line for each of ours: `DATA`, then `OK` and a number, or `REJECTED`.
    let (mut byte, mut first, mut lines) = (*b"\n", 0, 0);
    while lines < 2 {
        let begins = byte == *b"\n";
        fill(socket, &mut byte, until)?;
        first = if begins { byte[0] } else { first };
        lines += u8::from(byte == *b"\n");
    }
    if first != b'O' {
        return Err(Errno::ACCESS);
    }
    loop {
        file::write_all(socket, request)?;
        let mut is_begun = false;
        loop {
            match said(receive(socket, theirs, until)?, name) {
                Said::Begun => is_begun = true,
                // One of the same name, which is empty, is about to go.
                Said::Exists => break,
                Said::Refused(why) => {
                    if let Some(words) = words {
                        *words = Words::new(why);
                    }
                    return Err(Errno::PROTO);
                }
                Said::Ended(well) if is_begun => return if well { Ok(()) } else { Err(Errno::CANCELED) },
                _ => {}
            }
        }
        wait::pause();
    }
}

/// Reads until the buffer is full.
#[inline(never)]
fn fill(socket: BorrowedFd, mut buffer: &mut [u8], until: u64) -> Result<()> {
    while !buffer.is_empty() {
        let left = until.saturating_sub(time::monotonic_us());
        if left == 0 || wait::ready(&[Some(socket)], Some(left))? == 0 {
            return Err(Errno::TIMEDOUT);
        }
        match file::read(socket, buffer)? as usize {
            0 => return Err(Errno::PROTO),
            length => buffer = buffer.get_mut(length..).unwrap_or_default(),
        }
    }
    Ok(())
}

/// The next message.
fn receive<'b>(socket: BorrowedFd, buffer: &'b mut [u8], until: u64) -> Result<&'b [u8]> {
    let (head, rest) = buffer.split_at_mut_checked(HEAD_BYTES).ok_or(Errno::NOBUFS)?;
    fill(socket, head, until)?;
    let length = length(head).ok_or(Errno::PROTO)?;
    fill(socket, rest.get_mut(..length - HEAD_BYTES).ok_or(Errno::NOBUFS)?, until)?;
    Ok(buffer.get(..length).unwrap_or_default())
}

/// What is the same in every request: byte order, a call, no flags, the version; then, behind the body's length, a serial
/// number, and path, member, interface and signature.
const HEAD: &[u8] = b"\x01\0\0\0\x8e\0\0\0\
\x01\x01o\0\x19\0\0\0/org/freedesktop/systemd1\0\0\0\0\0\0\0\
\x03\x01s\0\x12\0\0\0StartTransientUnit\0\0\0\0\0\0\
\x02\x01s\0\x20\0\0\0org.freedesktop.systemd1.Manager\0\0\0\0\0\0\0\0\
\x08\x01g\0\x10ssa(sv)a(sa(sv))\0\0\0";

/// What a scope is, up to the number of its process: nothing of the machine's shutdown order, the groups below are the
/// container's, and it does not stay when it has failed.
const PROPERTIES: &[u8] = b"\x0b\0\0\0Description\0\x01s\0\0\x13\0\0\0container of pidone\0\0\0\0\0\
\x08\0\0\0Delegate\0\x01b\0\x01\0\0\0\0\0\0\0\
\x13\0\0\0DefaultDependencies\0\x01b\0\0\0\0\0\0\
\x0b\0\0\0CollectMode\0\x01s\0\0\x12\0\0\0inactive-or-failed\0\0\0\0\0\0\
\x04\0\0\0PIDs\0\x02au\0\0\0\0\x04\0\0\0";

/// And behind that, up to the name of its slice.
const SLICE: &[u8] = b"\x05\0\0\0Slice\0\x01s\0\0\0\0";

/// Where a request's body begins.
const BODY: usize = 160;

/// The request for a scope, whose names are short. None if it does not fit.
fn request<'b>(buffer: &'b mut [u8], name: &[u8], slice: &[u8], pid: Pid) -> Option<&'b [u8]> {
    let properties = PROPERTIES.len() + 4 + SLICE.len() + 4 + slice.len() + 1;
    let mut line = Line::new(buffer);
    line.raw(b"l\x01\0\x01\0\0\0\0").raw(HEAD);
    string(&mut line, name);
    string(&mut line, b"replace");
    word(&mut line, properties as u32);
    align(&mut line, 8);
    line.raw(PROPERTIES);
    word(&mut line, pid.unsigned_abs());
    line.raw(SLICE);
    string(&mut line, slice);
    // No units beside it.
    word(&mut line, 0);
    align(&mut line, 8);
    let length = line.bytes().len();
    if line.overflowed() {
        return None;
    }
    copy(buffer.get_mut(4..)?, &(length.checked_sub(BODY)? as u32).to_le_bytes());
    buffer.get(..length)
}

fn string(line: &mut Line, text: &[u8]) {
    word(line, text.len() as u32);
    line.raw(text).byte(0);
}

fn word(line: &mut Line, number: u32) {
    align(line, 4);
    line.raw(&number.to_le_bytes());
}

/// Goes on at a multiple of a power of two.
#[inline(never)]
fn align(line: &mut Line, to: usize) {
    while line.bytes().len() & (to - 1) != 0 && !line.overflowed() {
        line.byte(0);
    }
}

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'m> {
    /// The job has begun: an answer.
    Begun,
    /// There is a unit of that name.
    Exists,
    /// Nothing came of it, and why.
    Refused(&'m [u8]),
    /// The job of the unit has ended, well or not.
    Ended(bool),
    /// Nothing that matters.
    Else,
}

/// Takes a message apart as far as it matters. In it every text stands between two bytes 0, the first of which is the last
/// one of its length.
pub fn said<'m>(message: &'m [u8], unit: &[u8]) -> Said<'m> {
    let has = |text: &[u8]| fields(message, 0).any(|piece| piece == text);
    match message {
        [_, 2, ..] => Said::Begun,
        [_, 3, ..] if has(b"org.freedesktop.systemd1.UnitExists") => Said::Exists,
        [_, 3, text @ .., 0] => Said::Refused(cut_last(text, 0).1),
        [_, 4, ..] if has(b"JobRemoved") && has(unit) => Said::Ended(has(b"done")),
        _ => Said::Else,
    }
}

/// Bytes of a message that say how long it is.
pub const HEAD_BYTES: usize = 16;

/// The length of a message of the machine's byte order, from its first bytes.
pub fn length(head: &[u8]) -> Option<usize> {
    let [b'l', _, _, _, a, b, c, d, _, _, _, _, e, f, g, h] = *head.first_chunk()? else { return None };
    let (body, fields) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    // So that the sum is one.
    ((body | fields) >> 27 == 0).then_some(HEAD_BYTES + (fields as usize).next_multiple_of(8) + body as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As systemd sends them.
    const REMOVED: &[u8] =
        b"l\x04\x01\x01M\0\0\0M\0\0\0z\0\0\0\x01\x01o\0\x19\0\0\0/org/freedesktop/systemd1\0\0\0\0\0\0\0\
\x02\x01s\0 \0\0\0org.freedesktop.systemd1.Manager\0\0\0\0\0\0\0\0\x03\x01s\0\n\0\0\0JobRemoved\0\0\0\0\0\0\
\x08\x01g\0\x04uoss\0\0\0\0\0\0\0\x0c\0\0\0 \0\0\0/org/freedesktop/systemd1/job/12\0\0\0\0\
\x10\0\0\0pidone-web.scope\0\0\0\0\x04\0\0\0done\0";
    const EXISTS: &[u8] = b"l\x03\x01\x01!\0\0\0\x02\0\0\0?\0\0\0\x05\x01u\0\x01\0\0\0\x04\x01s\0#\0\0\0\
org.freedesktop.systemd1.UnitExists\0\0\0\0\0\x08\x01g\0\x01s\0\0\x1c\0\0\0Unit x.scope already exists.\0";

    #[test]
    fn what_systemd_says_is_understood() {
        assert_eq!((length(REMOVED), length(EXISTS)), (Some(REMOVED.len()), Some(EXISTS.len())));
        assert_eq!(said(REMOVED, b"pidone-web.scope"), Said::Ended(true));
        // Neither another one, nor one whose name it ends with.
        assert_eq!(said(REMOVED, b"pidone-other.scope"), Said::Else);
        assert_eq!(said(REMOVED, b"web.scope"), Said::Else);
        assert_eq!(said(EXISTS, b"x.scope"), Said::Exists);
        let change = |message: &[u8], from: &[u8], to: &[u8]| {
            let at = message.windows(from.len()).position(|part| part == from).unwrap();
            let mut message = message.to_vec();
            message[at..at + to.len()].copy_from_slice(to);
            message
        };
        assert_eq!(said(&change(REMOVED, b"\0done", b"\0fail"), b"pidone-web.scope"), Said::Ended(false));
        assert_eq!(said(&change(REMOVED, b"JobRemoved", b"JobStarted"), b"pidone-web.scope"), Said::Else);
        let refused = change(EXISTS, b"UnitExists", b"NoSuchUnit");
        assert_eq!(said(&refused, b"x.scope"), Said::Refused(b"Unit x.scope already exists."));
        assert_eq!(said(&change(REMOVED, b"l\x04", b"l\x02"), b"x.scope"), Said::Begun);
    }

    #[test]
    fn a_head_cut_short_or_of_another_order_has_no_length() {
        for cut in 0..HEAD_BYTES {
            assert_eq!(length(&REMOVED[..cut]), None);
        }
        let mut head = REMOVED[..HEAD_BYTES].to_vec();
        head[7] = 8;
        assert_eq!(length(&head), None);
        head[0] = b'B';
        head[7] = 0;
        assert_eq!(length(&head), None);
    }

    #[test]
    fn a_message_cut_short_or_changed_anywhere_is_read_without_harm() {
        for message in [REMOVED, EXISTS] {
            for length in 0..message.len() - 1 {
                assert!(!matches!(said(&message[..length], b"pidone-web.scope"), Said::Ended(true)));
            }
            let mut message = message.to_vec();
            for place in 0..message.len() {
                let before = message[place];
                for byte in [0, 1, 7, 8, 0x7f, 0x80, 0xff, before ^ 1, before ^ 0x20] {
                    message[place] = byte;
                    length(&message);
                    said(&message, b"pidone-web.scope");
                }
                message[place] = before;
            }
        }
    }

    /// Reads what is written.
    struct Reader<'m> {
        bytes: &'m [u8],
        at: usize,
    }

    impl<'m> Reader<'m> {
        fn take(&mut self, length: usize) -> &'m [u8] {
            self.at += length;
            &self.bytes[self.at - length..self.at]
        }

        fn align(&mut self, to: usize) {
            self.at = self.at.next_multiple_of(to);
        }

        fn word(&mut self) -> u32 {
            self.align(4);
            u32::from_le_bytes(self.take(4).try_into().unwrap())
        }

        fn string(&mut self) -> &'m [u8] {
            let length = self.word() as usize;
            self.take(length + 1).strip_suffix(b"\0").unwrap()
        }

        fn signature(&mut self) -> &'m [u8] {
            let length = usize::from(self.take(1)[0]);
            self.take(length + 1).strip_suffix(b"\0").unwrap()
        }
    }

    #[test]
    fn a_request_says_which_process_is_to_be_where() {
        let mut buffer = [0; 1024];
        let request = request(&mut buffer, b"pidone-web.scope", b"system.slice", 4711).unwrap();
        assert_eq!(length(request), Some(request.len()));
        let mut body = Reader { bytes: &request[BODY..], at: 0 };
        assert_eq!((body.string(), body.string()), (&b"pidone-web.scope"[..], &b"replace"[..]));
        let length = body.word() as usize;
        body.align(8);
        let end = body.at + length;
        let mut values = Vec::new();
        while body.at < end {
            body.align(8);
            let name = body.string();
            let value = match body.signature() {
                b"s" => String::from_utf8_lossy(body.string()).into_owned(),
                b"b" => body.word().to_string(),
                b"au" => format!("{}: {}", body.word(), body.word()),
                other => panic!("{other:?}"),
            };
            values.push(format!("{}={value}", String::from_utf8_lossy(name)));
        }
        let expected = [
            "Description=container of pidone",
            "Delegate=1",
            "DefaultDependencies=0",
            "CollectMode=inactive-or-failed",
            "PIDs=4: 4711",
            "Slice=system.slice",
        ];
        assert_eq!(values, expected);
        assert_eq!(body.at, end);
        assert_eq!(body.word(), 0);
        body.align(8);
        assert_eq!(body.at, request.len() - BODY);
    }

    #[test]
    fn a_request_that_does_not_fit_is_none() {
        for length in 0..416 {
            assert_eq!(request(&mut vec![0; length], b"pidone-web.scope", b"system.slice", 1), None, "{length}");
        }
    }
}
