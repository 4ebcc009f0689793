//! What writes to the log in every way, and those who read it: memlogd's two sockets, from the other side.

use std::fs;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::Report;

const LOG: &str = "/run/linuxkit-external-logging.sock";
const QUERY: &str = "/run/memlogdq.sock";

/// Numbered lines on standard output, `pause_us` after each; now and then one in two writes.
pub(crate) fn numbers(count: u32, pause_us: u32) {
    let mut output = std::io::stdout().lock();
    for number in 0..count {
        let line = format!("number {number}\n");
        let (first, second) = line.split_at(if number % 7 == 0 { 4 } else { 0 });
        let _ = output.write_all(first.as_bytes()).and_then(|()| output.flush());
        let _ = output.write_all(second.as_bytes()).and_then(|()| output.flush());
        std::thread::sleep(Duration::from_micros(pause_us.into()));
    }
}

/// As many lines on standard output as it takes, for some seconds.
pub(crate) fn flood(seconds: u32, report: &mut Report) {
    let line = [b"x".repeat(99), b"\n".to_vec()].concat().repeat(640);
    let (mut output, start) = (std::io::stdout().lock(), Instant::now());
    let mut written = 0;
    while start.elapsed() < Duration::from_secs(seconds.into()) {
        match output.write(&line) {
            Ok(count) => written += count,
            Err(error) => return report.say("flood.error", error),
        }
    }
    let _ = output.write_all(b"\nlast of the flood\n");
    report.say("flooded", written);
}

/// Kills the logger again and again.
pub(crate) fn kill_logger(count: u32, signal: u32, report: &mut Report) {
    let mut killed = 0;
    while killed < count {
        for id in loggers() {
            // SAFETY: takes numbers.
            if unsafe { libc::kill(id, signal as i32) } == 0 {
                killed += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    report.say("killed", killed);
}

fn loggers() -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.trim_end() == "pidone-logger"))
        .collect()
}

/// Gives one end of a socket to be logged under a name, and writes words into the other, a line each.
pub(crate) fn give(name: &str, words: &[&str], report: &mut Report) {
    let given = || -> std::io::Result<()> {
        let (mut ours, theirs) = UnixStream::pair()?;
        let socket = UnixDatagram::unbound()?;
        let until = Instant::now() + Duration::from_secs(20);
        while let Err(error) = socket.connect(LOG) {
            if Instant::now() > until {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [theirs.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(&socket, &[IoSlice::new(name.as_bytes())], &mut control, SendFlags::empty())?;
        drop(theirs);
        for word in words {
            writeln!(ours, "{word}")?;
        }
        Ok(())
    };
    report.outcome("give", name, given());
}

/// Asks as LinuxKit's `logread` does, for some seconds: 0 what is there, 1 what comes, 2 both.
pub(crate) fn ask(question: u32, seconds: u32, report: &mut Report) {
    let mut asked = || -> std::io::Result<String> {
        let mut socket = UnixStream::connect(QUERY)?;
        socket.write_all(&[question as u8])?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        report.say("asked", question);
        report.flush();
        let (mut text, mut buffer, start) = (Vec::new(), [0; 4096], Instant::now());
        while start.elapsed() < Duration::from_secs(seconds.into()) {
            match socket.read(&mut buffer) {
                Ok(0) => {
                    report.say("end", question);
                    break;
                }
                Ok(count) => text.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
        // Time may be up in the midst of a line.
        text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        String::from_utf8(text).map_err(std::io::Error::other)
    };
    match asked() {
        Ok(text) => text.lines().for_each(|line| report.say("json", line)),
        Err(error) => report.say("ask.error", error),
    }
}
