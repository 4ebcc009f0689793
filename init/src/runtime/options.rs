//! Options of every command, in one table: the names of runc and of crun, and what each takes. `texts/help.txt` says what
//! they are for.
//!
//! `--name value`, `--name=value`, `-name value`, `-n value`, `-nvalue`, letters together as in `-td`, and anywhere before
//! or behind the container's id; but what follows the id of `exec` is the program's.

use crate::text::{Phrase, cut, fields, has, position};
use crate::texts::CStr;
use crate::texts::last;

/// The commands that have options, by their place here.
pub const COMMANDS: &[u8] = b"create start run exec state kill delete list ps pause resume update events spec features";

/// A command's letter in the table of options, by its place in [`COMMANDS`].
const LETTERS: &[u8] = b"csretkdlpamuvwf";

/// Makes the table, one line an option: name, letter, letters of its commands (`*` is all), and what it is: `=` takes a
/// value, nothing is a switch, `?` is one that may be given `=` and something. With `-` before that it is not supported.
macro_rules! options {
    ($($(#[doc = $_doc:literal])* $variant:ident = $name:literal $letter:literal $commands:literal $kind:literal;)*) => {
        /// An option, by its line in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the table says it")]
        pub enum Name {
            $($variant,)*
        }

        /// The table as text.
        pub const TABLE: &str = concat!($($name, "|", $letter, "|", $commands, "|", $kind, "\n",)*);

        const COUNT: usize = [$(Name::$variant,)*].len();
    };
}

options! {
    Root = "root" "" "*" "=";
    TmpfsRoot = "tmpfs-root" "" "*" "";
    Log = "log" "" "*" "=";
    LogFormat = "log-format" "" "*" "=";
    LogLevel = "log-level" "" "*" "=";
    Debug = "debug" "" "*" "";
    SystemdCgroup = "systemd-cgroup" "" "*" "";
    CgroupManager = "cgroup-manager" "" "*" "=";
    Help = "help" "h" "*" "";
    Version = "version" "v" "*" "";
    Rootless = "rootless" "" "*" "?";
    Bundle = "bundle" "b" "crw" "=";
    Config = "config" "f" "cr" "=";
    ConsoleSocket = "console-socket" "" "cre" "=";
    PidfdSocket = "pidfd-socket" "" "cre" "=";
    PidFile = "pid-file" "" "cre" "=";
    NoPivot = "no-pivot" "" "cr" "";
    NoNewKeyring = "no-new-keyring" "" "cr" "";
    PreserveFds = "preserve-fds" "" "cre" "=";
    NoSubreaper = "no-subreaper" "" "cre" "";
    Detach = "detach" "d" "re" "";
    Keep = "keep" "" "r" "";
    Cwd = "cwd" "" "e" "=";
    Environment = "env" "e" "e" "=";
    Tty = "tty" "t" "e" "";
    User = "user" "u" "e" "=";
    AdditionalGids = "additional-gids" "g" "e" "=";
    Process = "process" "p" "e" "=";
    ProcessLabel = "process-label" "" "e" "=";
    Apparmor = "apparmor" "" "e" "=";
    NoNewPrivs = "no-new-privs" "" "e" "";
    Capability = "cap" "c" "e" "=";
    Cgroup = "cgroup" "" "e" "=";
    IgnorePaused = "ignore-paused" "" "e" "";
    All = "all" "a" "k" "";
    Regex = "regex" "r" "kd" "-";
    Force = "force" "f" "d" "";
    Format = "format" "f" "lp" "=";
    Quiet = "quiet" "q" "l" "";
    Resources = "resources" "r" "u" "=";
    BlkioWeight = "blkio-weight" "" "u" "=";
    CpuPeriod = "cpu-period" "" "u" "=";
    CpuQuota = "cpu-quota" "" "u" "=";
    CpuBurst = "cpu-burst" "" "u" "=";
    CpuShare = "cpu-share" "" "u" "=";
    CpuRtPeriod = "cpu-rt-period" "" "u" "-=";
    CpuRtRuntime = "cpu-rt-runtime" "" "u" "-=";
    CpusetCpus = "cpuset-cpus" "" "u" "=";
    CpusetMems = "cpuset-mems" "" "u" "=";
    MemoryLimit = "memory" "" "u" "=";
    MemoryReservation = "memory-reservation" "" "u" "=";
    MemorySwap = "memory-swap" "" "u" "=";
    PidsLimit = "pids-limit" "" "u" "=";
    L3Cache = "l3-cache-schema" "" "u" "-=";
    MemoryBandwidth = "mem-bw-schema" "" "u" "-=";
    Stats = "stats" "" "v" "";
    Interval = "interval" "" "v" "=";
}

/// One line of the table.
pub struct Entry {
    /// What is behind `--`.
    pub name: &'static [u8],
    /// What is behind `-`.
    pub letter: &'static [u8],
    commands: &'static [u8],
    kind: &'static [u8],
}

impl Entry {
    /// Whether a command has it, given by its place in [`COMMANDS`].
    pub fn is_of(&self, command: Option<usize>) -> bool {
        self.is_global() || LETTERS.get(command.unwrap_or(usize::MAX)).is_some_and(|letter| has(self.commands, *letter))
    }

    /// Whether it takes nothing.
    pub fn is_switch(&self) -> bool {
        is_switch(self.kind)
    }

    /// Whether it is not supported.
    pub fn is_refused(&self) -> bool {
        is_refused(self.kind)
    }

    /// Whether all commands have it.
    pub fn is_global(&self) -> bool {
        self.commands == b"*"
    }
}

/// Every line of the table.
pub fn table() -> impl Iterator<Item = Entry> {
    fields(TABLE.trim_ascii_end().as_bytes(), b'\n').map(|line| {
        let mut parts = fields(line, b'|');
        let mut part = || parts.next().unwrap_or_default();
        Entry { name: part(), letter: part(), commands: part(), kind: part() }
    })
}

/// Words of a command line.
pub type Words = &'static [&'static CStr];

/// What was given.
pub struct Options {
    words: Words,
    values: [Option<&'static CStr>; COUNT],
    /// The command's name.
    pub name: Option<&'static CStr>,
    /// The container's id: the first word behind the command that is no option.
    pub id: Option<&'static CStr>,
    /// The next such word: the signal of `kill`.
    pub extra: Option<&'static CStr>,
    /// Of `exec`, all that follows the id.
    pub rest: Words,
}

/// What is wrong with a command line: the word, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem(pub &'static CStr, pub Phrase);

impl Options {
    /// Nothing was given.
    pub const fn none() -> Options {
        Options { words: &[], values: [None; COUNT], name: None, id: None, extra: None, rest: &[] }
    }

    /// Reads the words behind the program's name. What was read before a problem is kept.
    ///
    /// # Errors
    /// The first word that makes no sense.
    pub fn read(&mut self, words: Words) -> Result<(), Problem> {
        self.words = words;
        let mut walk = Walk::new(words);
        let result = self.follow(&mut walk);
        self.name = walk.name;
        result
    }

    fn follow(&mut self, walk: &mut Walk) -> Result<(), Problem> {
        loop {
            match walk.next() {
                Step::End => return Ok(()),
                Step::Wrong(why) => return Err(Problem(walk.word, why)),
                Step::Option => {
                    if let Some(place) = self.values.get_mut(walk.index) {
                        *place = walk.value;
                    }
                }
                Step::Plain if self.id.is_none() => self.id = Some(walk.word),
                Step::Plain if self.extra.is_none() => self.extra = Some(walk.word),
                Step::Plain => return Err(Problem(walk.word, t!("one word too many"))),
            }
            if walk.is_exec() && self.id.is_some() {
                self.rest = walk.words;
                return Ok(());
            }
        }
    }

    /// All words, as they were.
    pub fn words(&self) -> Words {
        self.words
    }

    /// The value of an option that was given; of a switch some text.
    pub fn get(&self, name: Name) -> Option<&'static CStr> {
        self.values.get(name as usize).copied().flatten()
    }

    /// Whether a switch was given.
    pub fn has(&self, name: Name) -> bool {
        self.get(name).is_some()
    }

    /// Calls `each` with every value of an option that may be given again.
    pub fn each(&self, name: Name, each: &mut dyn FnMut(&'static CStr)) {
        let mut walk = Walk::new(self.words);
        loop {
            match walk.next() {
                Step::Option if walk.index == name as usize => walk.value.into_iter().for_each(&mut *each),
                Step::Option => {}
                Step::Plain if !walk.is_exec() => {}
                _ => return,
            }
        }
    }
}

/// What the next word turned out to be.
enum Step {
    /// An option: [`Walk::index`] and [`Walk::value`].
    Option,
    /// No option: [`Walk::word`].
    Plain,
    /// It makes no sense.
    Wrong(Phrase),
    /// There is none.
    End,
}

/// Goes through the words.
struct Walk {
    words: Words,
    /// The word that was looked at last.
    word: &'static CStr,
    /// Its letters that are still to be looked at.
    letters: &'static [u8],
    name: Option<&'static CStr>,
    command: Option<usize>,
    /// An option by its line in the table.
    index: usize,
    /// Its value; of a switch that is off none.
    value: Option<&'static CStr>,
}

impl Walk {
    fn new(words: Words) -> Walk {
        Walk { words, word: s!(""), letters: b"", name: None, command: None, index: 0, value: None }
    }

    fn is_exec(&self) -> bool {
        self.name == Some(s!("exec"))
    }

    fn take(&mut self) -> Option<&'static CStr> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    #[inline(never)]
    fn next(&mut self) -> Step {
        while self.letters.is_empty() {
            let Some(word) = self.take() else { return Step::End };
            self.word = word;
            match word.to_bytes() {
                b"--" => {}
                [b'-', given @ ..] if !given.is_empty() => {
                    let long = given.strip_prefix(b"-").unwrap_or(given);
                    let (name, value) = match cut(long, b'=') {
                        Some((name, value)) => (name, Some(value)),
                        None => (long, None),
                    };
                    if let Some(kind) = self.find(name, false) {
                        return self.found(kind, value);
                    }
                    if given != long {
                        return Step::Wrong(NO_SUCH);
                    }
                    self.letters = given;
                }
                _ if self.name.is_some() => return Step::Plain,
                name => {
                    self.name = Some(word);
                    self.command = position(COMMANDS, name);
                }
            }
        }
        // What follows a letter in its word is its value, or further letters.
        let (letter, more) = self.letters.split_at_checked(1).unwrap_or_default();
        self.letters = b"";
        match self.find(letter, true) {
            None => Step::Wrong(NO_SUCH),
            Some(kind) if is_switch(kind) => {
                self.letters = more;
                self.found(kind, None)
            }
            Some(kind) if more.is_empty() => self.found(kind, None),
            Some(kind) => self.found(kind, Some(more.strip_prefix(b"=").unwrap_or(more))),
        }
    }

    /// What an option is that the command has, by its name or letter.
    #[inline(never)]
    fn find(&mut self, wanted: &[u8], is_letter: bool) -> Option<&'static [u8]> {
        for (index, entry) in table().enumerate() {
            let called = if is_letter { entry.letter } else { entry.name };
            if called == wanted && !wanted.is_empty() && entry.is_of(self.command) {
                self.index = index;
                return Some(entry.kind);
            }
        }
        None
    }

    /// Takes the value of an option.
    #[inline(never)]
    fn found(&mut self, kind: &[u8], given: Option<&'static [u8]>) -> Step {
        let is_switch = is_switch(kind);
        let is_off = is_switch && matches!(given, Some(b"false" | b"0"));
        if is_refused(kind) && !is_off {
            return Step::Wrong(t!("not supported"));
        }
        self.value = match given {
            _ if is_switch => (!is_off).then_some(s!("")),
            // It is the end of the word.
            Some(given) => last(self.word, given.len()),
            None => self.take(),
        };
        if is_switch || self.value.is_some() { Step::Option } else { Step::Wrong(t!("needs a value")) }
    }
}

const NO_SUCH: Phrase = t!("no such option");

/// Whether an option takes nothing.
fn is_switch(kind: &[u8]) -> bool {
    !kind.ends_with(b"=")
}

/// Whether it is not supported.
fn is_refused(kind: &[u8]) -> bool {
    kind.starts_with(b"-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &'static str) -> (Options, Result<(), Problem>) {
        let word = |word: &str| &*Box::leak(std::ffi::CString::new(word).unwrap().into_boxed_c_str());
        let words: Vec<&CStr> = line.split_whitespace().map(word).map(CStr::of).collect();
        let mut options = Options::none();
        let result = options.read(words.leak());
        (options, result)
    }

    fn good(line: &'static str) -> Options {
        let (options, result) = read(line);
        assert_eq!(result, Ok(()), "{line}");
        options
    }

    #[test]
    fn the_calls_of_conmon_and_of_containerd_are_understood() {
        for line in [
            "--log-format=json --log F create --bundle B --pid-file P --no-pivot --no-new-keyring --preserve-fds 2 --console-socket S ID",
            "--root R --log F --log-format json create --bundle=B --pid-file=P --no-pivot --no-new-keyring --preserve-fds=2 --console-socket S ID",
            "--log F --log-format json create ID -b B --pid-file P --no-pivot --no-new-keyring --preserve-fds 2 --console-socket S",
            "create -bB ID --log F --log-format json --pid-file P -no-pivot --no-new-keyring --preserve-fds 2 --console-socket S",
        ] {
            let options = good(line);
            assert_eq!((options.name, options.id), (Some(s!("create")), Some(s!("ID"))), "{line}");
            assert_eq!(options.get(Name::LogFormat), Some(s!("json")));
            assert_eq!(options.get(Name::Log), Some(s!("F")));
            assert_eq!(options.get(Name::Bundle), Some(s!("B")));
            assert_eq!(options.get(Name::PidFile), Some(s!("P")));
            assert_eq!(options.get(Name::PreserveFds), Some(s!("2")));
            assert_eq!(options.get(Name::ConsoleSocket), Some(s!("S")));
            assert!(options.has(Name::NoPivot) && options.has(Name::NoNewKeyring) && !options.has(Name::Keep));
        }
        let options = good("exec --pid-file P --process J --detach --tty ID");
        assert!(options.has(Name::Detach) && options.has(Name::Tty));
        assert_eq!(options.get(Name::Process), Some(s!("J")));
        let options = good("kill --all ID 9");
        assert_eq!((options.id, options.extra, options.has(Name::All)), (Some(s!("ID")), Some(s!("9")), true));
        assert_eq!(good("update --resources=- ID").get(Name::Resources), Some(s!("-")));
        assert_eq!(good("ps --format json ID").get(Name::Format), Some(s!("json")));
        assert!(good("delete --force ID").has(Name::Force) && good("delete ID -f").has(Name::Force));
        assert!(good("--systemd-cgroup=false state ID").id.is_some());
        assert!(good("--rootless=true --version").name.is_none());
    }

    #[test]
    fn what_follows_the_id_of_exec_is_the_programs() {
        let options = good("exec -td -e A=1 --env=B=2 -u 1:2 ID ls -l --all");
        assert_eq!(options.rest, [s!("ls"), s!("-l"), s!("--all")]);
        let mut values = Vec::new();
        options.each(Name::Environment, &mut |value| values.push(value));
        assert_eq!(values, [s!("A=1"), s!("B=2")]);
    }

    #[test]
    fn what_makes_no_sense_or_is_not_supported_is_refused_by_name() {
        for (line, word, why) in [
            ("create --nothing ID", s!("--nothing"), "no such option"),
            ("state --bundle B ID", s!("--bundle"), "no such option"),
            ("create ID --bundle", s!("--bundle"), "needs a value"),
            ("delete --regex ID", s!("--regex"), "not supported"),
            ("kill -r ID", s!("-r"), "not supported"),
            ("kill ID 9 again", s!("again"), "one word too many"),
            ("exec -tx ID", s!("-tx"), "no such option"),
        ] {
            assert_eq!(read(line).1.map_err(|problem| (problem.0, problem.1.text())), Err((word, why)), "{line}");
        }
        // The command is known even so: the message is about the option.
        assert_eq!(read("create --nothing ID").0.name, Some(s!("create")));
    }

    #[test]
    fn every_line_of_the_table_is_whole() {
        assert_eq!(COMMANDS.split(|byte| *byte == b' ').count(), LETTERS.len());
        for entry in table() {
            assert!(!entry.name.is_empty() && entry.letter.len() < 2);
            assert!([&b""[..], b"?", b"=", b"-", b"-="].contains(&entry.kind));
            let known = |letter| LETTERS.contains(letter);
            assert!(entry.is_global() || entry.commands.iter().all(known), "{:?}", entry.commands);
        }
    }
}
