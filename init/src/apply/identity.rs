//! Who the container's process is, what it may do, and what it becomes.

use super::Applier;
use crate::abi::Errno;
use crate::arena::Arena;
use crate::config::spec::{Capabilities, Hook};
use crate::plan::step::Program;
use crate::sys::file::{self, CWD, FileType};
use crate::sys::path::PathBuffer;
use crate::sys::process::{self, Vector};
use crate::sys::{BorrowedFd, Result, identity, signal};
use crate::text::{cut, fields};
use crate::texts::CStr;

/// Capabilities are numbered below 64: they are kept as bits of a 64-bit set in capget(2).
const CAPABILITIES: u32 = 64;

/// Where programs are looked for when the environment names no `PATH`: execvp(3).
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What executes a text that does not say by what.
const SHELL: &CStr = s!("/bin/sh");

impl Applier<'_, '_> {
    /// Becomes root of a user namespace. Who made that without privileges keeps the groups that he has.
    pub(super) fn become_root(&mut self) -> Result<()> {
        if let Err(errno) = identity::set_groups(&[]) {
            let mut buffer = [0; 8];
            self.keeps_groups =
                file::read_file(s!("/proc/self/setgroups"), &mut buffer).is_ok_and(|text| text == b"deny\n");
            if !self.keeps_groups {
                return Err(errno);
            }
        }
        identity::set_group(0)?;
        identity::set_user(0)
    }

    pub(super) fn set_user(&self, uid: u32, gid: u32, groups: &[u32], umask: u32) -> Result<()> {
        // Root keeps them anyway. Others need them for the way to the working directory.
        if uid != 0 {
            identity::keep_capabilities(true)?;
        }
        if !(self.keeps_groups && groups.is_empty()) {
            identity::set_groups(groups)?;
        }
        identity::set_group(gid)?;
        identity::set_user(uid)?;
        if uid != 0 {
            identity::keep_capabilities(false)?;
        }
        identity::set_umask(umask);
        Ok(())
    }
}

/// Drops from the bounding set what is not in `bounding`, up to the kernel's last capability.
pub(super) fn limit_capabilities(bounding: u64) -> Result<()> {
    for capability in (0..CAPABILITIES).filter(|capability| bounding >> capability & 1 == 0) {
        match identity::drop_bounding(capability) {
            Err(Errno::INVAL) => break,
            result => result?,
        }
    }
    Ok(())
}

pub(super) fn set_capabilities(sets: &Capabilities) -> Result<()> {
    identity::set_capabilities(sets.effective, sets.permitted, sets.inheritable)?;
    identity::clear_ambient()?;
    for capability in (0..CAPABILITIES).filter(|capability| sets.ambient >> capability & 1 == 1) {
        identity::raise_ambient(capability)?;
    }
    Ok(())
}

/// Becomes the program: execvpe(3).
pub(super) fn execute<'a>(program: &Program<'a>, home: Option<&'a CStr>, arena: &mut Arena<'a>) -> Errno {
    let (arguments, environment) = match vectors(program, home, arena) {
        Ok(vectors) => vectors,
        Err(errno) => return errno,
    };
    let Some(name) = program.arguments.first() else { return Errno::INVAL };
    if cut(name.to_bytes(), b'/').is_some() {
        return process::execute(name, &arguments, &environment);
    }
    search(name, path_of(program.environment), &mut |candidate| {
        let errno = process::execute(candidate, &arguments, &environment);
        if errno == Errno::NOEXEC {
            execute_script(candidate, program, &environment, arena);
        }
        errno
    })
}

/// What is found by its name and the kernel cannot execute is the shell's: execvp(3). Returns if there is none.
fn execute_script<'a>(path: &CStr, program: &Program<'a>, environment: &Vector, arena: &mut Arena<'a>) {
    let mut arguments = arena.list();
    arena.push(&mut arguments, SHELL);
    let path = arena.copy(path.to_bytes());
    arena.push(&mut arguments, path);
    for argument in program.arguments.iter().skip(1) {
        arena.push(&mut arguments, argument);
    }
    if let Ok(arguments) = Vector::new(arena.finish(arguments), arena) {
        process::execute(SHELL, &arguments, environment);
    }
}

/// Becomes a hook, whose standard input is `input`; returns only if it failed. Its group of processes is its own.
pub(super) fn execute_hook<'a>(hook: &Hook<'a>, input: BorrowedFd, arena: &mut Arena<'a>) -> Result<()> {
    let path = hook.path.unwrap_or_default();
    let only = [path];
    let arguments = if hook.args.is_empty() { &only } else { hook.args };
    let (arguments, environment) = (Vector::new(arguments, arena)?, Vector::new(hook.env, arena)?);
    process::new_session()?;
    process::set_standard(input, 0)?;
    // Who takes back what another one did has not looked what is ignored.
    signal::restore(!0);
    signal::unblock_all();
    Err(process::execute(path, &arguments, &environment))
}

/// Whether there is such a program, and this process may execute it. Not whether the kernel can.
pub(super) fn look_up(program: &Program) -> Result<()> {
    let name = program.arguments.first().copied().unwrap_or_default();
    // What execve(2) would say; EINTR stands for success, which it never fails with.
    let mut check = |candidate: &CStr| match file::kind(CWD, candidate) {
        Err(errno) => errno,
        Ok(FileType::REGULAR_FILE) if file::is_executable(CWD, candidate) => Errno::INTR,
        Ok(_) => Errno::ACCESS,
    };
    let result = match cut(name.to_bytes(), b'/') {
        Some(_) => check(name),
        None => search(name, path_of(program.environment), &mut check),
    };
    if result == Errno::INTR { Ok(()) } else { Err(result) }
}

fn vectors<'a>(
    program: &Program<'a>,
    home: Option<&'a CStr>,
    arena: &mut Arena<'a>,
) -> Result<(Vector<'a>, Vector<'a>)> {
    let mut environment = arena.list();
    for pair in program.environment {
        arena.push(&mut environment, *pair);
    }
    if let Some(home) = home {
        arena.push(&mut environment, home);
    }
    Ok((Vector::new(program.arguments, arena)?, Vector::new(arena.finish(environment), arena)?))
}

fn path_of<'a>(environment: &[&'a CStr]) -> &'a [u8] {
    let value = environment.iter().find_map(|pair| pair.to_bytes().strip_prefix(b"PATH="));
    value.unwrap_or(DEFAULT_PATH)
}

/// Tries a name in every directory of `PATH`. Permission trouble outweighs absence: execvp(3).
fn search(name: &CStr, path: &[u8], execute: &mut dyn FnMut(&CStr) -> Errno) -> Errno {
    let mut worst = Errno::NOENT;
    for directory in fields(path, b':') {
        let mut buffer = PathBuffer::empty();
        let directory = if directory.is_empty() { b"." } else { directory };
        let Ok(candidate) = buffer.join(&[directory, b"/", name.to_bytes()]) else { continue };
        match execute(candidate) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => worst = Errno::ACCESS,
            errno => return errno,
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_tried_in_every_directory_of_path() {
        let mut tried = Vec::new();
        let errno = search(s!("sh"), b"/bin::/usr/bin", &mut |candidate| {
            tried.push(candidate.core().to_owned());
            if tried.len() == 1 { Errno::ACCESS } else { Errno::NOENT }
        });
        assert_eq!(tried, [c"/bin/sh".to_owned(), c"./sh".to_owned(), c"/usr/bin/sh".to_owned()]);
        assert_eq!(errno, Errno::ACCESS);
    }

    #[test]
    fn the_containers_own_path_counts() {
        assert_eq!(path_of(&[s!("A=1"), s!("PATH=/x")]), b"/x");
        assert_eq!(path_of(&[s!("A=1")]), DEFAULT_PATH);
    }
}
