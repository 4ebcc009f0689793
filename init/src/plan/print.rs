//! A plan as text: a line a step, as short as can be without hiding what the step does.
//!
//! A path below a directory that it cannot leave has a colon between the two. Paths of the container and of the machine
//! look alike: what stands between `open root` and `pivot` is the container's, binds' sources are the machine's. Values
//! of the environment are not printed: they hold secrets.

use core::ffi::CStr;

use crate::abi::{capability, rlimit};
use crate::config::spec::IdMapping;
use crate::plan::options::Names;
use crate::plan::step::{
    Absent, Attributes, Base, Bind, DeviceKind, DeviceNode, Existing, InterfaceStep, NewMount, Origin, Place, Plan,
    Program, Step,
};
use crate::text::{Line, Print};

impl Print for Step<'_> {
    fn print(&self, line: &mut Line) {
        match self {
            Step::MakeDirectory { at, mode } => line.text("make directory ").print(at).mode(*mode),
            Step::MakeDevice(node) => line.print(node),
            Step::MakeSymlink { at, to } => line.text("link ").print(at).text(" to ").quote(to),
            Step::Write { at, text, absent } => {
                line.text("write ").quote(text).text(" to ").print(at).text(if_exists(*absent))
            }
            Step::Mount(mount) => line.print(mount),
            Step::Bind(bind) => line.print(bind),
            Step::SetAttributes { at, attributes } => line.text("set ").print(attributes).text(" on ").print(at),
            Step::MakeReadonly { at } => line.text("make ").print(at).text(" read-only if it exists"),
            Step::Mask { at } => line.text("hide ").print(at).text(" if it exists"),
            Step::Unmount { path } => line.text("unmount ").quote(path),
            Step::Empty { path } => line.text("empty ").quote(path),
            Step::RemoveFile { path } => line.text("remove file ").quote(path),
            Step::RemoveDirectory { path } => line.text("remove directory ").quote(path).text(" if it is empty"),
            Step::MakeCgroup { path } => line.text("make control group ").quote(path),
            Step::WriteCgroup { path, file, text } => {
                line.text("write ").quote(text).text(" to ").quote(file).text(" of control group ").quote(path)
            }
            Step::FilterDevices { path, program } => {
                let count = program.len() as u64;
                line.text("filter devices of control group ")
                    .quote(path)
                    .text(" in ")
                    .number(count)
                    .text(" instructions")
            }
            Step::RemoveCgroup { path } => line.text("remove control group ").quote(path),
            Step::MapIds { uids, gids } => {
                line.text("map user ids").mappings(uids).text(" and group ids").mappings(gids)
            }
            Step::Interface(interface) => line.print(interface),
            Step::DeleteLink { name } => line.text("delete interface ").quote(name),
            Step::LoopbackUp => line.text("set the loopback interface up"),
            Step::BindNamespace { kind, path } => {
                line.text("bind the ").text(kind.oci_name()).text(" namespace on ").quote(path)
            }
            Step::JoinNamespace { kind, path } => {
                line.text("join the ").text(kind.oci_name()).text(" namespace ").quote(path)
            }
            Step::NewCgroupNamespace => line.text("enter a new cgroup namespace"),
            Step::BecomeRoot => line.text("become root of the user namespace"),
            Step::NewSession => line.text("start a session"),
            Step::SetHostname { name } => line.text("set host name ").quote(name),
            Step::SetDomainname { name } => line.text("set domain name ").quote(name),
            Step::OpenRoot { path } => line.text("open root ").quote(path),
            Step::PivotRoot => line.text("pivot to the root and drop the machine's"),
            Step::ChangeRoot => line.text("change root"),
            Step::SetRlimit(limit) => {
                line.text("limit ").raw(rlimit::name(limit.resource).unwrap_or(b"?")).text(" to ").amount(limit.soft);
                line.text(", at most ").amount(limit.hard)
            }
            Step::SetNoNewPrivileges => line.text("forbid new privileges"),
            Step::LimitCapabilities { bounding } => line.text("limit capabilities to").capabilities(*bounding),
            Step::SetUser { uid, gid, groups, umask } => {
                line.text("become user ").number(u64::from(*uid)).text(" group ").number(u64::from(*gid));
                line.numbers(" with groups", groups).text(" umask ").octal(u64::from(*umask))
            }
            Step::SetCapabilities(sets) => {
                line.text("keep capabilities: permitted").capabilities(sets.permitted);
                for (name, set) in
                    [(", effective", sets.effective), (", inheritable", sets.inheritable), (", ambient", sets.ambient)]
                {
                    line.text(name);
                    if set == sets.permitted && set != 0 {
                        line.text(" the same");
                    } else {
                        line.capabilities(set);
                    }
                }
                line
            }
            Step::ChangeDirectory { path } => line.text("enter directory ").quote(path),
            Step::Execute(program) => line.print(program),
        };
    }
}

/// Calls `each` with every line of a plan: notes, and the lists under their headings.
pub fn each_line(plan: &Plan, each: &mut dyn FnMut(&dyn Print)) {
    for note in plan.notes {
        each(&Note(note));
    }
    for (heading, steps) in
        [("before:", plan.before), ("inside:", plan.inside), ("after:", plan.after), ("clean:", plan.clean)]
    {
        each(&Heading(heading));
        for step in steps {
            each(&Indented(step));
        }
    }
    each(&Heading("undo:"));
    for undo in plan.undo {
        each(&Indented(&undo.step));
    }
}

impl Print for Plan<'_> {
    /// All of it, each line with its end.
    fn print(&self, line: &mut Line) {
        each_line(self, &mut |text| {
            line.print(text).byte(b'\n');
        });
    }
}

struct Heading(&'static str);

impl Print for Heading {
    fn print(&self, line: &mut Line) {
        line.text(self.0);
    }
}

struct Note(&'static str);

impl Print for Note {
    fn print(&self, line: &mut Line) {
        line.text("note: ").text(self.0);
    }
}

struct Indented<'s>(&'s dyn Print);

impl Print for Indented<'_> {
    fn print(&self, line: &mut Line) {
        line.text("  ").print(self.0);
    }
}

impl Print for Place<'_> {
    fn print(&self, line: &mut Line) {
        if let Base::Below(directory) = self.base {
            line.quote(directory).byte(b':');
        }
        line.quote(self.path);
    }
}

impl Print for DeviceNode<'_> {
    fn print(&self, line: &mut Line) {
        line.text("make ");
        match self.kind {
            DeviceKind::Character => line.text("character device "),
            DeviceKind::Block => line.text("block device "),
            DeviceKind::Fifo => line.text("fifo "),
        };
        line.print(&self.at);
        if self.kind != DeviceKind::Fifo {
            line.byte(b' ').number(u64::from(self.major)).byte(b':').number(u64::from(self.minor));
        }
        line.mode(self.mode);
        if self.uid != 0 || self.gid != 0 {
            line.text(" of ").number(u64::from(self.uid)).byte(b':').number(u64::from(self.gid));
        }
    }
}

impl Print for NewMount<'_> {
    fn print(&self, line: &mut Line) {
        line.text("mount ").quote(self.kind);
        if self.source != self.kind {
            line.byte(b' ').quote(self.source);
        }
        line.text(" on ").print(&self.target);
        if self.flags != 0 || !self.data.is_empty() || self.attributes != Attributes::default() {
            line.text(" (");
            let mut names = Names::new(line);
            names.flags(self.flags);
            names.attributes(&self.attributes);
            if !self.data.is_empty() {
                names.next().quote(self.data);
            }
            line.byte(b')');
        }
        if self.existing == Existing::Keep {
            line.text(" unless something is mounted there");
        }
    }
}

impl Print for Bind<'_> {
    fn print(&self, line: &mut Line) {
        line.text("bind ").quote(self.source).text(" on ").print(&self.target);
        if self.recursive || self.attributes != Attributes::default() {
            line.text(" (");
            let mut names = Names::new(line);
            if self.recursive {
                names.next().text("rbind");
            }
            names.attributes(&self.attributes);
            line.byte(b')');
        }
    }
}

impl Print for Attributes {
    fn print(&self, line: &mut Line) {
        Names::new(line).attributes(self);
    }
}

impl Print for InterfaceStep<'_> {
    fn print(&self, line: &mut Line) {
        line.text("give interface ").quote(self.name).text(": ");
        match self.origin {
            Origin::Existing => line.text("moved from the machine"),
            Origin::Veth { peer } => line.text("new veth, its peer outside is ").quote(peer),
            Origin::MadeOutside { kind } => line.text("new ").quote(kind).text(" made outside and moved"),
            Origin::MadeInside { kind } => line.text("new ").quote(kind),
        };
    }
}

impl Print for Program<'_> {
    fn print(&self, line: &mut Line) {
        line.text("execute");
        for argument in self.arguments {
            line.byte(b' ').quote(argument);
        }
        if !self.environment.is_empty() {
            line.text(" with");
        }
        for pair in self.environment {
            let name = pair.to_bytes().split(|byte| *byte == b'=').next();
            line.byte(b' ').quoted(name.unwrap_or(&[]));
        }
    }
}

/// What a plan's lines have in common.
trait Words {
    fn quote(&mut self, text: &CStr) -> &mut Self;
    fn mode(&mut self, mode: u32) -> &mut Self;
    fn amount(&mut self, amount: u64) -> &mut Self;
    fn numbers(&mut self, heading: &str, numbers: &[u32]) -> &mut Self;
    fn capabilities(&mut self, set: u64) -> &mut Self;
    fn mappings(&mut self, mappings: &[IdMapping]) -> &mut Self;
}

impl Words for Line<'_> {
    /// Text from outside. The empty one would not be seen.
    fn quote(&mut self, text: &CStr) -> &mut Self {
        if text.is_empty() { self.text("\"\"") } else { self.quoted(text.to_bytes()) }
    }

    fn mode(&mut self, mode: u32) -> &mut Self {
        self.text(" (").octal(u64::from(mode)).byte(b')')
    }

    fn amount(&mut self, amount: u64) -> &mut Self {
        if amount == u64::MAX { self.text("unlimited") } else { self.number(amount) }
    }

    fn numbers(&mut self, heading: &str, numbers: &[u32]) -> &mut Self {
        if !numbers.is_empty() {
            self.text(heading);
        }
        for number in numbers {
            self.byte(b' ').number(u64::from(*number));
        }
        self
    }

    fn capabilities(&mut self, set: u64) -> &mut Self {
        let known = (0..64).take_while(|number| capability::name(*number).is_some()).count() as u32;
        // Whichever is shorter.
        let is_most = set.count_ones() > known / 2;
        self.text(if is_most { " all" } else { "" });
        self.text(match (is_most, set.count_ones()) {
            (true, count) if count < known => " but",
            (false, 0) => " none",
            _ => "",
        });
        for number in 0..64 {
            if (set >> number & 1 == 1) != is_most
                && let Some(name) = capability::name(number)
            {
                self.byte(b' ').raw(name);
            }
        }
        self
    }

    fn mappings(&mut self, mappings: &[IdMapping]) -> &mut Self {
        for mapping in mappings {
            self.byte(b' ').number(u64::from(mapping.container_id));
            self.byte(b':').number(u64::from(mapping.host_id)).byte(b':').number(u64::from(mapping.size));
        }
        self
    }
}

fn if_exists(absent: Absent) -> &'static str {
    match absent {
        Absent::Ok => " if it exists",
        Absent::Error => "",
    }
}
