//! What depmod(8) wrote down about the modules of a kernel, and what the operator wrote in modprobe.d(5) and on the
//! kernel's command line. Pure: texts in, parts of them out.

use super::pattern::{matches, same};
use crate::boot::lines::{Lines, first_word, lines, words};
use crate::error::Result;
use crate::text::{Line, cut, cut_last, fields};

/// The texts, all of them possibly empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Index<'a> {
    /// modules.dep.
    pub dependencies: &'a [u8],
    /// modules.alias.
    pub aliases: &'a [u8],
    /// modules.softdep.
    pub soft: &'a [u8],
    /// modules.builtin.
    pub builtin: &'a [u8],
    /// All files of modprobe.d, one behind the other.
    pub settings: &'a [u8],
    /// /proc/cmdline.
    pub command_line: &'a [u8],
}

/// A line of modules.dep: `kernel/drivers/net/veth.ko: ...`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The module's file, relative to the modules folder.
    pub path: &'a [u8],
    /// The files of everything it needs, those of its needs included; the last must be loaded first.
    pub needs: &'a [u8],
}

/// Before or after the module they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// `pre:`.
    Before,
    /// `post:`.
    After,
}

impl<'a> Index<'a> {
    /// The line of a module.
    pub fn find(&self, name: &[u8]) -> Option<Entry<'a>> {
        let mut entries = lines(self.dependencies, b"#").filter_map(|line| cut(line, b':'));
        let (path, needs) = entries.find(|(path, _)| same(name_of(path), name))?;
        Some(Entry { path, needs })
    }

    /// Whether the kernel has a module built in.
    pub fn is_built_in(&self, name: &[u8]) -> bool {
        lines(self.builtin, b"#").any(|path| same(name_of(path), name))
    }

    /// The modules that modprobe.d gives for an alias.
    pub fn chosen<'n>(&self, alias: &'n [u8]) -> Matching<'a, 'n> {
        Matching { aliases: aliases(self.settings), alias }
    }

    /// The modules that say of themselves that they answer to an alias.
    pub fn matching<'n>(&self, alias: &'n [u8]) -> Matching<'a, 'n> {
        Matching { aliases: aliases(self.aliases), alias }
    }

    /// Calls `each` with all aliases and their modules, modprobe.d's first.
    pub fn for_each_alias(&self, each: &mut dyn FnMut(&'a [u8], &'a [u8])) {
        for text in [self.settings, self.aliases] {
            for (pattern, module) in aliases(text) {
                each(pattern, module);
            }
        }
    }

    /// Calls `each` with what a module wants loaded before or after it, by name or alias, if it is there.
    pub fn for_each_soft(&self, name: &[u8], when: When, each: &mut dyn FnMut(&'a [u8]) -> Result<()>) -> Result<()> {
        for text in [self.settings, self.soft] {
            for wishes in records_of(text, b"softdep", name) {
                // Words before the first of the two say nothing: `softdep cifs gcm`.
                let mut section = None;
                for word in words(wishes) {
                    match word {
                        b"pre:" => section = Some(When::Before),
                        b"post:" => section = Some(When::After),
                        wish if section == Some(when) => each(wish)?,
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the operator does not want a module: `blacklist NAME`, `install NAME COMMAND` (commands are not run; the
    /// usual one is /bin/false), `modprobe.blacklist=` or `module_blacklist=`.
    pub fn is_denied(&self, name: &[u8]) -> bool {
        let denying: [&[u8]; 2] = [b"blacklist", b"install"];
        denying.iter().any(|keyword| records_of(self.settings, keyword, name).next().is_some())
            || options(self.command_line).any(|option| {
                let list = option.value_of(b"modprobe.blacklist").or(option.value_of(b"module_blacklist"));
                list.is_some_and(|list| fields(list, b',').any(|module| same(module, name)))
            })
    }

    /// Writes a module's parameters: modprobe.d's, then the kernel command line's, which so prevail. A blank follows
    /// each.
    pub fn parameters(&self, name: &[u8], line: &mut Line) {
        for text in records_of(self.settings, b"options", name) {
            line.raw(text).byte(b' ');
        }
        for option in options(self.command_line) {
            if let Some(parameter) = option.parameter_of(name) {
                line.raw(if option.quoted { b"\"" } else { b"" }).raw(parameter).byte(b' ');
            }
        }
    }
}

/// `virtio_net` of `kernel/drivers/net/virtio_net.ko.xz`.
pub fn name_of(path: &[u8]) -> &[u8] {
    let (_, file) = cut_last(path, b'/');
    cut(file, b'.').map_or(file, |(name, _)| name)
}

/// What stands behind a keyword, on each line that begins with it.
struct Records<'a> {
    lines: Lines<'a>,
    keyword: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.lines.by_ref().map(first_word).find(|(word, _)| *word == self.keyword).map(|(_, rest)| rest)
    }
}

/// The aliases of a text: pattern and module. A pattern may hold blanks, a module's name does not.
struct Aliases<'a>(Records<'a>);

impl<'a> Iterator for Aliases<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline(never)]
    fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        self.0.find_map(|record| {
            let blank = record.iter().rposition(u8::is_ascii_whitespace)?;
            Some((record.get(..blank)?.trim_ascii_end(), record.get(blank + 1..)?))
        })
    }
}

fn records<'a>(text: &'a [u8], keyword: &'a [u8]) -> Records<'a> {
    Records { lines: lines(text, b"#"), keyword }
}

fn aliases(text: &[u8]) -> Aliases<'_> {
    Aliases(records(text, b"alias"))
}

/// The modules of the aliases that one name matches.
pub struct Matching<'a, 'n> {
    aliases: Aliases<'a>,
    alias: &'n [u8],
}

impl<'a> Iterator for Matching<'a, '_> {
    type Item = &'a [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.aliases.by_ref().find(|(pattern, _)| matches(pattern, self.alias)).map(|(_, module)| module)
    }
}

/// The rests of the records whose first word is a module's name.
struct RecordsOf<'a, 'n> {
    records: Records<'a>,
    name: &'n [u8],
}

impl<'a> Iterator for RecordsOf<'a, '_> {
    type Item = &'a [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.records.by_ref().map(first_word).find(|(module, _)| same(module, self.name)).map(|(_, rest)| rest)
    }
}

fn records_of<'a, 'n>(text: &'a [u8], keyword: &'a [u8], name: &'n [u8]) -> RecordsOf<'a, 'n> {
    RecordsOf { records: records(text, keyword), name }
}

/// The options of the kernel's command line, up to the `--` behind which they are init's.
struct KernelOptions<'a> {
    rest: &'a [u8],
}

fn options(command_line: &[u8]) -> KernelOptions<'_> {
    KernelOptions { rest: command_line }
}

impl<'a> Iterator for KernelOptions<'a> {
    type Item = KernelOption<'a>;

    #[inline(never)]
    fn next(&mut self) -> Option<KernelOption<'a>> {
        let text = self.rest.trim_ascii_start();
        let mut inside = false;
        let end = text.iter().position(|byte| {
            inside ^= *byte == b'"';
            !inside && byte.is_ascii_whitespace()
        });
        let (word, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
        self.rest = rest;
        match word {
            b"" | b"--" => None,
            [b'"', text @ ..] => Some(KernelOption { text, quoted: true }),
            text => Some(KernelOption { text, quoted: false }),
        }
    }
}

/// `name=value`, `name="a value"` or, quoted as a whole, `"name=a value"`.
struct KernelOption<'a> {
    /// Without the quotation mark that it begins with.
    text: &'a [u8],
    quoted: bool,
}

impl<'a> KernelOption<'a> {
    /// The value, if this is the option of that name.
    fn value_of(&self, name: &[u8]) -> Option<&'a [u8]> {
        let (_, value) = cut(self.text, b'=').filter(|(own, _)| same(own, name))?;
        let value = if let [b'"', value @ ..] = value { value } else { value };
        Some(if let [value @ .., b'"'] = value { value } else { value })
    }

    /// A parameter as the module's own parser wants it, if this option is one of that module.
    fn parameter_of(&self, module: &[u8]) -> Option<&'a [u8]> {
        let (_, parameter) = cut(self.text, b'.').filter(|(own, _)| same(own, module))?;
        Some(parameter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of Debian 12's files for its 6.1 cloud kernel.
    const DEBIAN: Index = Index {
        dependencies: b"kernel/arch/x86/events/amd/power.ko:\n\
            kernel/drivers/net/virtio_net.ko: kernel/net/core/failover.ko kernel/drivers/net/net_failover.ko\n\
            kernel/fs/overlayfs/overlay.ko:\n\
            kernel/net/bridge/br_netfilter.ko: kernel/net/bridge/bridge.ko kernel/net/802/stp.ko kernel/net/llc/llc.ko\n\
            kernel/drivers/md/dm-mod.ko.xz: kernel/drivers/dax/dax.ko.xz\n",
        aliases: b"# Aliases extracted from modules themselves.\n\
            alias cpu:type:x86,ven0000fam0006mod0086:feature:* intel_uncore\n\
            alias fs-overlay overlay\nalias virtio:d00000001v* virtio_net\nalias rtnl-link-bridge bridge\n\
            alias of:N*T*Cname with blanks virtio_net\n",
        soft: b"# Soft dependencies extracted from modules themselves.\n\
            softdep nfsd pre: crypto-md5\nsoftdep cifs gcm\n\
            softdep vfio post: vfio_iommu_type1 vfio_iommu_spapr_tce\nsoftdep xt_LOG pre: nf_log_syslog\n\
            softdep mix pre: a b post: c pre: d\n",
        builtin: b"kernel/arch/x86/events/amd/amd-uncore.ko\nkernel/fs/ext4/ext4.ko\n",
        settings: b"# comment\nblacklist pcspkr\ninstall cramfs /bin/false\nalias eth0 virtio-net\n\
            options dummy  numdummies=0\noptions bonding max_bonds=0 mode=1\noptions bonding miimon=100\n\
            softdep overlay pre: loop\nblacklisted other\n",
        command_line: b"console=ttyS0 module_blacklist=floppy,i2c-piix4 modprobe.blacklist=\"a,b\" dummy.numdummies=2 \
            \"dm_mod.create=x, y\" bonding.arp=\"1 2\" quiet -- dummy.numdummies=3\n",
    };

    fn soft(index: &Index, name: &str, when: When) -> String {
        let mut found = Vec::new();
        index
            .for_each_soft(name.as_bytes(), when, &mut |wish| {
                found.push(wish);
                Ok(())
            })
            .unwrap();
        list(found.into_iter())
    }

    fn list<'a>(found: impl Iterator<Item = &'a [u8]>) -> String {
        found.map(|word| std::str::from_utf8(word).unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_module_is_found_by_either_spelling_of_its_name() {
        let entry = DEBIAN.find(b"virtio-net").unwrap();
        assert_eq!(entry.path, b"kernel/drivers/net/virtio_net.ko");
        assert_eq!(list(words(entry.needs)), "kernel/net/core/failover.ko kernel/drivers/net/net_failover.ko");
        assert_eq!(DEBIAN.find(b"dm_mod").unwrap().path, b"kernel/drivers/md/dm-mod.ko.xz");
        assert_eq!(DEBIAN.find(b"overlay").unwrap().needs, b"");
        assert_eq!(DEBIAN.find(b"over"), None);
        assert_eq!(DEBIAN.find(b""), None);
        assert!(DEBIAN.is_built_in(b"amd_uncore") && DEBIAN.is_built_in(b"ext4") && !DEBIAN.is_built_in(b"overlay"));
    }

    #[test]
    fn aliases_lead_to_their_modules() {
        assert_eq!(list(DEBIAN.matching(b"fs-overlay")), "overlay");
        assert_eq!(list(DEBIAN.matching(b"virtio:d00000001v00001AF4")), "virtio_net");
        assert_eq!(list(DEBIAN.matching(b"of:NxTyCname with blanks")), "virtio_net");
        assert_eq!(list(DEBIAN.chosen(b"eth0")), "virtio-net");
        assert_eq!(list(DEBIAN.matching(b"eth0")), "");
        let mut count = 0;
        DEBIAN.for_each_alias(&mut |_, _| count += 1);
        assert_eq!(count, 6);
    }

    #[test]
    fn soft_dependencies_are_told_apart_by_their_section() {
        assert_eq!(soft(&DEBIAN, "nfsd", When::Before), "crypto-md5");
        assert_eq!(soft(&DEBIAN, "vfio", When::After), "vfio_iommu_type1 vfio_iommu_spapr_tce");
        assert_eq!(soft(&DEBIAN, "vfio", When::Before), "");
        assert_eq!(soft(&DEBIAN, "cifs", When::Before), "");
        assert_eq!(soft(&DEBIAN, "mix", When::Before), "a b d");
        assert_eq!(soft(&DEBIAN, "overlay", When::Before), "loop");
    }

    #[test]
    fn every_kind_of_denylist_is_honoured() {
        for denied in ["pcspkr", "cramfs", "floppy", "i2c_piix4", "a", "b"] {
            assert!(DEBIAN.is_denied(denied.as_bytes()), "{denied}");
        }
        assert!(!DEBIAN.is_denied(b"other") && !DEBIAN.is_denied(b"overlay"));
    }

    #[test]
    fn texts_cut_off_anywhere_are_read_as_far_as_they_go() {
        let longest = DEBIAN.settings.len().max(DEBIAN.aliases.len()).max(DEBIAN.dependencies.len());
        for length in 0..longest {
            let cut = |text: &'static [u8]| text.get(..length).unwrap_or(text);
            let index = Index {
                dependencies: cut(DEBIAN.dependencies),
                aliases: cut(DEBIAN.aliases),
                soft: cut(DEBIAN.soft),
                builtin: cut(DEBIAN.builtin),
                settings: cut(DEBIAN.settings),
                command_line: cut(DEBIAN.command_line),
            };
            for name in [&b"overlay"[..], b"dm_mod", b"bonding", b"x", b""] {
                let _ = (index.find(name), index.is_built_in(name), index.is_denied(name));
                let _ = (index.matching(name).count(), index.chosen(name).count());
                let name_text = std::str::from_utf8(name).unwrap();
                let _ = (soft(&index, name_text, When::Before), soft(&index, name_text, When::After));
                let mut buffer = [0; 256];
                index.parameters(name, &mut Line::new(&mut buffer));
            }
        }
    }

    #[test]
    fn parameters_come_from_modprobe_d_and_then_from_the_command_line() {
        let check = |name: &str, expected: &str| {
            let mut buffer = [0; 64];
            let mut line = Line::new(&mut buffer);
            DEBIAN.parameters(name.as_bytes(), &mut line);
            assert_eq!(line.bytes(), expected.as_bytes());
        };
        check("dummy", "numdummies=0 numdummies=2 ");
        check("bonding", "max_bonds=0 mode=1 miimon=100 arp=\"1 2\" ");
        check("dm_mod", "\"create=x, y\" ");
        check("overlay", "");
    }
}
