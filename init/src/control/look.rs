//! `pidone status` and `pidone timeline`: how the containers are, and when the machine did what.

use core::ffi::CStr;

use super::client::ask;
use super::wire::{CONTAINER, FIELD_COUNT, FIELDS, NONE, STATES, Words, verb};
use super::{Asked, show};
use crate::plan::state::string;
use crate::supervise::{End, Ms, PHASE_NAMES, Section, Times};
use crate::text::{Line, Value, fields, word};

/// Bytes of the first column, and of each of the others.
const WIDTHS: (usize, usize) = (26, 11);
const HEADING: &[u8] = b"\
NAME                      SECTION    STATE      PID        UP/s       RESTARTS   CODE       SIGNAL     \
OOM-KILLS  KiB        CPU/ms\n";
/// What the numbers of a row are divided by, in the order of [`FIELDS`].
const UNITS: [u64; 8] = [1, 1_000_000, 1, 1, 1, 1, 1024, 1000];

/// The command, `timeline` or else `status`.
pub(super) fn look(asked: &Asked, timeline: bool) -> core::result::Result<u8, End> {
    let json = asked.json;
    let mut separator = "";
    let (end, _) = ask(verb::LOOK, asked.name, &mut |words, name| {
        let mut buffer = [0; 2048];
        let mut line = Line::new(&mut buffer);
        let [kind, first, rest @ ..] = words;
        if *kind != CONTAINER {
            match (timeline, json) {
                (true, _) => moments(&mut line, *first, rest, json),
                (_, true) => _ = line.byte(b'['),
                _ => _ = line.raw(HEADING),
            }
        } else if json {
            object(line.text(core::mem::replace(&mut separator, ",\n")), words, name);
        } else if timeline {
            let [.., forked, executed, ready, ended] = numbers(words);
            let after = |at_us: u64| if at_us == NONE { 0 } else { at_us.saturating_sub(forked) };
            let times = Times([executed, ready, ended].map(after));
            let forked = Ms(if forked == NONE { 0 } else { forked });
            let values = [Value::Print(&forked), Value::Text(section(words)), Value::Name(name), Value::Print(&times)];
            line.format("{} {} {}{}\n", &values);
        } else {
            row(&mut line, words, name);
        }
        show(line.bytes())
    });
    if end != End::Done {
        return Err(end);
    }
    if json {
        let _ = show(if timeline { b"]}\n" } else { b"]\n" });
    }
    Ok(0)
}

fn section(words: &Words) -> &'static str {
    let [_, section, ..] = words;
    Section::ALL.get(*section as usize).map_or("", |section| section.singular())
}

fn state(words: &Words) -> &'static [u8] {
    let [_, _, state, ..] = words;
    word(STATES, *state as usize)
}

fn numbers(words: &Words) -> [u64; FIELD_COUNT] {
    let mut numbers = [0; FIELD_COUNT];
    for (to, from) in numbers.iter_mut().zip(words.iter().skip(3)) {
        *to = *from;
    }
    numbers
}

fn row(line: &mut Line, words: &Words, name: &CStr) {
    let mut buffer = [0; 320];
    let mut cell = Line::new(&mut buffer);
    line.pad(cell.quoted(name.to_bytes()).bytes(), WIDTHS.0);
    line.pad(section(words).as_bytes(), WIDTHS.1).pad(state(words), WIDTHS.1);
    for (number, unit) in numbers(words).into_iter().zip(UNITS) {
        cell.clear();
        if number == NONE {
            cell.byte(b'-')
        } else {
            cell.number(number / unit)
        };
        line.pad(cell.bytes(), WIDTHS.1);
    }
    line.byte(b'\n');
}

/// One container as JSON.
fn object(line: &mut Line, words: &Words, name: &CStr) {
    string(line.text("{\"name\":"), name.to_bytes());
    line.format(",\"section\":\"{}\",\"state\":\"{}\"", &[Value::Text(section(words)), Value::Quoted(state(words))]);
    for (name, number) in fields(FIELDS, b' ').zip(numbers(words)) {
        let values = [Value::Quoted(name), Value::Number(number)];
        line.format(if number == NONE { ",\"{}\":null" } else { ",\"{}\":{}" }, &values);
    }
    line.byte(b'}');
}

/// The machine's own moments.
fn moments(line: &mut Line, started_us: u64, entered_us: &[u64], json: bool) {
    let mut separator = "{\"phases\":[{";
    let mut moment = |name: &'static str, at_us: u64| {
        if json {
            let values = [Value::Text(separator), Value::Text(name), Value::Number(at_us)];
            line.format("{}\"name\":\"{}\",\"us\":{}", &values).byte(b'}');
            separator = ",{";
        } else {
            line.format("{} {}\n", &[Value::Print(&Ms(at_us)), Value::Text(name)]);
        }
    };
    moment("kernel", 0);
    moment("pidone", started_us);
    for (name, at_us) in PHASE_NAMES.iter().zip(entered_us) {
        if *at_us != 0 {
            moment(name, *at_us);
        }
    }
    if json {
        line.text("],\n\"containers\":[");
    }
}
