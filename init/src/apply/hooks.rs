//! Running hooks: each in a process of its own, with the container's state on its standard input, for a bounded time.

use super::{Applier, identity};
use crate::abi::{Errno, signal};
use crate::config::spec::Hook;
use crate::limits;
use crate::plan::state::{self, State};
use crate::sys::process::{self, Fork, Handle, Pid};
use crate::sys::{AsFd, Result, map, time, wait};
use crate::text::Line;

/// What a hook's process exits with when there is no such program: as a shell does.
const EXIT_NOT_EXECUTED: u8 = 127;

impl<'a> Applier<'_, 'a> {
    /// Runs a hook and waits for its end.
    pub(super) fn run_hook(&mut self, hook: &Hook<'a>, known: &State) -> Result<()> {
        let mut state = *known;
        if state.status != "stopped" {
            // The process itself runs those that see its namespaces.
            state.pid = Some(self.process.unwrap_or_else(process::own_pid).unsigned_abs());
        }
        let mut line = Line::new(map::zeroed(state::room(&state))?);
        state::print(&mut line, &state);
        self.run_program(hook, line.bytes())
    }

    /// Runs a program and waits for its end.
    pub(super) fn run_program(&mut self, hook: &Hook<'a>, input: &[u8]) -> Result<()> {
        let input = wait::pipe_with(input)?;
        match process::fork()? {
            Fork::Child => {
                let _ = identity::execute_hook(hook, input.as_fd(), self.arena);
                process::exit(EXIT_NOT_EXECUTED)
            }
            Fork::Parent(pid) => {
                drop(input);
                let seconds = hook.timeout.map_or(limits::HOOK_SECONDS, i64::unsigned_abs);
                await_end(pid, seconds.saturating_mul(1_000_000))
            }
        }
    }
}

/// Waits until a hook has ended. One that takes too long is killed, with the processes that it made.
fn await_end(pid: Pid, patience_us: u64) -> Result<()> {
    let end = time::monotonic_us().saturating_add(patience_us);
    let handle = Handle::open(pid);
    loop {
        if let Some(ended) = process::reap(pid, false)? {
            return if ended.code() == 0 { Ok(()) } else { Err(Errno::CANCELED) };
        }
        let rest = end.saturating_sub(time::monotonic_us());
        let handle = match &handle {
            Ok(handle) if rest > 0 => handle,
            _ => break,
        };
        // A signal is no reason to stop waiting.
        let _ = wait::ready(&[Some(handle.as_fd())], Some(rest));
    }
    let _ = process::kill(-pid, signal::KILL);
    process::reap(pid, true)?;
    Err(Errno::TIMEDOUT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;
    use crate::config::spec::Pair;
    use crate::texts::CStr;

    /// Runs a shell script as a hook of process 77, with a state of more than a pipe holds by itself.
    fn run(script: &'static CStr, seconds: i64) -> Result<()> {
        let mut region = [0; 4096];
        let mut arena = Arena::new(&mut region);
        let arguments = [s!("hook"), s!("-c"), script];
        let hook = Hook { path: Some(s!("/bin/sh")), args: &arguments, env: &[s!("A=b")], timeout: Some(seconds) };
        let long = std::ffi::CString::new("x".repeat(100_000)).unwrap();
        let annotations = &[Pair { name: s!("long"), value: CStr::of(&long) }];
        let state =
            State { version: s!("1.3.0"), id: s!("web"), status: "running", pid: None, bundle: s!("/b"), annotations };
        let mut applier = Applier::new(&mut arena);
        applier.set_process(Some(77));
        applier.run_hook(&hook, &state)
    }

    #[test]
    fn a_hook_reads_the_state_and_has_its_own_environment() {
        let script = s!("[ \"$0$A$HOME\" = hookb ] || exit 1; \
            case $(/bin/cat) in *'\"pid\":77,'*'\"}}') ;; *) exit 1 ;; esac");
        assert_eq!(run(script, 60), Ok(()));
    }

    #[test]
    fn a_hook_that_does_not_read_or_fails_or_lasts_is_no_trap() {
        assert_eq!(run(s!("exit 0"), 60), Ok(()));
        assert_eq!(run(s!("exit 3"), 60), Err(Errno::CANCELED));
        assert_eq!(run(s!("kill -9 $$"), 60), Err(Errno::CANCELED));
        let start = std::time::Instant::now();
        assert_eq!(run(s!("/bin/sleep 1000 & /bin/sleep 1000"), 1), Err(Errno::TIMEDOUT));
        assert!(start.elapsed().as_secs() < 30);
    }
}
