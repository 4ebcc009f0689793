//! A bundle's two texts, read whole, parsed and planned.

use crate::sys::{AsFd, BorrowedFd};
use crate::texts::CStr;

use crate::abi::Errno;
use crate::arena::Arena;
use crate::config::spec::{Runtime, Spec};
use crate::config::{self, place};
use crate::error::{Context, Error, Result};
use crate::plan::facts::{Facts, Section};
use crate::plan::step::Plan;
use crate::sys::file::{self, CWD, Open};
use crate::sys::region::Regions;
use crate::text::{Line, Print, Value};
use crate::{log, observe};

/// Which container a plan is for, and where it is described.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The section of the image.
    pub section: Section,
    /// The container's name.
    pub name: &'a CStr,
    /// The bundle's directory, absolute.
    pub bundle: &'a CStr,
    /// What describes it.
    pub texts: Texts<'a>,
    /// What the caller changes before it is planned.
    pub adjust: &'a Adjust<'a>,
}

/// A container's description.
#[derive(Clone, Copy)]
pub enum Texts<'a> {
    /// In a directory: the bundle, or a copy of what it said.
    In(&'a CStr),
    /// What was read already: config.json, and runtime.json if there is one.
    Given(&'a [u8], Option<&'a [u8]>),
}

/// Changes what was asked for, or what is known of the machine.
pub type Adjust<'c> = dyn for<'x> Fn(&mut Spec<'x>, &mut Facts<'x>, &mut Arena<'x>) -> Result<()> + 'c;

/// Changes nothing.
pub fn as_it_is<'x>(_: &mut Spec<'x>, _: &mut Facts<'x>, _: &mut Arena<'x>) -> Result<()> {
    Ok(())
}

/// Why there is no plan, and the text that was read last.
struct Failure<'t> {
    error: Error,
    text: Text<'t>,
}

/// A text and its name.
#[derive(Clone, Copy)]
struct Text<'t> {
    file: &'static str,
    text: &'t [u8],
}

impl Print for Failure<'_> {
    fn print(&self, line: &mut Line) {
        place::print_error(line, self.text.file, self.text.text, &self.error);
    }
}

const CONFIG: &str = "config.json";
const RUNTIME: &str = "runtime.json";

/// Reads and plans a bundle, and hands the plan to `act`, or what is wrong to `fail`: nothing on the machine has changed
/// then.
pub fn with_plan(
    source: &Source,
    regions: &mut Regions,
    act: &mut dyn for<'a> FnMut(&Plan<'a>, &mut Arena<'a>),
    fail: &dyn Fn(&dyn Print, &Error),
) {
    let Regions { config, runtime, arena } = regions;
    let mut arena = Arena::new(arena);
    let mut text = Text { file: CONFIG, text: &[] };
    match read_and_plan(source, config, runtime, &mut arena, &mut text) {
        Ok(plan) => act(&plan, &mut arena),
        Err(error) => fail(&Failure { error, text }, &error),
    }
}

fn read_and_plan<'a, 't>(
    source: &Source<'a>,
    config: &'t mut [u8],
    runtime: &'t mut [u8],
    arena: &mut Arena<'a>,
    last: &mut Text<'t>,
) -> Result<Plan<'a>>
where
    'a: 't,
{
    let (text, runtime) = match source.texts {
        Texts::Given(config, runtime) => (config, runtime),
        Texts::In(directory) => {
            let bundle = file::open(CWD, directory, Open::Directory).doing(c!("open the bundle"))?;
            let config = read(bundle.as_fd(), s!("config.json"), config).doing(c!("read config.json"))?;
            let runtime = match read(bundle.as_fd(), s!("runtime.json"), runtime) {
                // Most containers need nothing outside.
                Err(Errno::NOENT) => None,
                runtime => Some(runtime.doing(c!("read runtime.json"))?),
            };
            (config, runtime)
        }
    };
    *last = Text { file: CONFIG, text };
    let mut spec = Spec::default();
    let warnings = config::read_config(text, arena, &mut spec)?;
    for warning in warnings.iter() {
        let problem = place::Problem { file: CONFIG, text, at: warning.at, problem: warning.problem };
        log::warning(t!("container {}: {}"), &[Value::Name(source.name), Value::Print(&problem)]);
    }
    let mut asked = Runtime::default();
    if let Some(text) = runtime {
        *last = Text { file: RUNTIME, text };
        config::read_runtime(text, arena, &mut asked)?;
    }
    let mut facts = observe::facts(source.section, source.name, source.bundle, &spec);
    (source.adjust)(&mut spec, &mut facts, arena)?;
    crate::plan::plan(&spec, &asked, &facts, arena)
}

/// Reads a file whole. `buffer` has room for one byte more than it may have.
fn read<'t>(bundle: BorrowedFd, name: &CStr, buffer: &'t mut [u8]) -> core::result::Result<&'t [u8], Errno> {
    let file = file::open(bundle, name, Open::Read)?;
    Ok(file::read_all(file.as_fd(), buffer)?)
}
