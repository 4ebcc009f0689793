//! Who the container's process becomes: limits, privileges, user, program.

use crate::arena::Arena;
use crate::config::spec::{Capabilities, Process};
use crate::error::Error;
use crate::plan::step::{Console, Moment, Place, Program, Step};
use crate::plan::{Request, Steps, hooks, path, scheduling, seccomp};
use crate::text::Value;
use crate::texts::CStr;

/// umask(2) of a process that asks for none.
const UMASK: u32 = 0o022;

/// On the launcher, whose children inherit it: once a user namespace is entered, the file belongs to somebody else and a
/// lower score is out of reach.
pub(super) fn oom_score<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let Some(score) = request.process.oom_score_adj else { return };
    if !(-1000..=1000).contains(&score) {
        return to.refuse(c!("process.oomScoreAdj"), c!("must be from -1000 to 1000"));
    }
    let text = to.text(if score < 0 { t!("-{}") } else { t!("{}") }, &[Value::Number(score.unsigned_abs())]);
    to.write(s!("/proc/self/oom_score_adj"), text);
}

/// What the kernel's security modules are to make of the program, while the machine's /proc is at hand: the container's
/// may be none.
pub(super) fn labels<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let process = request.process;
    if let Some(profile) = process.apparmor_profile {
        let text = to.arena.pair(s!("exec "), profile);
        if request.facts.apparmor {
            to.write(s!("/proc/self/attr/apparmor/exec"), text);
        } else if profile != s!("unconfined") {
            to.refuse(c!("process.apparmorProfile"), c!("the kernel does not use AppArmor"));
        }
    }
    if let Some(text) = process.selinux_label {
        if !request.facts.selinux {
            to.refuse(c!("process.selinuxLabel"), c!("the kernel does not use SELinux"));
        }
        to.write(s!("/proc/self/attr/exec"), text);
    }
}

/// The last steps inside. Each takes away what an earlier one needs:
/// - limits first, since raising one is a privilege;
/// - the bounding set while there is the privilege to drop from it;
/// - the filter of system calls while there is the privilege to install it; without new privileges it takes none, and the
///   filter comes last, so that it need not allow what pidone does, or while the launcher is there for its listener;
/// - groups and user next, with permitted capabilities kept across;
/// - the directory, which the user need have no way to;
/// - then all capabilities but the wanted ones;
/// - the program as the user finds it.
pub(super) fn become_container<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let process = request.process;
    rlimits(process, to);
    scheduling::inside(request, to);
    if process.no_new_privileges {
        to.push(Step::SetNoNewPrivileges);
    }
    let capabilities = capabilities(request, to);
    to.push(Step::LimitCapabilities { bounding: capabilities.bounding });
    let filter = seccomp::filter(request, to);
    let listens = filter.is_some_and(|filter| filter.listener.is_some());
    let install = |now: bool, to: &mut Steps<'_, 'a>| {
        if let (Some(filter), true) = (filter, now) {
            to.push(Step::FilterSystemCalls(filter));
        }
    };
    install(!process.no_new_privileges, to);
    let user = process.user;
    to.push(Step::SetUser {
        uid: user.uid,
        gid: user.gid,
        groups: user.additional_gids,
        umask: user.umask.unwrap_or(UMASK),
    });
    let path = directory(process, to);
    to.push(Step::ChangeDirectory { path });
    to.push(Step::SetCapabilities(capabilities));
    install(process.no_new_privileges && listens, to);
    hooks::at(request, Moment::StartContainer, to);
    let program = Program { descriptors: request.facts.manner.descriptors, ..program(process, to) };
    install(process.no_new_privileges && !listens, to);
    to.push(Step::Execute(program));
}

/// A terminal for the process, if it wants one, by its multiplexer; `bound` is where it goes besides.
pub(super) fn console<'a>(
    request: &Request<'_, 'a>,
    to: &mut Steps<'_, 'a>,
    multiplexer: Place<'a>,
    bound: Option<Place<'a>>,
) {
    let process = request.process;
    if !process.terminal {
        return;
    }
    if !request.facts.manner.console {
        to.refuse(c!("process.terminal"), c!("nobody is there to take it"));
    }
    to.push(Step::OpenConsole(Console { multiplexer, bound, uid: process.user.uid, size: process.console_size }));
}

/// The working directory.
pub(super) fn directory<'a>(process: &Process<'a>, to: &mut Steps) -> &'a CStr {
    let directory = process.cwd.unwrap_or_default();
    if process.cwd.is_none() {
        to.refuse(c!("process.cwd"), s!("required"));
    }
    if !path::is_absolute(directory) {
        to.refuse(c!("process.cwd"), c!("must be absolute"));
    }
    directory
}

/// That no type is listed twice is proven by the parser.
fn rlimits<'a>(process: &Process, to: &mut Steps<'_, 'a>) {
    for (number, limit) in process.rlimits.iter().enumerate() {
        if limit.soft > limit.hard {
            return to.refuse_entry(c!("process.rlimits"), number, c!("soft: must not be more than hard"));
        }
        to.push(Step::SetRlimit(*limit));
    }
}

/// Whether capabilities are asked for that the container cannot be given.
pub(super) fn lacks_capabilities(request: &Request) -> bool {
    let sets = request.process.capabilities;
    let wanted = sets.bounding | sets.effective | sets.inheritable | sets.permitted | sets.ambient;
    wanted & !request.facts.capabilities != 0
}

/// The wanted sets, without what cannot be given. The rules between the sets are capabilities(7)'s.
fn capabilities(request: &Request, to: &mut Steps) -> Capabilities {
    let mut sets = request.process.capabilities;
    let known = request.facts.capabilities;
    sets.bounding &= known;
    sets.effective &= known;
    sets.inheritable &= known;
    sets.permitted &= known;
    sets.ambient &= known;
    if sets.effective & !sets.permitted != 0 {
        to.refuse(c!("process.capabilities.effective"), c!("must all be in permitted, too"));
    }
    if sets.inheritable & !sets.bounding != 0 {
        to.refuse(c!("process.capabilities.inheritable"), c!("must all be in bounding, too"));
    }
    // The kernel has no others in that set. `runc spec` asks for some, and runc passes over them.
    sets.ambient &= sets.permitted & sets.inheritable;
    sets
}

fn program<'a>(process: &Process<'a>, to: &mut Steps<'_, 'a>) -> Program<'a> {
    if process.args.first().is_none_or(|program| program.is_empty()) {
        to.refuse(c!("process.args"), c!("required, and the first must not be empty"));
    }
    let environment = environment(process.env, to.arena);
    let has_home = environment.iter().any(|pair| name_of(pair) == b"HOME");
    let home_of = if has_home { None } else { Some(process.user.uid) };
    Program { arguments: process.args, environment, descriptors: 0, home_of }
}

/// The environment with the last of each name only, in the order given, and without an empty `HOME`.
///
/// Names are found again through a hash table of positions, since a text of a megabyte holds tens of thousands.
fn environment<'a>(pairs: &[&'a CStr], arena: &mut Arena<'a>) -> &'a [&'a CStr] {
    if let Some(wrong) = pairs.iter().position(|pair| name_of(pair).is_empty()) {
        arena.fail(Error::refused_entry(c!("process.env"), wrong, c!("must be NAME=value")));
    }
    // At most half of the slots are ever taken.
    let table = arena.filled(pairs.len().saturating_mul(2).next_power_of_two(), EMPTY);
    let kept = arena.filled(pairs.len(), s!(""));
    let mut first = kept.len();
    for (position, pair) in pairs.iter().enumerate().rev() {
        if let Some(slot @ &mut EMPTY) = slot_of(table, name_of(pair), pairs) {
            *slot = position as u32;
            // As if there were none: the user's home directory comes in its place.
            if pair.to_bytes() == b"HOME=" {
                continue;
            }
            first = first.saturating_sub(1);
            if let Some(place) = kept.get_mut(first) {
                *place = pair;
            }
        }
    }
    kept.get(first..).unwrap_or_default()
}

/// A slot of the table without a position.
const EMPTY: u32 = u32::MAX;

/// The slot that holds a pair of that name, or the empty one where it belongs.
fn slot_of<'t>(table: &'t mut [u32], name: &[u8], pairs: &[&CStr]) -> Option<&'t mut u32> {
    let mut index = hash(name);
    loop {
        index &= table.len().wrapping_sub(1);
        match table.get(index) {
            Some(held) if pairs.get(*held as usize).is_some_and(|pair| name_of(pair) != name) => index += 1,
            _ => return table.get_mut(index),
        }
    }
}

/// FNV-1a.
fn hash(name: &[u8]) -> usize {
    name.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)) as usize
}

/// The name of a `NAME=value`; empty if it has none.
fn name_of(pair: &CStr) -> &[u8] {
    let pair = pair.to_bytes();
    let length = pair.iter().position(|byte| *byte == b'=').unwrap_or(0);
    pair.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_name_wins() {
        let mut region = [0; 1024];
        let mut arena = Arena::new(&mut region);
        let given = [s!("A=1"), s!("PATH=/bin"), s!("AA=2"), s!("A=3=4"), s!("B="), s!("PATH=/sbin"), s!("A=5")];
        let kept = environment(&given, &mut arena);
        assert_eq!(kept, [s!("AA=2"), s!("B="), s!("PATH=/sbin"), s!("A=5")]);
        assert_eq!(environment(&[], &mut arena), [] as [&CStr; 0]);
    }

    #[test]
    fn an_empty_home_is_none_even_if_there_was_one_before() {
        let mut region = [0; 1024];
        let mut arena = Arena::new(&mut region);
        assert_eq!(environment(&[s!("HOME=/a"), s!("A=1"), s!("HOME=")], &mut arena), [s!("A=1")]);
        assert_eq!(environment(&[s!("HOME="), s!("HOME=/a")], &mut arena), [s!("HOME=/a")]);
    }

    #[test]
    fn an_environment_without_names_is_refused() {
        let mut region = [0; 1024];
        for wrong in [s!("PATH"), s!(""), s!("=x")] {
            let mut arena = Arena::new(&mut region);
            environment(&[s!("A=1"), wrong], &mut arena);
            assert_eq!(
                arena.check().unwrap_err(),
                Error::refused_entry(s!("process.env"), 1, s!("must be NAME=value"))
            );
        }
    }

    #[test]
    fn a_megabyte_of_environment_is_quick() {
        let pairs: Vec<_> =
            (0..50_000).map(|n| std::ffi::CString::new(format!("VARIABLE{}={n}", n % 40_000)).unwrap()).collect();
        let pairs: Vec<&CStr> = pairs.iter().map(|pair| CStr::of(pair)).collect();
        let mut region = vec![0; 4 << 20];
        let kept = environment(&pairs, &mut Arena::new(&mut region));
        assert_eq!(kept.len(), 40_000);
        assert_eq!(kept.first(), Some(&s!("VARIABLE10000=10000")));
        assert_eq!(kept.last(), Some(&s!("VARIABLE9999=49999")));
    }
}
