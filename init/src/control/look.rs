//! `pidone status` and `pidone timeline`: how the containers are, and when the machine did what.

use super::client::ask;
use super::wire::{CONTAINER, FIELD_COUNT, FIELDS, NONE, STATES, Words, ZERO_IS_NONE, verb};
use super::{Asked, show};
use crate::plan::state::string;
use crate::supervise::{End, MOMENTS, Ms, Section, Times};
use crate::text::{Line, fields, word};
use crate::texts::CStr;

/// Bytes of the first column, and of each of the others.
const WIDTHS: (usize, usize) = (26, 11);
const HEADING: &[u8] = b"\
NAME                      SECTION    STATE      PID        UP/s       RESTARTS   CODE       SIGNAL     \
OOM-KILLS  KiB        CPU/ms\n";
/// What the numbers of a row are divided by, in the order of [`FIELDS`].
const UNITS: [u64; 8] = [1, 1_000_000, 1, 1, 1, 1, 1024, 1000];

/// The command, `timeline` or else `status`.
pub(super) fn look(asked: &Asked, timeline: bool) -> Result<u8, End> {
    let json = asked.json;
    let mut separator = "";
    let end = ask(verb::LOOK, asked.name, &mut None, &mut |words, name| {
        let mut buffer = [0; 2048];
        let mut line = Line::new(&mut buffer);
        let [kind, ..] = words;
        if json && *kind == CONTAINER {
            line.text(core::mem::replace(&mut separator, ",\n"));
        }
        message(&mut line, words, name, timeline, json);
        show(line.bytes())
    });
    if end != End::Done {
        return Err(end);
    }
    Ok(u8::from(json && !show(if timeline { b"]}\n" } else { b"]\n" })))
}

/// Writes what a message says; what comes before all containers if it is about the machine.
pub fn message(line: &mut Line, words: &Words, name: &CStr, timeline: bool, json: bool) {
    let [kind, ..] = words;
    match (*kind == CONTAINER, timeline, json) {
        (true, _, true) => object(line, words, name),
        (true, true, false) => {
            let [.., forked, executed, ready, ended, _, _, _, _, _, _, _, _, _] = *words;
            let times = Times([executed, ready, ended].map(|at_us: u64| at_us.saturating_sub(forked)));
            line.print(&Ms(forked)).byte(b' ').text(section(words)).byte(b' ').quoted(name.to_bytes()).print(&times);
            line.byte(b'\n');
        }
        (true, false, false) => row(line, words, name),
        (false, true, _) => moments(line, words, json),
        (false, false, true) => _ = line.byte(b'['),
        (false, false, false) => _ = line.raw(HEADING),
    }
}

fn section(words: &Words) -> &'static str {
    let [_, section, ..] = words;
    Section::ALL.get(*section as usize).map_or("", |section| section.singular())
}

fn state(words: &Words) -> &'static [u8] {
    let [_, _, state, ..] = words;
    word(STATES, *state as usize)
}

/// The number of each of [`FIELDS`]; [`NONE`] for what is not known.
fn numbers(words: &Words) -> [u64; FIELD_COUNT] {
    let mut numbers = [0; FIELD_COUNT];
    for (index, (to, from)) in numbers.iter_mut().zip(words.iter().skip(3)).enumerate() {
        *to = if *from == 0 && ZERO_IS_NONE >> index & 1 != 0 { NONE } else { *from };
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
    string(line.say(t!("{\"name\":")), name.to_bytes());
    string(line.say(t!(",\"section\":")), section(words).as_bytes());
    string(line.say(t!(",\"state\":")), state(words));
    for (name, number) in fields(FIELDS, b' ').zip(numbers(words)) {
        string(line.byte(b','), name);
        line.byte(b':');
        if number == NONE {
            line.say(t!("null"))
        } else {
            line.number(number)
        };
    }
    line.byte(b'}');
}

/// The machine's own moments.
fn moments(line: &mut Line, words: &Words, json: bool) {
    line.text(if json { "{\"phases\":[{\"name\":\"kernel\",\"us\":0}" } else { "0.000 kernel\n" });
    for (name, at_us) in fields(MOMENTS, b' ').zip(words.iter().skip(1)) {
        if *at_us == 0 {
            continue;
        }
        if json {
            string(line.say(t!(",{\"name\":")), name);
            line.say(t!(",\"us\":")).number(*at_us).byte(b'}');
        } else {
            line.print(&Ms(*at_us)).byte(b' ').raw(name).byte(b'\n');
        }
    }
    line.text(if json { "],\n\"containers\":[" } else { "" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::wire::{MACHINE, RUNNING, WORDS};

    fn written(words: &Words, timeline: bool, json: bool) -> String {
        let mut buffer = [0; 2048];
        let mut line = Line::new(&mut buffer);
        message(&mut line, words, s!("we b"), timeline, json);
        String::from_utf8(line.bytes().to_vec()).unwrap()
    }

    fn container() -> Words {
        let mut words = [0; WORDS];
        let numbers = [17, 3_000_000, 2, NONE, 9, 1, 4096, 12_000, 5_000_000, 5_003_000, 0, 0];
        words[..3].copy_from_slice(&[CONTAINER, Section::Services as u64, RUNNING]);
        words[3..3 + FIELD_COUNT].copy_from_slice(&numbers);
        words
    }

    #[test]
    fn a_container_is_a_row_under_its_heading() {
        let (heading, row) = (written(&[0; WORDS], false, false), written(&container(), false, false));
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells, ["we\\x20b", "service", "running", "17", "3", "2", "-", "9", "1", "4", "12"]);
        for (title, cell) in heading.split_whitespace().zip(&cells) {
            assert_eq!(heading.find(&format!("{title} ")).or(heading.find("CPU/ms")), row.find(&format!("{cell} ")));
        }
    }

    #[test]
    fn a_container_is_an_object_whose_numbers_may_be_unknown() {
        assert_eq!(
            written(&container(), false, true),
            r#"{"name":"we b","section":"service","state":"running","pid":17,"uptimeUs":3000000,"restarts":2,"#
                .to_owned()
                + r#""lastCode":null,"lastSignal":9,"oomKills":1,"memory":4096,"cpuUs":12000,"forkedUs":5000000,"#
                + r#""executedUs":5003000,"readyUs":null,"endedUs":null}"#
        );
    }

    #[test]
    fn moments_are_those_that_have_come() {
        let mut words = [0; WORDS];
        words[..3].copy_from_slice(&[MACHINE, 1_000, 2_500]);
        assert_eq!(written(&words, true, false), "0.000 kernel\n1.000 pidone\n2.500 setup\n");
        assert_eq!(
            written(&words, true, true),
            "{\"phases\":[{\"name\":\"kernel\",\"us\":0},{\"name\":\"pidone\",\"us\":1000},\
             {\"name\":\"setup\",\"us\":2500}],\n\"containers\":["
        );
        assert_eq!(written(&container(), true, false), "5000.000 service we\\x20b: executed after 3.000 ms\n");
    }
}
