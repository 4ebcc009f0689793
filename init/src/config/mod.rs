//! Bytes to `Spec`: pure functions over text.
//!
//! To add a field: a line in [`spec`], one in `schema`, a decision in `plan`. Then where a failure is: [`place`].

pub mod cmdline;
pub mod place;
pub mod policy;
pub mod spec;

mod read;
mod scan;
mod schema;

use crate::arena::Arena;
use crate::error::{Error, Result};
use crate::limits;
use crate::record::Record;
use crate::texts::CStr;

use spec::{Kept, Process, Resources, Runtime, Spec};

/// Reads a config.json into what is empty. All that it then holds is in the arena; the text may go.
///
/// # Errors
/// The text is too large, malformed, or asks for what pidone cannot do; or the arena is full, and then holds garbage.
pub fn read_config<'a>(text: &[u8], arena: &mut Arena<'a>, spec: &mut Spec<'a>) -> Result<Warnings> {
    const DOING: &CStr = c!("read config.json");
    if text.len() > limits::CONFIG_BYTES_MAX {
        return Err(Error::limit(DOING, s!("bytes"), text.len(), limits::CONFIG_BYTES_MAX));
    }
    read::read(text, arena, DOING, Record::new(spec))
}

/// Reads a runtime.json into what is empty. All that it then holds is in the arena; the text may go.
///
/// # Errors
/// As [`read_config`].
pub fn read_runtime<'a>(text: &[u8], arena: &mut Arena<'a>, runtime: &mut Runtime<'a>) -> Result<()> {
    const DOING: &CStr = c!("read runtime.json");
    if text.len() > limits::RUNTIME_BYTES_MAX {
        return Err(Error::limit(DOING, s!("bytes"), text.len(), limits::RUNTIME_BYTES_MAX));
    }
    read::read(text, arena, DOING, Record::new(runtime)).map(|_| ())
}

/// Reads a `process` alone, as `exec` is given one, into what is empty.
///
/// # Errors
/// As [`read_config`].
pub fn read_process<'a>(text: &[u8], arena: &mut Arena<'a>, process: &mut Process<'a>) -> Result<()> {
    read::read(text, arena, c!("read the process"), Record::new(process)).map(|_| ())
}

/// Reads `linux.resources` alone, as `update` is given them, into what is empty.
///
/// # Errors
/// As [`read_config`].
pub fn read_resources<'a>(text: &[u8], arena: &mut Arena<'a>, resources: &mut Resources<'a>) -> Result<()> {
    read::read(text, arena, c!("read the resources"), Record::new(resources)).map(|_| ())
}

/// Reads a state that the command line keeps, into what is empty.
///
/// # Errors
/// As [`read_config`].
pub fn read_kept<'a>(text: &[u8], arena: &mut Arena<'a>, kept: &mut Kept<'a>) -> Result<()> {
    read::read(text, arena, c!("read state.json"), Record::new(kept)).map(|_| ())
}

/// [`read_config`], for tests.
#[cfg(test)]
pub(crate) fn parse_config<'a>(text: &[u8], arena: &mut Arena<'a>) -> Result<(Spec<'a>, Warnings)> {
    let mut spec = Spec::default();
    read_config(text, arena, &mut spec).map(|warnings| (spec, warnings))
}

/// [`read_runtime`], for tests.
#[cfg(test)]
pub(crate) fn parse_runtime<'a>(text: &[u8], arena: &mut Arena<'a>) -> Result<Runtime<'a>> {
    let mut runtime = Runtime::default();
    read_runtime(text, arena, &mut runtime).map(|()| runtime)
}

/// What was odd in a text but does not keep it from being used: names of capabilities that are unknown, and ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Warnings {
    first: [u32; limits::WARNINGS_MAX],
    count: usize,
}

/// One oddity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Byte offset in the text: [`place`] tells where that is.
    pub at: u32,
    /// What is odd.
    pub problem: &'static CStr,
}

impl Warnings {
    /// The first ones.
    pub fn iter(&self) -> impl Iterator<Item = Warning> + '_ {
        self.first.iter().take(self.count).map(|at| Warning { at: *at, problem: c!("unknown capability, ignored") })
    }

    /// How many more there were.
    pub fn more(&self) -> usize {
        self.count.saturating_sub(self.first.len())
    }

    fn add(&mut self, at: u32) {
        if let Some(free) = self.first.get_mut(self.count) {
            *free = at;
        }
        self.count += 1;
    }
}

#[cfg(test)]
mod tests;
