//! Clients of process 1's control socket that are up to no good.

use std::io;
use std::time::{Duration, Instant};

use crate::Report;

const SOCKET: &[u8] = b"/run/pidone.control";

/// A connection to it.
fn connect() -> io::Result<i32> {
    // SAFETY: takes numbers.
    let socket = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0) };
    // SAFETY: a C structure of integers, for which all zeros are valid.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as u16;
    for (to, from) in address.sun_path.iter_mut().zip(SOCKET) {
        *to = *from as libc::c_char;
    }
    let length = size_of::<libc::sockaddr_un>() as u32;
    // SAFETY: a whole address of the length given.
    match unsafe { libc::connect(socket, (&raw const address).cast(), length) } {
        0 => Ok(socket),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The last message of what comes back: its only byte, or what went wrong.
fn answer(socket: i32) -> String {
    let mut buffer = [0_u8; 512];
    loop {
        // SAFETY: the buffer has room for as many bytes as are asked for.
        match unsafe { libc::recv(socket, buffer.as_mut_ptr().cast(), buffer.len(), 0) } {
            0 => return "nothing".into(),
            1 => return buffer[0].to_string(),
            count if count > 1 => {}
            _ => return crate::error_name(&io::Error::last_os_error()),
        }
    }
}

/// Connects so often and says nothing: `control-silent=LAST MILLISECONDS`, how the last of them was answered, and how long
/// the first was let wait.
pub(crate) fn silent(count: u32, report: &mut Report) {
    let begun = Instant::now();
    let sockets: Vec<io::Result<i32>> = (0..count).map(|_| connect()).collect();
    let (Some(Ok(first)), Some(Ok(last))) = (sockets.first(), sockets.last()) else {
        return report.say("control-silent", "no connection");
    };
    let last = answer(*last);
    report.say("control-silent.last", last);
    report.flush();
    let first = answer(*first);
    report.say("control-silent.first", format_args!("{first} {}", begun.elapsed().as_millis()));
}

/// Sends what is no request: `control-nonsense=ANSWER` for each.
pub(crate) fn nonsense(report: &mut Report) {
    for bytes in
        [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"\0", &[0xff; 66], &[b'?'; 66], &[b'?'; 4096], b"?\x1b[2Jno", b"?no\0no"]
    {
        let Ok(socket) = connect() else { return report.say("control-nonsense", "no connection") };
        // SAFETY: as many bytes as the slice has.
        unsafe { libc::send(socket, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
        report.say("control-nonsense", answer(socket));
    }
}

/// Asks and goes away without listening, so often.
pub(crate) fn rude(count: u32, report: &mut Report) {
    for _ in 0..count {
        if let Ok(socket) = connect() {
            // SAFETY: one byte of our own, and a descriptor of our own to close.
            unsafe {
                libc::send(socket, b"?".as_ptr().cast(), 1, libc::MSG_NOSIGNAL);
                libc::close(socket);
            }
        }
    }
    std::thread::sleep(Duration::from_millis(100));
    report.say("control-rude", count);
}

/// Makes as many processes as it is let, for ever. Each of them does.
pub(crate) fn bomb(report: &mut Report) -> ! {
    report.say("bomb", "lit");
    report.flush();
    loop {
        // SAFETY: one thread, and the child does what this process does.
        if unsafe { libc::fork() } < 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Goes on as another user.
pub(crate) fn become_user(user: u32, report: &mut Report) {
    // SAFETY: takes numbers.
    let done = unsafe { libc::setgid(user) == 0 && libc::setuid(user) == 0 };
    report.outcome("user", &user.to_string(), if done { Ok(()) } else { Err(io::Error::last_os_error()) });
}
