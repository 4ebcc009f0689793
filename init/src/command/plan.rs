//! `pidone plan BUNDLE`: what a launch would do. Reads, decides and prints; changes nothing.

use super::refuse;
use crate::launch::bundle::{self, Source, Texts, as_it_is};
use crate::plan::facts::Section;
use crate::plan::print::each_line;
use crate::runtime::Words;
use crate::sys::path::PathBuffer;
use crate::sys::{file, region};
use crate::text::{Line, Value, cut_last, position};
use crate::texts::CStr;

/// Exit code of a bundle that cannot be launched.
const NO_PLAN: u8 = 1;

/// A line of a plan holds at most a few paths of the configuration: a longer one ends in `...`.
const LINE_BYTES: usize = 16 * 1024;

#[inline(never)]
pub(super) fn print(words: Words) -> u8 {
    let [given] = words else {
        return refuse(t!("usage: pidone plan BUNDLE"), &[]);
    };
    let mut buffer = PathBuffer::empty();
    let bundle = file::absolute(&mut buffer, given);
    let (Ok(bundle), Some(regions)) = (bundle, region::take()) else {
        return refuse(t!("the bundle's path is too long"), &[]);
    };
    let mut name = PathBuffer::empty();
    let Ok(name) = name.join(&[cut_last(bundle.to_bytes(), b'/').1]) else {
        return refuse(t!("the bundle's name is too long"), &[]);
    };
    let source = Source { section: section(bundle), name, bundle, texts: Texts::In(bundle), adjust: &as_it_is };
    let mut code = NO_PLAN;
    let mut buffer = [0; LINE_BYTES];
    let mut line = Line::new(&mut buffer);
    bundle::with_plan(
        &source,
        regions,
        &mut |plan, _| {
            let mut result = Ok(());
            each_line(plan, &mut |text| {
                line.clear();
                line.print(text).byte(b'\n');
                result = result.and_then(|()| show(line.bytes()));
            });
            code = u8::from(result.is_err());
        },
        &|failure, _| _ = refuse(t!("{}: {}"), &[Value::Name(name), Value::Print(failure)]),
    );
    code
}

fn show(text: &[u8]) -> crate::sys::Result<()> {
    file::write_all(file::standard_output(), text)
}

/// The section of an image that a bundle is in, by the directory above it.
fn section(bundle: &CStr) -> Section {
    let (parent, _) = cut_last(bundle.to_bytes(), b'/');
    let sections = [Section::Onboot, Section::Services, Section::Onshutdown];
    let known = position(b"onboot services onshutdown", cut_last(parent, b'/').1);
    known.and_then(|known| sections.get(known)).copied().unwrap_or(Section::Other)
}
