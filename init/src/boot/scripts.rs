//! The executables of `/etc/init.d` and `/etc/shutdown.d`: run one after the other, each to its end.

use crate::abi::Errno;
use crate::texts::CStr;

use super::folder;
use crate::arena::Arena;
use crate::log;
use crate::sys::path::PathBuffer;
use crate::sys::process::{self, Ended, Fork, Vector};
use crate::sys::{BorrowedFd, Result, file, signal};
use crate::text::Value;

/// What every program may expect; the terminal is what the kernel tells its init.
pub(super) const ENVIRONMENT: [&CStr; 3] = [s!("PATH=/usr/sbin:/usr/bin:/sbin:/bin"), s!("HOME=/"), s!("TERM=linux")];
/// Two vectors of pointers, each with its final NULL; twice, since lists in an arena move once.
const VECTORS_BYTES: usize = 2 * 6 * size_of::<*const u8>() + 16;

/// Runs every executable file of a folder in the order of their names, links followed. How they end is reported where
/// it is not well, and changes nothing.
pub fn run_all(path: &CStr) {
    folder::for_each_name(path, b"", &mut |folder, name| {
        if !folder::is_regular(folder, name) {
            return;
        }
        match run(path, folder, name) {
            Ok(Ended::Exited(0)) => {}
            Ok(Ended::Exited(code)) => report(path, name, "exited with ", Value::Number(code.into())),
            Ok(Ended::Killed(signal)) => report(path, name, "ended by signal ", Value::Number(signal.into())),
            Err(errno) => report(path, name, "execute: ", Value::Kernel(errno)),
        }
    });
}

fn run(path: &CStr, folder: BorrowedFd, name: &CStr) -> Result<Ended> {
    if !file::is_executable(folder, name) {
        return Err(Errno::ACCESS);
    }
    let mut buffer = PathBuffer::empty();
    let program = buffer.below(path, name)?;
    match process::fork()? {
        Fork::Parent(pid) => process::reap(pid, true)?.ok_or(Errno::CHILD),
        Fork::Child => {
            let mut memory = [0; VECTORS_BYTES];
            let errno = execute(program, &[program], &mut Arena::new(&mut memory));
            report(path, name, "execute: ", Value::Kernel(errno));
            // That is all there is to say about it.
            process::exit(0)
        }
    }
}

/// A program with the few variables that every program may expect.
pub(super) fn execute<'a>(program: &CStr, words: &[&'a CStr], arena: &mut Arena<'a>) -> Errno {
    let (arguments, environment) = (Vector::new(words, arena), Vector::new(&ENVIRONMENT, arena));
    let (Ok(arguments), Ok(environment)) = (arguments, environment) else { return Errno::TOOBIG };
    signal::unblock_all();
    process::execute(program, &arguments, &environment)
}

fn report(path: &CStr, name: &CStr, what: &str, value: Value) {
    log::warning(t!("{}/{}: {}{}"), &[Value::Raw(path), Value::Name(name), Value::Text(what), value]);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn scripts_run_in_the_order_of_their_names_and_folders_and_dead_links_are_passed_over() {
        let folder = std::env::temp_dir().join(format!("pidone-scripts-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("00-folder")).unwrap();
        let log = folder.with_extension("log");
        for name in ["20-second", "10-first"] {
            let text = format!("#!/bin/sh\necho $0 $HOME $PATH >> {}\n", log.display());
            std::fs::write(folder.join(name), text).unwrap();
            std::fs::set_permissions(folder.join(name), PermissionsExt::from_mode(0o755)).unwrap();
        }
        symlink("10-first", folder.join("30-again")).unwrap();
        symlink("nowhere", folder.join("40-dead")).unwrap();
        let path = std::ffi::CString::new(folder.to_str().unwrap()).unwrap();
        run_all(CStr::of(&path));
        let text = std::fs::read_to_string(&log).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::remove_file(&log).unwrap();
        let line = |name: &str| format!("{}/{name} / /usr/sbin:/usr/bin:/sbin:/bin\n", folder.display());
        assert_eq!(text, line("10-first") + &line("20-second") + &line("30-again"));
    }
}
