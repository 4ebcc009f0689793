//! What pidone does with bytes that somebody else wrote: one function for each source. None may panic, whatever the bytes,
//! and what is decided twice is decided alike.
//!
//! `cargo-fuzz/` feeds them at random (`just fuzz TARGET [SECONDS]`); the tests here feed them the corpus, truncated and
//! changed in places, in a few seconds and with no tool but cargo.

pub mod corpus;

use std::cell::RefCell;

use mini_netlink::monitor::Event;
use mini_netlink::reply::Reply;
use mini_netlink::wire::{Attributes, Messages};
use mini_netlink::{Neighbour, Route, Rule};
use pidone::apply::scope;
use pidone::arena::Arena;
use pidone::boot::modules::index::{Index, When};
use pidone::boot::modules::order::Order;
use pidone::boot::modules::pattern;
use pidone::config::spec::{Kept, Process, Resources, Runtime, Spec};
use pidone::config::{self, cmdline, place};
use pidone::control::{look, wire};
use pidone::error::{Error, Result};
use pidone::limits;
use pidone::plan::facts::Facts;
use pidone::plan::print::each_line;
use pidone::plan::{self, step::Plan};
use pidone::supervise::message::{self, Message};
use pidone::text::{Line, Print};
use pidone::texts::CStr;

/// A source of bytes: its name, and what is done with them.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("config", config),
    ("runtime", runtime),
    ("cmdline", command_line),
    ("netlink", netlink),
    ("modules", modules),
    ("messages", messages),
    ("control", control),
    ("process", process),
    ("resources", resources),
    ("state", state),
    ("systemd", systemd),
];

/// The least that a config.json must say.
const MINIMAL: &[u8] = br#"{"ociVersion":"1.0.2","root":{"path":"rootfs"},"process":{"args":["/bin/true"],"cwd":"/"},
    "linux":{"namespaces":[{"type":"mount"},{"type":"network"},{"type":"pid"}]}}"#;

thread_local! {
    static REGION: RefCell<Vec<u8>> = RefCell::new(vec![0; limits::ARENA_BYTES]);
}

/// config.json: read and planned, in all of the memory that a launch has.
pub fn config(bytes: &[u8]) {
    config_within(bytes, limits::ARENA_BYTES);
}

/// [`config`], in less memory.
pub fn config_within(bytes: &[u8], memory: usize) {
    both(bytes, b"{}", bytes, memory);
}

/// runtime.json: read and planned beside a small config.json.
pub fn runtime(bytes: &[u8]) {
    runtime_within(bytes, limits::ARENA_BYTES);
}

/// [`runtime`], in less memory.
pub fn runtime_within(bytes: &[u8], memory: usize) {
    both(MINIMAL, bytes, bytes, memory);
}

/// `text` is the one that an error is about.
fn both(config: &[u8], runtime: &[u8], text: &[u8], memory: usize) {
    let memory = memory.min(limits::ARENA_BYTES);
    let plan = || {
        REGION.with_borrow_mut(|region| {
            let mut arena = Arena::new(&mut region[..memory]);
            let result = planned(config, runtime, &mut arena);
            result.map_err(|error| error_line(text, &error))
        })
    };
    assert_eq!(plan(), plan(), "decided twice, but not alike");
}

/// The lines of the plan.
fn planned(config: &[u8], runtime: &[u8], arena: &mut Arena) -> Result<Vec<u8>> {
    let (mut spec, mut asked) = (Spec::default(), Runtime::default());
    for warning in config::read_config(config, arena, &mut spec)?.iter() {
        let problem = place::Problem { file: "config.json", text: config, at: warning.at, problem: warning.problem };
        written(&problem);
    }
    config::read_runtime(runtime, arena, &mut asked)?;
    Ok(lines(&plan::plan(&spec, &asked, &Facts::MACHINE, arena)?))
}

fn lines(plan: &Plan) -> Vec<u8> {
    let mut text = Vec::new();
    each_line(plan, &mut |line| {
        text.extend(written(line));
        text.push(b'\n');
    });
    text
}

fn written(what: &dyn Print) -> Vec<u8> {
    let mut buffer = [0; 16 * 1024];
    let mut line = Line::new(&mut buffer);
    line.print(what);
    line.bytes().to_vec()
}

fn error_line(text: &[u8], error: &Error) -> Vec<u8> {
    let mut buffer = [0; limits::LOG_LINE_BYTES];
    let mut line = Line::new(&mut buffer);
    place::print_error(&mut line, "config.json", text, error);
    assert!(!line.is_empty(), "an error without words");
    line.bytes().to_vec()
}

/// The kernel command line.
pub fn command_line(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(limits::CMDLINE_BYTES_MAX)];
    let options = cmdline::parse(bytes);
    let inside = |word: &[u8]| assert!(word.len() <= bytes.len());
    options.modules().for_each(inside);
    options.denied_modules().for_each(inside);
    options.words().for_each(inside);
    options.value(b"root").into_iter().for_each(inside);
    let _ = (options.root_is_writable(), options.problems.more());
    for problem in options.problems.iter() {
        assert_ne!(problem.problem.bytes().first(), Some(&0));
    }
}

/// What the kernel answers over netlink: one datagram.
pub fn netlink(bytes: &[u8]) {
    for message in Messages::new(bytes).map_while(core::result::Result::ok) {
        let _ = Reply::read(&message);
        let _ = (Event::read(&message), Neighbour::read(&message), Route::read(&message), Rule::read(&message));
        let _ = mini_netlink::generic::Family::read(&message);
        attributes(Attributes::new(message.payload), 4);
    }
    attributes(Attributes::new(bytes), 4);
}

fn attributes(list: Attributes, depth: u32) {
    for attribute in list.map_while(core::result::Result::ok) {
        let _ = (attribute.byte(), attribute.short(), attribute.number(), attribute.wide(), attribute.ip());
        assert!(attribute.text().len() <= attribute.payload.len());
        if depth > 0 {
            attributes(attribute.attributes(), depth - 1);
        }
    }
}

/// depmod's files and modprobe.d, separated by zero bytes, and what is asked of them.
pub fn modules(bytes: &[u8]) {
    let mut texts = bytes.split(|byte| *byte == 0);
    let mut text = || texts.next().unwrap_or_default();
    let index = Index {
        dependencies: text(),
        aliases: text(),
        soft: text(),
        builtin: text(),
        settings: text(),
        command_line: text(),
    };
    let asked = text();
    index.for_each_alias(&mut |pattern, _| _ = pattern::matches(pattern, asked));
    for when in [When::Before, When::After] {
        let _ = index.for_each_soft(asked, when, &mut |_| Ok(()));
    }
    let _ = (index.is_built_in(asked), index.is_denied(asked));
    let mut buffer = [0; limits::MODULE_PARAMETERS_BYTES_MAX];
    index.parameters(asked, &mut Line::new(&mut buffer));
    let mut order = Order::new(index);
    let _ = order.ask(asked);
    // Each is named once.
    let mut files = 0;
    while let Ok(Some(_)) = order.next_file() {
        files += 1;
        assert!(files <= limits::MODULES_MAX);
    }
}

/// What launchers tell PID 1.
pub fn messages(bytes: &[u8]) {
    for piece in bytes.chunks_exact(message::BYTES) {
        let mut message = [0; message::BYTES];
        message.copy_from_slice(piece);
        if let Some(known) = Message::decode(message) {
            assert_eq!(Message::decode(known.encode()), Some(known));
        }
    }
}

/// A process.json for `exec`.
pub fn process(bytes: &[u8]) {
    let _ = process_error(bytes);
}

fn process_error(bytes: &[u8]) -> Option<Vec<u8>> {
    read(bytes, |arena| config::read_process(bytes, arena, &mut Process::default()))
}

/// What `update` is given.
pub fn resources(bytes: &[u8]) {
    let _ = resources_error(bytes);
}

fn resources_error(bytes: &[u8]) -> Option<Vec<u8>> {
    read(bytes, |arena| config::read_resources(bytes, arena, &mut Resources::default()))
}

/// A state.json. It is root's own, but may be cut short or old.
pub fn state(bytes: &[u8]) {
    let _ = state_error(bytes);
}

fn state_error(bytes: &[u8]) -> Option<Vec<u8>> {
    read(bytes, |arena| {
        let mut kept = Kept::default();
        config::read_kept(bytes, arena, &mut kept)?;
        assert!(kept.annotations.len() <= bytes.len());
        Ok(())
    })
}

/// Reads a text into the memory that a launch has; the error's line.
fn read(text: &[u8], reader: impl FnOnce(&mut Arena) -> Result<()>) -> Option<Vec<u8>> {
    REGION.with_borrow_mut(|region| {
        let result = reader(&mut Arena::new(region));
        result.err().map(|error| error_line(text, &error))
    })
}

/// What systemd answers: messages one behind the other.
pub fn systemd(mut bytes: &[u8]) {
    while let Some(length) = scope::length(&bytes[..bytes.len().min(scope::HEAD_BYTES)]) {
        let Some((message, rest)) = bytes.split_at_checked(length) else { return };
        if let scope::Said::Refused(why) = scope::said(message, b"web.scope") {
            assert!(why.len() < length);
        }
        bytes = rest;
    }
}

/// What clients of the control socket send, and what a client would be answered.
pub fn control(bytes: &[u8]) {
    if let Some((_, name)) = wire::request(bytes) {
        assert!(name.len() <= limits::NAME_BYTES_MAX);
    }
    for piece in bytes.chunks_exact(wire::BYTES) {
        let mut message = [0; wire::BYTES];
        message.copy_from_slice(piece);
        let words = wire::decode(&message);
        assert_eq!(wire::encode(&words, CStr::of(c"")), message);
        for json in [false, true] {
            for timeline in [false, true] {
                let mut buffer = [0; 2048];
                let mut line = Line::new(&mut buffer);
                look::message(&mut line, &words, CStr::of(c"a name"), timeline, json);
                assert!(!line.is_empty() && !line.overflowed());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// How long each source is fed.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// Numbers that are the same in every run (xorshift, Marsaglia 2003).
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % bound.max(1) as u64) as usize
        }
    }

    /// Changes some bytes: puts others in their place, takes some away, repeats some, takes some from elsewhere.
    fn change(text: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
        const TELLING: &[u8] = b"\0\"\\{}[],:0-9eu/.*=\n \xff\x7f\x80";
        for _ in 0..=random.below(4) {
            let at = random.below(text.len() + 1);
            let end = (at + random.below(16)).min(text.len());
            match random.below(5) {
                0 => drop(text.drain(at..end)),
                1 => text.insert(at, TELLING[random.below(TELLING.len())]),
                2 => text[at..end].reverse(),
                3 => {
                    let again = text[at..end].to_vec();
                    text.splice(at..at, again);
                }
                _ => {
                    let other = &others[random.below(others.len())];
                    let from = random.below(other.len());
                    let to = (from + random.below(64)).min(other.len());
                    text.splice(at..end, other[from..to].iter().copied());
                }
            }
        }
    }

    /// Feeds a target its corpus whole, every truncation, and changes as long as there is time.
    fn feed(name: &str) {
        let (_, target) = TARGETS.iter().find(|(other, _)| *other == name).expect("a target");
        let seeds = corpus::seeds(name);
        assert!(!seeds.is_empty(), "no corpus for {name}");
        let begun = Instant::now();
        seeds.iter().for_each(|seed| target(seed));
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut count = 0_u64;
        while begun.elapsed() < PATIENCE {
            let mut text = seeds[random.below(seeds.len())].clone();
            if random.below(4) == 0 {
                text.truncate(random.below(text.len() + 1));
            } else {
                change(&mut text, &seeds, &mut random);
            }
            target(&text);
            count += 1;
        }
        eprintln!("{name}: {} seeds, {count} changes; `just fuzz {name}` goes on for longer", seeds.len());
    }

    #[test]
    fn config_json_is_survived() {
        feed("config");
    }

    #[test]
    fn runtime_json_is_survived() {
        feed("runtime");
    }

    #[test]
    fn the_kernel_command_line_is_survived() {
        feed("cmdline");
    }

    #[test]
    fn netlink_answers_are_survived() {
        feed("netlink");
    }

    #[test]
    fn files_of_kernel_modules_are_survived() {
        feed("modules");
    }

    #[test]
    fn control_messages_are_survived() {
        feed("messages");
    }

    #[test]
    fn processes_to_execute_are_survived() {
        feed("process");
    }

    #[test]
    fn new_limits_are_survived() {
        feed("resources");
    }

    #[test]
    fn states_are_survived() {
        feed("state");
    }

    #[test]
    fn what_is_changed_was_good_before() {
        let good = |name: &str, error: &dyn Fn(&[u8]) -> Option<Vec<u8>>| {
            let line = corpus::seeds(name).iter().find_map(|seed| error(seed));
            assert!(line.is_none(), "{name}: {:?}", line.map(String::from_utf8));
        };
        good("process", &process_error);
        good("resources", &resources_error);
        good("state", &state_error);
        assert!(corpus::seeds("systemd").iter().all(|seed| scope::length(seed) == Some(seed.len())));
    }

    #[test]
    fn answers_of_systemd_are_survived() {
        feed("systemd");
    }

    #[test]
    fn requests_and_answers_of_the_control_socket_are_survived() {
        feed("control");
    }

    #[test]
    fn every_truncation_of_a_small_file_is_survived() {
        for (name, target) in TARGETS {
            for seed in corpus::seeds(name).iter().filter(|seed| seed.len() < 2000) {
                (0..seed.len()).for_each(|end| target(&seed[..end]));
            }
        }
    }

    #[test]
    fn a_plan_never_needs_more_memory_than_it_is_given() {
        for (name, within) in [("config", config_within as fn(&[u8], usize)), ("runtime", runtime_within)] {
            for seed in corpus::seeds(name) {
                (0..64 * 1024).step_by(997).for_each(|memory| within(&seed, memory));
            }
        }
    }

    #[test]
    fn real_files_are_read_and_planned() {
        let mut region = vec![0; limits::ARENA_BYTES];
        let planned = corpus::seeds("config")
            .iter()
            .filter(|seed| planned(seed, b"{}", &mut Arena::new(&mut region)).is_ok())
            .count();
        // Some say what only another machine could do.
        assert!(planned > 15, "only {planned}");
    }
}
