//! Mount options: names to flags, and back. runtime-spec `config.md#mounts`, mount(8), mount_setattr(2).
//!
//! One table serves new file systems (`MS_*` of mount(2)) and binds (`MOUNT_ATTR_*`), configuration and printing. What is
//! not in the table belongs to the file system and goes into its data string.

use core::ffi::CStr;

use crate::abi::mount::*;
use crate::plan::step::Attributes;
use crate::text::{Line, fields};

/// What an option does.
#[derive(Clone, Copy)]
enum Effect {
    /// Sets or clears an attribute that every mount has for itself.
    Attribute { flag: u64, attribute: u64, set: bool },
    /// Chooses how access times are kept.
    AccessTime { flag: u64, mode: u64 },
    /// Takes such a choice back.
    NotAccessTime { flag: u64, mode: u64 },
    /// Sets or clears a flag of the file system as a whole, which a bind cannot have.
    FileSystem { flag: u64, set: bool },
    /// How mounts and unmounts travel to and from other mount namespaces.
    Propagation { kind: u64, recursive: bool },
    /// Binds instead of mounting a new file system.
    Bind { recursive: bool },
    /// Changes what is mounted.
    Remount,
    /// The default, or a thing of other tools.
    Nothing,
    /// Known and not honoured, for a reason in [`REFUSED`].
    Refused(u8),
}

use Effect::*;

/// An attribute's two names: the one that sets it and the one that clears it.
const fn attribute(flag: u64, attribute: u64, set: bool) -> Effect {
    Attribute { flag, attribute, set }
}

/// All names, in the order of [`EFFECTS`]: where several mean the same, the first is the one printed. One string, since a
/// table of strings would be three times as large.
const NAMES: &[u8] =
    b"ro rw nosuid suid nodev dev noexec exec nodiratime diratime nosymfollow symfollow relatime noatime \
    strictatime atime nostrictatime norelatime sync async dirsync mand nomand silent loud iversion \
    noiversion lazytime nolazytime private rprivate slave rslave shared rshared unbindable runbindable \
    bind rbind remount defaults idmap ridmap tmpcopyup";

const EFFECTS: [Effect; 44] = [
    attribute(MS_RDONLY, MOUNT_ATTR_RDONLY, true),
    attribute(MS_RDONLY, MOUNT_ATTR_RDONLY, false),
    attribute(MS_NOSUID, MOUNT_ATTR_NOSUID, true),
    attribute(MS_NOSUID, MOUNT_ATTR_NOSUID, false),
    attribute(MS_NODEV, MOUNT_ATTR_NODEV, true),
    attribute(MS_NODEV, MOUNT_ATTR_NODEV, false),
    attribute(MS_NOEXEC, MOUNT_ATTR_NOEXEC, true),
    attribute(MS_NOEXEC, MOUNT_ATTR_NOEXEC, false),
    attribute(MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, true),
    attribute(MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, false),
    attribute(MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW, true),
    attribute(MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW, false),
    AccessTime { flag: MS_RELATIME, mode: MOUNT_ATTR_RELATIME },
    AccessTime { flag: MS_NOATIME, mode: MOUNT_ATTR_NOATIME },
    AccessTime { flag: MS_STRICTATIME, mode: MOUNT_ATTR_STRICTATIME },
    NotAccessTime { flag: MS_NOATIME, mode: MOUNT_ATTR_NOATIME },
    NotAccessTime { flag: MS_STRICTATIME, mode: MOUNT_ATTR_STRICTATIME },
    // The kernel's default is relatime, so there is nothing to be without.
    Nothing,
    FileSystem { flag: MS_SYNCHRONOUS, set: true },
    FileSystem { flag: MS_SYNCHRONOUS, set: false },
    FileSystem { flag: MS_DIRSYNC, set: true },
    FileSystem { flag: MS_MANDLOCK, set: true },
    FileSystem { flag: MS_MANDLOCK, set: false },
    FileSystem { flag: MS_SILENT, set: true },
    FileSystem { flag: MS_SILENT, set: false },
    FileSystem { flag: MS_I_VERSION, set: true },
    FileSystem { flag: MS_I_VERSION, set: false },
    FileSystem { flag: MS_LAZYTIME, set: true },
    FileSystem { flag: MS_LAZYTIME, set: false },
    Propagation { kind: MS_PRIVATE, recursive: false },
    Propagation { kind: MS_PRIVATE, recursive: true },
    Propagation { kind: MS_SLAVE, recursive: false },
    Propagation { kind: MS_SLAVE, recursive: true },
    Propagation { kind: MS_SHARED, recursive: false },
    Propagation { kind: MS_SHARED, recursive: true },
    Propagation { kind: MS_UNBINDABLE, recursive: false },
    Propagation { kind: MS_UNBINDABLE, recursive: true },
    Bind { recursive: false },
    Bind { recursive: true },
    Remount,
    Nothing,
    Refused(0),
    Refused(1),
    Refused(2),
];

/// What is said of each that is refused.
const REFUSED: [&CStr; 3] =
    [c"options: idmap is not supported", c"options: ridmap is not supported", c"options: tmpcopyup is not supported"];

fn table() -> impl Iterator<Item = (&'static [u8], &'static Effect)> {
    fields(NAMES, b' ').zip(&EFFECTS)
}

/// Options that the table knows, in sum.
#[derive(Clone, Copy, Default)]
pub(super) struct Options {
    /// `MS_*` for a new file system: of the mount and of the file system.
    pub(super) flags: u64,
    /// The part of `flags` that only a file system can have.
    pub(super) file_system: u64,
    /// Attributes for a bind or a remount, and propagation for all.
    pub(super) attributes: Attributes,
    /// Attributes for all mounts below, too: the options that begin with an `r`.
    pub(super) below: Attributes,
    /// Whether it is a bind, and a recursive one.
    pub(super) bind: Option<bool>,
    /// Whether it changes an existing mount.
    pub(super) remount: bool,
    /// Whether there are options that only the file system knows.
    pub(super) has_data: bool,
}

impl Options {
    /// Reads options in order: a later one wins.
    ///
    /// # Errors
    /// What is wrong with an option.
    pub(super) fn read(options: &[&CStr]) -> core::result::Result<Options, &'static CStr> {
        let mut sum = Options::default();
        for option in options {
            match find(option) {
                Some((effect, below)) => sum.add(effect, below)?,
                None => sum.has_data |= !option.is_empty(),
            }
        }
        Ok(sum)
    }

    fn add(&mut self, effect: Effect, below: bool) -> core::result::Result<(), &'static CStr> {
        match effect {
            Attribute { flag, attribute, set } if !below => {
                self.flags = with(self.flags, flag, set);
                self.attributes.choose(attribute, if set { attribute } else { 0 });
            }
            AccessTime { flag, mode } if !below => {
                self.flags = self.flags & !(MS_RELATIME | MS_NOATIME | MS_STRICTATIME) | flag;
                self.attributes.choose(MOUNT_ATTR_ATIME, mode);
            }
            NotAccessTime { flag, mode } if !below => {
                self.flags &= !flag;
                self.attributes.choose_other_than(mode);
            }
            Attribute { attribute, set, .. } => self.below.choose(attribute, if set { attribute } else { 0 }),
            AccessTime { mode, .. } => self.below.choose(MOUNT_ATTR_ATIME, mode),
            NotAccessTime { mode, .. } => self.below.choose_other_than(mode),
            FileSystem { flag, set } => {
                self.flags = with(self.flags, flag, set);
                self.file_system = with(self.file_system, flag, set);
            }
            Propagation { kind, .. } if self.attributes.propagation & !kind != 0 => {
                return Err(c"options: more than one kind of propagation");
            }
            Propagation { kind, recursive } => {
                self.attributes.propagation = kind;
                self.attributes.propagation_recursive |= recursive;
            }
            Bind { recursive } => self.bind = Some(recursive || self.bind == Some(true)),
            Remount => self.remount = true,
            Nothing => {}
            Refused(why) => return Err(REFUSED.get(usize::from(why)).copied().unwrap_or_default()),
        }
        self.below.recursive = true;
        Ok(())
    }

    /// Whether there are attributes for the mounts below.
    pub(super) fn has_below(&self) -> bool {
        self.below.set | self.below.clear != 0
    }
}

impl Attributes {
    /// Of the attributes in `field`, wants exactly `value`.
    fn choose(&mut self, field: u64, value: u64) {
        // mount_setattr(2): the field of access time modes is cleared as a whole, whatever is set in it.
        let cleared = if field == MOUNT_ATTR_ATIME { field } else { field & !value };
        self.set = self.set & !field | value;
        self.clear = self.clear & !field | cleared;
    }

    /// Takes back the choice of an access time mode, if it was this one or none.
    fn choose_other_than(&mut self, mode: u64) {
        if self.clear & MOUNT_ATTR_ATIME == 0 || self.set & MOUNT_ATTR_ATIME == mode {
            self.choose(MOUNT_ATTR_ATIME, MOUNT_ATTR_RELATIME);
        }
    }
}

/// `MS_*` of names with commas between.
pub fn mount_flags(names: &[u8]) -> u64 {
    let flag = |name: &[u8]| match look_up(name) {
        Some(Attribute { flag, set: true, .. } | AccessTime { flag, .. }) => flag,
        _ => 0,
    };
    fields(names, b',').fold(0, |flags, name| flags | flag(name))
}

/// Whether an option belongs to the file system's data.
pub(super) fn is_data(option: &CStr) -> bool {
    !option.is_empty() && find(option).is_none()
}

/// `MS_*` and recursion of a name of propagation: `rslave`.
pub(super) fn propagation(name: &CStr) -> Option<(u64, bool)> {
    match find(name) {
        Some((Propagation { kind, recursive }, _)) => Some((kind, recursive)),
        _ => None,
    }
}

/// An option's effect, and whether it holds for the mounts below too.
fn find(option: &CStr) -> Option<(Effect, bool)> {
    let name = option.to_bytes();
    if let Some(effect) = look_up(name) {
        return Some((effect, false));
    }
    let effect = look_up(name.strip_prefix(b"r")?)?;
    matches!(effect, Attribute { .. } | AccessTime { .. } | NotAccessTime { .. }).then_some((effect, true))
}

fn look_up(name: &[u8]) -> Option<Effect> {
    table().find(|(known, _)| *known == name).map(|(_, effect)| *effect)
}

/// Names being written with commas between.
pub(super) struct Names<'l, 'b> {
    line: &'l mut Line<'b>,
    first: bool,
}

impl<'l, 'b> Names<'l, 'b> {
    pub(super) fn new(line: &'l mut Line<'b>) -> Names<'l, 'b> {
        Names { line, first: true }
    }

    /// The line, with what separates the next name from the last.
    pub(super) fn next(&mut self) -> &mut Line<'b> {
        if !self.first {
            self.line.byte(b',');
        }
        self.first = false;
        self.line
    }

    /// `MS_*` flags.
    pub(super) fn flags(&mut self, flags: u64) {
        for (name, effect) in table() {
            match *effect {
                Attribute { flag, set: true, .. } | AccessTime { flag, .. } | FileSystem { flag, set: true }
                    if flags & flag != 0 =>
                {
                    self.next().raw(name);
                }
                _ => {}
            }
        }
        if flags & MS_REMOUNT != 0 {
            self.next().text("remount");
        }
    }

    /// Attributes and propagation.
    pub(super) fn attributes(&mut self, attributes: &Attributes) {
        let prefix = if attributes.recursive { "r" } else { "" };
        for (name, effect) in table() {
            let holds = match *effect {
                Attribute { attribute, set: true, .. } => attributes.set & attribute != 0,
                Attribute { attribute, set: false, .. } => attributes.clear & attribute != 0,
                AccessTime { mode, .. } => {
                    attributes.clear & MOUNT_ATTR_ATIME != 0 && attributes.set & MOUNT_ATTR_ATIME == mode
                }
                _ => false,
            };
            if holds {
                self.next().text(prefix).raw(name);
            }
        }
        for (name, effect) in table() {
            if let Propagation { kind, recursive } = *effect
                && kind == attributes.propagation
                && recursive == attributes.propagation_recursive
            {
                self.next().raw(name);
            }
        }
    }
}

fn with(flags: u64, flag: u64, set: bool) -> u64 {
    if set { flags | flag } else { flags & !flag }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[&CStr]) -> Options {
        Options::read(options).unwrap()
    }

    #[test]
    fn a_later_option_wins() {
        let options = read(&[c"ro", c"nosuid", c"rw", c"suid", c"nodev"]);
        assert_eq!(options.flags, MS_NODEV);
        assert_eq!(options.attributes.set, MOUNT_ATTR_NODEV);
        assert_eq!(options.attributes.clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
    }

    #[test]
    fn access_times_are_one_choice() {
        let options = read(&[c"noatime", c"strictatime"]);
        assert_eq!(options.flags, MS_STRICTATIME);
        assert_eq!((options.attributes.set, options.attributes.clear), (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR_ATIME));
        let options = read(&[c"noatime", c"nostrictatime"]);
        assert_eq!(options.flags, MS_NOATIME);
        assert_eq!(options.attributes.set, MOUNT_ATTR_NOATIME);
        let options = read(&[c"noatime", c"atime"]);
        assert_eq!((options.flags, options.attributes.set), (0, 0));
        assert_eq!(options.attributes.clear, MOUNT_ATTR_ATIME);
    }

    #[test]
    fn recursive_options_are_kept_apart() {
        let options = read(&[c"rbind", c"ro", c"rnosuid", c"rstrictatime", c"rshared"]);
        assert_eq!(options.bind, Some(true));
        assert_eq!(options.attributes.set, MOUNT_ATTR_RDONLY);
        assert!(!options.attributes.recursive && options.attributes.propagation_recursive);
        assert_eq!(options.attributes.propagation, MS_SHARED);
        assert_eq!(options.below.set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
        assert!(options.below.recursive && options.has_below());
    }

    #[test]
    fn every_name_of_the_specification_and_of_the_seed_is_known() {
        let names = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev \
            nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private rbind \
            relatime remount ro rprivate rshared rslave runbindable rw shared silent slave strictatime suid symfollow \
            sync unbindable ratime rdev rdiratime rexec rnoatime rnodev rnodiratime rnoexec rnostrictatime rnosuid \
            rnosymfollow rrelatime rro rrw rstrictatime rsuid rsymfollow";
        for name in names.split_whitespace() {
            let name = std::ffi::CString::new(name).unwrap();
            assert!(!is_data(&name), "{name:?}");
            assert!(Options::read(&[&name]).is_ok(), "{name:?}");
        }
        for name in [c"mode=755", c"size=10%", c"lowerdir=/x", c"ROOT", c"rr", c"rsync", c"rbindx", c"rremount"] {
            assert!(is_data(name), "{name:?}");
        }
    }

    #[test]
    fn unsupported_and_contradictory_options_are_refused() {
        for option in [c"idmap", c"ridmap", c"tmpcopyup"] {
            assert!(Options::read(&[option]).is_err(), "{option:?}");
        }
        assert!(Options::read(&[c"shared", c"rslave"]).is_err());
        assert!(Options::read(&[c"shared", c"rshared"]).is_ok());
    }
}
