//! What a process does to others, and to the init above it.

use std::fs;
use std::io;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Report;

const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// Makes `count` processes, leaves them to whoever adopts them, and lets all of them exit at once with different codes.
/// `orphans=COUNT`, and `orphans.left=COUNT` once no more vanish: those were not reaped.
pub(crate) fn orphans(count: u32, report: &mut Report) {
    let mut gate = [0; 2];
    // SAFETY: the array has room for the two descriptors that pipe writes.
    if unsafe { libc::pipe(gate.as_mut_ptr()) } != 0 {
        return report.say("orphans.error", crate::error_name(&io::Error::last_os_error()));
    }
    let [waiting_end, held_end] = gate;
    report.flush();
    let before = process_count();
    // SAFETY: this process has one thread, so the child may go on as it likes.
    let parent = unsafe { libc::fork() };
    if parent == 0 {
        make_orphans(count, waiting_end, held_end);
    }
    let mut status = 0;
    // SAFETY: `parent` is our own child, and `status` has room for its status. The two descriptors are ours to close.
    unsafe {
        libc::waitpid(parent, &mut status, 0);
        libc::close(waiting_end);
    }
    let made = process_count().saturating_sub(before);
    // SAFETY: the descriptor is ours. Closing the last writing end lets every orphan's read return.
    unsafe { libc::close(held_end) };
    report.say("orphans", count);
    report.say("orphans.alive", made);
    report.say("orphans.fork", if status == 0 { "ok".into() } else { format!("stopped early, status {status:#x}") });
    let end = Instant::now() + PATIENCE;
    while process_count() > before && Instant::now() < end {
        std::thread::sleep(PAUSE);
    }
    report.say("orphans.left", process_count().saturating_sub(before));
}

/// Runs in the child that becomes nobody's parent.
fn make_orphans(count: u32, waiting_end: i32, held_end: i32) -> ! {
    for index in 0..count {
        // SAFETY: one thread; the child only reads, closes and exits.
        match unsafe { libc::fork() } {
            // SAFETY: as above. The read returns when the last process that holds the other end has closed it.
            0 => unsafe {
                libc::close(held_end);
                libc::read(waiting_end, [0_u8; 1].as_mut_ptr().cast(), 1);
                libc::_exit((index % 251) as i32);
            },
            // SAFETY: ends this process without touching what it shares with its parent.
            -1 => unsafe { libc::_exit(1) },
            _ => {}
        }
    }
    // SAFETY: as above.
    unsafe { libc::_exit(0) }
}

fn process_ids() -> impl Iterator<Item = String> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Without the kernel's threads, the children of its process 2: it starts them as it pleases.
fn process_count() -> usize {
    process_ids().filter(|id| state_and_parent(id).is_some_and(|(_, parent)| parent != "2")).count()
}

fn state_and_parent(id: &str) -> Option<(String, String)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name is in parentheses and may hold anything; behind it come the state and the parent.
    let mut fields = stat.rsplit(") ").next()?.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
}

/// `zombies=COUNT` of processes that PID 1 should have reaped, and `zombies.all=COUNT`.
pub(crate) fn zombies(report: &mut Report) {
    let (mut of_init, mut all) = (0, 0);
    for (state, parent) in process_ids().filter_map(|id| state_and_parent(&id)) {
        if state == "Z" {
            all += 1;
            of_init += u32::from(parent == "1");
        }
    }
    report.say("zombies", of_init);
    report.say("zombies.all", all);
}

/// Starts and reaps `count` processes, and sends PID 1 as many SIGCHLD.
pub(crate) fn storm(count: u32, report: &mut Report) {
    let mut lost = 0;
    for index in 0..count {
        let code = (index % 251) as i32;
        // SAFETY: one thread; the child exits at once.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends the child without touching what it shares.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: `child` is our own, `status` has room; sending a signal touches no memory.
        let reaped = unsafe {
            libc::kill(1, libc::SIGCHLD);
            libc::waitpid(child, &mut status, 0)
        };
        lost += u32::from(reaped != child || libc::WEXITSTATUS(status) != code);
    }
    report.say("storm", count);
    report.say("storm.lost", lost);
}

/// `signal=PID OUTCOME`; any number, so that the real-time signals can be sent too.
pub(crate) fn signal(pid: &str, signal: u32, report: &mut Report) {
    let Ok(number) = pid.parse() else { return report.say("signal.error", "not a process id") };
    // SAFETY: sending a signal touches no memory.
    let sent = unsafe { libc::kill(number, signal as i32) };
    let result = if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    report.outcome("signal", pid, result);
}

/// Kills everything this process may kill, but itself.
pub(crate) fn kill_all(report: &mut Report) {
    // Something to be killed, so that the outcome is not "no such process".
    let victim = Command::new("/proc/self/exe").args(["sleep", "forever"]).spawn();
    report.flush();
    // SAFETY: sending a signal touches no memory.
    let sent = unsafe { libc::kill(-1, libc::SIGKILL) };
    let result = if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    if let Ok(mut victim) = victim {
        let _ = victim.wait();
    }
    report.outcome("kill-all", "-1", result);
}

pub(crate) fn stop_self(report: &mut Report) {
    report.say("stop-self", "stopping");
    report.flush();
    // SAFETY: raising a signal touches no memory.
    unsafe { libc::raise(libc::SIGSTOP) };
    report.say("stop-self", "continued");
}

static TERMINATED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_term(_: i32) {
    TERMINATED.store(true, Ordering::SeqCst);
}

/// `ignore-term=ready`, then stays whatever is asked of it.
pub(crate) fn ignore_term(report: &mut Report) {
    // SAFETY: to ignore a signal installs no code.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    report.say("ignore-term", "ready");
    crate::sleep_forever(report);
}

/// `on-term-sleep=ready`; when asked to end, `on-term-sleep=received`, and the end comes that many seconds later.
pub(crate) fn on_term_sleep(seconds: u32, report: &mut Report) {
    // SAFETY: the handler only stores to an atomic.
    unsafe { libc::signal(libc::SIGTERM, on_term as extern "C" fn(i32) as libc::sighandler_t) };
    report.say("on-term-sleep", "ready");
    report.flush();
    while !TERMINATED.load(Ordering::SeqCst) {
        std::thread::sleep(PAUSE);
    }
    report.say("on-term-sleep", "received");
    report.flush();
    std::thread::sleep(Duration::from_secs(seconds.into()));
    report.say("on-term-sleep", "ended");
}

/// Holds process 1 still, as a debugger does: no signal can.
pub(crate) fn stop_init(report: &mut Report) {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: both requests take no memory of ours.
    let stopped = unsafe {
        libc::ptrace(libc::PTRACE_SEIZE, 1, nothing, nothing) == 0
            && libc::ptrace(libc::PTRACE_INTERRUPT, 1, nothing, nothing) == 0
    };
    report.outcome("stop-init", "1", if stopped { Ok(()) } else { Err(std::io::Error::last_os_error()) });
}

/// Says on the socket in NOTIFY_SOCKET that this process is ready, as sd_notify(3) does: `notify=PATH OUTCOME`.
pub(crate) fn notify(report: &mut Report) {
    let path = std::env::var("NOTIFY_SOCKET").unwrap_or_default();
    let socket = std::os::unix::net::UnixDatagram::unbound();
    let sent = socket.and_then(|socket| socket.send_to(b"STATUS=starting\nREADY=1\n", &path));
    report.outcome("notify", &path, sent);
}

/// Listens on a vsock port for some seconds: `vsock-serve=PORT`, or why it cannot.
pub(crate) fn vsock_serve(port: u32, seconds: u32, report: &mut Report) {
    // SAFETY: a C structure of numbers.
    let mut address: libc::sockaddr_vm = unsafe { std::mem::zeroed() };
    address.svm_family = libc::AF_VSOCK as libc::sa_family_t;
    address.svm_cid = libc::VMADDR_CID_ANY;
    address.svm_port = port;
    // SAFETY: numbers, and a whole address of the size given.
    let failed = unsafe {
        let socket = libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0);
        let size = std::mem::size_of_val(&address) as libc::socklen_t;
        libc::bind(socket, (&raw const address).cast(), size) != 0 || libc::listen(socket, 8) != 0
    };
    if failed {
        report.say("vsock-serve.error", crate::error_name(&io::Error::last_os_error()));
    } else {
        report.say("vsock-serve", port);
    }
    report.flush();
    std::thread::sleep(Duration::from_secs(seconds.into()));
}
