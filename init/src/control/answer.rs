//! The answerer: a process that PID 1 has forked with a connection, and that has a picture of what PID 1 knew then.

use super::wire::{self, BYTES, CONTAINER, MACHINE, NAME_AT, NONE, REQUEST_BYTES, WORDS, verb};
use crate::supervise::message::Message;
use crate::supervise::{Change, Client, End, Picture, Section, Slot, Stage, group_file};
use crate::sys::path::copy;
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

/// Has PID 1 start or stop a service.
fn change(picture: &Picture, user: u32, wanted: u8, name: &[u8], announcements: BorrowedFd) -> End {
    let change = verb::CHANGES.iter().position(|verb| *verb == wanted).and_then(|place| Change::ALL.get(place));
    let Some(change) = change else { return End::Nonsense };
    let is_meant = |slot: &Slot| slot.section() == Section::Services && slot.name().to_bytes() == name;
    match picture.table.slots().iter().position(is_meant) {
        _ if user != 0 => End::NotRoot,
        _ if !picture.table.may_change() => End::NotNow,
        None => End::Unknown,
        Some(slot) => match (Message::Change { slot: slot as u16, change: *change }).send(announcements) {
            Ok(()) => End::Done,
            Err(_) => End::NoAnswer,
        },
    }
}

fn describe(picture: &Picture, wanted: u8, name: &[u8], connection: BorrowedFd) -> Result<()> {
    let is_asked_for = |slot: &&Slot| name.is_empty() || slot.name().to_bytes() == name;
    let found = picture.table.slots().iter().rfind(is_asked_for);
    if found.is_none() && !name.is_empty() {
        return End::Unknown.send(connection);
    }
    let mut words = [0; WORDS];
    let [kind, started, entered @ ..] = &mut words;
    (*kind, *started) = (MACHINE, picture.started_us);
    for (to, from) in entered.iter_mut().zip(picture.table.entered_us()) {
        *to = *from;
    }
    wait::send(connection, &wire::encode(&words))?;
    let now_us = time::monotonic_us();
    for slot in picture.table.slots().iter().filter(is_asked_for) {
        wait::send(connection, &container(slot, now_us))?;
    }
    // Its id cannot have become another's in this moment: the kernel goes through all others first.
    match found.filter(|_| wanted == verb::WAIT).and_then(Slot::main).map(Handle::open) {
        Some(Ok(process)) => socket::send_descriptor(connection, process.as_fd(), &[End::Done as u8]),
        _ => End::Done.send(connection),
    }
}

fn container(slot: &Slot, now_us: u64) -> [u8; BYTES] {
    let known = |time_us| if time_us == 0 { NONE } else { time_us };
    let [forked, executed, ended] = slot.times_us().map(known);
    let main = slot.main();
    let up = main.is_some() && executed != NONE;
    // How a run ended whose program never was is not the program's end.
    let (code, signal) = match slot.last_status().filter(|_| executed != NONE || slot.status().is_none()) {
        None => (NONE, NONE),
        Some(Ended::Exited(code)) => (code.into(), NONE),
        Some(Ended::Killed(signal)) => (NONE, signal.into()),
    };
    let state = match slot.stage() {
        Stage::Waiting => 0,
        Stage::Launching | Stage::Starting | Stage::Running if slot.is_held() => 5,
        Stage::Launching | Stage::Starting => 1,
        Stage::Running => wire::RUNNING,
        Stage::Ended | Stage::Cleaning => 3,
        Stage::Pausing => wire::PAUSING,
        Stage::Done if slot.is_held() => 8,
        Stage::Done if slot.has_failed() => wire::FAILED,
        Stage::Done => wire::ENDED,
    };
    let mut words = [0; WORDS];
    let [kind, section, is, pid, uptime, restarts, last_code, last_signal, oom, memory, cpu, times @ ..] = &mut words;
    (*kind, *section, *is) = (CONTAINER, slot.section() as u64, state);
    *pid = main.map_or(NONE, |main| main.unsigned_abs().into());
    *uptime = if up { now_us.saturating_sub(executed) } else { NONE };
    (*restarts, *last_code, *last_signal) = (slot.restarts().into(), code, signal);
    for (to, from) in times.iter_mut().zip([forked, executed, known(slot.ready_us()), ended]) {
        *to = from;
    }
    (*oom, *memory, *cpu) = (slot.oom_kills().into(), NONE, NONE);
    if let Some(main) = main {
        let kills = usage(main, b"/memory.events", b"oom_kill ");
        *oom = oom.saturating_add(if kills == NONE { 0 } else { kills });
        *memory = usage(main, b"/memory.current", b"");
        *cpu = usage(main, b"/cpu.stat", b"usage_usec ");
    }
    let mut bytes = wire::encode(&words);
    if let Some(to) = bytes.get_mut(NAME_AT..) {
        copy(to, slot.name().to_bytes());
    }
    bytes
}

/// The number behind a word of a control file of the group that a process is in.
fn usage(process: Pid, name: &[u8], word: &[u8]) -> u64 {
    let mut buffer = [0; 4096];
    let text =
        match group_file(process, name, file::Open::Read).map(|opened| file::read_all(opened.as_fd(), &mut buffer)) {
            Some(Ok(text)) => &*text,
            _ => return NONE,
        };
    fields(text, b'\n').find_map(|line| number(line.strip_prefix(word)?, 10)).unwrap_or(NONE)
}
