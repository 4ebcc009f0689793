//! System calls as numbers, and whoever answers for those of others: seccomp_unotify(2).

use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::Report;

/// Makes a call: `CALL result`, or the name of the error.
pub(crate) fn call(words: &[&str], report: &mut Report) {
    let [number, arguments @ ..] = words else { return };
    let value = |index: usize| arguments.get(index).map_or(0, |word| parse(word));
    // SAFETY: what tests ask for takes numbers, or pointers that the kernel refuses.
    let result = unsafe {
        libc::syscall(parse(number) as libc::c_long, value(0), value(1), value(2), value(3), value(4), value(5))
    };
    tell("call", &words.join(" "), if result == -1 { -error_number() } else { result }, report);
}

/// Makes a call as a program of i386 does, whose numbers are others.
#[cfg(target_arch = "x86_64")]
pub(crate) fn call_i386(words: &[&str], report: &mut Report) {
    let value = |index: usize| words.get(index).map_or(0, |word| parse(word));
    let result: i32;
    // SAFETY: as in `call`. The compiler keeps rbx for itself.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {first}", "int 0x80", "xchg rbx, {first}",
            first = inout(reg) value(1) => _,
            inlateout("eax") value(0) as i32 => result,
            in("ecx") value(2) as i32, in("edx") value(3) as i32,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        )
    };
    tell("call32", &words.join(" "), result.into(), report);
}

/// Runs a command in a child, and says which signal ended it.
pub(crate) fn dies(run: impl FnOnce(&mut Report), report: &mut Report) {
    // SAFETY: there is one thread.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        run(report);
        report.flush();
        std::process::exit(0);
    }
    let mut status = 0;
    // SAFETY: the kernel writes one status.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    report.say("died", if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 });
}

fn tell(key: &str, what: &str, result: i64, report: &mut Report) {
    match result {
        -4095..=-1 => report.outcome::<()>(key, what, Err(Error::from_raw_os_error(-result as i32))),
        _ => report.say(key, format_args!("{what} {result}")),
    }
}

fn error_number() -> i64 {
    Error::last_os_error().raw_os_error().unwrap_or(0).into()
}

fn parse(word: &str) -> i64 {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap_or(0) as i64,
        None => word.parse().unwrap_or(0),
    }
}

/// Listens on a socket for filters, one after the other, as often as said; goes on in the background, out of the
/// container's control group. Each filter's calls are answered with EXDEV, but for execve, which goes on.
pub(crate) fn agent(path: &str, group: &str, filters: u32, report: &mut Report) {
    let listener = UnixListener::bind(path).expect("bind");
    std::fs::write(group, "0").expect("leave the control group");
    // SAFETY: there is one thread.
    if unsafe { libc::fork() } != 0 {
        return;
    }
    for _ in 0..filters {
        let (stream, _) = listener.accept().expect("accept");
        let (filter, text) = receive(&stream);
        report.say("state", text);
        report.flush();
        // SAFETY: as above. Each filter has its own answerer: they ask at the same time.
        if unsafe { libc::fork() } == 0 {
            answer_all(&filter, report);
            std::process::exit(0);
        }
    }
    std::process::exit(0);
}

/// What was sent with one descriptor, up to the end of the connection.
fn receive(stream: &UnixStream) -> (OwnedFd, String) {
    let mut bytes = vec![0_u8; 65536];
    let mut control = [0_u64; 8];
    // SAFETY: a structure of integers and pointers.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    header.msg_iov = &mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    // SAFETY: a header with one buffer and one control buffer.
    let length = unsafe { libc::recvmsg(stream.as_raw_fd(), &mut header, 0) };
    // SAFETY: the kernel wrote the first control message, if any, into the buffer.
    let first = unsafe { libc::CMSG_FIRSTHDR(&header) };
    assert!(!first.is_null(), "no descriptor came along");
    // SAFETY: one descriptor, which nobody else knows.
    let filter = unsafe { OwnedFd::from_raw_fd(libc::CMSG_DATA(first).cast::<i32>().read_unaligned()) };
    (filter, String::from_utf8_lossy(&bytes[..length.max(0) as usize]).into_owned())
}

/// `struct seccomp_notif` and `struct seccomp_notif_resp` of linux/seccomp.h.
#[repr(C)]
#[derive(Default)]
struct Question {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    architecture: u32,
    instruction: u64,
    arguments: [u64; 6],
}

#[repr(C)]
struct Answer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

const RECEIVE: u64 = 0xc050_2100;
const SEND: u64 = 0xc018_2101;
const CONTINUE: u32 = 1;

fn answer_all(filter: &OwnedFd, report: &mut Report) {
    loop {
        let mut question = Question::default();
        // SAFETY: the structure that the request takes.
        if unsafe { libc::ioctl(filter.as_raw_fd(), RECEIVE as _, &mut question) } != 0 {
            return;
        }
        report.say("asked", question.number);
        report.flush();
        let goes_on = i64::from(question.number) == libc::SYS_execve;
        let answer = Answer {
            id: question.id,
            value: 0,
            error: if goes_on { 0 } else { -libc::EXDEV },
            flags: if goes_on { CONTINUE } else { 0 },
        };
        // SAFETY: as above.
        unsafe { libc::ioctl(filter.as_raw_fd(), SEND as _, &answer) };
    }
}
