//! A plan as text: a line a step, as short as can be without hiding what the step does.
//!
//! A path below a directory that it cannot leave has a colon between the two. Paths of the container and of the machine
//! look alike: what stands between `open root` and `pivot` is the container's, binds' sources are the machine's. Values
//! of the environment are not printed: they hold secrets.

use crate::abi::namespace::Namespace;
use crate::abi::{capability, rlimit, scheduling, seccomp};
use crate::config::spec::{Capabilities, ConsoleSize, IdMapping, Scheduler};
use crate::plan::options::Names;
use crate::plan::step::{
    Absent, Attributes, Base, Bind, DeviceKind, DeviceNode, Existing, Filter, InterfaceStep, NewMount, Origin, Place,
    Plan, Program, Step,
};
use crate::text::{Line, Phrase, Print, Value, fields};
use crate::texts::CStr;

impl Print for Step<'_> {
    fn print(&self, line: &mut Line) {
        use Value::{Name, Number, Print, Quoted, Raw, Text};
        // Most say one name, or nothing but what they are.
        let (template, name) = match self {
            Step::Unmount { path } => (t!("unmount {}"), *path),
            Step::Empty { path } => (t!("empty {}"), *path),
            Step::RemoveFile { path } => (t!("remove file {}"), *path),
            Step::RemoveDirectory { path } => (t!("remove directory {} if it is empty"), *path),
            Step::MakeScope { path, .. } => (t!("have systemd make the scope of {}"), *path),
            Step::MakeCgroup { path, .. } => (t!("make control group {}"), *path),
            Step::RemoveCgroup { path } => (t!("remove control group {}"), *path),
            Step::DeleteLink { name } => (t!("delete interface {}"), *name),
            Step::SetHostname { name } => (t!("set host name {}"), *name),
            Step::SetDomainname { name } => (t!("set domain name {}"), *name),
            Step::OpenRoot { path } => (t!("open root {}"), *path),
            Step::SetProcessors { list, .. } => (t!("run on processors {}"), *list),
            Step::ChangeDirectory { path } => (t!("enter directory {}"), *path),
            Step::AwaitHooks => (t!("wait for the launcher and its hooks"), s!("")),
            Step::LoopbackUp => (t!("set the loopback interface up"), s!("")),
            Step::NewCgroupNamespace => (t!("enter a new cgroup namespace"), s!("")),
            Step::BecomeRoot => (t!("become root of the user namespace"), s!("")),
            Step::NewSession => (t!("start a session"), s!("")),
            Step::PivotRoot => (t!("pivot to the root and drop the machine's"), s!("")),
            Step::ChangeRoot => (t!("change root"), s!("")),
            Step::SetNoNewPrivileges => (t!("forbid new privileges"), s!("")),
            Step::MoveRoot => (t!("move the root over the machine's"), s!("")),
            Step::NewKeyring { name } => (t!("get a session keyring {}"), *name),
            Step::OpenConsole(console) => {
                let ConsoleSize { height, width } = console.size;
                line.format(t!("open a terminal of {}"), &[Print(&console.multiplexer)]);
                if let Some(bound) = &console.bound {
                    line.format(t!(" and bind it on {}"), &[Print(bound)]);
                }
                let values = [console.uid, height, width].map(|number| Number(number.into()));
                line.format(t!(" for user {}, {} lines of {}"), &values);
                return;
            }
            Step::JoinContainer { flags } => {
                line.say(t!("join the container's namespaces:"));
                for kind in Namespace::ALL.into_iter().filter(|kind| flags & kind.flag() != 0) {
                    line.byte(b' ').text(kind.oci_name());
                }
                return;
            }
            Step::MakeDevice(node) => return node.print(line),
            Step::Mount(mount) => return mount.print(line),
            Step::Bind(bind) => return bind.print(line),
            Step::Interface(interface) => return interface.print(line),
            Step::Execute(program) => return program.print(line),
            Step::SetCapabilities(sets) => return sets.print(line),
            Step::FilterSystemCalls(filter) => return filter.print(line),
            Step::MakeDirectory { at, mode } => {
                line.format(t!("make directory {}"), &[Print(at)]).mode(*mode);
                return;
            }
            Step::MakeReadonly { at } | Step::Mask { at } => {
                let is_mask = matches!(self, Step::Mask { .. });
                let template = if is_mask { t!("hide {} if it exists") } else { t!("make {} read-only if it exists") };
                line.format(template, &[Print(at)]);
                return;
            }
            Step::MakeSymlink { at, to } => {
                line.format(t!("link {} to {}"), &[Print(at), Name(to)]);
                return;
            }
            Step::Write { at, text, absent } => {
                line.format(t!("write {} to {}{}"), &[Name(text), Print(at), Text(if_exists(*absent))]);
                return;
            }
            Step::SetAttributes { at, attributes } => {
                line.format(t!("set {} on {}"), &[Print(attributes), Print(at)]);
                return;
            }
            Step::WriteCgroup { path, file, text, absent } => {
                let values = [Name(text), Name(file), Name(path), Text(if_exists(*absent))];
                line.format(t!("write {} to {} of control group {}{}"), &values);
                return;
            }
            Step::GiveCgroup { path, uid } => {
                line.format(t!("give control group {} to user {}"), &[Name(path), Number((*uid).into())]);
                return;
            }
            Step::ReturnInterface { name, to } => {
                line.format(t!("take interface {} back as {}"), &[Name(name), Name(to)]);
                return;
            }
            Step::CheckMemory { path, most } => {
                line.format(t!("check that control group {} uses at most {} bytes"), &[Name(path), Number(*most)]);
                return;
            }
            Step::FilterDevices { path, program } => {
                let count = Number(program.len() as u64);
                line.format(t!("filter devices of control group {} in {} instructions"), &[Name(path), count]);
                return;
            }
            Step::BindNamespace { kind, path } | Step::JoinNamespace { kind, path } => {
                let is_join = matches!(self, Step::JoinNamespace { .. });
                let template = if is_join { t!("join the {} namespace {}") } else { t!("bind the {} namespace on {}") };
                line.format(template, &[Text(kind.oci_name()), Name(path)]);
                return;
            }
            Step::MapIds { uids, gids } => {
                line.say(t!("map user ids")).mappings(uids).say(t!(" and group ids")).mappings(gids);
                return;
            }
            Step::SetRlimit(limit) => {
                line.say(t!("limit "))
                    .raw(rlimit::name(limit.resource).unwrap_or(b"?"))
                    .say(t!(" to "))
                    .amount(limit.soft);
                line.say(t!(", at most ")).amount(limit.hard);
                return;
            }
            Step::RunHook { moment, hook, .. } => {
                line.format(t!("run {} {}"), &[Raw(moment.field()), Name(hook.path.unwrap_or_default())]);
                for argument in hook.args.iter().skip(1) {
                    line.byte(b' ').quote(argument);
                }
                return;
            }
            Step::MakeProcess { namespaces } => {
                line.say(t!("make the container's process, in new namespaces:"));
                for kind in Namespace::ALL {
                    if namespaces & kind.flag() != 0 {
                        line.byte(b' ').text(kind.oci_name());
                    }
                }
                return;
            }
            Step::ExpectLine { path, text } => {
                line.format(t!("expect {} in {}"), &[Name(text), Name(path)]);
                return;
            }
            Step::NewTimeNamespace { offsets } => {
                line.format(t!("enter a new time namespace ahead by {}"), &[Name(offsets)]);
                return;
            }
            Step::SetScheduler(scheduler) => return scheduler.print(line),
            Step::SetIoPriority(io) => {
                let class = scheduling::name(scheduling::IO_CLASSES, io.class);
                line.format(t!("set input and output priority {} {}"), &[Quoted(class), Number(io.priority)]);
                return;
            }
            Step::SetMemoryPolicy { policy, .. } => {
                let mode = scheduling::name(scheduling::MEMORY_POLICIES, policy.mode);
                line.format(t!("set memory policy {}"), &[Quoted(mode)]);
                line.flags(scheduling::MEMORY_POLICY_FLAGS, policy.flags.0);
                if let Some(nodes) = policy.nodes {
                    line.format(t!(" of nodes {}"), &[Name(nodes)]);
                }
                return;
            }
            Step::SetPersonality(personality) => {
                let domain = scheduling::name(scheduling::PERSONALITIES, personality.domain);
                line.format(t!("set personality {}"), &[Quoted(domain)]);
                return;
            }
            Step::LimitCapabilities { bounding } => {
                line.say(t!("limit capabilities to")).capabilities(*bounding);
                return;
            }
            Step::SetUser { uid, gid, groups, umask } => {
                line.format(t!("become user {} group {}"), &[Number((*uid).into()), Number((*gid).into())]);
                line.numbers(" with groups", groups).say(t!(" umask ")).octal(u64::from(*umask));
                return;
            }
        };
        line.format(template, &[Name(name)]);
    }
}

impl Print for Capabilities {
    fn print(&self, line: &mut Line) {
        line.say(t!("keep capabilities: permitted")).capabilities(self.permitted);
        for (name, set) in
            [(", effective", self.effective), (", inheritable", self.inheritable), (", ambient", self.ambient)]
        {
            line.text(name);
            if set == self.permitted && set != 0 {
                line.say(t!(" the same"));
            } else {
                line.capabilities(set);
            }
        }
    }
}

impl Print for Filter<'_> {
    fn print(&self, line: &mut Line) {
        line.format(t!("filter system calls: {} instructions, default "), &[Value::Number(self.program.len() as u64)]);
        line.raw(scheduling::name(seccomp::ACTIONS, self.default));
        if self.default == seccomp::ERRNO || self.default == seccomp::TRACE {
            line.format(t!("({})"), &[Value::Number(self.default_data.into())]);
        }
        line.byte(b',').flags(seccomp::ARCHITECTURES, self.architectures & 7);
        let flags = seccomp::named_flags(self.flags);
        if flags != 0 {
            line.byte(b',').flags(seccomp::FLAGS, flags);
        }
        if let Some(listener) = &self.listener {
            line.format(t!(", listener {}"), &[Value::Name(listener.path)]);
        }
    }
}

/// Calls `each` with every line of a plan: notes, and the lists under their headings.
pub fn each_line(plan: &Plan, each: &mut dyn FnMut(&dyn Print)) {
    for note in plan.notes {
        each(&Note(*note));
    }
    list("before:", plan.before, each);
    list("inside:", plan.inside, each);
    list("after:", plan.after, each);
    if !plan.poststart.is_empty() {
        list("poststart:", plan.poststart, each);
    }
    list("clean:", plan.clean, each);
    each(&Heading("undo:"));
    for undo in plan.undo {
        each(&Indented(&undo.step));
    }
}

#[inline(never)]
fn list(heading: &'static str, steps: &[Step], each: &mut dyn FnMut(&dyn Print)) {
    each(&Heading(heading));
    for step in steps {
        each(&Indented(step));
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

struct Note(Phrase);

impl Print for Note {
    fn print(&self, line: &mut Line) {
        line.format(t!("note: {}"), &[Value::Phrase(self.0)]);
    }
}

struct Indented<'s>(&'s dyn Print);

impl Print for Indented<'_> {
    fn print(&self, line: &mut Line) {
        line.format(t!("  {}"), &[Value::Print(self.0)]);
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
        line.say(t!("make "));
        match self.kind {
            DeviceKind::Character => line.say(t!("character device ")),
            DeviceKind::Block => line.say(t!("block device ")),
            DeviceKind::Fifo => line.say(t!("fifo ")),
        };
        line.print(&self.at);
        if self.kind != DeviceKind::Fifo {
            line.format(t!(" {}:{}"), &[Value::Number(self.major.into()), Value::Number(self.minor.into())]);
        }
        line.mode(self.mode);
        if self.uid != 0 || self.gid != 0 {
            line.format(t!(" of {}:{}"), &[Value::Number(self.uid.into()), Value::Number(self.gid.into())]);
        }
    }
}

impl Print for NewMount<'_> {
    fn print(&self, line: &mut Line) {
        line.say(t!("mount ")).quote(self.kind);
        if self.source != self.kind {
            line.byte(b' ').quote(self.source);
        }
        line.say(t!(" on ")).print(&self.target);
        if self.copy_up || self.flags != 0 || !self.data.is_empty() || self.attributes != Attributes::default() {
            line.text(" (");
            let mut names = Names::new(line);
            names.flags(self.flags);
            names.attributes(&self.attributes);
            if self.copy_up {
                names.next().say(t!("tmpcopyup"));
            }
            if !self.data.is_empty() {
                names.next().quote(self.data);
            }
            line.byte(b')');
        }
        if self.existing == Existing::Keep {
            line.say(t!(" unless something is mounted there"));
        }
    }
}

impl Print for Bind<'_> {
    fn print(&self, line: &mut Line) {
        line.format(t!("bind {} on {}"), &[Value::Name(self.source), Value::Print(&self.target)]);
        if self.recursive || self.attributes != Attributes::default() {
            line.text(" (");
            let mut names = Names::new(line);
            if self.recursive {
                names.next().say(t!("rbind"));
            }
            names.attributes(&self.attributes);
            line.byte(b')');
        }
        if let Some(ids) = self.ids {
            line.say(t!(" showing user ids")).mappings(ids.uids).say(t!(" and group ids")).mappings(ids.gids);
            line.text(if ids.recursive { " on all below" } else { "" });
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
        let (template, value) = match self.origin {
            Origin::Existing => (t!("give interface {}: moved from the machine"), s!("")),
            Origin::Device { from } => {
                (t!("give interface {}: moved from the machine, where it is {}, with its addresses"), from)
            }
            Origin::Veth { peer } => (t!("give interface {}: new veth, its peer outside is {}"), peer),
            Origin::MadeOutside { kind } => (t!("give interface {}: new {} made outside and moved"), kind),
            Origin::MadeInside { kind } => (t!("give interface {}: new {}"), kind),
        };
        line.format(template, &[Value::Name(self.name), Value::Name(value)]);
    }
}

impl Print for Program<'_> {
    fn print(&self, line: &mut Line) {
        line.say(t!("execute"));
        for argument in self.arguments {
            line.byte(b' ').quote(argument);
        }
        if !self.environment.is_empty() {
            line.say(t!(" with"));
        }
        for pair in self.environment {
            let name = fields(pair.to_bytes(), b'=').next();
            line.byte(b' ').quoted(name.unwrap_or(&[]));
        }
    }
}

impl Print for Scheduler {
    fn print(&self, line: &mut Line) {
        line.say(t!("schedule by ")).raw(scheduling::name(scheduling::POLICIES, self.policy));
        line.flags(scheduling::SCHEDULING_FLAGS, self.flags.0);
        if let Some(nice) = self.nice {
            line.text(" nice ").signed(nice);
        }
        if let Some(priority) = self.priority {
            line.text(" priority ").signed(priority);
        }
        if self.runtime | self.deadline | self.period != 0 {
            let numbers = [self.runtime, self.deadline, self.period].map(Value::Number);
            line.format(t!(" runtime {} deadline {} period {}"), &numbers);
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
    fn flags(&mut self, list: &'static CStr, set: u32);
}

impl Words for Line<'_> {
    fn quote(&mut self, text: &CStr) -> &mut Self {
        self.format(t!("{}"), &[Value::Name(text)])
    }

    fn mode(&mut self, mode: u32) -> &mut Self {
        self.text(" (").octal(u64::from(mode)).byte(b')')
    }

    fn amount(&mut self, amount: u64) -> &mut Self {
        if amount == u64::MAX { self.say(t!("unlimited")) } else { self.number(amount) }
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

    fn flags(&mut self, list: &'static CStr, set: u32) {
        for bit in 0..8 {
            if set >> bit & 1 == 1 {
                self.byte(b' ').raw(scheduling::name(list, bit));
            }
        }
    }

    fn mappings(&mut self, mappings: &[IdMapping]) -> &mut Self {
        for mapping in mappings {
            let numbers = [mapping.container_id, mapping.host_id, mapping.size];
            self.format(t!(" {}:{}:{}"), &numbers.map(|number| Value::Number(number.into())));
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
