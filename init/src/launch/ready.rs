//! How a container of PID 1 tells that it does what it is there for, and its launcher waits for that.

use crate::arena::Arena;
use crate::config::policy::{self, Key, Wishes};
use crate::config::spec::{Mount, Spec};
use crate::limits;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::{PathBuffer, decimal};
use crate::sys::process::Pid;
use crate::sys::{AsFd, OwnedFd, Result, identity, pipe, socket, time, wait};
use crate::text::{cut_last, fields, number};
use crate::texts::CStr;

/// What is prepared before the container is made.
#[derive(Default)]
pub struct Readiness {
    /// What the container says is read here.
    heard: Option<OwnedFd>,
    /// The descriptor that it is given.
    given: Option<OwnedFd>,
}

impl Readiness {
    /// Prepares what the container wants. `path` is that of its socket, if it wants one; before anything is opened, since
    /// its descriptor takes the place of whatever had the number.
    pub fn prepare(wishes: &Wishes, path: &CStr) -> Result<Readiness> {
        let mut readiness = Readiness::default();
        match wishes.get(Key::Ready) {
            policy::DESCRIPTOR => {
                let (heard, given) = pipe::to_number(wishes.get(Key::ReadyNumber))?;
                (readiness.heard, readiness.given) = (Some(heard), Some(given));
            }
            policy::NOTIFY => {
                let _ = file::remove(CWD, path);
                let mut name = PathBuffer::empty();
                let name = name.join(&[cut_last(path.to_bytes(), b'/').1])?;
                let directory = file::open(CWD, s!("/run"), Open::Directory)?;
                // Whoever the container runs as.
                identity::set_umask(0);
                let bound = socket::bind(socket::Kind::Datagrams, directory.as_fd(), name);
                identity::set_umask(0o022);
                readiness.heard = Some(bound?);
            }
            _ => {}
        }
        Ok(readiness)
    }

    /// Waits until the container is ready: whether it is in time. `check` runs the command of `ready=command:` for so long
    /// at most. Whoever started this process ends it when the container ends.
    pub fn wait(self, wishes: &Wishes, pid: Pid, check: &mut dyn FnMut(u64) -> bool) -> bool {
        let Readiness { heard, given } = self;
        // The container has its own.
        drop(given);
        let deadline_us = time::monotonic_us().saturating_add(wishes.us(Key::ReadyTimeout));
        let (kind, port) = (wishes.get(Key::Ready), wishes.get(Key::ReadyNumber));
        loop {
            let left_us = deadline_us.saturating_sub(time::monotonic_us());
            if left_us == 0 {
                return false;
            }
            let is_ready = match kind {
                policy::TCP => listens(pid, port),
                policy::VSOCK => socket::connect_vsock(socket::LOCAL, port).is_ok(),
                policy::COMMAND => check(left_us),
                _ => false,
            };
            if is_ready {
                return true;
            }
            let Some(heard) = heard.as_ref().map(AsFd::as_fd) else {
                let _ = wait::ready(&[], Some(left_us.min(limits::READY_LOOK_US)));
                continue;
            };
            if wait::ready(&[Some(heard)], Some(left_us)) != Ok(1) {
                continue;
            }
            let mut buffer = [0; 4096];
            let length = file::read(heard, &mut buffer).unwrap_or(0) as usize;
            let mut lines = fields(buffer.get(..length).unwrap_or_default(), b'\n');
            if kind == policy::NOTIFY {
                if lines.any(|line| line == b"READY=1") {
                    return true;
                }
            } else if lines.nth(1).is_some() {
                return true;
            } else if length == 0 {
                // It has closed it without a word.
                return false;
            }
        }
    }
}

/// Gives a container a socket of the machine's, and says so in its environment: sd_notify(3).
pub fn give_socket<'x>(socket: &'x CStr, spec: &mut Spec<'x>, arena: &mut Arena<'x>) {
    let mount = Mount {
        destination: Some(s!("/run/notify/notify")),
        kind: Some(s!("bind")),
        source: Some(socket),
        options: &[s!("bind")],
        ..Mount::default()
    };
    let mut mounts = arena.list();
    for mount in spec.mounts {
        arena.push(&mut mounts, *mount);
    }
    arena.push(&mut mounts, mount);
    spec.mounts = arena.finish(mounts);
    let process = &mut spec.process;
    let mut environment = arena.list();
    for pair in process.env {
        arena.push(&mut environment, *pair);
    }
    arena.push(&mut environment, s!("NOTIFY_SOCKET=/run/notify/notify"));
    process.env = arena.finish(environment);
}

/// Whether something in the network namespace of a process listens on a TCP port: proc_net_tcp of the kernel's documents.
fn listens(pid: Pid, port: u32) -> bool {
    let mut digits = [0; 10];
    let digits = decimal(&mut digits, pid.unsigned_abs());
    let (mut path, mut text) = (PathBuffer::empty(), [0; limits::TCP_TABLE_BYTES]);
    [&b"/net/tcp"[..], b"/net/tcp6"].iter().any(|table| {
        let read = path.join(&[b"/proc/", digits, table]).and_then(|path| file::read_file(path, &mut text));
        fields(read.unwrap_or_default(), b'\n').any(|line| is_listener(line, port))
    })
}

/// `0: 00000000:1F90 00000000:0000 0A ...`: number, local and remote address, state.
fn is_listener(line: &[u8], port: u32) -> bool {
    let mut words = fields(line, b' ').filter(|word| !word.is_empty());
    let local = words.nth(1).unwrap_or_default();
    number(cut_last(local, b':').1, 16) == Some(port.into()) && words.nth(1) == Some(b"0A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_told_from_a_connection_by_its_state() {
        let listener = b"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22";
        let connection =
            b"   1: 0100007F:1F90 0100007F:C2F2 01 00000000:00000000 00:00000000 00000000     0        0 23";
        let six =
            b"   0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000";
        assert!(is_listener(listener, 8080) && !is_listener(connection, 8080) && !is_listener(listener, 80));
        assert!(is_listener(six, 22));
        assert!(!is_listener(b"  sl  local_address rem_address   st tx_queue", 22) && !is_listener(b"", 0));
    }

    #[test]
    fn a_port_of_this_machine_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(crate::sys::process::own_pid(), port.into()));
        drop(listener);
        assert!(!listens(crate::sys::process::own_pid(), port.into()));
    }
}
