//! Mount options: names to flags, and back. runtime-spec `config.md#mounts`, mount(8), mount_setattr(2).
//!
//! One table serves new file systems (`MS_*` of mount(2)) and binds (`MOUNT_ATTR_*`), configuration and printing. What is
//! not in the table belongs to the file system and goes into its data string.

use crate::abi::mount::*;
use crate::plan::step::Attributes;
use crate::text::{self, Line, fields, with_lengths};
use crate::texts::CStr;

/// What an option does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Sets an attribute that every mount has for itself.
    Set,
    /// Clears one.
    Clear,
    /// Chooses how access times are kept.
    AccessTime,
    /// Takes such a choice back.
    NotAccessTime,
    /// Sets a flag of the file system as a whole, which a bind cannot have.
    SetFileSystem,
    /// Clears one.
    ClearFileSystem,
    /// How mounts and unmounts travel to and from other mount namespaces.
    Propagation,
    /// The same with all mounts below.
    RecursivePropagation,
    /// Binds instead of mounting a new file system.
    Bind,
    /// The same with all mounts below.
    RecursiveBind,
    /// Changes what is mounted.
    Remount,
    /// What it asks for is so already; also with an `r` before it.
    Given,
    /// A thing of other tools.
    Nothing,
    /// Shows other ids than the files have.
    IdMap,
    /// The same with all mounts below.
    RecursiveIdMap,
    /// Fills a file system in memory with what it hides.
    CopyUp,
    /// Known and not honoured.
    Refused,
}

/// What an option does, with its bits: small, since there are many.
#[derive(Clone, Copy)]
struct Effect {
    kind: Kind,
    /// Number of the bit of `MS_*`.
    flag: u8,
    /// Number of the bit of `MOUNT_ATTR_*`; 64 where there is none.
    attribute: u8,
}

const fn effect(kind: Kind, flag: u32, attribute: u32) -> Effect {
    Effect { kind, flag: flag.trailing_zeros() as u8, attribute: attribute.trailing_zeros() as u8 }
}

const fn of_file_system(kind: Kind, flag: u32) -> Effect {
    effect(kind, flag, 0)
}

impl Effect {
    /// `MS_*`.
    fn flag(self) -> u32 {
        bit(self.flag)
    }

    /// `MOUNT_ATTR_*`. The mode of access times that is the default is 0.
    fn attribute(self) -> u32 {
        bit(self.attribute)
    }
}

fn bit(number: u8) -> u32 {
    1_u32.checked_shl(number.into()).unwrap_or(0)
}

use Kind::*;

/// In the order of [`EFFECTS`]. Where several names mean the same, the first is the one printed.
pub const NAMES: &[u8] = b"ro rw nosuid suid nodev dev noexec exec nodiratime diratime nosymfollow symfollow \
relatime noatime strictatime atime nostrictatime norelatime sync async dirsync mand nomand silent loud \
iversion noiversion lazytime nolazytime private rprivate slave rslave shared rshared unbindable runbindable \
bind rbind remount defaults idmap ridmap tmpcopyup \
copy-symlink src-nofollow dest-nofollow";
static KEPT: [u8; NAMES.len() + 1] = with_lengths(NAMES);

/// How many of them, from the first on, also exist with an `r` before, for a mount and those below it.
pub const RECURSIVE: usize = 18;

static EFFECTS: [Effect; 47] = [
    effect(Set, MS_RDONLY, MOUNT_ATTR_RDONLY),
    effect(Clear, MS_RDONLY, MOUNT_ATTR_RDONLY),
    effect(Set, MS_NOSUID, MOUNT_ATTR_NOSUID),
    effect(Clear, MS_NOSUID, MOUNT_ATTR_NOSUID),
    effect(Set, MS_NODEV, MOUNT_ATTR_NODEV),
    effect(Clear, MS_NODEV, MOUNT_ATTR_NODEV),
    effect(Set, MS_NOEXEC, MOUNT_ATTR_NOEXEC),
    effect(Clear, MS_NOEXEC, MOUNT_ATTR_NOEXEC),
    effect(Set, MS_NODIRATIME, MOUNT_ATTR_NODIRATIME),
    effect(Clear, MS_NODIRATIME, MOUNT_ATTR_NODIRATIME),
    effect(Set, MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW),
    effect(Clear, MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW),
    effect(AccessTime, MS_RELATIME, MOUNT_ATTR_RELATIME),
    effect(AccessTime, MS_NOATIME, MOUNT_ATTR_NOATIME),
    effect(AccessTime, MS_STRICTATIME, MOUNT_ATTR_STRICTATIME),
    effect(NotAccessTime, MS_NOATIME, MOUNT_ATTR_NOATIME),
    effect(NotAccessTime, MS_STRICTATIME, MOUNT_ATTR_STRICTATIME),
    // The kernel's default is relatime, so there is nothing to be without.
    effect(Given, 0, 0),
    of_file_system(SetFileSystem, MS_SYNCHRONOUS),
    of_file_system(ClearFileSystem, MS_SYNCHRONOUS),
    of_file_system(SetFileSystem, MS_DIRSYNC),
    of_file_system(SetFileSystem, MS_MANDLOCK),
    of_file_system(ClearFileSystem, MS_MANDLOCK),
    of_file_system(SetFileSystem, MS_SILENT),
    of_file_system(ClearFileSystem, MS_SILENT),
    of_file_system(SetFileSystem, MS_I_VERSION),
    of_file_system(ClearFileSystem, MS_I_VERSION),
    of_file_system(SetFileSystem, MS_LAZYTIME),
    of_file_system(ClearFileSystem, MS_LAZYTIME),
    effect(Propagation, MS_PRIVATE, 0),
    effect(RecursivePropagation, MS_PRIVATE, 0),
    effect(Propagation, MS_SLAVE, 0),
    effect(RecursivePropagation, MS_SLAVE, 0),
    effect(Propagation, MS_SHARED, 0),
    effect(RecursivePropagation, MS_SHARED, 0),
    effect(Propagation, MS_UNBINDABLE, 0),
    effect(RecursivePropagation, MS_UNBINDABLE, 0),
    effect(Bind, 0, 0),
    effect(RecursiveBind, 0, 0),
    effect(Remount, 0, 0),
    effect(Nothing, 0, 0),
    effect(IdMap, 0, 0),
    effect(RecursiveIdMap, 0, 0),
    effect(CopyUp, 0, 0),
    // crun's own.
    effect(Refused, 1 << 0, 0),
    effect(Refused, 1 << 1, 0),
    effect(Refused, 1 << 2, 0),
];

/// Why, for each that is refused.
static REFUSED: [&CStr; 3] = [
    c!("options: copy-symlink is not supported"),
    c!("options: src-nofollow is not supported"),
    c!("options: dest-nofollow is not supported"),
];

/// All options, each with what it does.
#[inline(never)]
fn each(look: &mut dyn FnMut(&'static [u8], Effect)) {
    let mut names = text::Names(&KEPT);
    for effect in &EFFECTS {
        look(names.next().unwrap_or_default(), *effect);
    }
}

/// Options that the table knows, in sum.
#[derive(Clone, Copy, Default)]
pub(super) struct Options {
    /// `MS_*` for a new file system: of the mount and of the file system.
    pub(super) flags: u32,
    /// The part of `flags` that only a file system can have.
    pub(super) file_system: u32,
    /// Attributes for a bind or a remount, and propagation for all.
    pub(super) attributes: Attributes,
    /// Attributes for all mounts below, too: the options that begin with an `r`.
    pub(super) below: Attributes,
    /// Whether it is a bind, and a recursive one.
    pub(super) bind: Option<bool>,
    /// Whether it changes an existing mount.
    pub(super) remount: bool,
    /// Whether ids are mapped, and on all mounts below.
    pub(super) id_map: Option<bool>,
    /// Whether it begins with what it hides.
    pub(super) copy_up: bool,
    /// Whether there are options that only the file system knows.
    pub(super) has_data: bool,
    /// What is wrong with the first option that is not as it should be.
    pub(super) problem: Option<&'static CStr>,
}

impl Options {
    /// Reads options in order: a later one wins.
    #[inline(never)]
    pub(super) fn read(options: &[&CStr]) -> Options {
        let mut sum = Options::default();
        sum.below.recursive = true;
        for option in options {
            match find(option.to_bytes()) {
                Some((effect, below)) => sum.add(effect, below),
                None => sum.has_data |= !option.is_empty(),
            }
        }
        sum
    }

    fn add(&mut self, effect: Effect, below: bool) {
        let (flag, attribute) = (effect.flag(), effect.attribute());
        let attributes = if below { &mut self.below } else { &mut self.attributes };
        let mut flags = self.flags;
        match effect.kind {
            Set => {
                flags |= flag;
                attributes.choose(attribute, attribute);
            }
            Clear => {
                flags &= !flag;
                attributes.choose(attribute, 0);
            }
            AccessTime => {
                flags = flags & !(MS_RELATIME | MS_NOATIME | MS_STRICTATIME) | flag;
                attributes.choose(MOUNT_ATTR_ATIME, attribute);
            }
            NotAccessTime => {
                flags &= !flag;
                attributes.choose_other_than(attribute);
            }
            SetFileSystem => {
                flags |= flag;
                self.file_system |= flag;
            }
            ClearFileSystem => {
                flags &= !flag;
                self.file_system &= !flag;
            }
            Propagation | RecursivePropagation => {
                if attributes.propagation & !flag != 0 {
                    self.problem = self.problem.or(Some(c!("options: more than one kind of propagation")));
                }
                attributes.propagation = flag;
                attributes.propagation_recursive |= effect.kind == RecursivePropagation;
            }
            Bind => self.bind = self.bind.or(Some(false)),
            RecursiveBind => self.bind = Some(true),
            Remount => self.remount = true,
            IdMap => self.id_map = self.id_map.or(Some(false)),
            RecursiveIdMap => self.id_map = Some(true),
            CopyUp => self.copy_up = true,
            Nothing | Given => {}
            Refused => {
                let problem = REFUSED.get(usize::from(effect.flag)).copied();
                self.problem = self.problem.or(problem);
            }
        }
        if !below {
            self.flags = flags;
        }
    }

    /// What is to be set on a new mount, apart from its own attributes: for all mounts below, and propagation.
    pub(super) fn below_with_propagation(&self) -> Attributes {
        let Attributes { propagation, propagation_recursive, .. } = self.attributes;
        let below = if self.has_below() { self.below } else { Attributes::default() };
        Attributes { propagation, propagation_recursive, ..below }
    }

    /// Whether there are attributes for the mounts below.
    pub(super) fn has_below(&self) -> bool {
        self.below.set | self.below.clear != 0
    }
}

impl Attributes {
    /// Of the attributes in `field`, wants exactly `value`.
    fn choose(&mut self, field: u32, value: u32) {
        // mount_setattr(2): the field of access time modes is cleared as a whole, whatever is set in it.
        let cleared = if field == MOUNT_ATTR_ATIME { field } else { field & !value };
        self.set = self.set & !field | value;
        self.clear = self.clear & !field | cleared;
    }

    /// Takes back the choice of an access time mode, if it was this one or none.
    fn choose_other_than(&mut self, mode: u32) {
        if self.clear & MOUNT_ATTR_ATIME == 0 || self.set & MOUNT_ATTR_ATIME == mode {
            self.choose(MOUNT_ATTR_ATIME, MOUNT_ATTR_RELATIME);
        }
    }
}

/// `MS_*` of names with commas between.
pub fn mount_flags(names: &[u8]) -> u32 {
    let mut flags = 0;
    for name in fields(names, b',') {
        if let Some((effect, false)) = find(name)
            && matches!(effect.kind, Set | AccessTime)
        {
            flags |= effect.flag();
        }
    }
    flags
}

/// Whether an option belongs to the file system's data.
pub(super) fn is_data(option: &CStr) -> bool {
    !option.is_empty() && find(option.to_bytes()).is_none()
}

/// `MS_*` and recursion of a name of propagation: `rslave`.
pub(super) fn propagation(name: &CStr) -> Option<(u32, bool)> {
    let (effect, _) = find(name.to_bytes())?;
    matches!(effect.kind, Propagation | RecursivePropagation)
        .then(|| (effect.flag(), effect.kind == RecursivePropagation))
}

/// An option's effect, and whether it holds for the mounts below too.
#[inline(never)]
fn find(name: &[u8]) -> Option<(Effect, bool)> {
    // It cannot be in the table, and nearly all that are not in it are of this form.
    if text::has(name, b'=') {
        return None;
    }
    if let Some(place) = text::Names(&KEPT).find(name) {
        return Some((*EFFECTS.get(place)?, false));
    }
    let effect = *EFFECTS.get(text::Names(&KEPT).find(name.strip_prefix(b"r")?)?)?;
    matches!(effect.kind, Set | Clear | AccessTime | NotAccessTime | Given).then_some((effect, true))
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
    pub(super) fn flags(&mut self, flags: u32) {
        each(&mut |name, effect| {
            if matches!(effect.kind, Set | AccessTime | SetFileSystem) && flags & effect.flag() != 0 {
                self.next().raw(name);
            }
        });
        if flags & MS_REMOUNT != 0 {
            self.next().say(t!("remount"));
        }
    }

    /// Attributes and propagation.
    pub(super) fn attributes(&mut self, attributes: &Attributes) {
        let prefix = if attributes.recursive { "r" } else { "" };
        let recursive = attributes.propagation_recursive;
        each(&mut |name, effect| {
            let attribute = effect.attribute();
            let is_access_time = attributes.clear & MOUNT_ATTR_ATIME != 0;
            let (holds, prefix) = match effect.kind {
                Set => (attributes.set & attribute != 0, prefix),
                Clear => (attributes.clear & attribute != 0, prefix),
                AccessTime => (is_access_time && attributes.set & MOUNT_ATTR_ATIME == attribute, prefix),
                Propagation => (attributes.propagation == effect.flag() && !recursive, ""),
                RecursivePropagation => (attributes.propagation == effect.flag() && recursive, ""),
                _ => (false, ""),
            };
            if holds {
                self.next().text(prefix).raw(name);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[&CStr]) -> Options {
        Options::read(options)
    }

    #[test]
    fn a_later_option_wins() {
        let options = read(&[s!("ro"), s!("nosuid"), s!("rw"), s!("suid"), s!("nodev")]);
        assert_eq!(options.flags, MS_NODEV);
        assert_eq!(options.attributes.set, MOUNT_ATTR_NODEV);
        assert_eq!(options.attributes.clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
    }

    #[test]
    fn access_times_are_one_choice() {
        let options = read(&[s!("noatime"), s!("strictatime")]);
        assert_eq!(options.flags, MS_STRICTATIME);
        assert_eq!((options.attributes.set, options.attributes.clear), (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR_ATIME));
        let options = read(&[s!("noatime"), s!("nostrictatime")]);
        assert_eq!(options.flags, MS_NOATIME);
        assert_eq!(options.attributes.set, MOUNT_ATTR_NOATIME);
        let options = read(&[s!("noatime"), s!("atime")]);
        assert_eq!((options.flags, options.attributes.set), (0, 0));
        assert_eq!(options.attributes.clear, MOUNT_ATTR_ATIME);
    }

    #[test]
    fn recursive_options_are_kept_apart() {
        let options = read(&[s!("rbind"), s!("ro"), s!("rnosuid"), s!("rstrictatime"), s!("rshared")]);
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
            rnosymfollow rnorelatime idmap ridmap tmpcopyup rrelatime rro rrw rstrictatime rsuid rsymfollow";
        for name in names.split_whitespace() {
            let name = std::ffi::CString::new(name).unwrap();
            assert!(!is_data(CStr::of(&name)), "{name:?}");
            assert!(Options::read(&[CStr::of(&name)]).problem.is_none(), "{name:?}");
        }
        for name in [
            s!("mode=755"),
            s!("size=10%"),
            s!("lowerdir=/x"),
            s!("ROOT"),
            s!("rr"),
            s!("rsync"),
            s!("rbindx"),
            s!("rremount"),
        ] {
            assert!(is_data(name), "{name:?}");
        }
    }

    #[test]
    fn unsupported_and_contradictory_options_are_refused() {
        for option in [s!("copy-symlink"), s!("src-nofollow"), s!("dest-nofollow")] {
            assert!(Options::read(&[option]).problem.is_some(), "{option:?}");
        }
        assert!(Options::read(&[s!("shared"), s!("rslave")]).problem.is_some());
        assert!(Options::read(&[s!("shared"), s!("rshared")]).problem.is_none());
    }
}
