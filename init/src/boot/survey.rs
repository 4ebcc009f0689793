//! What containers want of PID 1: the annotations of their bundles, read before anything is started, by a process of its
//! own. PID 1 gets numbers. What makes no sense is refused here, in words.

use crate::arena::Arena;
use crate::config::policy;
use crate::config::spec::{Pair, Spec};
use crate::config::{self, place};
use crate::limits;
use crate::log;
use crate::supervise::message::Message;
use crate::supervise::{Edge, Section, Slot, Stage, cycle};
use crate::sys::file;
use crate::sys::path::PathBuffer;
use crate::sys::region::{self, Regions};
use crate::sys::{self, BorrowedFd};
use crate::text::{Line, Phrase, Print, Value, fields};
use crate::texts::CStr;

/// Reads what the containers want that are not begun, and sends PID 1 what it does not expect. The exit code.
pub fn run(containers: &[Slot], announcements: BorrowedFd) -> u8 {
    let Some(regions) = region::take() else { return 1 };
    let mut survey =
        Survey { containers, announcements, edges: [Edge::NONE; limits::EDGES_MAX], count: 0, sent: Ok(()) };
    for (index, container) in containers.iter().enumerate() {
        if container.stage() == Stage::Waiting {
            survey.look_at(index as u16, container, regions);
        }
    }
    survey.refuse_cycles();
    for edge in survey.edges.iter().take(survey.count) {
        let Edge { slot, on, requires } = *edge;
        survey.sent = survey.sent.and_then(|()| Message::Order { slot, on, requires }.send(announcements));
    }
    if let Err(errno) = survey.sent {
        log::error(t!("tell PID 1: {}"), &[Value::Kernel(errno)]);
    }
    u8::from(survey.sent.is_err())
}

struct Survey<'s> {
    containers: &'s [Slot],
    announcements: BorrowedFd<'s>,
    /// Who waits for whom, as far as it is known.
    edges: [Edge; limits::EDGES_MAX],
    count: usize,
    /// The first failure to tell PID 1.
    sent: sys::Result<()>,
}

impl Survey<'_> {
    #[inline(never)]
    fn tell(&mut self, message: Message) {
        self.sent = self.sent.and_then(|()| message.send(self.announcements));
    }

    /// Reads one bundle's annotations. What keeps it from being read at all is for its launcher to say.
    fn look_at(&mut self, index: u16, container: &Slot, regions: &mut Regions) {
        annotations(container, regions, &mut |text, pairs, _| self.look_at_all(index, container, text, pairs));
    }

    fn look_at_all(&mut self, index: u16, container: &Slot, text: &[u8], pairs: &[Pair]) {
        let known = container.wishes();
        let mut wishes = *known;
        for pair in pairs {
            let Some(name) = pair.name.to_bytes().strip_prefix(policy::PREFIX) else { continue };
            let is_service = container.section() == Section::Services;
            let mut what = pair.value.to_bytes();
            let problem = match wishes.take(name, what) {
                Ok(false) => t!("unknown annotation"),
                Ok(true) if !is_service && policy::is_of_one(name) => t!("only for services"),
                Ok(true) if is_service && name == b"timeout" => t!("not for services"),
                Ok(true) => match self.order(index, name, &mut what) {
                    Ok(()) => continue,
                    Err(problem) => problem,
                },
                Err(problem) => problem,
            };
            let place = place::place(text, place_of(text, pair.name));
            let values = [Value::Print(container), Value::Print(&place), Value::Quoted(what), Value::Phrase(problem)];
            log::error(t!("{}: not started: config.json: {}: {}: {}"), &values);
            return self.tell(Message::Refused { slot: index });
        }
        for (place, (number, known)) in wishes.numbers().iter().zip(known.numbers()).enumerate() {
            if number != known {
                self.tell(Message::Wish { slot: index, place: place as u16, number: *number });
            }
        }
    }

    /// Takes in `after` and `requires`; `what` are the names, and then the wrong one.
    fn order(&mut self, index: u16, word: &[u8], what: &mut &[u8]) -> Result<(), Phrase> {
        let requires = word == b"requires";
        if !requires && word != b"after" {
            return Ok(());
        }
        for name in fields(what, b' ').filter(|name| !name.is_empty()) {
            *what = name;
            let is_meant = |slot: &Slot| slot.section() == Section::Services && slot.name().to_bytes() == name;
            let on = self.containers.iter().position(is_meant).ok_or(t!("no such service"))?;
            let free = self.edges.get_mut(self.count).ok_or(t!("too many services wait for others: at most 4096"))?;
            *free = Edge { slot: index, on: on as u16, requires };
            self.count += 1;
        }
        Ok(())
    }

    /// Refuses those that wait for each other.
    fn refuse_cycles(&mut self) {
        let mut settled = [false; limits::CONTAINERS_MAX];
        let edges = self.edges.get(..self.count).unwrap_or_default();
        let mut buffer = [0; limits::LOG_PART_BYTES];
        loop {
            let mut line = Line::new(&mut buffer);
            cycle(edges, &mut settled, &mut |slot| {
                line.text(if line.is_empty() { "" } else { " -> " });
                line.quoted(self.containers.get(usize::from(slot)).map_or(s!(""), Slot::name).to_bytes());
                self.sent = self.sent.and_then(|()| Message::Refused { slot }.send(self.announcements));
            });
            if line.is_empty() {
                break;
            }
            log::error(t!("not started, since each waits for the next: {}"), &[Value::Print(&Written(line.bytes()))]);
        }
    }
}

/// Text of our own, whatever is in it.
struct Written<'w>(&'w [u8]);

impl Print for Written<'_> {
    fn print(&self, line: &mut Line) {
        line.raw(self.0);
    }
}

/// What is done with a bundle's config.json and the annotations in it.
pub(super) type Look<'l> = &'l mut dyn for<'a> FnMut(&[u8], &[Pair<'a>], &mut Arena<'a>);

/// Hands the annotations of a container to `look`, if it may have some of ours and its config.json can be read.
#[inline(never)]
pub(super) fn annotations(container: &Slot, regions: &mut Regions, look: Look) {
    let Regions { config, arena, .. } = regions;
    let (mut arena, mut spec, mut path) = (Arena::new(arena), Spec::default(), PathBuffer::empty());
    let (directory, name) = (container.section().directory(), container.name());
    let path = path.join(&[directory.to_bytes(), b"/", name.to_bytes(), b"/config.json"]);
    let Ok(text) = path.and_then(|path| file::read_file(path, config)) else { return };
    // Most have none. A name may be written with escapes.
    if (find(text, policy::PREFIX).is_some() || find(text, b"\\u").is_some())
        && config::read_config(text, &mut arena, &mut spec).is_ok()
    {
        look(text, spec.annotations, &mut arena);
    }
}

/// Where an annotation stands in the text, as far as it is written there as it is read.
fn place_of(text: &[u8], name: &CStr) -> u32 {
    let start = find(text, b"\"annotations\"").unwrap_or(0);
    let at = text.get(start..).and_then(|rest| find(rest, name.to_bytes()));
    at.map_or(0, |at| (start + at).saturating_sub(1) as u32)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}
