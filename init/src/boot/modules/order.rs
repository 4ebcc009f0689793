//! In which order modules are loaded. Pure: requests in, files out.

use heapless::Vec;

use super::index::{Entry, Index, Matching, When, name_of};
use super::pattern::same;
use crate::boot::lines::words;
use crate::error::{Error, Result};
use crate::limits::{MODULES_MAX, MODULES_PENDING_MAX};

/// What there is to say about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No module of that name or alias.
    Unknown,
    /// The kernel has it built in.
    BuiltIn,
    /// The operator does not want it.
    Denied,
    /// Its files come from [`Order::next_file`], unless they came already.
    Queued,
}

/// The modules that were named already, each once, and those that come next.
pub struct Order<'a> {
    index: Index<'a>,
    seen: Vec<&'a [u8], MODULES_MAX>,
    /// A stack: the last one comes first.
    pending: Vec<Pending<'a>, MODULES_PENDING_MAX>,
}

#[derive(Clone, Copy)]
enum Pending<'a> {
    /// All that a module needs, then itself.
    Whole(Entry<'a>),
    /// Nothing but the file.
    File(&'a [u8]),
}

impl<'a> Order<'a> {
    /// Nothing was asked for yet.
    pub fn new(index: Index<'a>) -> Order<'a> {
        Order { index, seen: Vec::new(), pending: Vec::new() }
    }

    /// Asks for a module by name or alias, in the order in which modprobe(8) looks: an alias of modprobe.d, a module's
    /// name, an alias of a module.
    pub fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        let index = self.index;
        match self.ask_all(index.chosen(request))? {
            Answer::Unknown => {}
            answer => return Ok(answer),
        }
        match self.ask_module(request)? {
            Answer::Unknown => self.ask_all(index.matching(request)),
            answer => Ok(answer),
        }
    }

    /// Asks for a module by its name.
    pub fn ask_module(&mut self, name: &[u8]) -> Result<Answer> {
        if self.seen.iter().any(|seen| same(seen, name)) {
            return Ok(Answer::Queued);
        }
        let Some(entry) = self.index.find(name) else {
            return Ok(if self.index.is_built_in(name) { Answer::BuiltIn } else { Answer::Unknown });
        };
        if self.index.is_denied(name) {
            return Ok(Answer::Denied);
        }
        self.push(Pending::Whole(entry))?;
        Ok(Answer::Queued)
    }

    /// The file to load next, relative to the modules folder. After an error nothing is pending any more.
    pub fn next_file(&mut self) -> Result<Option<&'a [u8]>> {
        while let Some(pending) = self.pending.pop() {
            let entry = match pending {
                Pending::File(path) => return Ok(Some(path)),
                Pending::Whole(entry) => entry,
            };
            if let Err(error) = self.expand(entry) {
                self.pending.clear();
                return Err(error);
            }
        }
        Ok(None)
    }

    /// Puts a module's file between what it wants before and after it; what comes first is pushed last.
    fn expand(&mut self, entry: Entry<'a>) -> Result<()> {
        let index = self.index;
        let name = name_of(entry.path);
        if self.seen.iter().any(|seen| same(seen, name)) {
            return Ok(());
        }
        self.seen
            .push(name)
            .map_err(|_| Error::limit(c!("order modules"), s!("modules"), MODULES_MAX + 1, MODULES_MAX))?;
        index.for_each_soft(name, When::After, &mut |wish| self.ask(wish).map(drop))?;
        self.push(Pending::File(entry.path))?;
        index.for_each_soft(name, When::Before, &mut |wish| self.ask(wish).map(drop))?;
        for path in words(entry.needs) {
            if same(name_of(path), name) {
                return Err(Error::wrong(c!("order modules"), c!("modules.dep: the module depends on itself")));
            }
            // Its own needs are in this list too.
            self.push(Pending::Whole(Entry { path, needs: b"" }))?;
        }
        Ok(())
    }

    /// The best answer for any of several modules.
    fn ask_all(&mut self, names: Matching<'a, '_>) -> Result<Answer> {
        let mut best = Answer::Unknown;
        for name in names {
            best = match (best, self.ask_module(name)?) {
                (Answer::Queued, _) | (_, Answer::Unknown) => best,
                (_, answer) => answer,
            };
        }
        Ok(best)
    }

    fn push(&mut self, pending: Pending<'a>) -> Result<()> {
        let too_many = |_| {
            let (found, most) = (MODULES_PENDING_MAX + 1, MODULES_PENDING_MAX);
            Error::limit(c!("order modules"), c!("modules that wait for each other"), found, most)
        };
        self.pending.push(pending).map_err(too_many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: Index = Index {
        dependencies: b"k/br_netfilter.ko: k/bridge.ko k/stp.ko k/llc.ko\nk/bridge.ko: k/stp.ko k/llc.ko\n\
            k/stp.ko: k/llc.ko\nk/llc.ko:\nk/btrfs.ko: k/libcrc32c.ko k/raid6_pq.ko\nk/libcrc32c.ko:\nk/raid6_pq.ko:\n\
            k/crc32c_generic.ko:\nk/crc32c_intel.ko:\nk/vfio.ko:\nk/vfio_iommu_type1.ko: k/vfio.ko\nk/pcspkr.ko:\n\
            k/loop1.ko: k/loop1.ko\nk/a.ko:\nk/b.ko:\n",
        aliases: b"alias rtnl-link-bridge bridge\nalias crc32c crc32c_generic\nalias crc32c crc32c_intel\n\
            alias platform:pcspkr pcspkr\nalias fs-ext3 ext4\n",
        soft: b"softdep libcrc32c pre: crc32c\nsoftdep vfio post: vfio_iommu_type1 vfio_iommu_spapr_tce\n\
            softdep a pre: b\nsoftdep b pre: a\n",
        builtin: b"kernel/fs/ext4/ext4.ko\n",
        settings: b"blacklist pcspkr\nalias net0 llc\n",
        command_line: b"",
    };

    fn load(order: &mut Order<'static>, request: &'static str) -> String {
        let answer = order.ask(request.as_bytes()).unwrap();
        let mut text = format!("{answer:?}:");
        while let Some(path) = order.next_file().unwrap() {
            text.push(' ');
            text.push_str(std::str::from_utf8(name_of(path)).unwrap());
        }
        text
    }

    fn check(request: &'static str, expected: &str) {
        assert_eq!(load(&mut Order::new(INDEX), request), expected);
    }

    #[test]
    fn needs_come_first_and_the_last_named_of_them_before_the_others() {
        check("br_netfilter", "Queued: llc stp bridge br_netfilter");
        check("rtnl-link-bridge", "Queued: llc stp bridge");
        check("net0", "Queued: llc");
    }

    #[test]
    fn soft_dependencies_stand_before_and_after_those_they_belong_to() {
        check("btrfs", "Queued: raid6_pq crc32c_intel crc32c_generic libcrc32c btrfs");
        check("vfio", "Queued: vfio vfio_iommu_type1");
        check("vfio_iommu_type1", "Queued: vfio vfio_iommu_type1");
    }

    #[test]
    fn modules_that_want_each_other_come_once_each() {
        check("a", "Queued: b a");
        let mut order = Order::new(INDEX);
        assert_eq!(load(&mut order, "bridge"), "Queued: llc stp bridge");
        assert_eq!(load(&mut order, "br-netfilter"), "Queued: br_netfilter");
        assert_eq!(load(&mut order, "bridge"), "Queued:");
    }

    #[test]
    fn what_is_built_in_unknown_or_unwanted_is_not_loaded() {
        check("ext4", "BuiltIn:");
        check("fs-ext3", "BuiltIn:");
        check("nonsense", "Unknown:");
        check("", "Unknown:");
        check("pcspkr", "Denied:");
        check("platform:pcspkr", "Denied:");
    }

    #[test]
    fn a_module_that_depends_on_itself_is_an_error_and_the_next_request_is_served() {
        let mut order = Order::new(INDEX);
        order.ask(b"loop1").unwrap();
        let problem = s!("modules.dep: the module depends on itself");
        assert_eq!(order.next_file(), Err(Error::wrong(s!("order modules"), problem)));
        assert_eq!(load(&mut order, "llc"), "Queued: llc");
    }

    #[test]
    fn one_module_too_many_is_an_error_that_names_the_bound() {
        let chain: String = (0..=MODULES_PENDING_MAX).map(|number| format!(" k/m{number}.ko")).collect();
        let dependencies = format!("k/top.ko:{chain}\n");
        let index = Index { dependencies: dependencies.as_bytes(), ..Index::default() };
        let mut order = Order::new(index);
        order.ask(b"top").unwrap();
        let cause = order.next_file().unwrap_err().cause();
        assert!(
            matches!(cause, crate::error::Cause::Limit { what, .. } if what == s!("modules that wait for each other")),
            "{cause:?}"
        );
    }
}
