//! What PID 1's children do when it is PID 1 of a machine: the bodies of [`Work`].

use super::{
    check, clock, console, farewell, hostname, modules, oneshot, resolver, scripts, seed, survey, sysctl, volumes,
};
use crate::apply;
use crate::config::cmdline::{self, Options};
use crate::config::policy::{self, Key};
use crate::control;
use crate::error::Error;
use crate::launch::bundle::{Adjust, Source, Texts};
use crate::launch::ready::{Readiness, give_socket};
use crate::launch::{self, Request, Streams};
use crate::log;
use crate::logger::{self, Logs};
use crate::plan::facts;
use crate::runtime;
use crate::supervise::message::Message;
use crate::supervise::{Client, Picture, Section, Slot, Work};
use crate::sys::file::{self, CWD};
use crate::sys::path::PathBuffer;
use crate::sys::{BorrowedFd, region, time};
use crate::text::{Print, Value, fields, number};
use crate::texts::CStr;
use core::cell::RefCell;

/// The annotations that have commands.
const READY: &CStr = s!("pidone.ready");
const HEALTH: &CStr = s!("pidone.health");

/// A machine with an image in LinuxKit's layout.
pub struct Machine<'o> {
    /// What the operator asked for.
    pub options: &'o Options<'o>,
    /// What containers write.
    pub logs: &'o Logs,
}

impl Work for Machine<'_> {
    fn set_up(&self) -> u8 {
        modules::answer_kernel();
        modules::load(&mut self.options.modules());
        sysctl::write_all();
        hostname::set(self.options.hostname);
        resolver::prepare();
        clock::set_from_hardware(false);
        if let Some(path) = self.options.value(b"pidone.seed") {
            seed::exchange(path);
        }
        0
    }

    fn run_scripts(&self, directory: &CStr) -> u8 {
        scripts::run_all(directory);
        0
    }

    fn mount_volumes(&self) -> u8 {
        volumes::mount_all();
        0
    }

    fn survey(&self, containers: &[Slot], announcements: BorrowedFd) -> u8 {
        survey::run(containers, announcements)
    }

    fn launch(&self, slot: u16, container: &Slot, announcements: BorrowedFd) -> u8 {
        let (section, name) = (container.section(), container.name());
        let (wishes, mut socket) = (container.wishes(), PathBuffer::empty());
        let Ok(socket) = socket.join(&[b"/run/", name.to_bytes(), b".notify"]) else { return 1 };
        let readiness = match Readiness::prepare(wishes, socket) {
            Ok(readiness) => readiness,
            Err(errno) => {
                log::error(t!("container {}: pidone.ready: {}"), &[Value::Name(name), Value::Kernel(errno)]);
                return 1;
            }
        };
        let tell = |message: Message| {
            // PID 1 then takes the container for an orphan, and the launch for failed.
            if let Err(errno) = message.send(announcements) {
                log::error(t!("tell PID 1: {}"), &[Value::Kernel(errno)]);
            }
        };
        let announce = || tell(Message::Announced { slot });
        let executed = || tell(Message::Executed { slot, time_us: time::monotonic_us() });
        let ready = || tell(Message::Ready { slot, time_us: time::monotonic_us() });
        if section == Section::OneShot {
            if !oneshot::open_streams(self.options) {
                return 1;
            }
            if self.is_command() {
                return u8::from(!oneshot::launch(self.options, &announce, &executed));
            }
        }
        let group = RefCell::new(PathBuffer::empty());
        let mut is_ready = true;
        let mut readiness = Some(readiness);
        let launched = self.with_bundle(container, socket, &mut |source, regions| {
            let request = Request {
                sibling: true,
                streams: &|| match section {
                    Section::OneShot => Ok(Streams::default()),
                    _ => Streams::open(&self.logs.store, self.has_files(), source.section, name),
                },
                gate: None,
                target: None,
                console: None,
                shares: false,
                lock: None,
                announce: &announce,
                ready: &|_, plan| {
                    let _ = group.borrow_mut().join(&[plan.cgroup.to_bytes()]);
                    Ok(())
                },
                fail: &|failure, _| log::error(t!("container {}: {}"), &[Value::Name(name), Value::Print(failure)]),
            };
            let launched = launch::launch(&source, &request, regions);
            let _ = file::remove(CWD, socket);
            if let (Some(pid), Some(readiness)) = (launched, readiness.take()) {
                executed();
                let waits = wishes.get(Key::Ready) != policy::EXECUTE;
                if !waits {
                    ready();
                }
                // For `pidone list` and the like. Nobody waits for it.
                if let Err(error) = runtime::record(name, source.bundle, group.borrow().get(), pid) {
                    log::debug(t!("container {}: {}"), &[Value::Name(name), Value::Print(&error)]);
                }
                if waits {
                    is_ready =
                        readiness.wait(wishes, pid, &mut |left_us| check::run(container, pid, READY, left_us, regions));
                    if is_ready {
                        ready();
                    }
                }
            }
            launched.is_some()
        });
        // What is launched and not ready is for PID 1 to end.
        u8::from(!launched || !is_ready)
    }

    fn check(&self, container: &Slot) -> u8 {
        let timeout_us = container.wishes().us(Key::HealthTimeout);
        let (Some(regions), Some(main)) = (region::take(), container.main()) else { return 1 };
        u8::from(!check::run(container, main, HEALTH, timeout_us, regions) && !check::has_ended(main))
    }

    fn clean(&self, slot: u16, container: &Slot, announcements: BorrowedFd) -> u8 {
        let (section, name) = (container.section(), container.name());
        if section == Section::OneShot {
            // Before anybody says something about it, in the midst of its last line.
            console::drain_all();
            if self.is_command() {
                return 0;
            }
        }
        logger::command::await_end(name);
        let cleaned = self.with_bundle(container, s!(""), &mut |source, regions| {
            // Onboot and onshutdown containers have nobody who reads their files while they run.
            if matches!(section, Section::Onboot | Section::Onshutdown) && self.has_files() {
                launch::dump_log(source.section, name, console::write_to_all);
            }
            runtime::forget(name);
            let fail = |failure: &dyn Print, _: &Error| {
                log::error(t!("container {}: clean up: {}"), &[Value::Name(name), Value::Print(failure)]);
            };
            let look = |group: &CStr| {
                if let Some(kills) = oom_kills(group).filter(|kills| *kills != 0) {
                    let values = [Value::Print(container), Value::Number(kills.into())];
                    log::error(t!("{}: out of memory: the kernel has killed {} of its processes"), &values);
                    // It is in the log at least.
                    let _ = Message::OutOfMemory { slot, kills }.send(announcements);
                }
            };
            launch::clean(&source, regions, &look, &fail);
            true
        });
        u8::from(!cleaned)
    }

    fn answer(&self, picture: &Picture, client: &Client, announcements: BorrowedFd) -> u8 {
        control::answer(picture, client, announcements)
    }

    fn farewell(&self, code: Option<u8>) -> u8 {
        farewell::say(self.options, code);
        0
    }

    fn log(&self, last: bool) -> u8 {
        let consoles = if self.has_files() { None } else { Some(console::for_each as logger::Consoles) };
        let resumed = || clock::set_from_hardware(true);
        logger::run(self.logs, &logger::Settings { consoles, file_bytes: self.options.log_bytes, resumed }, last)
    }
}

impl Machine<'_> {
    /// Whether what containers write goes into files.
    fn has_files(&self) -> bool {
        self.options.output == cmdline::Output::Log
    }

    /// Whether the one-shot is a command rather than a bundle.
    fn is_command(&self) -> bool {
        self.options.value(oneshot::RUN).is_none_or(<[u8]>::is_empty)
    }

    /// Hands on which container it is, and the memory for its plan. This process does one container and ends.
    fn with_bundle(
        &self,
        container: &Slot,
        socket: &CStr,
        act: &mut dyn FnMut(Source, &mut region::Regions) -> bool,
    ) -> bool {
        let (section, name) = (container.section(), container.name());
        let again = container.restarts() > 0;
        let mut buffer = PathBuffer::empty();
        let bundle = match section {
            Section::OneShot => buffer.join(&[self.options.value(oneshot::RUN).unwrap_or(b"")]),
            _ => buffer.below(section.directory(), name),
        };
        let section = match section {
            Section::Onboot => facts::Section::Onboot,
            Section::Services => facts::Section::Services,
            Section::Onshutdown => facts::Section::Onshutdown,
            Section::OneShot => facts::Section::Other,
        };
        let (Ok(bundle), Some(regions)) = (bundle, region::take()) else { return false };
        let notifies = !socket.is_empty() && container.wishes().get(Key::Ready) == policy::NOTIFY;
        let adjust: &Adjust = &|spec, facts, arena| {
            facts.again = again;
            if container.wishes().get(Key::Ready) == policy::DESCRIPTOR {
                facts.manner.descriptors = container.wishes().get(Key::ReadyNumber).saturating_sub(2);
            }
            if notifies {
                let socket = arena.copy(socket.to_bytes());
                give_socket(socket, spec, arena);
            }
            Ok(())
        };
        act(Source { section, name, bundle, texts: Texts::In(bundle), adjust }, regions)
    }
}

/// How many processes of a control group the kernel has killed because memory was short.
fn oom_kills(group: &CStr) -> Option<u32> {
    let mut buffer = [0; 512];
    let text = if group.is_empty() { return None } else { apply::read_cgroup(group, s!("memory.events"), &mut buffer) };
    let kills = fields(text.ok()?, b'\n').find_map(|line| number(line.strip_prefix(b"oom_kill ")?, 10));
    kills.map(|kills| kills.min(u32::MAX.into()) as u32)
}
