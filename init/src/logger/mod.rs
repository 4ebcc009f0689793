//! The logger: one process for what all containers write, and for what others give it to log.
//!
//! It may be killed at any moment, and the one that PID 1 then forks goes on where it was: no line is lost, and in files
//! and memory none is there twice. For that nothing that matters is the logger's own:
//! - the ends of pipes that it reads are in a [`store::Store`];
//! - lines and positions are in memory that PID 1 maps and never touches ([`Logs`]);
//! - between the two is one more pipe. What a stream holds is moved there whole, by one system call, after it was
//!   written down whose it is; from there it is read, and how much of that was done can be seen by what the pipe still
//!   holds. What becomes of it is written beside what counts, and counts by the change of one word ([`phase`]).
//!
//! [`ring`] has the lines, [`file`] the files, [`client`] those who ask; the loop is here.

mod client;
pub mod command;
pub mod file;
mod memory;
mod ring;
pub mod store;

use crate::abi::{Errno, signal};
use crate::limits::{self, LOG_BATCH_BYTES, LOG_SOURCE_BYTES, LOG_STREAMS_MAX};
use crate::log;
use crate::sys::epoll::Epoll;
use crate::sys::file::{CWD, FileType, Open};
use crate::sys::map::Shared;
use crate::sys::region::Lent;
use crate::sys::signal::SignalFd;
use crate::sys::socket::{self, Kind};
use crate::sys::{self, AsFd, BorrowedFd, OwnedFd, identity, pipe, time};
use crate::text::{Line, Value};
use client::Client;
use file::Place;
use memory::{Memory, life, phase, word};
use ring::State;
use store::{EXTERNAL, QUESTIONS, REQUESTS, Store};

/// What PID 1 keeps for every logger there will be. It looks at none of it.
pub struct Logs {
    /// Descriptors of streams.
    pub store: Store,
    pipe: (OwnedFd, OwnedFd),
    memory: Shared,
}

impl Logs {
    /// Nothing logged yet.
    pub fn new() -> sys::Result<Logs> {
        Ok(Logs { store: Store::new()?, pipe: pipe::pair()?, memory: Shared::new(word::ALL, memory::BYTES)? })
    }
}

/// What the operator wants.
pub struct Settings {
    /// Where lines are shown at once, instead of in files.
    pub console: Option<fn(&[u8])>,
    /// Bytes of a file after which a new one is begun.
    pub file_bytes: u64,
}

/// Numbers of descriptors that are not streams'.
const STORE: u64 = 1 << 32;
const REQUEST: u64 = STORE + 1;
const OTHER: u64 = STORE + 2;

static DESCRIPTORS: Lent<[Option<OwnedFd>; LOG_STREAMS_MAX]> = Lent::new([const { None }; _]);
static CLIENTS: Lent<[Client; limits::LOG_CLIENTS_MAX]> = Lent::new([const { Client::NONE }; _]);

struct Logger<'l> {
    store: &'l Store,
    pipe: &'l (OwnedFd, OwnedFd),
    settings: &'l Settings,
    memory: Memory,
    epoll: Epoll,
    /// Those of live streams.
    descriptors: &'static mut [Option<OwnedFd>],
    live: usize,
    /// Descriptors in the store, and how many of them have ended.
    stored: usize,
    ended: usize,
    requests: Option<OwnedFd>,
    questions: Option<OwnedFd>,
    /// Whether it was said that files cannot be written.
    said: bool,
    /// Whether bytes were dropped of which nothing was said yet.
    dropped: bool,
    /// Whether somebody who asked is to get more.
    busy: bool,
    null: OwnedFd,
}

/// Runs the logger until it is told to end and nothing is left to read; with `last`, until nothing is left to read right
/// now. The exit code of its process, of which there is only one at a time.
pub fn run(logs: &Logs, settings: &Settings, last: bool) -> u8 {
    let ended = Logger::new(logs, settings).and_then(|mut logger| logger.run(last));
    match ended {
        Ok(()) => 0,
        Err(errno) => {
            log::error("logger: {}", &[Value::Kernel(errno)]);
            1
        }
    }
}

impl<'l> Logger<'l> {
    fn new(logs: &'l Logs, settings: &'l Settings) -> sys::Result<Logger<'l>> {
        const NOFILE: u8 = 7;
        let most = 2 * LOG_STREAMS_MAX as u64;
        identity::set_rlimit(NOFILE, most, most)?;
        let epoll = Epoll::new()?;
        epoll.add(logs.store.receiver(), STORE, true)?;
        Ok(Logger {
            store: &logs.store,
            pipe: &logs.pipe,
            settings,
            memory: Memory::new(&logs.memory).ok_or(Errno::BUSY)?,
            epoll,
            descriptors: DESCRIPTORS.take().ok_or(Errno::BUSY)?,
            live: 0,
            stored: 0,
            ended: 0,
            requests: None,
            questions: None,
            said: false,
            dropped: true,
            busy: false,
            null: sys::file::open(CWD, c"/dev/null", Open::Write)?,
        })
    }

    fn run(&mut self, last: bool) -> sys::Result<()> {
        self.recover()?;
        self.store.prepare()?;
        self.store.rewind()?;
        self.look();
        let signals = SignalFd::open()?;
        if !last {
            identity::set_name(c"pidone-logger");
            self.epoll.add(signals.as_fd(), OTHER, false)?;
            self.serve()?;
        }
        let clients = CLIENTS.take().ok_or(Errno::BUSY)?;
        let deadline_us = time::monotonic_us() + limits::LOG_DRAIN_US;
        let mut ending = false;
        while !(ending && self.live == 0) {
            // What was dropped is told of when time has made up for it.
            let pause = if self.dropped { 500 } else { -1 };
            let ready = self.epoll.wait(if last || self.busy { 0 } else { pause });
            let mut streams = false;
            for index in 0..ready {
                match self.epoll.number(index) {
                    STORE => self.look(),
                    REQUEST => self.take_requests(),
                    OTHER => {}
                    stream => {
                        streams = true;
                        self.take(stream as usize)?;
                    }
                }
            }
            if last && (!streams || time::monotonic_us() > deadline_us) {
                break;
            }
            if self.dropped {
                self.dropped = false;
                self.tell_all(last)?;
            }
            while let Ok(Some(number)) = signals.next() {
                ending |= number == signal::TERM;
            }
            self.answer(clients);
        }
        Ok(())
    }

    /// Finishes what the logger before this one had begun.
    fn recover(&mut self) -> sys::Result<()> {
        let memory = &self.memory;
        match memory.word(word::PHASE) {
            phase::TAKEN => {
                let held = pipe::held(self.pipe.0.as_fd())?;
                if memory.word(word::TOTAL) == 0 {
                    memory.set(word::TOTAL, held as u64);
                }
                self.read(held)?;
                self.process();
            }
            phase::DONE => self.finish(),
            _ => {}
        }
        Ok(())
    }

    /// Takes in what one stream holds.
    fn take(&mut self, stream: usize) -> sys::Result<()> {
        let mut state = self.memory.state(stream);
        let may = state.may_take(time::monotonic_us());
        self.memory.set_state(stream, &state);
        if may {
            self.tell(stream, &state)?;
        }
        let Some(descriptor) = self.descriptors.get(stream).and_then(Option::as_ref) else { return Ok(()) };
        let to = if may { &self.pipe.1 } else { &self.null };
        if may {
            self.memory.begin(stream, 0);
        }
        match pipe::splice(descriptor.as_fd(), to.as_fd(), LOG_BATCH_BYTES) {
            Err(Errno::AGAIN | Errno::INTR) => self.memory.set(word::PHASE, phase::NONE),
            Ok(0) | Err(_) => {
                self.memory.set(word::PHASE, phase::NONE);
                self.end(stream)?;
            }
            Ok(count) if may => {
                self.memory.set(word::TOTAL, count as u64);
                self.read(count)?;
                self.process();
            }
            Ok(count) => {
                state.dropped += count as u64;
                self.memory.set_state(stream, &state);
                self.dropped = true;
            }
        }
        Ok(())
    }

    /// Reads the last `count` bytes of the batch.
    fn read(&mut self, count: usize) -> sys::Result<()> {
        let total = self.memory.word(word::TOTAL) as usize;
        let bytes = total.checked_sub(count).and_then(|start| self.memory.batch.get_mut(start..total));
        sys::file::read_all(self.pipe.0.as_fd(), bytes.unwrap_or_default()).map(drop)
    }

    /// Tells of what was dropped of all streams that may go on, or `now`.
    fn tell_all(&mut self, now: bool) -> sys::Result<()> {
        for stream in 0..self.memory.count() {
            let mut state = self.memory.state(stream);
            if state.may_take(time::monotonic_us()) || now {
                self.tell(stream, &state)?;
            } else if state.dropped > 0 {
                self.dropped = true;
            }
        }
        Ok(())
    }

    /// Tells in the log what was dropped of it, as a line of its own.
    fn tell(&mut self, stream: usize, state: &State) -> sys::Result<()> {
        if state.dropped == 0 {
            return Ok(());
        }
        self.memory.begin(stream, state.dropped);
        let mut line = Line::new(self.memory.batch);
        line.text(if state.partial > 0 { "\n" } else { "" });
        line.format("pidone: {} bytes dropped: too fast\n", &[Value::Number(state.dropped)]);
        let total = line.bytes().len();
        self.memory.set(word::TOTAL, total as u64);
        self.process();
        Ok(())
    }

    /// A stream is at its end: its last line is one even without an end.
    fn end(&mut self, stream: usize) -> sys::Result<()> {
        let state = self.memory.state(stream);
        self.tell(stream, &state)?;
        if self.memory.state(stream).partial > 0 {
            self.memory.begin(stream, 0);
            sys::path::copy(self.memory.batch, b"\n");
            self.memory.set(word::TOTAL, 1);
            self.process();
        }
        self.memory.set(word::at(stream, word::LIFE), life::ENDED);
        if let Some(descriptor) = self.descriptors.get_mut(stream).and_then(Option::take) {
            self.epoll.remove(descriptor.as_fd());
            self.live -= 1;
            self.ended += 1;
        }
        // As much work as it saves.
        if 2 * self.ended >= self.stored && self.ended >= 16 {
            self.tidy()?;
        }
        Ok(())
    }

    /// Takes descriptors that have ended out of the store.
    fn tidy(&mut self) -> sys::Result<()> {
        for _ in 0..self.stored {
            let memory = &self.memory;
            self.store.turn(&mut |descriptor| {
                let known = sys::file::identity(descriptor).ok().and_then(|identity| memory.known(identity));
                known.is_none_or(|stream| memory.of(stream, word::LIFE) == life::LIVE)
            })?;
        }
        for stream in self.memory.all(life::ENDED) {
            self.memory.set(word::at(stream, word::IDENTITY), 0);
        }
        (self.stored, self.ended) = (0, 0);
        self.store.rewind()?;
        self.look();
        Ok(())
    }

    /// The batch is all there: it goes into the file, or to the console, and into the ring.
    fn process(&mut self) {
        let memory = &mut self.memory;
        let stream = memory.word(word::STREAM) as usize;
        let (total, time_us) = (memory.word(word::TOTAL) as usize, memory.word(word::TIME_US));
        let mut state = memory.state(stream);
        let (batch, ring) = memory.parts(stream);
        let bytes = batch.get(..total).unwrap_or_default();
        ring::make_room(ring, &mut state, bytes);
        memory.set_state(stream, &state);
        if self.settings.console.is_none() {
            self.write(stream, &mut state, total);
        }
        let memory = &mut self.memory;
        let from = state.head;
        state.sequence = memory.word(word::SEQUENCE);
        let (batch, ring) = memory.parts(stream);
        ring::take(ring, &mut state, batch.get(..total).unwrap_or_default(), time_us);
        state.level += total as u64;
        if total > 0 {
            state.dropped = state.dropped.saturating_sub(memory.word(word::TOLD));
        }
        if let Some(show) = self.settings.console {
            memory.show(stream, from, state.head, show);
        }
        memory.set_words(word::NEXT, &state);
        memory.set(word::PHASE, phase::DONE);
        self.finish();
    }

    /// Lets the new state count.
    fn finish(&mut self) {
        let memory = &self.memory;
        let next = memory.state_at(word::NEXT);
        memory.set_state(memory.word(word::STREAM) as usize, &next);
        memory.set(word::SEQUENCE, next.sequence);
        memory.set(word::PHASE, phase::NONE);
    }

    /// Writes the batch into the stream's file.
    fn write(&mut self, stream: usize, state: &mut State, total: usize) {
        let memory = &self.memory;
        let (source, place) = (memory.source(stream), Place::from_number(memory.of(stream, word::PLACE)));
        let mut at = memory.word(word::OFFSET);
        let mut told = [0; 64];
        let mut line = Line::new(&mut told);
        if state.unfiled > 0 {
            line.format("\npidone: {} bytes are missing\n", &[Value::Number(state.unfiled)]);
        }
        let told = line.bytes();
        let bytes = memory.batch.get(..total).unwrap_or_default();
        let opened = file::open(place, source, (told.len() + total) as u64, self.settings.file_bytes, &mut at);
        let (left, errno) = match opened {
            Err(errno) => (total, Some(errno)),
            Ok(opened) => {
                memory.set(word::OFFSET, at);
                match file::write(&opened, at, told) {
                    (0, _) => {
                        state.unfiled = 0;
                        file::write(&opened, at + told.len() as u64, bytes)
                    }
                    (_, errno) => (total, errno),
                }
            }
        };
        state.unfiled += left as u64;
        if let Some(errno) = errno {
            if !self.said {
                let values = [Value::Quoted(source), Value::Kernel(errno)];
                log::error("log of {}: {}; only the last lines are kept, in memory", &values);
            }
            self.said = true;
        }
    }

    /// Looks at what is new in the store.
    fn look(&mut self) {
        let mut message = [0; store::MESSAGE_BYTES];
        while let Some((length, descriptor)) = self.store.look(&mut message) {
            self.stored += 1;
            let Some((what, source)) = message.get(..length).and_then(<[u8]>::split_first) else { continue };
            match *what {
                REQUESTS => _ = self.requests.get_or_insert(descriptor),
                QUESTIONS => _ = self.questions.get_or_insert(descriptor),
                what => {
                    if let Err(errno) = self.adopt(what, source, descriptor) {
                        log::error("log of {}: {}", &[Value::Quoted(source), Value::Kernel(errno)]);
                    }
                }
            }
        }
    }

    /// Begins to read a stream, or goes on with it.
    fn adopt(&mut self, what: u8, source: &[u8], descriptor: OwnedFd) -> sys::Result<()> {
        let identity = sys::file::identity(descriptor.as_fd())?;
        let stream = match self.memory.known(identity) {
            Some(stream) if self.memory.of(stream, word::LIFE) == life::ENDED => {
                self.ended += 1;
                return Ok(());
            }
            Some(stream) => stream,
            None => self.memory.free(source).ok_or(Errno::NOBUFS)?,
        };
        let Some(place) = self.descriptors.get_mut(stream) else { return Ok(()) };
        if place.is_some() {
            // It is in the store twice: a logger ended while it turned.
            return Ok(());
        }
        sys::file::set_waiting(descriptor.as_fd(), false)?;
        self.epoll.add(descriptor.as_fd(), stream as u64, false)?;
        self.memory.name(stream, what, source, identity);
        *place = Some(descriptor);
        self.live += 1;
        Ok(())
    }

    /// Opens the sockets for others, unless a logger before this one has.
    fn serve(&mut self) -> sys::Result<()> {
        let run = sys::file::open(CWD, c"/run", Open::Place)?;
        if self.requests.is_none() {
            let socket = socket::serve(Kind::Datagrams, run.as_fd(), c"linuxkit-external-logging.sock")?;
            self.store.put_as(REQUESTS, b"", socket.as_fd())?;
            self.requests = Some(socket);
        }
        if self.questions.is_none() {
            let socket = socket::serve(Kind::Stream, run.as_fd(), command::SOCKET)?;
            self.store.put_as(QUESTIONS, b"", socket.as_fd())?;
            self.questions = Some(socket);
        }
        for (socket, number) in [(&self.requests, REQUEST), (&self.questions, OTHER)] {
            if let Some(socket) = socket {
                self.epoll.add(socket.as_fd(), number, false)?;
            }
        }
        Ok(())
    }

    /// Puts descriptors that others have sent into the store. Each is there before it is taken from where it was sent to.
    fn take_requests(&mut self) {
        let Some(requests) = &self.requests else { return };
        let mut name = [0; LOG_SOURCE_BYTES + 1];
        while let Ok((length, descriptor)) = socket::receive(requests.as_fd(), &mut name, true) {
            let name = name.get(..length.min(LOG_SOURCE_BYTES + 1)).unwrap_or_default();
            let put = descriptor.ok_or(Errno::BADMSG).and_then(|descriptor| {
                self.may_be_logged(name, descriptor.as_fd())?;
                self.store.put_as(EXTERNAL, name, descriptor.as_fd())
            });
            if let Err(errno) = put
                && errno != Errno::EXIST
            {
                log::error("log of {}: {}", &[Value::Quoted(name), Value::Kernel(errno)]);
            }
            let _ = socket::receive(requests.as_fd(), &mut [], false);
        }
    }

    /// Whether somebody else's stream may have that name, and is not one of those that are logged already.
    fn may_be_logged(&self, name: &[u8], descriptor: BorrowedFd) -> sys::Result<()> {
        let plain = |byte: &u8| matches!(byte, b'!'..=b'~') && *byte != b'/';
        if name.is_empty() || name.len() > LOG_SOURCE_BYTES || name.starts_with(b".") || !name.iter().all(plain) {
            return Err(Errno::INVAL);
        }
        // There is no waiting for those.
        if matches!(sys::file::kind_of(descriptor)?, FileType::REGULAR_FILE | FileType::DIRECTORY) {
            return Err(Errno::INVAL);
        }
        let identity = sys::file::identity(descriptor)?;
        let mut external = 0;
        for stream in self.memory.all(life::LIVE) {
            if self.memory.of(stream, word::IDENTITY) == identity {
                return Err(Errno::EXIST);
            }
            external += usize::from(self.memory.of(stream, word::PLACE) == EXTERNAL.into());
        }
        if external >= limits::LOG_EXTERNAL_MAX { Err(Errno::NOBUFS) } else { Ok(()) }
    }
}
