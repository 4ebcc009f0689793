//! What the machine is there for when `pidone.run` says so: a bundle, or a command on the machine's own root. Its
//! standard streams are the console, a device, or virtio-serial ports.

use super::{ports, scripts};
use crate::abi::Errno;
use crate::apply::Applier;
use crate::arena::Arena;
use crate::config::cmdline::{self, Options};
use crate::error::{Context, Error, Result};
use crate::limits;
use crate::log;
use crate::plan::step::{Program, Step};
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;
use crate::sys::process::{self, Fork};
use crate::sys::{self, AsFd, OwnedFd, region, time, tty, wait};
use crate::text::{Line, Value, fields};
use crate::texts::CStr;

/// The name of the option.
pub const RUN: &[u8] = b"pidone.run";

/// Exit codes of a command that is not there, and of one that cannot be executed: those of shells.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Makes what `pidone.stdio=` names this process's standard input, output and error; of fewer than three, the last one
/// serves for the rest.
pub fn open_streams(options: &Options) -> bool {
    let mut last = None;
    let mut names = fields(options.value(b"pidone.stdio").unwrap_or(b"/dev/console"), b',');
    for number in 0..3 {
        if let Some(name) = names.next() {
            match open_stream(name) {
                Ok(stream) => last = Some(stream),
                Err(errno) => {
                    log::error(t!("pidone.stdio: {}: {}"), &[Value::Quoted(name), Value::Kernel(errno)]);
                    return false;
                }
            }
        }
        if let Some(stream) = &last {
            // It cannot fail: both descriptors are open.
            let _ = process::set_standard(stream.as_fd(), number);
        }
    }
    true
}

fn open_stream(name: &[u8]) -> sys::Result<OwnedFd> {
    if name.starts_with(b"/") {
        let stream = file::open(CWD, PathBuffer::empty().join(&[name])?, Open::Terminal)?;
        file::set_blocking(stream.as_fd())?;
        return Ok(stream);
    }
    let deadline_us = time::monotonic_us() + limits::PORT_WAIT_US;
    loop {
        match ports::open(name) {
            Err(Errno::NOENT) if time::monotonic_us() < deadline_us => wait::pause(),
            opened => return opened,
        }
    }
}

/// Launches the command behind ` -- `, in a process that becomes PID 1's child; whether its program runs, or has failed in
/// a way that its exit code tells. `announce` is called first of all in it, `executed` when its program runs.
pub fn launch(options: &Options, announce: &dyn Fn(), executed: &dyn Fn()) -> bool {
    let Some(regions) = region::take() else { return false };
    let mut arena = Arena::new(&mut regions.arena);
    match words(options, &mut arena).and_then(|words| start(words, &mut arena, announce)) {
        Ok(true) => executed(),
        Ok(false) => {}
        Err(error) => log::error(t!("pidone.run: {}"), &[Value::Print(&error)]),
    }
    true
}

fn words<'a>(options: &Options, arena: &mut Arena<'a>) -> Result<&'a [&'a CStr]> {
    let mut words = arena.list();
    let mut buffer = [0; limits::CMDLINE_BYTES_MAX];
    for word in options.words() {
        let mut line = Line::new(&mut buffer);
        cmdline::plain(word, &mut line);
        let word = arena.copy(line.bytes());
        arena.push(&mut words, word);
    }
    let words = arena.finish(words);
    arena.check()?;
    if words.is_empty() { Err(Error::wrong(c!("read the command"), c!("nothing behind ` -- `"))) } else { Ok(words) }
}

/// Whether the program runs; otherwise its process has said why not.
fn start<'a>(words: &'a [&'a CStr], arena: &mut Arena<'a>, announce: &dyn Fn()) -> Result<bool> {
    let (ours, theirs) = wait::sockets().doing(c!("make a channel"))?;
    match process::clone_container(0, None, true).doing(c!("make a process"))? {
        Fork::Child => {
            announce();
            process::exit(become_program(words, &scripts::ENVIRONMENT, arena, &mut || {
                let _ = wait::send(theirs.as_fd(), b"!");
            }))
        }
        Fork::Parent(_) => {
            drop(theirs);
            // The descriptor is close-on-exec: its end is the program's beginning.
            Ok(file::read(ours.as_fd(), &mut [0]) == Ok(0))
        }
    }
}

/// Executes a program in a session of its own, which has the terminal if standard input is one. Returns only if that
/// fails, with the exit code that says so, after calling `failed` and saying why.
pub fn become_program<'a>(
    words: &'a [&'a CStr],
    environment: &'a [&'a CStr],
    arena: &mut Arena<'a>,
    failed: &mut dyn FnMut(),
) -> u8 {
    let _ = process::new_session();
    tty::take_control();
    let step = Step::Execute(Program { arguments: words, environment, descriptors: 0, home_of: None });
    let errno = Applier::new(arena).apply(&step).err().unwrap_or(Errno::NOEXEC);
    failed();
    let name = words.first().copied().unwrap_or_default();
    log::error(t!("{}: {}"), &[Value::Name(name), Value::Kernel(errno)]);
    if errno == Errno::NOENT { NOT_FOUND } else { NOT_EXECUTABLE }
}
