//! The kernel command line (bootparam(7)) to options. What is wrong in it is reported by name and never stops a boot: the
//! option keeps its default.

use super::policy::{self, Wishes};
use crate::limits;
use crate::text::{Fields, Line, Phrase, cut, fields, number, position};

/// What the operator asked for. It borrows from the command line.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// `pidone.timing`: print when what happened.
    pub timing: bool,
    /// `pidone.fail=`: what to do when an onboot container fails.
    pub fail: Failure,
    /// `pidone.output=`: where the output of containers goes. `linuxkit.runc_console=1` is `console`.
    pub output: Output,
    /// `pidone.idle=`: what to do when nothing is left to run.
    pub idle: Idle,
    /// What every container wants that does not say otherwise: `pidone.restart=`, `pidone.grace=` and the like.
    pub wishes: Wishes,
    /// `pidone.onshutdown=`: seconds that each onshutdown container has.
    pub onshutdown_seconds: u32,
    /// `pidone.log=`: the least important records that are written. `linuxkit.runc_debug=1` is `debug`.
    pub log: LogLevel,
    /// `pidone.hostname=`, for when /etc/hostname has none.
    pub hostname: Option<&'a [u8]>,
    /// `pidone.exit=`: how the host learns the exit code of `pidone.run`.
    pub exit: Exit<'a>,
    /// `pidone.watchdog=`: seconds without a sign of life after which the hardware resets the machine; 0 is never.
    pub watchdog_seconds: u32,
    /// `pidone.log-size=`: bytes of a log file after which a new one is begun.
    pub log_bytes: u64,
    /// `rootdelay=`: seconds to wait before the root is looked for.
    pub root_delay_seconds: u32,
    /// What was wrong.
    pub problems: Problems<'a>,
    text: &'a [u8],
}

/// Consequence of a failed onboot container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The next one runs.
    Continue,
    /// The machine halts.
    Halt,
    /// The machine restarts.
    Reboot,
    /// The machine powers off.
    Poweroff,
    /// PID 1 ends, so that the kernel's `panic=` decides.
    Panic,
}

/// Where the output of containers goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To files in /var/log.
    Log,
    /// To the console.
    Console,
}

/// What happens when nothing is left to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Nothing.
    Stay,
    /// The machine powers off.
    Poweroff,
    /// The machine restarts.
    Reboot,
    /// The machine halts.
    Halt,
}

/// How the host learns an exit code. A line on the console says it in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit<'a> {
    /// By the first of these that is there: the virtio-serial port [`EXIT_PORT`], QEMU's isa-debug-exit.
    Auto,
    /// By the line on the console alone.
    Console,
    /// By writing to this port of an isa-debug-exit.
    DebugExit(u16),
    /// By a line on the virtio-serial port of this name.
    Port(&'a [u8]),
    /// By a line on a connection to this vsock port of the host.
    Vsock(u32),
    /// By a kernel panic unless it is 0: what a pvpanic device then tells the monitor.
    Panic,
}

/// The name of the virtio-serial port that exit codes are written to where there is one.
pub const EXIT_PORT: &[u8] = b"org.pidone.exit";

/// The least important records that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Failures only.
    Error,
    /// And what is not as it should be.
    Warning,
    /// And what is being done.
    Info,
    /// And how.
    Debug,
}

/// Something wrong in the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem<'a> {
    /// Name of the option.
    pub name: &'a [u8],
    /// What is wrong with it.
    pub problem: Phrase,
}

/// All that is wrong in the command line.
#[derive(Clone, Copy, Debug)]
pub struct Problems<'a> {
    first: [Problem<'a>; limits::CMDLINE_PROBLEMS_MAX],
    count: usize,
}

/// Reads a command line.
pub fn parse(text: &[u8]) -> Options<'_> {
    // The newline behind it would be in an open quotation.
    let text = text.trim_ascii_end();
    let problems = Problems { first: [Problem { name: b"", problem: t!("") }; limits::CMDLINE_PROBLEMS_MAX], count: 0 };
    let mut options = Options {
        timing: false,
        fail: Failure::Continue,
        output: Output::Log,
        idle: Idle::Stay,
        wishes: Wishes::DEFAULT,
        onshutdown_seconds: 30,
        log: LogLevel::Info,
        hostname: None,
        exit: Exit::Auto,
        watchdog_seconds: 0,
        log_bytes: limits::LOG_FILE_BYTES,
        root_delay_seconds: 0,
        problems,
        text,
    };
    for token in (Tokens { rest: text }) {
        if let Err(problem) = options.take(token) {
            options.problems.add(Problem { name: token.name, problem });
        }
    }
    options
}

impl<'a> Options<'a> {
    /// Modules to load, by `pidone.modules=a,b`.
    pub fn modules(&self) -> Items<'a> {
        self.items(b"pidone.modules")
    }

    /// Modules not to load, by `module_blacklist=a,b` or `modprobe.blacklist=a,b`.
    pub fn denied_modules(&self) -> Items<'a> {
        self.items(b"module_blacklist modprobe.blacklist")
    }

    /// The value of the last option of this name, the empty one if it has none.
    #[inline(never)]
    pub fn value(&self, name: &[u8]) -> Option<&'a [u8]> {
        let mut found = None;
        for token in (Tokens { rest: self.text }) {
            if token.name == name {
                found = Some(token.value.unwrap_or_default());
            }
        }
        found
    }

    /// Whether the root is to be mounted for writing: the last of `ro` and `rw` counts.
    pub fn root_is_writable(&self) -> bool {
        let mut writable = false;
        for token in (Tokens { rest: self.text }) {
            writable = token.name == b"rw" || writable && token.name != b"ro";
        }
        writable
    }

    /// The words behind ` -- `, as they are written there: see [`plain`].
    pub fn words(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut tokens = Tokens { rest: self.text };
        while tokens.next().is_some() {}
        let mut rest = tokens.rest;
        core::iter::from_fn(move || next_raw(&mut rest))
    }

    fn items(&self, names: &'static [u8]) -> Items<'a> {
        Items { tokens: Tokens { rest: self.text }, names, list: fields(b"", b',') }
    }

    fn take(&mut self, token: Token<'a>) -> Result<(), Phrase> {
        let value = token.value.unwrap_or(b"");
        let Some(name) = choice(token.name, NAMES) else {
            return match token.name.strip_prefix(policy::PREFIX) {
                None => Ok(()),
                Some(name) if policy::is_of_one(name) => Err(t!("only for one service, as an annotation")),
                Some(name) if self.wishes.take(name, value)? => Ok(()),
                Some(_) => Err(t!("unknown option")),
            };
        };
        match name {
            Name::Timing if token.value.is_some() => return Err(t!("takes no value")),
            Name::Timing => self.timing = true,
            // The list is read from the text when it is needed.
            Name::Modules if value.is_empty() => return Err(t!("expected names of modules")),
            Name::Modules => {}
            Name::Fail => {
                self.fail = choice(value, FAILURES).ok_or(t!("expected continue, halt, reboot, poweroff or panic"))?;
            }
            Name::Output => self.output = choice(value, OUTPUTS).ok_or(t!("expected log or console"))?,
            Name::Idle => self.idle = choice(value, IDLES).ok_or(t!("expected stay, poweroff, reboot or halt"))?,
            Name::Log => self.log = choice(value, LEVELS).ok_or(t!("expected error, warn, info or debug"))?,
            Name::Onshutdown => self.onshutdown_seconds = seconds(value)?,
            Name::Hostname if value.is_empty() || value.len() > limits::HOSTNAME_BYTES_MAX => {
                return Err(t!("expected a name of 1 to 64 bytes"));
            }
            Name::Hostname => self.hostname = Some(value),
            Name::Exit => self.exit = exit(value)?,
            Name::Watchdog => self.watchdog_seconds = seconds(value)?,
            Name::LogSize => self.log_bytes = bytes(value).ok_or(t!("expected at least 4096 bytes, or 4K, or 1M"))?,
            Name::RootDelay => self.root_delay_seconds = seconds(value)?,
            // Those are read from the text when they are needed.
            Name::Run if token.value.is_none_or(|value| value.starts_with(b"/")) => {}
            Name::Run => {
                return Err(t!("expected the absolute path of a bundle, or no value and a command behind ` -- `"));
            }
            Name::Stdio | Name::Overlay | Name::Seed if value.is_empty() => return Err(t!("expected a value")),
            Name::Stdio | Name::Overlay | Name::Seed => {}
            Name::RuncDebug if value == b"1" => self.log = LogLevel::Debug,
            Name::RuncConsole if value == b"1" => self.output = Output::Console,
            Name::UnifiedCgroupHierarchy if value == b"0" => return Err(t!("control groups are version 2 only")),
            Name::RuncDebug | Name::RuncConsole | Name::UnifiedCgroupHierarchy => {}
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Name {
    Timing,
    Modules,
    Fail,
    Output,
    Idle,
    Log,
    Onshutdown,
    Hostname,
    Exit,
    Watchdog,
    LogSize,
    RootDelay,
    Run,
    Stdio,
    Overlay,
    Seed,
    RuncDebug,
    RuncConsole,
    UnifiedCgroupHierarchy,
}

/// Words with blanks between them, and what each stands for.
type Choices<T> = (&'static [u8], &'static [T]);

const NAMES: Choices<Name> = (
    b"pidone.timing pidone.modules pidone.fail pidone.output pidone.idle pidone.log pidone.onshutdown \
        pidone.hostname pidone.exit pidone.watchdog pidone.log-size rootdelay pidone.run pidone.stdio pidone.overlay pidone.seed linuxkit.runc_debug linuxkit.runc_console linuxkit.unified_cgroup_hierarchy",
    &[
        Name::Timing,
        Name::Modules,
        Name::Fail,
        Name::Output,
        Name::Idle,
        Name::Log,
        Name::Onshutdown,
        Name::Hostname,
        Name::Exit,
        Name::Watchdog,
        Name::LogSize,
        Name::RootDelay,
        Name::Run,
        Name::Stdio,
        Name::Overlay,
        Name::Seed,
        Name::RuncDebug,
        Name::RuncConsole,
        Name::UnifiedCgroupHierarchy,
    ],
);

const FAILURES: Choices<Failure> = (
    b"continue halt reboot poweroff panic",
    &[Failure::Continue, Failure::Halt, Failure::Reboot, Failure::Poweroff, Failure::Panic],
);

const OUTPUTS: Choices<Output> = (b"log console", &[Output::Log, Output::Console]);

const IDLES: Choices<Idle> = (b"stay poweroff reboot halt", &[Idle::Stay, Idle::Poweroff, Idle::Reboot, Idle::Halt]);

const LEVELS: Choices<LogLevel> =
    (b"error warn info debug", &[LogLevel::Error, LogLevel::Warning, LogLevel::Info, LogLevel::Debug]);

/// What a word stands for.
fn choice<T: Copy>(word: &[u8], (words, meanings): Choices<T>) -> Option<T> {
    meanings.get(position(words, word)?).copied()
}

impl<'a> Problems<'a> {
    /// The first ones.
    pub fn iter(&self) -> impl Iterator<Item = &Problem<'a>> {
        self.first.iter().take(self.count)
    }

    /// How many more there were.
    pub fn more(&self) -> usize {
        self.count.saturating_sub(self.first.len())
    }

    fn add(&mut self, problem: Problem<'a>) {
        if let Some(free) = self.first.get_mut(self.count) {
            *free = problem;
        }
        self.count += 1;
    }
}

fn seconds(value: &[u8]) -> Result<u32, Phrase> {
    let bounded = number(value, 10).filter(|number| *number <= limits::GRACE_SECONDS_MAX.into());
    bounded.map(|number| number as u32).ok_or(t!("expected a number of seconds, at most 86400"))
}

/// A number of bytes, at least a page: `4194304`, `4096K`, `4M`.
fn bytes(value: &[u8]) -> Option<u64> {
    let (digits, unit) = match value.split_last()? {
        (b'K', digits) => (digits, 1024),
        (b'M', digits) => (digits, 1024 * 1024),
        _ => (value, 1),
    };
    number(digits, 10)?.checked_mul(unit).filter(|bytes| *bytes >= 4096)
}

/// `auto`, `console`, `pvpanic`, `isa-debug-exit:PORT` (hexadecimal), `port:NAME`, `vsock:PORT`.
fn exit(value: &[u8]) -> Result<Exit<'_>, Phrase> {
    let (kind, place) = cut(value, b':').unwrap_or((value, b""));
    let number = |base, most| number(place.strip_prefix(b"0x").unwrap_or(place), base).filter(|number| *number <= most);
    let exit = match position(b"auto console pvpanic isa-debug-exit port vsock", kind) {
        Some(0) if place.is_empty() => Some(Exit::Auto),
        Some(1) if place.is_empty() => Some(Exit::Console),
        Some(2) if place.is_empty() => Some(Exit::Panic),
        Some(3) if place.is_empty() => Some(Exit::DebugExit(limits::DEBUG_EXIT_PORT)),
        Some(3) => number(16, u16::MAX.into()).map(|port| Exit::DebugExit(port as u16)),
        Some(4) if !place.is_empty() => Some(Exit::Port(place)),
        Some(5) => number(10, u32::MAX.into()).map(|port| Exit::Vsock(port as u32)),
        _ => None,
    };
    exit.ok_or(t!("expected auto, console, pvpanic, isa-debug-exit[:PORT], port:NAME or vsock:PORT"))
}

/// Appends a word of a command as it is meant: quotes around all of it, or around what follows its first `=`, are not part
/// of it, as for the kernel; then `\xNN` is a byte, so that a word may hold anything.
pub fn plain(word: &[u8], line: &mut Line) {
    let Token { name, value } = token(word);
    append_decoded(name, line);
    if let Some(value) = value {
        append_decoded(b"=", line);
        append_decoded(value, line);
    }
}

fn append_decoded(mut text: &[u8], line: &mut Line) {
    while let [first, rest @ ..] = text {
        let escaped = match text {
            [b'\\', b'x', high, low, rest @ ..] => number(&[*high, *low], 16).map(|byte| (byte as u8, rest)),
            _ => None,
        };
        let (byte, rest) = escaped.unwrap_or((*first, rest));
        line.byte(byte);
        text = rest;
    }
}

/// One option.
#[derive(Clone, Copy)]
struct Token<'a> {
    name: &'a [u8],
    value: Option<&'a [u8]>,
}

/// The options of a command line, as the kernel tells them apart (`lib/cmdline.c`, `next_arg`): a space between quotes
/// does not separate, and quotes around a whole option or a whole value are not part of it. They end at `--`: what is
/// behind it is the init's.
struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        next_raw(&mut self.rest).filter(|raw| *raw != b"--").map(token)
    }
}

/// The items of the lists that all options of some names have.
pub struct Items<'a> {
    tokens: Tokens<'a>,
    names: &'static [u8],
    list: Fields<'a>,
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            match self.list.next() {
                Some(b"") => {}
                None => {
                    let token = self.tokens.next()?;
                    if position(self.names, token.name).is_some() {
                        self.list = fields(token.value.unwrap_or_default(), b',');
                    }
                }
                item => return item,
            }
        }
    }
}

/// Takes the next option off a text, with its quotes.
#[inline(never)]
pub fn next_raw<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let text = rest.trim_ascii_start();
    if text.is_empty() {
        return None;
    }
    let mut in_quotes = false;
    let end = text.iter().position(|byte| {
        in_quotes ^= *byte == b'"';
        byte.is_ascii_whitespace() && !in_quotes
    });
    let (raw, behind) = text.split_at_checked(end.unwrap_or(text.len()))?;
    *rest = behind;
    Some(raw)
}

fn token(raw: &[u8]) -> Token<'_> {
    let raw = unquoted(raw);
    let name = fields(raw, b'=').next().unwrap_or_default();
    Token { name, value: raw.get(name.len() + 1..).map(unquoted) }
}

fn unquoted(text: &[u8]) -> &[u8] {
    match text.strip_prefix(b"\"") {
        Some(text) => text.strip_suffix(b"\"").unwrap_or(text),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::policy::Key;

    fn lossy(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn problems(text: &str) -> Vec<String> {
        parse(text.as_bytes()).problems.iter().map(|p| format!("{}: {}", lossy(p.name), p.problem.text())).collect()
    }

    #[test]
    fn an_ordinary_command_line_means_the_defaults() {
        let options =
            parse(b"BOOT_IMAGE=/boot/kernel root=/dev/vda console=ttyS0 console=tty0 page_poison=1 quiet --\n");
        assert_eq!((options.timing, options.fail, options.output), (false, Failure::Continue, Output::Log));
        assert_eq!((options.idle, options.log, options.hostname), (Idle::Stay, LogLevel::Info, None));
        assert_eq!((options.wishes, options.onshutdown_seconds), (Wishes::DEFAULT, 30));
        assert_eq!(options.problems.iter().count() + options.modules().count() + options.denied_modules().count(), 0);
    }

    #[test]
    fn every_option_is_read() {
        let options = parse(
            b"pidone.timing pidone.modules=overlay,veth pidone.fail=poweroff pidone.output=console pidone.idle=halt \
              pidone.grace=3 pidone.onshutdown=0 pidone.log=warn pidone.hostname=box pidone.modules=virtio_net,, \
              module_blacklist=floppy,pcspkr modprobe.blacklist=nouveau linuxkit.unified_cgroup_hierarchy=1",
        );
        assert_eq!((options.timing, options.fail, options.output), (true, Failure::Poweroff, Output::Console));
        assert_eq!((options.idle, options.log, options.hostname), (Idle::Halt, LogLevel::Warning, Some(&b"box"[..])));
        assert_eq!((options.wishes.get(Key::Grace), options.onshutdown_seconds), (3000, 0));
        assert_eq!(options.modules().map(lossy).collect::<Vec<_>>(), ["overlay", "veth", "virtio_net"]);
        assert_eq!(options.denied_modules().map(lossy).collect::<Vec<_>>(), ["floppy", "pcspkr", "nouveau"]);
        assert_eq!(options.problems.iter().count(), 0);
    }

    #[test]
    fn linuxkits_options_mean_what_they_mean_there() {
        let options = parse(b"linuxkit.runc_debug=1 linuxkit.runc_console=1");
        assert_eq!((options.log, options.output), (LogLevel::Debug, Output::Console));
        let options = parse(b"linuxkit.runc_debug=0 linuxkit.runc_console=0 xlinuxkit.runc_console=1");
        assert_eq!((options.log, options.output), (LogLevel::Info, Output::Log));
        assert_eq!(
            problems("linuxkit.unified_cgroup_hierarchy=0"),
            ["linuxkit.unified_cgroup_hierarchy: control groups are version 2 only"]
        );
    }

    #[test]
    fn quotes_hold_spaces_as_in_the_kernel() {
        for text in [r#"a "pidone.hostname=my box" b"#, r#"a pidone.hostname="my box" b"#] {
            let options = parse(text.as_bytes());
            assert_eq!(options.hostname.map(lossy).as_deref(), Some("my box"), "{text}");
            assert_eq!(options.problems.iter().count(), 0);
        }
        assert!(!parse(br#"dyndbg="file a.c +p pidone.timing""#).timing);
        assert_eq!(parse(br#"pidone.hostname="open"#).hostname, Some(&b"open"[..]));
    }

    #[test]
    fn bad_values_and_unknown_options_are_named_and_change_nothing() {
        for (text, problem) in [
            ("pidone.fail=explode", "pidone.fail: expected continue, halt, reboot, poweroff or panic"),
            ("pidone.fail", "pidone.fail: expected continue, halt, reboot, poweroff or panic"),
            ("pidone.output=", "pidone.output: expected log or console"),
            ("pidone.idle=now", "pidone.idle: expected stay, poweroff, reboot or halt"),
            ("pidone.log=loud", "pidone.log: expected error, warn, info or debug"),
            ("pidone.grace=-1", "pidone.grace: expected a time such as 500ms, 10s or 2m, at most 24h"),
            ("pidone.grace=", "pidone.grace: expected a time such as 500ms, 10s or 2m, at most 24h"),
            ("pidone.grace=99999999999", "pidone.grace: expected a time such as 500ms, 10s or 2m, at most 24h"),
            ("pidone.onshutdown=1s", "pidone.onshutdown: expected a number of seconds, at most 86400"),
            ("pidone.timing=1", "pidone.timing: takes no value"),
            ("pidone.modules=", "pidone.modules: expected names of modules"),
            ("pidone.hostname=", "pidone.hostname: expected a name of 1 to 64 bytes"),
            ("pidone.tyming", "pidone.tyming: unknown option"),
            (
                "pidone.restart=maybe",
                "pidone.restart: expected no, on-failure[:COUNT] or always[:COUNT], COUNT from 1 to 1000000",
            ),
            ("pidone.after=db", "pidone.after: only for one service, as an annotation"),
            ("pidone.health=true", "pidone.health: only for one service, as an annotation"),
            (
                "pidone.run=bundle",
                "pidone.run: expected the absolute path of a bundle, or no value and a command behind ` -- `",
            ),
            ("pidone.stdio=", "pidone.stdio: expected a value"),
            ("pidone.watchdog=x", "pidone.watchdog: expected a number of seconds, at most 86400"),
        ] {
            assert_eq!(problems(text), [problem]);
            let options = parse(text.as_bytes());
            assert_eq!(
                (options.timing, options.fail, options.wishes),
                (false, Failure::Continue, Wishes::DEFAULT),
                "{text}"
            );
        }
        let many = parse(b"pidone.a pidone.b pidone.c pidone.d pidone.e pidone.f pidone.g pidone.h pidone.i pidone.j");
        assert_eq!((many.problems.iter().count(), many.problems.more()), (8, 2));
    }

    #[test]
    fn the_options_of_a_root_and_of_a_one_shot_boot_are_read() {
        let options = parse(
            b"root=UUID=x root=LABEL=y rootflags=\"a=1, b\" rw ro rw rootwait rootdelay=3 pidone.overlay=tmpfs \
              pidone.watchdog=30 pidone.stdio=in,out pidone.seed=/s pidone.run",
        );
        assert_eq!(options.value(b"root"), Some(&b"LABEL=y"[..]));
        assert_eq!(options.value(b"rootflags"), Some(&b"a=1, b"[..]));
        assert_eq!((options.value(b"rootwait"), options.value(b"rootfstype")), (Some(&b""[..]), None));
        assert_eq!(options.value(b"pidone.run"), Some(&b""[..]));
        assert_eq!((options.root_delay_seconds, options.watchdog_seconds, options.root_is_writable()), (3, 30, true));
        assert!(!parse(b"rw ro").root_is_writable() && !parse(b"").root_is_writable());
        assert_eq!(options.problems.iter().count(), 0);
    }

    #[test]
    fn every_way_to_tell_an_exit_code_is_known() {
        for (value, expected) in [
            ("auto", Exit::Auto),
            ("console", Exit::Console),
            ("pvpanic", Exit::Panic),
            ("isa-debug-exit", Exit::DebugExit(0x501)),
            ("isa-debug-exit:0xf4", Exit::DebugExit(0xf4)),
            ("port:a.b", Exit::Port(b"a.b")),
            ("vsock:4294967295", Exit::Vsock(u32::MAX)),
        ] {
            assert_eq!(parse(format!("pidone.exit={value}").as_bytes()).exit, expected);
        }
        for wrong in ["", "auto:1", "port:", "vsock", "vsock:4294967296", "isa-debug-exit:10000", "isa-debug-exit:x"] {
            let expected =
                "pidone.exit: expected auto, console, pvpanic, isa-debug-exit[:PORT], port:NAME or vsock:PORT";
            assert_eq!(problems(&format!("pidone.exit={wrong}")), [expected]);
        }
    }

    fn command(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        for word in parse(text.as_bytes()).words() {
            let mut buffer = [0; 64];
            let mut line = Line::new(&mut buffer);
            plain(word, &mut line);
            words.push(lossy(line.bytes()));
        }
        words
    }

    #[test]
    fn what_is_behind_two_dashes_is_a_command_and_no_option() {
        assert_eq!(command("quiet pidone.run"), [""; 0]);
        assert_eq!(command("quiet -- "), [""; 0]);
        assert_eq!(
            command("a -- sh -c \"echo a b\" -- x=\"y z\" p\"q\n"),
            ["sh", "-c", "echo a b", "--", "x=y z", "p\"q"]
        );
        assert_eq!(command(r"-- printf \x22a\x20b\x5cx22\x22 \xzz \x4"), ["printf", r#""a b\x22""#, r"\xzz", r"\x4"]);
        let options = parse(b"pidone.log=warn -- prog pidone.log=debug root=x pidone.modules=y pidone.nonsense");
        assert_eq!((options.log, options.value(b"root"), options.modules().count()), (LogLevel::Warning, None, 0));
        assert_eq!(options.problems.iter().count(), 0);
    }

    #[test]
    fn any_bytes_at_all_are_survived() {
        let text = br#"pidone.modules=a,b "x y"="z pidone.grace=1 "" = == "=" pidone.hostname=""#;
        for end in 0..=text.len() {
            for byte in [b'"', b' ', b'=', 0, 0xff] {
                let mut mutated = text[..end].to_vec();
                mutated.push(byte);
                let options = parse(&mutated);
                let _ = options.modules().chain(options.denied_modules()).chain(options.words()).count();
                assert_eq!(options.value(b"nowhere"), None);
            }
        }
    }
}
