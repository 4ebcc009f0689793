//! Texts that only commands print. They are files in `texts/`, in their final form; `build.rs` packs them to a third of
//! their size.

use super::model::{Counters, Model};
use crate::sys::region::Lent;
use crate::text::Line;

/// The texts, in the order in which `build.rs` packs them. Those that are needed most often come first.
#[derive(Clone, Copy)]
pub enum Text {
    /// What `features` prints.
    Features,
    /// What `spec` writes.
    Spec,
    /// What it writes for an ordinary user, `#` for his number.
    SpecRootless,
    /// What `events` prints.
    Stats,
    /// What is said of all commands, then of each, and at last of the options that all have; a line `%` between two.
    Help,
}

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/texts.packed"));

/// Room for the longest text, and for what is known while texts are unpacked.
struct Room {
    text: [u8; 16 * 1024],
    counters: Counters,
}

static ROOM: Lent<Room> = Lent::new(Room { text: [0; _], counters: [0; _] });

/// A text: for the first who asks.
pub fn text(which: Text) -> &'static [u8] {
    ROOM.take().map_or(b"", |room| unpack(&mut room.text, &mut room.counters, which as usize))
}

/// The text with this number; there is a NUL behind each.
fn unpack<'t>(room: &'t mut [u8], counters: &mut Counters, mut number: usize) -> &'t [u8] {
    let mut model = Model::new(counters);
    let mut line = Line::new(room);
    let mut rest = PACKED.iter();
    let mut code = 0;
    loop {
        while model.shift().is_some() {
            code = code << 8 | u32::from(rest.next().copied().unwrap_or_default());
        }
        let middle = model.middle();
        match model.take(middle, code > middle) {
            None => {}
            Some(0) if number == 0 => return line.written(),
            Some(0) => {
                number -= 1;
                line.clear();
            }
            Some(byte) => _ = line.byte(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::options;
    use crate::text::fields;

    #[test]
    fn texts_come_out_as_they_are_in_their_files() {
        let files = ["features.json", "spec.json", "spec-rootless.json", "stats.json", "help.txt"];
        let mut counters: Box<Counters> = vec![0; size_of::<Counters>()].try_into().unwrap();
        for (number, file) in files.iter().enumerate() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/runtime/texts/").to_owned() + file;
            counters.fill(0);
            assert!(unpack(&mut [0; 16 * 1024], &mut counters, number) == std::fs::read(path).unwrap(), "{file}");
        }
    }

    /// The options that a text lists: `  -l, --name VALUE  what for`.
    fn listed(text: &str) -> Vec<(String, String, bool)> {
        let lines = text.lines().filter_map(|line| line.split_once("--").filter(|(before, _)| before.len() == 6));
        let mut options: Vec<_> = lines
            .map(|(letter, rest)| {
                let mut words = rest.split(' ');
                let name = words.next().unwrap().to_owned();
                let letter = letter.trim_matches([' ', '-', ',']).to_owned();
                (name, letter, words.next().is_some_and(|word| !word.is_empty()))
            })
            .collect();
        options.sort();
        options
    }

    #[test]
    fn every_command_is_explained_with_the_options_that_it_has() {
        let help: Vec<_> = include_str!("texts/help.txt").split("%\n").collect();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let known = |wanted: &dyn Fn(&options::Entry) -> bool| {
            let known = options::table().filter(|entry| wanted(entry) && !entry.is_refused());
            let mut known: Vec<_> =
                known.map(|entry| (text(entry.name), text(entry.letter), !entry.is_switch())).collect();
            known.sort();
            known
        };
        for (place, command) in fields(options::COMMANDS, b' ').enumerate() {
            let command = text(command);
            let about = help.iter().find(|text| text.starts_with(&format!("pidone {command} [OPTION...]")));
            let about = about.unwrap_or_else(|| panic!("nothing is said of {command}"));
            assert_eq!(listed(about), known(&|entry| entry.is_of(Some(place)) && !entry.is_global()), "{command}");
            assert!(help[0].contains(&format!("\n  pidone {command} ")), "{command} is not listed");
        }
        assert_eq!(listed(help.last().unwrap()), known(&|entry| entry.is_global()));
    }
}
