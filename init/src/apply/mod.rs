//! Steps to system calls. No decision is taken here: what to do, in which order and what may fail is in the step.
//!
//! Start at [`Applier::apply`]: one arm a step. The files beside this one hold the arms' bodies by what they touch.

mod cgroup;
mod console;
mod files;
mod hooks;
mod identity;
mod mounts;
mod namespaces;
mod network;
mod passwd;
mod paths;
mod scheduling;
pub mod scope;

use crate::sys::board::Board;
use crate::sys::{AsFd, BorrowedFd, OwnedFd, machine, namespace, process, seccomp};
use crate::texts::CStr;

use crate::abi::Errno;
use crate::arena::{Arena, List};
use crate::plan::step::{Absent, Filter, InterfaceStep, Moment, Origin, Program, Step};
use crate::sys::Result;
use crate::sys::path::join;
use crate::sys::process::Pid;

pub use cgroup::{each_process, group_of, is_in_use, open_cgroup, read_cgroup, write as write_cgroup};
pub use mounts::Mapped;
pub use network::Words;

/// A directory in which something was made.
struct Parent<'a> {
    /// Its path in the container.
    path: &'a [u8],
    directory: OwnedFd,
    /// Permissions, user and group of the last node made there, which are what they should be.
    alike: Option<[u32; 3]>,
}

/// What the steps applied so far have opened: the little that a list of steps shares.
pub struct Applier<'x, 'a> {
    /// The container's root, from `OpenRoot` on: where container paths start.
    root: Option<OwnedFd>,
    /// Whether no mount of this process's passes on what is done to it.
    isolated: bool,
    /// The directory of what was made last: until another kind of step comes.
    parent: Option<Parent<'a>>,
    /// The control group used last, by its path.
    pub group: Option<(&'a CStr, OwnedFd)>,
    /// The machine's /dev/null, once it was looked at.
    null: Option<OwnedFd>,
    /// The container's process, for steps that concern it from outside.
    process: Option<Pid>,
    /// What takes back that directories and files were made on the machine, if somebody wants to know.
    made: Option<&'x mut List<Step<'a>>>,
    /// Copies of mounts that were made on the machine.
    mapped: Option<&'x mut Mapped>,
    /// The first process of the container that is joined.
    target: Option<BorrowedFd<'x>>,
    /// Where the other end of the container's terminal is sent to.
    console_socket: Option<BorrowedFd<'x>>,
    /// The container's terminal.
    console: Option<OwnedFd>,
    /// Where the process whose calls are filtered offers the listener's descriptor.
    board: Option<&'static Board>,
    /// How many links that lead nowhere are still followed.
    links: u8,
    /// Whether the kernel refuses to change additional groups: user_namespaces(7).
    keeps_groups: bool,
    /// `HOME=` and the directory, for the program that has none in its environment.
    home: Option<&'a CStr>,
    /// For the pointers that execve(2) wants.
    arena: &'x mut Arena<'a>,
    /// For what the kernel says beside a step's error number, if somebody wants to know.
    words: Option<&'x mut Words>,
    /// For the process that waits in a scope of systemd's.
    holder: Option<&'x mut Option<Pid>>,
}

impl<'x, 'a> Applier<'x, 'a> {
    /// Nothing opened yet.
    #[inline(never)]
    pub fn new(arena: &'x mut Arena<'a>) -> Applier<'x, 'a> {
        Applier {
            root: None,
            isolated: false,
            parent: None,
            group: None,
            null: None,
            process: None,
            made: None,
            mapped: None,
            target: None,
            console_socket: None,
            console: None,
            board: None,
            links: crate::limits::DANGLING_LINKS_MAX,
            keeps_groups: false,
            home: None,
            arena,
            words: None,
            holder: None,
        }
    }

    /// Collects what takes back that directories and files were made on the machine.
    pub fn note_made(&mut self, made: &'x mut List<Step<'a>>) {
        self.made = Some(made);
    }

    /// Hands over what was made for the steps before this process was.
    pub fn set_mapped(&mut self, mapped: &'x mut Mapped) {
        self.mapped = Some(mapped);
    }

    /// Names the container's process, if there is one, as this process's pid namespace sees it.
    pub fn set_process(&mut self, process: Option<Pid>) {
        self.process = process;
    }

    /// Names the first process of the container that is joined, and where the other end of a terminal is sent to.
    pub fn set_ends(&mut self, target: Option<BorrowedFd<'x>>, console_socket: Option<BorrowedFd<'x>>) {
        (self.target, self.console_socket) = (target, console_socket);
    }

    /// The container's terminal, if one was opened.
    pub fn take_console(&mut self) -> Option<OwnedFd> {
        self.console.take()
    }

    /// Whether a step that executes a program finds one.
    ///
    /// # Errors
    /// Why it would not.
    pub fn look_up(&self, step: &Step) -> Result<()> {
        match step {
            Step::Execute(program) => identity::look_up(program),
            _ => Ok(()),
        }
    }

    /// Finds out what a program needs to know of the container, while nothing keeps this process from asking.
    pub fn prepare(&mut self, step: &Step<'a>) {
        if let (Step::Execute(Program { home_of: Some(user), .. }), None) = (step, self.home) {
            self.home = Some(passwd::home(*user, self.root.as_ref(), self.arena));
        }
    }

    /// Names the place for what the kernel says beside the error number of a step.
    pub fn set_words(&mut self, words: &'x mut Words) {
        self.words = Some(words);
    }

    /// Names the place for the process that waits in a scope of systemd's, which is killed by whoever names it.
    pub fn set_holder(&mut self, holder: &'x mut Option<Pid>) {
        self.holder = Some(holder);
    }

    /// Names the board on which a filter's listener is offered.
    pub fn set_board(&mut self, board: &'static Board) {
        self.board = Some(board);
    }

    /// Performs one step.
    ///
    /// # Errors
    /// The kernel's error number; what was tried is the step itself. `Execute` returns only if it failed.
    pub fn apply(&mut self, step: &Step<'a>) -> Result<()> {
        if !matches!(step, Step::MakeDevice(_) | Step::MakeSymlink { .. } | Step::Mount(_)) {
            self.parent = None;
        }
        match step {
            Step::MakeDirectory { at, mode } => self.make_directory(at, *mode),
            Step::MakeDevice(node) => self.make_device(node),
            Step::MakeSymlink { at, to } => self.make_symlink(at, to),
            Step::Write { at, text, absent } => self.write(at, text, *absent),
            Step::ExpectLine { path, text } => files::expect_line(path, text),
            Step::Mount(mount) => self.mount(mount),
            Step::Bind(bind) => self.bind(bind),
            Step::SetAttributes { at, attributes } => self.set_attributes(at, attributes),
            Step::MakeReadonly { at } => self.make_readonly(at),
            Step::Mask { at } => self.mask(at),
            Step::Unmount { path } => mounts::unmount(path),
            Step::Empty { path } => files::empty(path),
            Step::RemoveFile { path } => files::remove(path),
            Step::RemoveDirectory { path } => files::remove_directory(path),
            Step::MakeScope { path, directory } => self.make_scope(path, directory),
            Step::MakeCgroup { path, controllers } => {
                self.group = Some((path, cgroup::make(path, *controllers)?));
                Ok(())
            }
            Step::WriteCgroup { path, file, text, absent } => {
                absent.judge(self.group(path).and_then(|group| cgroup::write_in(group, file, text)))
            }
            Step::GiveCgroup { path, uid } => cgroup::give(path, *uid),
            Step::CheckMemory { path, most } => cgroup::check_memory(path, *most),
            Step::FilterDevices { path, program } => cgroup::filter_devices(self.group(path)?, program),
            Step::RemoveCgroup { path } => cgroup::remove(path),
            Step::MapIds { uids, gids } => self.map_container(uids, gids),
            Step::Interface(InterfaceStep { name, origin: Origin::Device { from } }) => {
                network::bring(self.process()?, from, name, self.arena)
            }
            Step::Interface(interface) => network::give(self.process()?, interface, self.words.as_deref_mut()),
            Step::DeleteLink { name } => network::delete(name),
            Step::ReturnInterface { name, to } => network::take_back(self.process()?, name, to, self.arena),
            Step::LoopbackUp => network::loopback_up(),
            Step::BindNamespace { kind, path } => self.bind_namespace(*kind, path),
            Step::JoinNamespace { kind, path } => namespaces::join(*kind, path),
            Step::NewCgroupNamespace => namespaces::new_cgroup_namespace(),
            Step::NewTimeNamespace { offsets } => namespaces::new_time_namespace(offsets),
            Step::BecomeRoot => self.become_root(),
            Step::NewSession => process::new_session(),
            Step::SetHostname { name } => machine::set_hostname(name.to_bytes()),
            Step::SetDomainname { name } => machine::set_domainname(name.to_bytes()),
            Step::OpenRoot { path } => self.open_root(path),
            Step::PivotRoot => self.pivot_root(),
            Step::ChangeRoot => self.change_root(),
            Step::MoveRoot => self.move_root(),
            Step::OpenConsole(console) => self.open_console(console),
            Step::JoinContainer { flags } => namespace::join(self.target.ok_or(Errno::SRCH)?, *flags),
            Step::NewKeyring { name } => machine::new_session_keyring(name),
            Step::SetRlimit(limit) => crate::sys::identity::set_rlimit(limit.resource, limit.soft, limit.hard),
            Step::SetScheduler(wanted) => self.set_scheduler(wanted),
            Step::SetIoPriority(wanted) => self.set_io_priority(wanted),
            Step::SetMemoryPolicy { policy, nodes } => scheduling::set_memory_policy(policy, nodes),
            Step::SetProcessors { processors, .. } => crate::sys::scheduling::set_affinity(processors),
            Step::SetPersonality(wanted) => scheduling::set_personality(wanted),
            Step::SetNoNewPrivileges => crate::sys::identity::set_no_new_privileges(),
            Step::LimitCapabilities { bounding } => identity::limit_capabilities(*bounding),
            Step::SetUser { uid, gid, groups, umask } => self.set_user(*uid, *gid, groups, *umask),
            Step::SetCapabilities(sets) => identity::set_capabilities(sets),
            Step::ChangeDirectory { path } => files::change_directory(path),
            Step::AwaitHooks | Step::MakeProcess { .. } => Ok(()),
            Step::RunHook { moment, hook, state } => {
                if matches!(moment, Moment::CreateContainer) {
                    process::enter(self.root()?.as_fd())?;
                }
                self.run_hook(hook, state)
            }
            Step::FilterSystemCalls(filter) => self.filter_system_calls(filter),
            Step::Execute(program) => Err(identity::execute(program, self.home, self.arena)),
        }
    }

    fn make_scope(&mut self, path: &CStr, directory: &CStr) -> Result<()> {
        let Some(holder) = &mut self.holder else { return Err(Errno::INVAL) };
        **holder = Some(scope::make(path, directory, self.words.as_deref_mut())?);
        Ok(())
    }

    fn filter_system_calls(&self, filter: &Filter) -> Result<()> {
        let descriptor = seccomp::install(filter.program, filter.flags)?;
        match (self.board, filter.listener) {
            (Some(board), Some(_)) => board.offer(descriptor),
            _ => Ok(()),
        }
    }

    #[inline(never)]
    fn process(&self) -> Result<Pid> {
        self.process.ok_or(Errno::SRCH)
    }

    /// The container's root. ENOTDIR stands for "no root was opened", which a plan's properties exclude.
    fn root(&self) -> Result<&OwnedFd> {
        self.root.as_ref().ok_or(Errno::NOTDIR)
    }
}

/// `ENOENT` and `ENOTDIR`: what is to be changed is not there.
fn is_absent(errno: Errno) -> bool {
    errno == Errno::NOENT || errno == Errno::NOTDIR
}

/// Turns absence into success.
fn absence_is_fine(result: Result<()>) -> Result<()> {
    result.or_else(|errno| if is_absent(errno) { Ok(()) } else { Err(errno) })
}

impl Absent {
    /// What a result counts as.
    #[inline(never)]
    fn judge(self, result: Result<()>) -> Result<()> {
        if self == Absent::Ok { absence_is_fine(result) } else { result }
    }
}

/// Writes a decimal number and a NUL behind a prefix: `/proc/self/fd/7`.
fn numbered<'b>(buffer: &'b mut [u8], prefix: &str, number: u32, suffix: &[u8]) -> Result<&'b CStr> {
    let mut digits = [0; 10];
    let mut line = crate::text::Line::new(&mut digits);
    join(buffer, &[prefix.as_bytes(), line.number(number.into()).bytes(), suffix])
}
