//! The probe: looks around inside a guest or a container and prints what it sees as lines `PROBE key=value`.
//!
//! `probe [--to FILE] COMMAND [ARGUMENTS] [, COMMAND [ARGUMENTS]]...` The commands run one after another in one process.
//! `--to` sends the lines to a file or device instead of standard output; each command's lines are one write.

mod control;
mod logs;
mod netlink;
mod network;
mod power;
mod processes;
mod seccomp;
mod soak;
mod surroundings;
mod wireguard;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::Duration;

/// Where the lines go.
struct Report {
    target: Box<dyn Write>,
    lines: String,
}

impl Report {
    /// Adds a line.
    fn say(&mut self, key: &str, value: impl std::fmt::Display) {
        self.lines.push_str(&format!("PROBE {key}={value}\n"));
    }

    /// Adds a line that says whether something could be done: `ok`, or the name of the error.
    fn outcome<T>(&mut self, key: &str, subject: &str, result: std::io::Result<T>) {
        let outcome = match result {
            Ok(_) => "ok".to_owned(),
            Err(error) => error_name(&error),
        };
        self.say(key, format_args!("{subject} {outcome}"));
    }

    /// Writes what there is; done after each command, and before one that waits.
    fn flush(&mut self) {
        // Nobody could be told of a failure here.
        let _ = self.target.write_all(self.lines.as_bytes());
        let _ = self.target.flush();
        self.lines.clear();
    }
}

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let mut target: Box<dyn Write> = Box::new(std::io::stdout());
    if words.first().is_some_and(|word| word == "--to") && words.len() > 1 {
        let path = words.drain(..2).nth(1).unwrap_or_default();
        match OpenOptions::new().append(true).create(true).open(&path).or_else(|_| File::create(&path)) {
            Ok(file) => target = Box::new(file),
            Err(error) => eprintln!("probe: {path}: {error}"),
        }
    }
    let mut report = Report { target, lines: String::new() };
    for command in words.split(|word| word == ",") {
        run(command, &mut report);
        report.flush();
    }
}

fn run(command: &[String], report: &mut Report) {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words[..] {
        ["mounts"] => surroundings::mounts(report),
        ["ns"] => surroundings::namespaces(report),
        ["caps"] => surroundings::capabilities(report),
        ["limits"] => surroundings::limits(report),
        ["ids"] => surroundings::ids(report),
        ["cgroup"] => surroundings::cgroup(report),
        ["env"] => surroundings::environment(report),
        ["cwd"] => surroundings::working_directory(report),
        ["args"] => surroundings::arguments(report),
        ["hostname"] => surroundings::hostname(report),
        ["fds"] => surroundings::descriptors(report),
        ["status", field] => surroundings::status(field, report),
        ["cat", path] => surroundings::cat(path, report),
        ["sysctl", key] => surroundings::sysctl(key, report),
        ["devices", ref paths @ ..] => surroundings::devices(paths, report),
        ["stat", path] => surroundings::stat(path, report),
        ["write", path, text] => surroundings::write(path, text, report),
        ["list", path] => surroundings::list(path, report),
        ["links"] => network::links(report),
        ["netlink"] => netlink::run(report),
        ["wireguard"] => wireguard::run(report),
        ["tcp-serve", port] => network::tcp_serve(port, report),
        ["tcp-get", address] => network::tcp_get(address, report),
        ["ping", host] => network::ping(host, report),
        ["orphans", count] => processes::orphans(number(count), report),
        ["zombies"] => processes::zombies(report),
        ["storm", count] => processes::storm(number(count), report),
        ["signal", pid, signal] => processes::signal(pid, number(signal), report),
        ["next-kernel", kernel, initramfs, ref line @ ..] => power::next_kernel(kernel, initramfs, line, report),
        ["kill-all"] => processes::kill_all(report),
        ["stop-init"] => processes::stop_init(report),
        ["notify"] => processes::notify(report),
        ["vsock-serve", port, seconds] => processes::vsock_serve(number(port), number(seconds), report),
        ["stop-self"] => processes::stop_self(report),
        ["ignore-term"] => processes::ignore_term(report),
        ["on-term-sleep", seconds] => processes::on_term_sleep(number(seconds), report),
        ["call", ref words @ ..] => seccomp::call(words, report),
        ["call32", ref words @ ..] => seccomp::call_i386(words, report),
        ["dies", ..] => seccomp::dies(|report| run(&command[1..], report), report),
        ["agent", path, group, filters] => seccomp::agent(path, group, number(filters), report),
        ["soak", seconds, seed] => soak::soak(number(seconds), number(seed), report),
        ["numbers", count, pause_us] => logs::numbers(number(count), number(pause_us)),
        ["flood", seconds] => logs::flood(number(seconds), report),
        ["kill-logger", count, signal] => logs::kill_logger(number(count), number(signal), report),
        ["give-log", name, ref words @ ..] => logs::give(name, words, report),
        ["ask-log", question, seconds] => logs::ask(number(question), number(seconds), report),
        ["control-silent", count] => control::silent(number(count), report),
        ["user", user] => control::become_user(number(user), report),
        ["bomb"] => control::bomb(report),
        ["control-nonsense"] => control::nonsense(report),
        ["control-rude", count] => control::rude(number(count), report),
        ["say", ref words @ ..] => report.say("say", words.join(" ")),
        ["sleep", "forever"] => sleep_forever(report),
        ["sleep", seconds] => std::thread::sleep(Duration::from_secs(number(seconds).into())),
        ["exit", code] => {
            report.flush();
            std::process::exit(number(code) as i32);
        }
        _ => {
            report.say("error", format_args!("unknown command {}", words.join(" ")));
            report.flush();
            std::process::exit(64);
        }
    }
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or_else(|_| {
        eprintln!("probe: {text} is not a number");
        std::process::exit(64)
    })
}

fn sleep_forever(report: &mut Report) -> ! {
    report.flush();
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// `EPERM` and so on where a test asks for it by name, else the number.
fn error_name(error: &std::io::Error) -> String {
    let Some(number) = error.raw_os_error() else { return error.to_string() };
    let names = [
        (libc::EPERM, "EPERM"),
        (libc::ENOENT, "ENOENT"),
        (libc::ESRCH, "ESRCH"),
        (libc::EIO, "EIO"),
        (libc::ENXIO, "ENXIO"),
        (libc::EACCES, "EACCES"),
        (libc::EBUSY, "EBUSY"),
        (libc::EEXIST, "EEXIST"),
        (libc::ENODEV, "ENODEV"),
        (libc::ENOTDIR, "ENOTDIR"),
        (libc::EISDIR, "EISDIR"),
        (libc::EINVAL, "EINVAL"),
        (libc::ENOTTY, "ENOTTY"),
        (libc::ENOSYS, "ENOSYS"),
        (libc::ENOSPC, "ENOSPC"),
        (libc::EROFS, "EROFS"),
        (libc::EAGAIN, "EAGAIN"),
        (libc::ENETUNREACH, "ENETUNREACH"),
        (libc::EHOSTUNREACH, "EHOSTUNREACH"),
        (libc::ECONNREFUSED, "ECONNREFUSED"),
        (libc::ETIMEDOUT, "ETIMEDOUT"),
    ];
    names
        .iter()
        .find(|(other, _)| *other == number)
        .map_or_else(|| format!("errno-{number}"), |(_, name)| (*name).into())
}
