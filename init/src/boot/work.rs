//! What PID 1's children do when it is PID 1 of a machine: the bodies of [`Work`].

use core::ffi::CStr;

use crate::sys::BorrowedFd;

use super::{clock, console, hostname, modules, resolver, scripts, sysctl, volumes};
use crate::config::cmdline::{self, Options};
use crate::error::Error;
use crate::launch::bundle::{Source, as_it_is};
use crate::launch::{self, Output, Request, Streams};
use crate::log;
use crate::plan::facts;
use crate::supervise::message::Message;
use crate::supervise::{Section, Work};
use crate::sys::path::PathBuffer;
use crate::sys::{region, time};
use crate::text::{Print, Value};

/// A machine with an image in LinuxKit's layout.
pub struct Machine<'o> {
    /// What the operator asked for.
    pub options: &'o Options<'o>,
}

impl Work for Machine<'_> {
    fn set_up(&self) -> u8 {
        modules::answer_kernel();
        modules::load_list(self.options.modules());
        modules::coldplug();
        sysctl::write_all();
        hostname::set(self.options.hostname);
        resolver::prepare();
        clock::set_from_hardware();
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

    fn launch(&self, slot: u16, section: Section, name: &CStr, announcements: BorrowedFd) -> u8 {
        let output = if self.options.output == cmdline::Output::Log { Output::Log } else { Output::Inherit };
        let tell = |message: Message| {
            // PID 1 then takes the container for an orphan, and the launch for failed.
            if let Err(errno) = message.send(announcements) {
                log::error("tell PID 1: {}", &[Value::Kernel(errno)]);
            }
        };
        let launched = with_bundle(section, name, &mut |source, regions| {
            let request = Request {
                sibling: true,
                streams: &|| Streams::open(output, source.section, name),
                gate: None,
                announce: &|| tell(Message::Announced { slot }),
                ready: &|_, _| Ok(()),
                fail: &|failure, _| log::error("container {}: {}", &[Value::Name(name), Value::Print(failure)]),
            };
            let launched = launch::launch(&source, &request, regions).is_some();
            if launched {
                tell(Message::Executed { slot, time_us: time::monotonic_us() });
            }
            launched
        });
        u8::from(!launched)
    }

    fn clean(&self, section: Section, name: &CStr) -> u8 {
        let cleaned = with_bundle(section, name, &mut |source, regions| {
            // Onboot and onshutdown containers have nobody who reads their files while they run.
            if section != Section::Services && self.options.output == cmdline::Output::Log {
                launch::dump_log(source.section, name, console::write_to_all);
            }
            let fail = |failure: &dyn Print, _: &Error| {
                log::error("container {}: clean up: {}", &[Value::Name(name), Value::Print(failure)]);
            };
            launch::clean(&source, regions, &fail);
            true
        });
        u8::from(!cleaned)
    }
}

/// Hands on which container it is, and the memory for its plan. This process does one container and ends.
fn with_bundle(section: Section, name: &CStr, act: &mut dyn FnMut(Source, &mut region::Regions) -> bool) -> bool {
    let (section, directory) = match section {
        Section::Onboot => (facts::Section::Onboot, c"/containers/onboot"),
        Section::Services => (facts::Section::Services, c"/containers/services"),
        Section::Onshutdown => (facts::Section::Onshutdown, c"/containers/onshutdown"),
    };
    let mut buffer = PathBuffer::empty();
    let bundle = buffer.below(directory, name);
    let (Ok(bundle), Some(regions)) = (bundle, region::take()) else { return false };
    act(Source { section, name, bundle, texts: bundle, adjust: &as_it_is }, regions)
}
