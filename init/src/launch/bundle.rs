//! A bundle's two texts, read whole, parsed and planned.

use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd};

use crate::abi::Errno;
use crate::arena::Arena;
use crate::config::{self, place};
use crate::error::{Cause, Error};
use crate::limits;
use crate::plan::facts::Section;
use crate::plan::step::Plan;
use crate::sys::file::{self, CWD, Open};
use crate::text::{Line, Print, Value};
use crate::{log, observe};

/// Room for the texts of one bundle.
pub struct Texts<'t> {
    /// config.json, and one byte to see that it is too long.
    pub config: &'t mut [u8],
    /// runtime.json, likewise.
    pub runtime: &'t mut [u8],
}

/// Which container a plan is for.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// The section of the image.
    pub section: Section,
    /// The container's name.
    pub name: &'a CStr,
    /// The bundle's directory, absolute.
    pub bundle: &'a CStr,
}

/// Why there is no plan, and the text that is to blame.
pub struct Failure<'t> {
    error: Error,
    text: Option<(&'static str, &'t [u8])>,
}

impl Print for Failure<'_> {
    fn print(&self, line: &mut Line) {
        match self.text {
            Some((file, text)) => place::print_error(line, file, text, &self.error),
            None => drop(line.print(&self.error)),
        }
    }
}

const CONFIG: &str = "config.json";
const RUNTIME: &str = "runtime.json";

/// Reads and plans a bundle. Nothing on the machine has changed when this fails.
pub fn plan<'a, 't>(
    identity: &Identity<'a>,
    texts: &'t mut Texts,
    arena: &mut Arena<'a>,
) -> core::result::Result<Plan<'a>, Failure<'t>> {
    let plain = |error| Failure { error, text: None };
    let kernel = |doing| move |errno| plain(Error::kernel(doing, errno));
    let bundle = file::open(CWD, identity.bundle, Open::Directory).map_err(kernel(c"open the bundle"))?;
    let text = read(bundle.as_fd(), c"config.json", texts.config, limits::CONFIG_BYTES_MAX, c"read config.json");
    let text = text.map_err(plain)?;
    let blame = |error| Failure { error, text: Some((CONFIG, text)) };
    let (spec, warnings) = config::parse_config(text, arena).map_err(blame)?;
    for warning in warnings.iter() {
        let problem = place::Problem { file: CONFIG, text, at: warning.at, problem: warning.problem };
        log::warning("container {}: {}", &[Value::Name(identity.name), Value::Print(&problem)]);
    }
    let runtime = read(bundle.as_fd(), c"runtime.json", texts.runtime, limits::RUNTIME_BYTES_MAX, c"read runtime.json");
    let runtime = match runtime {
        // Most containers need nothing outside.
        Err(error) if error.cause() == Cause::Kernel(Errno::NOENT) => config::spec::Runtime::default(),
        Err(error) => return Err(plain(error)),
        Ok(text) => {
            let blame = |error| Failure { error, text: Some((RUNTIME, text)) };
            config::parse_runtime(text, arena).map_err(blame)?
        }
    };
    let facts = observe::facts(identity.section, identity.name, identity.bundle, &spec);
    crate::plan::plan(&spec, &runtime, &facts, arena).map_err(blame)
}

/// Reads a file whole. `buffer` has room for one byte more than `most`.
fn read<'t>(
    bundle: BorrowedFd,
    name: &CStr,
    buffer: &'t mut [u8],
    most: usize,
    doing: &'static CStr,
) -> crate::error::Result<&'t [u8]> {
    let text = file::open(bundle, name, Open::Read).and_then(|file| file::read_all(file.as_fd(), buffer));
    match text {
        Err(errno) => Err(Error::kernel(doing, errno)),
        Ok(text) if text.len() > most => Err(Error::limit(doing, c"bytes", text.len(), most)),
        Ok(text) => Ok(text),
    }
}
