//! The last things a machine says: what its consoles still hold, and the exit code of what it was there for.

use super::{console, ports};
use crate::config::cmdline::{EXIT_PORT, Exit, Options};
use crate::error::{Context, Result};
use crate::limits;
use crate::log;
use crate::sys::{AsFd, OwnedFd, file, pio, socket};
use crate::text::{Line, Value};

/// Says the exit code, if there is one, on every console; waits until they have sent everything; and tells the host by the
/// channel of `pidone.exit=`. By an isa-debug-exit the machine ends here.
pub fn say(options: &Options, code: Option<u8>) {
    let mut buffer = [0; 32];
    let mut line = Line::new(&mut buffer);
    if let Some(code) = code {
        line.say(t!("pidone: exit code ")).number(code.into()).byte(b'\n');
        console::write_to_all(line.bytes());
    }
    console::drain_all();
    if let Some(code) = code
        && let Err(error) = tell(options.exit, code)
    {
        log::error(t!("pidone.exit: {}"), &[Value::Print(&error)]);
    }
}

/// What a port or a connection is told: `exit 3` and a newline.
fn tell(exit: Exit, code: u8) -> Result<()> {
    let send = |channel: OwnedFd| {
        let mut buffer = [0; 16];
        let mut line = Line::new(&mut buffer);
        line.say(t!("exit ")).number(code.into()).byte(b'\n');
        // The port's closing, with this, waits until the monitor has read it.
        file::write_all(channel.as_fd(), line.bytes()).doing(s!("write"))
    };
    match exit {
        Exit::Auto => match ports::open(EXIT_PORT) {
            Ok(port) => send(port),
            // A port that nobody answers at reads as ones, QEMU's device as zero.
            Err(_) if pio::read(limits::DEBUG_EXIT_PORT) == Ok(0) => debug_exit(limits::DEBUG_EXIT_PORT, code),
            Err(_) => Ok(()),
        },
        Exit::Port(name) => send(ports::open(name).doing(c!("open the port"))?),
        Exit::Vsock(port) => {
            let host = socket::connect_vsock(socket::HOST, port).doing(c!("connect to the host"))?;
            // What is on its way when the machine ends is lost.
            let _ = socket::set_linger(host.as_fd(), limits::LINGER_S);
            send(host)
        }
        Exit::DebugExit(port) => debug_exit(port, code),
        // The line on the console was all, and a panic is for PID 1.
        Exit::Console | Exit::Panic => Ok(()),
    }
}

/// QEMU exits with twice the code and one.
fn debug_exit(port: u16, code: u8) -> Result<()> {
    pio::write(port, code).doing(c!("write to the port"))
}
