//! `vm [--root DIR | --image FILE | --bundle DIR] [--memory MIB] [--append OPTIONS] [--console] -- COMMAND...`: runs a
//! command, or a bundle, in a throwaway machine, on this program's own standard streams, and exits with its code.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use qemu_tests::image::Image;
use qemu_tests::oneshot;
use qemu_tests::root::Root;
use qemu_tests::tree::{Content, Kind, Tree};

const USAGE: &str = "usage: vm [OPTION...] -- COMMAND [ARGUMENT...]
       vm [OPTION...] --bundle DIR
  --root DIR        a directory of this machine as the guest's root, copied
  --image FILE      an image of a file system as the guest's root, left as it is
  --bundle DIR      an OCI bundle of this machine instead of a command
  --memory MIB      memory of the guest (512)
  --append OPTIONS  more options for the guest's kernel
  --timeout SECONDS how long it may take (no limit)
  --console         what the guest's kernel and pidone say, on standard error";

/// What went wrong here and not in the guest.
const FAILED: u8 = 125;

#[derive(Default)]
struct Options {
    root: Option<PathBuf>,
    image: Option<PathBuf>,
    bundle: Option<PathBuf>,
    memory_mib: Option<u32>,
    append: Vec<String>,
    timeout: Option<u64>,
    console: bool,
    command: Vec<String>,
}

fn main() -> ExitCode {
    match options().and_then(run) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("vm: {error:#}");
            FAILED.into()
        }
    }
}

fn options() -> Result<Options> {
    let mut options = Options::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().context(USAGE);
        match word.as_str() {
            "--root" => options.root = Some(value()?.into()),
            "--image" => options.image = Some(value()?.into()),
            "--bundle" => options.bundle = Some(value()?.into()),
            "--memory" => options.memory_mib = Some(value()?.parse()?),
            "--append" => options.append.push(value()?),
            "--timeout" => options.timeout = Some(value()?.parse()?),
            "--console" => options.console = true,
            "--" => options.command = words.by_ref().collect(),
            // The command may also stand there without the dashes.
            other if !other.starts_with('-') => {
                options.command = std::iter::once(word.clone()).chain(words.by_ref()).collect();
            }
            _ => bail!(USAGE),
        }
    }
    ensure!(options.command.is_empty() == options.bundle.is_some(), USAGE);
    ensure!(options.root.is_none() || options.image.is_none(), USAGE);
    Ok(options)
}

fn run(options: Options) -> Result<u8> {
    let directory = tempfile::Builder::new().prefix("pidone-").tempdir_in("/tmp")?;
    let mut machine = oneshot::with_ports(machine(&options)?, directory.path());
    for words in &options.append {
        machine = machine.append(words);
    }
    if !options.console {
        machine = machine.append("quiet loglevel=0");
    }
    let command: Vec<String> = options.command.iter().map(|word| oneshot::quoted(word)).collect();
    let run = match &options.bundle {
        Some(_) => format!("pidone.run={BUNDLE}"),
        None => format!("pidone.run -- {}", command.join(" ")),
    };
    machine = machine.append(oneshot::STDIO).append(&run);
    machine = machine.deadline(Duration::from_secs(options.timeout.unwrap_or(u32::MAX.into())));
    if let Some(memory_mib) = options.memory_mib {
        machine = machine.memory_mib(memory_mib);
    }
    if options.console {
        machine = machine.echo();
    }
    let mut machine = machine.start()?;
    let mut stdin = oneshot::connect(directory.path(), "stdin")?;
    let output = oneshot::collect(oneshot::connect(directory.path(), "stdout")?, std::io::stdout());
    let errors = oneshot::collect(oneshot::connect(directory.path(), "stderr")?, std::io::stderr());
    let exit = oneshot::collect(oneshot::connect(directory.path(), "org.pidone.exit")?, std::io::sink());
    // Not waited for: it may read a terminal.
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = std::io::stdin().read(&mut bytes) {
            if stdin.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
        // The guest's command may end without having read it all.
        let _ = oneshot::finish(stdin);
    });
    let end = machine.wait()?;
    for thread in [output, errors] {
        thread.join().ok().context("a reader panicked")?;
    }
    let said = exit.join().ok().context("a reader panicked")?;
    match oneshot::exit_code(&said) {
        Some(code) => Ok(code),
        None => bail!("the machine ended by {:?} without an exit code\n{}", end.ending, end.console),
    }
}

/// Where the guest has the bundle.
const BUNDLE: &str = "/bundle";

fn machine(options: &Options) -> Result<qemu_tests::vm::Builder> {
    let mut image = Image::new()?;
    if let Some(path) = &options.image {
        // The drivers are in the initramfs, the rest in the image.
        let path = path.canonicalize().with_context(|| path.display().to_string())?;
        let options = "root=/dev/vda ro rootwait pidone.overlay=tmpfs";
        return Ok(image.vm()?.disk_image(&path).append(options));
    }
    if let Some(bundle) = &options.bundle {
        // On a disk, where it can be written to as here, and has room to grow.
        let mut tree = Tree::new();
        oneshot::mount_points(&mut tree);
        tree.host_tree(BUNDLE, bundle)?;
        let bytes: u64 = tree.iter().filter_map(|(_, node)| size(&node.kind)).sum();
        let size_mib = u32::try_from(bytes >> 19).context("the bundle is too large")?.saturating_add(64);
        return Ok(image.vm()?.disk(&tree, size_mib).append("root=/dev/vda rw"));
    }
    let mut added = Ok(());
    image = image.edit(|tree| {
        added = match &options.root {
            Some(root) => tree.host_tree("", root).map(drop),
            None => Root::busybox().map(|root| _ = tree.tree("", root.tree())),
        };
        oneshot::mount_points(tree);
    });
    added?;
    image.vm()
}

fn size(kind: &Kind) -> Option<u64> {
    match kind {
        Kind::File(Content::Host(path)) => path.metadata().ok().map(|metadata| metadata.len()),
        _ => None,
    }
}
