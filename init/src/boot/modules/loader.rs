//! Requests become loaded modules: one [`Order`], and the [`Tree`] it is about.

use crate::abi::Errno;

use super::devices::Aliases;
use super::order::{Answer, Order};
use super::pattern::matches;
use super::tree::Tree;
use crate::error::{Cause, Error, Result};
use crate::limits::COLDPLUG_ROUNDS_MAX;
use crate::log::{self, Level};
use crate::text::{Phrase, Print, Value};

/// Loads modules, each once however often it is asked for, and reports each failure once.
pub(super) struct Loader<'a> {
    tree: &'a Tree,
    order: Order<'a>,
    /// Modules that were not there before.
    pub(super) loaded: u64,
    /// Nobody named what is asked for: the answers "there is no such module", "not wanted" and "there is no such
    /// hardware" are worth no warning.
    pub(super) quiet: bool,
}

impl<'a> Loader<'a> {
    /// Nothing is loaded yet.
    #[inline(never)]
    pub(super) fn new(tree: &'a Tree) -> Loader<'a> {
        Loader { tree, order: Order::new(tree.index), loaded: 0, quiet: false }
    }

    /// Loads what a name or an alias means; whether all of it is in the kernel now.
    pub(super) fn request(&mut self, request: &[u8]) -> bool {
        match self.order.ask(request) {
            Ok(Answer::Queued) => self.load_queued(request),
            Ok(Answer::BuiltIn) => true,
            Ok(Answer::Denied) => self.refuse(request, t!("on the denylist")),
            Ok(Answer::Unknown) => self.refuse(request, t!("not among the modules of this kernel")),
            Err(error) => self.fail(Level::Warning, request, &error),
        }
    }

    /// Loads the modules of all devices, in rounds: a bus's driver makes the devices on it appear.
    ///
    /// # Errors
    /// The devices of this machine pass a bound. What is before it is loaded.
    pub(super) fn coldplug(&mut self) -> Result<()> {
        let mut devices = Aliases::new()?;
        for _ in 0..COLDPLUG_ROUNDS_MAX {
            let known = devices.used();
            let result = devices.collect();
            if devices.used() == known {
                return result;
            }
            self.load_for(devices.behind(known));
            result?;
        }
        let most = COLDPLUG_ROUNDS_MAX;
        Err(Error::limit(c!("list the devices"), c!("rounds with new devices"), most, most))
    }

    /// One walk over all aliases, however many devices there are: that file is the long one.
    fn load_for<'d>(&mut self, devices: impl Iterator<Item = &'d [u8]> + Clone) {
        self.tree.index.for_each_alias(&mut |pattern, module| {
            if devices.clone().any(|device| matches(pattern, device)) {
                match self.order.ask_module(module) {
                    Ok(Answer::Queued) => _ = self.load_queued(module),
                    Ok(_) => {}
                    Err(error) => _ = self.fail(Level::Warning, module, &error),
                }
            }
        });
    }

    fn load_queued(&mut self, request: &[u8]) -> bool {
        let mut whole = true;
        loop {
            match self.order.next_file() {
                Ok(Some(path)) => whole &= self.load(path),
                Ok(None) => return whole,
                Err(error) => return self.fail(Level::Warning, request, &error),
            }
        }
    }

    fn load(&mut self, path: &[u8]) -> bool {
        match self.tree.load(path) {
            Ok(new) => {
                self.loaded += u64::from(new);
                true
            }
            Err(error) => {
                let absent = self.quiet && matches!(error.cause(), Cause::Kernel(Errno::NODEV));
                // By its whole name: how it is packed may be why.
                self.fail(if absent { Level::Debug } else { Level::Warning }, path, &error)
            }
        }
    }

    fn refuse(&self, request: &[u8], why: Phrase) -> bool {
        self.fail(if self.quiet { Level::Debug } else { Level::Warning }, request, &why)
    }

    fn fail(&self, level: Level, module: &[u8], why: &dyn Print) -> bool {
        log::record(level, t!("module {}: {}"), &[Value::Quoted(module), Value::Print(why)]);
        false
    }
}
