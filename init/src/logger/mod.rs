//! The logger: one process for what all containers write, and for what others give it to log.
//!
//! It may be killed at any moment, and the one that PID 1 then forks goes on where it was: no line is lost, and in files
//! and memory none is there twice. For that nothing that matters is the logger's own:
//! - the ends of pipes that it reads are in a [`store::Store`];
//! - lines and positions are in memory that PID 1 maps and never touches ([`Logs`]);
//! - between the two is one more pipe. What a stream holds is moved there whole, by one system call, after it was
//!   written down whose it is; from there it is read, and how much of that was done can be seen by what the pipe still
//!   holds. What becomes of it is written beside what counts, and counts by the change of one word ([`memory::PHASE`]).
//!
//! [`ring`] has the lines, [`file`] the files, [`client`] those who ask; the loop is here.

mod client;
pub mod command;
pub mod file;
mod memory;
mod ring;
pub mod store;

use crate::abi::{Errno, signal};
use crate::limits::{self, LOG_SOURCE_BYTES, LOG_STREAMS_MAX};
use crate::log;
use crate::sys::epoll::Epoll;
use crate::sys::file::{CWD, Open};
use crate::sys::map::Shared;
use crate::sys::region::Lent;
use crate::sys::signal::SignalFd;
use crate::sys::socket::{self, Kind};
use crate::sys::{self, AsFd, OwnedFd, identity, pipe, time, wait};
use crate::text::{Line, Value};
use client::Client;
use memory::Memory;
use ring::{DROPPED, LEVEL, PARTIAL, SEQUENCE};
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
        Ok(Logs { store: Store::new()?, pipe: pipe::pair()?, memory: Shared::new(memory::ALL_WORDS, memory::BYTES)? })
    }
}

/// Hands on every console, open for writing without waiting.
pub type Consoles = fn(&mut dyn FnMut(OwnedFd));

/// What the operator wants.
pub struct Settings {
    /// Where lines are shown at once, instead of in files.
    pub consoles: Option<Consoles>,
    /// Bytes of a file after which a new one is begun.
    pub file_bytes: u64,
    /// To be called when the machine goes on as a copy of what it was.
    pub resumed: fn(),
}

/// Numbers of descriptors that are not streams'.
const STORE: u64 = 1 << 32;
const OTHER: u64 = STORE + 1;
const KERNEL: u64 = STORE + 2;

static DESCRIPTORS: Lent<[Option<OwnedFd>; LOG_STREAMS_MAX]> = Lent::new([const { None }; _]);
static CLIENTS: Lent<[Client; limits::LOG_CLIENTS_MAX]> = Lent::new([const { Client::NONE }; _]);

struct Logger<'l> {
    logs: &'l Logs,
    settings: &'l Settings,
    memory: Memory,
    epoll: Epoll,
    /// Those of live streams.
    descriptors: &'static mut [Option<OwnedFd>],
    live: usize,
    /// Descriptors in the store, and how many of them have ended.
    stored: usize,
    ended: usize,
    /// Where others send descriptors to, and where they ask for what was logged.
    sockets: [Option<OwnedFd>; 2],
    /// The kernel's own log, behind what was there at the start.
    kernel: Option<OwnedFd>,
    /// Whether it was said that files cannot be written.
    said: bool,
    /// Whether bytes were dropped of which nothing was said yet.
    dropped: bool,
    /// Whether somebody who asked is to get more.
    busy: bool,
    /// Whether consoles are to be opened: at first, and when one was hung up.
    unopened: bool,
    /// Whether a console is waited for, which has not taken all there is to show.
    behind: bool,
    /// Whether a stream has something that is not to be read yet.
    idle: bool,
    last: bool,
}

/// Runs the logger until it is told to end and nothing is left to read; with `last`, until nothing is left to read right
/// now. The exit code of its process, of which there is only one at a time.
pub fn run(logs: &Logs, settings: &Settings, last: bool) -> u8 {
    let failed = start(logs, settings, last).err();
    if let Some(errno) = failed {
        log::error(t!("logger: {}"), &[Value::Kernel(errno)]);
    }
    u8::from(failed.is_some())
}

fn start(logs: &Logs, settings: &Settings, last: bool) -> sys::Result<()> {
    const NOFILE: u8 = 7;
    let most = 2 * LOG_STREAMS_MAX as u64;
    // Who may not has room for fewer streams.
    let _ = identity::set_rlimit(NOFILE, most, most);
    let _ = logs.store.prepare();
    let (Some(memory), Some(descriptors), Some(clients)) =
        (Memory::new(&logs.memory), DESCRIPTORS.take(), CLIENTS.take())
    else {
        return Err(Errno::BUSY);
    };
    let mut logger = Logger {
        logs,
        settings,
        memory,
        epoll: Epoll::new()?,
        descriptors,
        live: 0,
        stored: 0,
        ended: 0,
        sockets: [None, None],
        kernel: None,
        said: false,
        dropped: true,
        busy: false,
        unopened: true,
        behind: false,
        idle: false,
        last,
    };
    logger.recover();
    logger.look();
    logger.epoll.add(logs.store.receiver(), STORE, true)?;
    let signals = SignalFd::open()?;
    if !last {
        identity::set_name(s!("pidone-logger"));
        logger.epoll.add(signals.as_fd(), OTHER, false)?;
        // Without them containers are logged all the same.
        let served = logger.serve();
        refuse(b"others", served);
        // Without it nothing is told of resuming.
        let _ = logger.listen();
    }
    logger.run(&signals, clients);
    Ok(())
}

impl Logger<'_> {
    fn run(&mut self, signals: &SignalFd, clients: &mut [Client]) {
        let last = self.last;
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
                    OTHER => {}
                    KERNEL => self.hear(),
                    stream => {
                        streams = true;
                        self.take(stream as usize);
                    }
                }
            }
            if self.idle {
                self.idle = false;
                let _ = wait::ready(&[], Some(limits::LOG_IDLE_US));
            }
            if self.dropped {
                self.dropped = false;
                for stream in 0..self.memory.count() {
                    self.tell(stream, last);
                }
            }
            ending |= signals.read().contains(&signal::TERM);
            self.take_requests();
            self.answer(clients);
            while self.behind {
                wait::pause();
                self.answer(clients);
            }
            if last && (!streams || time::monotonic_us() > deadline_us) {
                break;
            }
        }
        client::leave(clients);
    }

    fn listen(&mut self) -> sys::Result<()> {
        let kernel = self.kernel.insert(sys::file::open(CWD, s!("/dev/kmsg"), Open::Events)?).as_fd();
        sys::file::to_end(kernel)?;
        self.epoll.add(kernel, KERNEL, false)
    }

    /// Looks at the next record of the kernel's log: that its random numbers were made anew is all that it says, from Linux
    /// 5.18 on, of a new generation id, by which the host tells copies of a machine.
    fn hear(&self) {
        let mut buffer = [0; limits::LOG_LINE_BYTES];
        let Some(kernel) = &self.kernel else { return };
        let length = sys::file::read(kernel.as_fd(), &mut buffer).unwrap_or_default() as usize;
        let record = buffer.get(..length).unwrap_or_default();
        // Whoever else writes there has a facility, and so a number of more digits.
        if record.get(1) == Some(&b',') && record.ends_with(b" reseeded due to virtual machine fork\n") {
            (self.settings.resumed)();
        }
    }

    /// Finishes what the logger before this one had begun.
    fn recover(&mut self) {
        match self.memory.word(memory::PHASE) {
            memory::TAKEN => {
                let held = pipe::held(self.logs.pipe.0.as_fd()).unwrap_or_default();
                if self.memory.word(memory::TOTAL) == 0 {
                    self.memory.set(memory::TOTAL, held as u64);
                }
                self.read(held);
            }
            memory::DONE => self.memory.finish(),
            _ => {}
        }
    }

    /// Takes in what one stream holds.
    fn take(&mut self, stream: usize) {
        let may = self.tell(stream, self.last);
        let Some(Some(descriptor)) = self.descriptors.get(stream) else { return };
        if !may {
            // Never the last of it: it may say why there is no more.
            let held = pipe::held(descriptor.as_fd()).unwrap_or_default();
            let (mut state, batch) = (self.memory.state(stream), self.memory.batch());
            let much = batch.get_mut(..held.saturating_sub(limits::LOG_KEPT_BYTES)).unwrap_or_default();
            match sys::file::read(descriptor.as_fd(), much) {
                _ if held == 0 => self.end(stream),
                dropped => {
                    // Nothing is there to do but to wait, a moment.
                    self.idle |= much.is_empty();
                    state[DROPPED] += u64::from(dropped.unwrap_or_default());
                    self.memory.set_state(stream, &state);
                    self.dropped = true;
                }
            }
            return;
        }
        self.memory.begin(stream, 0);
        let most = if self.settings.consoles.is_some() { limits::LOG_SHOWN_BYTES } else { limits::LOG_BATCH_BYTES };
        match pipe::splice(descriptor.as_fd(), self.logs.pipe.1.as_fd(), most) {
            Ok(count) if count > 0 => {
                self.memory.set(memory::TOTAL, count as u64);
                self.read(count);
            }
            result => {
                self.memory.leave();
                if result != Err(Errno::AGAIN) {
                    self.end(stream);
                }
            }
        }
    }

    /// Reads the last `count` bytes of the batch, which is then all there.
    fn read(&mut self, count: usize) {
        let total = self.memory.word(memory::TOTAL) as usize;
        let bytes = self.memory.batch().get_mut(total.saturating_sub(count)..total);
        // They are in the pipe.
        let _ = sys::file::read_all(self.logs.pipe.0.as_fd(), bytes.unwrap_or_default());
        self.process();
    }

    /// Whether a stream may go on, or is to, `now`. If so, it is told in the log what was dropped of it, as a line.
    fn tell(&mut self, stream: usize, now: bool) -> bool {
        let mut state = self.memory.state(stream);
        let may = ring::may_take(&mut state, time::monotonic_us()) || now;
        self.memory.set_state(stream, &state);
        let dropped = state[DROPPED];
        self.dropped |= dropped > 0 && !may;
        if may && dropped > 0 {
            self.memory.begin(stream, dropped);
            let mut line = Line::new(self.memory.batch());
            line.text(if state[PARTIAL] > 0 { "\n" } else { "" });
            line.format(t!("pidone: {} bytes dropped: too fast\n"), &[Value::Number(dropped)]);
            let total = line.bytes().len();
            self.memory.set(memory::TOTAL, total as u64);
            self.process();
        }
        may
    }

    /// A stream is at its end: its last line is one even without an end.
    fn end(&mut self, stream: usize) {
        self.tell(stream, true);
        if self.memory.of(stream, PARTIAL) > 0 {
            self.memory.begin(stream, 0);
            sys::path::copy(self.memory.batch(), b"\n");
            self.memory.set(memory::TOTAL, 1);
            self.process();
        }
        self.memory.set_of(stream, memory::ENDED, 1);
        if let Some(descriptor) = self.descriptors.get_mut(stream).and_then(Option::take) {
            self.epoll.remove(descriptor.as_fd());
            self.live -= 1;
            self.ended += 1;
        }
        // As much work as it saves.
        if 2 * self.ended >= self.stored && self.ended >= 16 {
            self.tidy();
        }
    }

    /// Takes descriptors that have ended out of the store.
    fn tidy(&mut self) {
        for _ in 0..self.stored {
            let memory = &self.memory;
            self.logs.store.turn(&|descriptor| {
                let known = sys::file::identity(descriptor).ok().and_then(|identity| memory.known(identity));
                known.is_none_or(|stream| memory.of(stream, memory::ENDED) == 0)
            });
        }
        for stream in 0..self.memory.count() {
            if self.memory.of(stream, memory::ENDED) != 0 {
                self.memory.set_of(stream, memory::IDENTITY, 0);
            }
        }
        (self.stored, self.ended) = (0, 0);
        self.look();
    }

    /// The batch is all there: it goes into the file, and into the ring, where consoles find it.
    fn process(&mut self) {
        let memory = &mut self.memory;
        let stream = memory.word(memory::STREAM) as usize;
        let mut state = memory.state(stream);
        let (batch, ring) = memory.parts(stream);
        ring::make_room(ring, &mut state, batch);
        memory.set_state(stream, &state);
        if self.settings.consoles.is_none() {
            self.write(stream);
        }
        let memory = &mut self.memory;
        let (time_us, told) = (memory.word(memory::TIME_US), memory.word(memory::TOLD));
        state[SEQUENCE] = memory.word(memory::NEXT + SEQUENCE);
        let (batch, ring) = memory.parts(stream);
        ring::take(ring, &mut state, batch, time_us);
        state[LEVEL] += batch.len() as u64;
        if !batch.is_empty() {
            state[DROPPED] = state[DROPPED].saturating_sub(told);
        }
        memory.count_in(&state);
    }

    /// Writes the batch into the stream's file.
    fn write(&mut self, stream: usize) {
        let memory = &self.memory;
        let (place, source) = (memory.file(stream), memory.source(stream));
        let (most, at) = (self.settings.file_bytes, memory.place(memory::OFFSET));
        if let Err(errno) = file::write(place, source, memory.taken(), most, at) {
            if !self.said {
                log::error(
                    t!("log of {}: {}; the last lines are kept in memory"),
                    &[Value::Quoted(source), Value::Kernel(errno)],
                );
            }
            self.said = true;
        }
    }

    /// Looks at what is in the store.
    fn look(&mut self) {
        let mut message = [0; store::MESSAGE_BYTES];
        if self.stored == 0 {
            self.logs.store.rewind();
        }
        while let Some((length, descriptor)) = self.logs.store.look(&mut message) {
            self.stored += 1;
            let Some((what, source)) = message.get(..length).and_then(<[u8]>::split_first) else { continue };
            match self.sockets.get_mut(usize::from(*what).wrapping_sub(REQUESTS.into())) {
                Some(socket) => _ = socket.get_or_insert(descriptor),
                None => {
                    let adopted = self.adopt(*what, source, descriptor);
                    refuse(source, adopted);
                }
            }
        }
    }

    /// Begins to read a stream, or goes on with it.
    fn adopt(&mut self, what: u8, source: &[u8], descriptor: OwnedFd) -> sys::Result<()> {
        let identity = sys::file::identity(descriptor.as_fd())?;
        let known = self.memory.known(identity);
        let stream = known.or_else(|| self.memory.free(source)).ok_or(Errno::NOBUFS)?;
        if known.is_some() && self.memory.of(stream, memory::ENDED) != 0 {
            self.ended += 1;
            return Ok(());
        }
        // It may be in the store twice, when a logger ended while it turned.
        if let Some(place) = self.descriptors.get_mut(stream).filter(|place| place.is_none()) {
            sys::file::set_waiting(descriptor.as_fd(), false)?;
            self.epoll.add(descriptor.as_fd(), stream as u64, false)?;
            self.memory.name(stream, what, source, identity);
            *place = Some(descriptor);
            self.live += 1;
        }
        Ok(())
    }

    /// Opens the sockets for others, unless a logger before this one has.
    fn serve(&mut self) -> sys::Result<()> {
        let run = sys::file::open(CWD, s!("/run"), Open::Place)?;
        for (socket, (kind, name, what)) in self.sockets.iter_mut().zip([
            (Kind::Datagrams, s!("linuxkit-external-logging.sock"), REQUESTS),
            (Kind::Stream, command::SOCKET, QUESTIONS),
        ]) {
            if socket.is_none() {
                let served = socket::serve(kind, run.as_fd(), name)?;
                self.logs.store.put_as(what, b"", served.as_fd())?;
                *socket = Some(served);
            }
            if let Some(socket) = socket {
                self.epoll.add(socket.as_fd(), OTHER, false)?;
            }
        }
        Ok(())
    }

    /// Puts descriptors that others have sent into the store. Each is there before it is taken from where it was sent to.
    fn take_requests(&mut self) {
        let [Some(requests), _] = &self.sockets else { return };
        let mut name = [0; LOG_SOURCE_BYTES + 1];
        while let Ok((length, descriptor)) = socket::receive(requests.as_fd(), &mut name, true) {
            let name = name.get(..length).unwrap_or_default();
            let put = match descriptor {
                Some(descriptor) if is_name(name) => self.logs.store.put_as(EXTERNAL, name, descriptor.as_fd()),
                _ => Err(Errno::INVAL),
            };
            refuse(name, put);
            let _ = socket::receive(requests.as_fd(), &mut [], false);
        }
    }
}

/// Says of a stream why it is not logged.
fn refuse(source: &[u8], result: sys::Result<()>) {
    if let Err(errno) = result {
        log::error(t!("log of {}: {}"), &[Value::Quoted(source), Value::Kernel(errno)]);
    }
}

/// Whether somebody else's stream may have that name, which is a file's as well.
fn is_name(name: &[u8]) -> bool {
    let mut plain = !name.starts_with(b".") && !name.is_empty() && name.len() <= LOG_SOURCE_BYTES;
    for byte in name {
        plain &= matches!(byte, b'!'..=b'~') && *byte != b'/';
    }
    plain
}
