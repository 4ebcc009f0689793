//! The answerer: a process that PID 1 has forked with a connection, and that has a picture of what PID 1 knew then.

use super::wire::{self, BYTES, CONTAINER, MACHINE, NONE, REQUEST_BYTES, WORDS, verb};
use crate::supervise::message::Message;
use crate::supervise::{Change, Client, End, Picture, Section, Slot, Stage, group_file};
use crate::sys::process::{Ended, Handle, Pid};
use crate::sys::{AsFd, BorrowedFd, Result, file, socket, time, wait};
use crate::text::{fields, number};

/// Reads what a client asks for, and answers it; the exit code. What is to change PID 1 is told over `announcements`.
/// Nothing but PID 1's clock limits how long it takes.
pub fn answer(picture: &Picture, client: &Client, announcements: BorrowedFd) -> u8 {
    let connection = client.connection.as_fd();
    let mut buffer = [0; REQUEST_BYTES];
    let length = file::read(connection, &mut buffer).unwrap_or_default() as usize;
    let result = match wire::request(buffer.get(..length).unwrap_or_default()) {
        Some((wanted @ (verb::LOOK | verb::WAIT), name)) => describe(picture, wanted, name, connection),
        Some((wanted, name)) => change(picture, client.user, wanted, name, announcements).send(connection),
        None => End::Nonsense.send(connection),
    };
    // If the client has gone there is nobody to answer.
    u8::from(result.is_err())
}

/// The first container of that name behind the first few; services only if they alone are meant.
fn find(picture: &Picture, name: &[u8], from: usize, services: bool) -> Option<usize> {
    let is_meant = |slot: &Slot| {
        (name.is_empty() || slot.name().to_bytes() == name) && (!services || slot.section() == Section::Services)
    };
    (from..picture.table.slots().len()).find(|index| picture.table.slots().get(*index).is_some_and(is_meant))
}

/// Has PID 1 start or stop a service.
fn change(picture: &Picture, user: u32, wanted: u8, name: &[u8], announcements: BorrowedFd) -> End {
    let Some(change) = verb::CHANGES.iter().position(|verb| *verb == wanted) else { return End::Nonsense };
    if user != 0 {
        return End::NotRoot;
    }
    if !picture.table.may_change() {
        return End::NotNow;
    }
    let (Some(change), Some(slot)) = (Change::ALL.get(change), find(picture, name, 0, true)) else {
        return End::Unknown;
    };
    let sent = Message::Change { slot: slot as u16, change: *change }.send(announcements);
    if sent.is_ok() { End::Done } else { End::NoAnswer }
}

fn describe(picture: &Picture, wanted: u8, name: &[u8], connection: BorrowedFd) -> Result<()> {
    let mut next = find(picture, name, 0, false);
    if next.is_none() && !name.is_empty() {
        return End::Unknown.send(connection);
    }
    let mut words = [0; WORDS];
    let [kind, started, entered @ ..] = &mut words;
    (*kind, *started) = (MACHINE, picture.started_us);
    for (to, from) in entered.iter_mut().zip(picture.table.entered_us()) {
        *to = *from;
    }
    wait::send(connection, &wire::encode(&words, s!("")))?;
    let mut main = None;
    while let Some(index) = next
        && let Some(slot) = picture.table.slots().get(index)
    {
        main = slot.main();
        wait::send(connection, &container(slot))?;
        next = find(picture, name, index + 1, false);
    }
    // Its id cannot have become another's in this moment: the kernel goes through all others first.
    match main.filter(|_| wanted == verb::WAIT).map(Handle::open) {
        Some(Ok(process)) => socket::send_descriptor(connection, process.as_fd(), &[End::Done as u8]),
        _ => End::Done.send(connection),
    }
}

fn container(slot: &Slot) -> [u8; BYTES] {
    let main = slot.main().unwrap_or_default();
    let mut words = [0; WORDS];
    let [kind, section, is, pid, uptime, restarts, code, signal, oom, memory, cpu, forked, executed, ready, ended, ..] =
        &mut words;
    (*kind, *section, *is, *pid) = (CONTAINER, slot.section() as u64, state(slot), main.unsigned_abs().into());
    [*forked, *executed, *ended] = slot.times_us();
    *ready = slot.ready_us();
    if main != 0 && *executed != 0 {
        *uptime = time::monotonic_us().saturating_sub(*executed);
    }
    *restarts = slot.restarts().into();
    *code = NONE;
    // How a run ended whose program never was is not the program's end.
    if *executed != 0 || slot.status().is_none() {
        match slot.last_status() {
            None => {}
            Some(Ended::Exited(status)) => *code = status.into(),
            Some(Ended::Killed(status)) => *signal = status.into(),
        }
    }
    *oom = usage(main, b"/memory.events", b"oom_kill ");
    *oom = u64::from(slot.oom_kills()) + if *oom == NONE { 0 } else { *oom };
    *memory = usage(main, b"/memory.current", b"");
    *cpu = usage(main, b"/cpu.stat", b"usage_usec ");
    wire::encode(&words, slot.name())
}

fn state(slot: &Slot) -> u64 {
    match slot.stage() {
        Stage::Waiting => 0,
        Stage::Launching | Stage::Starting | Stage::Running if slot.is_held() => 5,
        Stage::Launching | Stage::Starting => 1,
        Stage::Running => wire::RUNNING,
        Stage::Ended | Stage::Cleaning => 3,
        Stage::Pausing => wire::PAUSING,
        Stage::Done if slot.is_held() => 8,
        Stage::Done if slot.has_failed() => wire::FAILED,
        Stage::Done => wire::ENDED,
    }
}

/// The number behind a word of a control file of the group that a process is in.
fn usage(process: Pid, name: &[u8], word: &[u8]) -> u64 {
    if process == 0 {
        return NONE;
    }
    let mut buffer = [0; 4096];
    let text =
        match group_file(process, name, file::Open::Read).map(|opened| file::read_all(opened.as_fd(), &mut buffer)) {
            Some(Ok(text)) => &*text,
            _ => return NONE,
        };
    fields(text, b'\n').find_map(|line| number(line.strip_prefix(word)?, 10)).unwrap_or(NONE)
}
