//! Kernel modules without kmod: for the devices of the machine, by the operator's list, and when the kernel asks.
//!
//! All of it runs in short-lived processes of its own, which may wait for the kernel: PID 1 has no part in it. What to
//! load in which order is decided by [`order`] from the texts of an [`index::Index`]; `tree` has the texts and does the
//! loading.

pub mod index;
pub mod order;
pub mod pattern;

mod devices;
mod loader;
mod tree;

use crate::abi::Errno;
use crate::texts::CStr;

use self::loader::Loader;
use self::tree::Tree;
use super::folder;
use super::lines::{lines, words};
use super::root::PROGRAM;
use crate::error::{Context, Error, Result};
use crate::log;
use crate::sys::file::{self, CWD};
use crate::sys::map;
use crate::text::{Value, has};

/// The kernel's KMOD_PATH_LEN, its final NUL included: a longer name would be cut.
const PROGRAM_BYTES: usize = 256;

/// Loads the modules named in `/etc/modules`, in `/etc/modules-load.d/*.conf`, and by the operator; then those of every
/// device, and of the devices that these make appear.
pub fn load(names: &mut dyn Iterator<Item = &[u8]>) {
    let Some(tree) = Tree::open() else {
        // With everything built in, images for other kernels may well have lists; the operator means this one.
        if let Some(name) = names.next() {
            log::warning(t!("module {}: /lib/modules has none for this kernel"), &[Value::Quoted(name)]);
        }
        return;
    };
    let mut loader = Loader::new(&tree);
    // Debian's old file; words behind the first were parameters once.
    if let Ok(text) = map::read(CWD, s!("/etc/modules")) {
        load_lines(&mut loader, text);
    }
    folder::for_each_text(s!("/etc/modules-load.d"), b".conf", &mut |_, text| load_lines(&mut loader, text));
    for name in names {
        loader.request(name);
    }
    (loader.quiet, loader.loaded) = (true, 0);
    let result = loader.coldplug();
    log::info(t!("modules: {} loaded for the devices of this machine"), &[Value::Number(loader.loaded)]);
    report(result);
}

/// Tells the kernel to run this program when it misses a module: `PROGRAM -q -- ALIAS`. To be called before the image's
/// sysctl files are obeyed, which may say otherwise. Without a modules folder the kernel is left as it is, unless it knows
/// this program by a path of the old root.
pub fn answer_kernel() {
    if Tree::exists() || file::exists(PROGRAM) {
        report(name_program());
    }
}

/// The program that the kernel runs when it misses a module, and the command for people: `[-q] [--] NAME...`. The
/// arguments are those behind the program's name; the result is the exit code.
pub fn on_demand(arguments: &[&CStr]) -> u8 {
    let Some(tree) = Tree::open() else { return 1 };
    let mut loader = Loader::new(&tree);
    let (mut options, mut failed) = (true, false);
    for argument in arguments {
        match argument.to_bytes() {
            b"--" if options => options = false,
            // "Quiet", and the "all" and "obey the denylist" that go without saying, apart or together.
            [b'-', letters @ ..] if options && letters.iter().all(|letter| has(b"qab", *letter)) => {
                loader.quiet |= has(letters, b'q');
            }
            name => failed |= !loader.request(name),
        }
    }
    u8::from(failed)
}

fn load_lines(loader: &mut Loader, text: &[u8]) {
    for name in lines(text, b"#;").filter_map(|line| words(line).next()) {
        loader.request(name);
    }
}

fn name_program() -> Result<()> {
    let mut buffer = [0; PROGRAM_BYTES];
    let program = if file::exists(PROGRAM) {
        PROGRAM.to_bytes()
    } else {
        file::read_link(s!("/proc/self/exe"), &mut buffer).doing(c!("find this program"))?
    };
    if program.len() == PROGRAM_BYTES {
        return Err(Error::limit(c!("find this program"), c!("bytes in its path"), PROGRAM_BYTES, PROGRAM_BYTES - 1));
    }
    match file::write_file(s!("/proc/sys/kernel/modprobe"), program) {
        // A kernel without modules, or with CONFIG_STATIC_USERMODEHELPER, which always runs a program of its own choice.
        Err(Errno::NOENT) => Ok(()),
        result => result.doing(c!("write /proc/sys/kernel/modprobe")),
    }
}

fn report(result: Result<()>) {
    if let Err(error) = result {
        log::warning(t!("modules: {}"), &[Value::Print(&error)]);
    }
}
