//! One boot, and what every container in it saw.
//!
//! Containers speak into pidone's log files, one file for each, so that nothing has to be put into them to be heard. The
//! last container of the boot sends all files to the second serial line, where kernel messages cannot break a line.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::container::Container;
use crate::image::Image;
use crate::vm::{self, End, Ending, probe_values};

/// In front of each file's name in the report.
const MARK: &str = "@@ ";

/// What is left of a boot.
pub struct Observation {
    /// How the guest ended.
    pub end: End,
    /// By file name: `onboot.000-name.out.log`.
    files: BTreeMap<String, String>,
}

/// A container that runs the probe, its lines on standard output; the words are split at white space.
pub fn probe(name: &str, words: &str) -> Container {
    Container::new(name).args(["/bin/probe"].into_iter().chain(words.split_whitespace()))
}

/// Boots the image, until nothing is left to run.
pub fn boot(image: Image, options: &str) -> Result<Observation> {
    boot_vm(image, |vm| vm.append(options), Ending::PowerOff)
}

/// Boots the image in a guest with something more.
pub fn boot_vm(image: Image, change: impl FnOnce(vm::Builder) -> vm::Builder, ending: Ending) -> Result<Observation> {
    let vm = image.onshutdown(collector()).vm()?.append("pidone.idle=poweroff");
    let end = change(vm).start()?.expect(ending)?;
    let mut files = BTreeMap::new();
    for part in end.report.split(&format!("\n{MARK}")) {
        let (name, text) = part.split_once('\n').unwrap_or((part, ""));
        files.insert(name.trim_start_matches(MARK).to_owned(), text.to_owned());
    }
    Ok(Observation { end, files })
}

fn collector() -> Container {
    let script = format!(
        "for file in /logs/services/*.log /logs/run/*/*.log; do echo; echo \"{MARK}${{file##*/}}\"; cat $file; done > /dev/ttyS1"
    );
    Container::shell("collector", &script)
        .device("/dev/ttyS1", "c", 4, 65, 0o600)
        .bind("/var/log:/logs/services")
        .bind("/run/log:/logs/run")
}

/// A boot that many tests look at, or why there was none.
pub type Shared = OnceLock<Result<Observation, String>>;

/// The boot in `shared`, made by whoever comes first. When it fails, it fails once, for all.
#[track_caller]
pub fn shared(shared: &'static Shared, boot: impl FnOnce() -> Result<Observation>) -> &'static Observation {
    match shared.get_or_init(|| boot().map_err(|error| format!("{error:#}"))) {
        Ok(observation) => observation,
        Err(error) => panic!("{error}"),
    }
}

impl Observation {
    /// What a container wrote to standard output.
    pub fn output(&self, name: &str) -> &str {
        self.file(name, ".out.log")
    }

    /// What a container wrote to standard error.
    pub fn errors(&self, name: &str) -> &str {
        self.file(name, ".log")
    }

    /// Whether a container's program was started, as far as log files can tell.
    pub fn spoke(&self, name: &str) -> bool {
        !self.output(name).is_empty()
    }

    fn file(&self, name: &str, suffix: &str) -> &str {
        let (service, onboot) = (format!("{name}{suffix}"), format!("-{name}{suffix}"));
        let found = self.files.iter().find(|(file, _)| **file == service || file.ends_with(&onboot));
        found.map_or("", |(_, text)| text)
    }

    /// The values of a container's `PROBE key=value` lines of one key.
    pub fn all(&self, name: &str, key: &str) -> Vec<String> {
        probe_values(self.output(name), key)
    }

    /// The only value of one key.
    #[track_caller]
    pub fn one(&self, name: &str, key: &str) -> String {
        match &self.all(name, key)[..] {
            [one] => one.clone(),
            other => panic!("{name}: {key}={other:?}, not one value\n{}", self.about(name)),
        }
    }

    /// A container's mount on a path, the topmost.
    #[track_caller]
    pub fn mount(&self, name: &str, target: &str) -> Mount {
        let all = self.all(name, "mount");
        let line = all.iter().rev().find(|line| line.split(' ').next() == Some(target));
        let line = line.with_context(|| format!("{name}: no mount on {target}\n{}", self.about(name)));
        Mount { line: line.unwrap().clone() }
    }

    /// pidone's messages about a container, without time and prefix.
    pub fn messages(&self, name: &str) -> Vec<String> {
        let messages = self.end.console.lines().filter_map(|line| Some(line.split_once("pidone: ")?.1.to_owned()));
        messages.filter(|message| message.contains(name)).collect()
    }

    /// For the message of a failed test.
    pub fn about(&self, name: &str) -> String {
        let (output, errors, messages) = (self.output(name), self.errors(name), self.messages(name).join("\n"));
        format!("{name} wrote:\n{output}\nits errors:\n{errors}\npidone wrote:\n{messages}")
    }
}

/// A line of a mount table as the probe prints it.
pub struct Mount {
    line: String,
}

impl Mount {
    /// `type`, `source`, `root`, `options`, `super` or `propagation`.
    #[track_caller]
    pub fn field(&self, name: &str) -> &str {
        let marker = format!("{name}=");
        let field = self.line.split(' ').find_map(|field| field.strip_prefix(&marker));
        field.unwrap_or_else(|| panic!("no {name} in {}", self.line))
    }

    /// Options of the mount itself.
    pub fn options(&self) -> Vec<&str> {
        self.field("options").split(',').collect()
    }

    /// Options of the file system.
    pub fn super_options(&self) -> Vec<&str> {
        self.field("super").split(',').collect()
    }
}
