//! The listener of a container's filter of system calls: runtime-spec `config-linux.md#containerprocessstate`.
//!
//! The launcher connects to it while it still sees the machine only, takes the filter's descriptor out of the container's
//! process the moment that one has it, and sends it. The process itself could not: its filter is in force by then, and
//! nobody answers yet.

use crate::arena::Arena;
use crate::launch::child::Channel;
use crate::plan::state::{self, State};
use crate::plan::step::{Filter, Listener, Plan, Step};
use crate::sys::file::{self, CWD, Open};
use crate::sys::process::{Handle, Pid};
use crate::sys::socket::{self, Kind};
use crate::sys::{AsFd, OwnedFd, Result, map};
use crate::text::{Line, cut_last};
use crate::texts::CStr;

/// A connection to the listener.
pub(super) struct Connection<'p, 'a> {
    listener: &'p Listener<'a>,
    socket: OwnedFd,
}

/// Connects to who listens to the plan's filter, if somebody is to.
pub(super) fn connect<'p, 'a>(plan: &'p Plan<'a>, arena: &mut Arena<'a>) -> Result<Option<Connection<'p, 'a>>> {
    let listener = plan.inside.iter().find_map(|step| match step {
        Step::FilterSystemCalls(Filter { listener, .. }) => listener.as_ref(),
        _ => None,
    });
    let Some(listener) = listener else { return Ok(None) };
    let (parent, name) = cut_last(listener.path.to_bytes(), b'/');
    let directory = file::open(CWD, arena.string(&[parent, b"/"]), Open::Directory)?;
    let socket = socket::connect(Kind::Stream, directory.as_fd(), arena.copy(name))?;
    Ok(Some(Connection { listener, socket }))
}

impl Connection<'_, '_> {
    /// Waits for the container's process to have its filter, and hands the descriptor over; or for it to say something.
    pub(super) fn serve(&self, channel: &Channel, pid: Pid) -> Result<()> {
        let Some(number) = channel.offered()? else { return Ok(()) };
        let descriptor = Handle::open(pid)?.descriptor(number)?;
        let mut line = Line::new(map::zeroed(room(self.listener))?);
        print(&mut line, self.listener, pid as u32);
        socket::send_descriptor(self.socket.as_fd(), descriptor.as_fd(), line.bytes())?;
        channel.taken();
        Ok(())
    }
}

/// At least as many bytes as will be written.
fn room(listener: &Listener) -> usize {
    let strings = listener.metadata.map_or(0, CStr::count_bytes) + listener.state.version.count_bytes();
    state::room(listener.state) + strings * 6 + 64
}

fn print(line: &mut Line, listener: &Listener, pid: u32) {
    state::string(line.say(t!("{\"ociVersion\":")), listener.state.version.to_bytes());
    line.say(t!(",\"fds\":[\"seccompFd\"],\"pid\":")).number(pid.into());
    if let Some(metadata) = listener.metadata {
        state::string(line.say(t!(",\"metadata\":")), metadata.to_bytes());
    }
    state::print(line.say(t!(",\"state\":")), &State { pid: Some(pid), ..*listener.state });
    line.byte(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::spec::Pair;

    #[test]
    fn the_specifications_example_is_written() {
        let mut buffer = [0; 512];
        let mut line = Line::new(&mut buffer);
        let state = State {
            version: s!("1.0.2"),
            id: s!("oci-container1"),
            status: "creating",
            pid: None,
            bundle: s!("/containers/redis"),
            annotations: &[Pair { name: s!("myKey"), value: s!("myValue") }],
        };
        let metadata = Some(s!("MKNOD=/dev/null,/dev/net/tun;BPF_MAP_TYPES=hash,array"));
        print(&mut line, &Listener { path: s!("/x"), metadata, state: &state }, 4422);
        assert_eq!(
            core::str::from_utf8(line.bytes()).unwrap(),
            concat!(
                r#"{"ociVersion":"1.0.2","fds":["seccompFd"],"pid":4422,"#,
                r#""metadata":"MKNOD=/dev/null,/dev/net/tun;BPF_MAP_TYPES=hash,array","#,
                r#""state":{"ociVersion":"1.0.2","id":"oci-container1","status":"creating","pid":4422,"#,
                r#""bundle":"/containers/redis","annotations":{"myKey":"myValue"}}}"#
            )
        );
    }
}
