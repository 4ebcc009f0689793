//! The kernel command line (bootparam(7)) to options. What is wrong in it is reported by name and never stops a boot: the
//! option keeps its default.

use crate::limits;
use crate::text::{fields, number, position};

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
    /// `pidone.grace=`: seconds that services have between TERM and KILL.
    pub grace_seconds: u32,
    /// `pidone.onshutdown=`: seconds that each onshutdown container has.
    pub onshutdown_seconds: u32,
    /// `pidone.log=`: the least important records that are written. `linuxkit.runc_debug=1` is `debug`.
    pub log: LogLevel,
    /// `pidone.hostname=`, for when /etc/hostname has none.
    pub hostname: Option<&'a [u8]>,
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
    pub problem: &'static str,
}

/// All that is wrong in the command line.
#[derive(Clone, Copy, Debug)]
pub struct Problems<'a> {
    first: [Problem<'a>; limits::CMDLINE_PROBLEMS_MAX],
    count: usize,
}

/// Reads a command line.
pub fn parse(text: &[u8]) -> Options<'_> {
    let problems = Problems { first: [Problem { name: b"", problem: "" }; limits::CMDLINE_PROBLEMS_MAX], count: 0 };
    let mut options = Options {
        timing: false,
        fail: Failure::Continue,
        output: Output::Log,
        idle: Idle::Stay,
        grace_seconds: 10,
        onshutdown_seconds: 30,
        log: LogLevel::Info,
        hostname: None,
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
    pub fn modules(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.lists(|name| name == b"pidone.modules")
    }

    /// Modules not to load, by `module_blacklist=a,b` or `modprobe.blacklist=a,b`.
    pub fn denied_modules(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.lists(|name| name == b"module_blacklist" || name == b"modprobe.blacklist")
    }

    fn lists(&self, is_wanted: fn(&[u8]) -> bool) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let tokens = Tokens { rest: self.text }.filter(move |token| is_wanted(token.name));
        tokens.flat_map(|token| fields(token.value.unwrap_or(&[]), b',')).filter(|item| !item.is_empty())
    }

    fn take(&mut self, token: Token<'a>) -> Result<(), &'static str> {
        let value = token.value.unwrap_or(b"");
        let Some(name) = choice(token.name, NAMES) else {
            return if token.name.starts_with(b"pidone.") { Err("unknown option") } else { Ok(()) };
        };
        match name {
            Name::Timing if token.value.is_some() => return Err("takes no value"),
            Name::Timing => self.timing = true,
            // The list is read from the text when it is needed.
            Name::Modules if value.is_empty() => return Err("expected names of modules"),
            Name::Modules => {}
            Name::Fail => {
                self.fail = choice(value, FAILURES).ok_or("expected continue, halt, reboot, poweroff or panic")?;
            }
            Name::Output => self.output = choice(value, OUTPUTS).ok_or("expected log or console")?,
            Name::Idle => self.idle = choice(value, IDLES).ok_or("expected stay, poweroff, reboot or halt")?,
            Name::Log => self.log = choice(value, LEVELS).ok_or("expected error, warn, info or debug")?,
            Name::Grace => self.grace_seconds = seconds(value)?,
            Name::Onshutdown => self.onshutdown_seconds = seconds(value)?,
            Name::Hostname if value.is_empty() || value.len() > limits::HOSTNAME_BYTES_MAX => {
                return Err("expected a name of 1 to 64 bytes");
            }
            Name::Hostname => self.hostname = Some(value),
            Name::RuncDebug if value == b"1" => self.log = LogLevel::Debug,
            Name::RuncConsole if value == b"1" => self.output = Output::Console,
            Name::UnifiedCgroupHierarchy if value == b"0" => return Err("control groups are version 2 only"),
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
    Grace,
    Onshutdown,
    Hostname,
    RuncDebug,
    RuncConsole,
    UnifiedCgroupHierarchy,
}

/// Words with blanks between them, and what each stands for.
type Choices<T> = (&'static [u8], &'static [T]);

const NAMES: Choices<Name> = (
    b"pidone.timing pidone.modules pidone.fail pidone.output pidone.idle pidone.log pidone.grace pidone.onshutdown \
        pidone.hostname linuxkit.runc_debug linuxkit.runc_console linuxkit.unified_cgroup_hierarchy",
    &[
        Name::Timing,
        Name::Modules,
        Name::Fail,
        Name::Output,
        Name::Idle,
        Name::Log,
        Name::Grace,
        Name::Onshutdown,
        Name::Hostname,
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

fn seconds(value: &[u8]) -> Result<u32, &'static str> {
    let bounded = number(value, 10).filter(|number| *number <= limits::GRACE_SECONDS_MAX.into());
    bounded.map(|number| number as u32).ok_or("expected a number of seconds, at most 86400")
}

/// One option.
#[derive(Clone, Copy)]
struct Token<'a> {
    name: &'a [u8],
    value: Option<&'a [u8]>,
}

/// The options of a command line, as the kernel tells them apart (`lib/cmdline.c`, `next_arg`): a space between quotes
/// does not separate, and quotes around a whole option or a whole value are not part of it.
struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let text = self.rest.trim_ascii_start();
        if text.is_empty() {
            return None;
        }
        let mut in_quotes = false;
        let end = text.iter().position(|byte| {
            in_quotes ^= *byte == b'"';
            byte.is_ascii_whitespace() && !in_quotes
        });
        let (token, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
        self.rest = rest;
        let token = unquoted(token);
        let name = fields(token, b'=').next()?;
        let value = token.get(name.len() + 1..).map(unquoted);
        Some(Token { name, value })
    }
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

    fn lossy(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn problems(text: &str) -> Vec<String> {
        parse(text.as_bytes()).problems.iter().map(|p| format!("{}: {}", lossy(p.name), p.problem)).collect()
    }

    #[test]
    fn an_ordinary_command_line_means_the_defaults() {
        let options =
            parse(b"BOOT_IMAGE=/boot/kernel root=/dev/vda console=ttyS0 console=tty0 page_poison=1 quiet --\n");
        assert_eq!((options.timing, options.fail, options.output), (false, Failure::Continue, Output::Log));
        assert_eq!((options.idle, options.log, options.hostname), (Idle::Stay, LogLevel::Info, None));
        assert_eq!((options.grace_seconds, options.onshutdown_seconds), (10, 30));
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
        assert_eq!((options.grace_seconds, options.onshutdown_seconds), (3, 0));
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
            ("pidone.grace=-1", "pidone.grace: expected a number of seconds, at most 86400"),
            ("pidone.grace=", "pidone.grace: expected a number of seconds, at most 86400"),
            ("pidone.grace=99999999999", "pidone.grace: expected a number of seconds, at most 86400"),
            ("pidone.onshutdown=1s", "pidone.onshutdown: expected a number of seconds, at most 86400"),
            ("pidone.timing=1", "pidone.timing: takes no value"),
            ("pidone.modules=", "pidone.modules: expected names of modules"),
            ("pidone.hostname=", "pidone.hostname: expected a name of 1 to 64 bytes"),
            ("pidone.tyming", "pidone.tyming: unknown option"),
        ] {
            assert_eq!(problems(text), [problem]);
            let options = parse(text.as_bytes());
            assert_eq!((options.timing, options.fail, options.grace_seconds), (false, Failure::Continue, 10), "{text}");
        }
        let many = parse(b"pidone.a pidone.b pidone.c pidone.d pidone.e pidone.f pidone.g pidone.h pidone.i pidone.j");
        assert_eq!((many.problems.iter().count(), many.problems.more()), (8, 2));
    }

    #[test]
    fn any_bytes_at_all_are_survived() {
        let text = br#"pidone.modules=a,b "x y"="z pidone.grace=1 "" = == "=" pidone.hostname=""#;
        for end in 0..=text.len() {
            for byte in [b'"', b' ', b'=', 0, 0xff] {
                let mut mutated = text[..end].to_vec();
                mutated.push(byte);
                let options = parse(&mutated);
                let _ = options.modules().chain(options.denied_modules()).count();
            }
        }
    }
}
