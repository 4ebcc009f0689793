//! Other roots than the initramfs: found, mounted, moved to.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use qemu_tests::image::Image;
use qemu_tests::kernel::Kernel;
use qemu_tests::root::Root;
use qemu_tests::tree::Tree;
use qemu_tests::virtiofs::{self, Server};
use qemu_tests::vm::{self, End, Ending};
use qemu_tests::{command, disk, oneshot};

/// What `disk::write` gives every file system.
const UUID: &str = "70696f6e-6500-4000-8000-000000000001";
const PARTITION: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

/// A root with busybox.
fn tree() -> Result<Tree> {
    let mut tree = Root::busybox()?.tree().clone();
    oneshot::mount_points(&mut tree);
    tree.directory("lib", 0o755).file("etc/hostname", 0o644, "from-the-disk\n");
    Ok(tree)
}

/// What is said of the root one has arrived on.
const LOOK: &str = r#"pidone.run -- sh -c "grep ' / ' /proc/mounts; hostname; ls -a /; echo x >/etc/new && echo written; \
    ls /proc/1/exe; cat /proc/sys/kernel/modprobe; /run/pidone --version""#;

/// An initramfs with the drivers and pidone, and nothing else.
fn initramfs() -> Result<vm::Builder> {
    initramfs_of(Image::new()?)
}

fn initramfs_of(image: Image) -> Result<vm::Builder> {
    let machine = image.modules(MODULES).edit(|tree| _ = tree.remove("containers")).vm()?;
    Ok(machine.append("quiet loglevel=5 pidone.log=warn"))
}

const MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_blk",
    "ext4",
    "erofs",
    "squashfs",
    "overlay",
    "fuse",
    "virtiofs",
    "nd_pmem",
    "nfit",
    "virtio_pmem",
    "9p",
    "9pnet_virtio",
    "pvpanic_pci",
];

/// Boots to a root that holds [`tree`] and checks that it is there.
fn boots(machine: vm::Builder, options: &str, kind: &str, writable: bool) -> Result<End> {
    let end = machine.append(options).append(LOOK).start()?.expect(Ending::PowerOff)?;
    let line = |found: &str| end.console.lines().any(|line| line.contains(found));
    ensure!(line(&format!(" / {kind} ")), "{options}: no {kind}\n{}", end.console);
    ensure!(line("from-the-disk") && line("pidone version") && line("/run/pidone"), "{options}:\n{}", end.console);
    ensure!(line("written") == writable, "{options}: written\n{}", end.console);
    Ok(end)
}

fn image(directory: &Path, name: &str) -> Result<std::path::PathBuf> {
    let image = directory.join(name);
    disk::write(&tree()?, &image, 24)?;
    command::output(Command::new("tune2fs").args(["-L", "the-root"]).arg(&image))?;
    Ok(image)
}

#[test]
fn a_file_system_is_found_by_its_device_its_identifier_and_its_label() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let image = image(directory.path(), "ext4")?;
    for (name, flags, writable) in [
        ("/dev/vda rootfstype=erofs,ext4", "ro", false),
        (&format!("UUID={}", UUID.to_uppercase()), "rw rootflags=data=writeback", true),
        ("LABEL=the-root", "rootwait pidone.overlay=tmpfs", true),
    ] {
        let kind = if flags.contains("overlay") { "overlay" } else { "ext4" };
        let end = boots(initramfs()?.disk_image(&image), &format!("root={name} {flags}"), kind, writable)?;
        ensure!(!flags.contains("writeback") || end.console.contains("data=writeback"), "{}", end.console);
    }
    Ok(())
}

#[test]
fn a_partition_is_found_by_its_identifier_and_its_name() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (image, disk) = (image(directory.path(), "ext4")?, directory.path().join("disk"));
    partitioned(&fs::read(image)?, &disk)?;
    // A disk of somebody else's before it, which is full of nonsense.
    let nonsense = directory.path().join("nonsense");
    let bytes: Vec<u8> = (0..1 << 20).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(&nonsense, bytes)?;
    for name in [format!("PARTUUID={PARTITION}"), "PARTLABEL=the-root".into()] {
        boots(initramfs()?.disk_image(&nonsense).disk_image(&disk), &format!("root={name}"), "ext4", false)?;
    }
    Ok(())
}

/// A disk with a GUID partition table of one partition.
fn partitioned(content: &[u8], disk: &Path) -> Result<()> {
    const START: u64 = 2048;
    let sectors = START + content.len() as u64 / 512 + 64;
    let mut entries = vec![0; 128 * 128];
    entries[..16].copy_from_slice(&guid("0fc63daf-8483-4772-8e79-3d69d8477de5"));
    entries[16..32].copy_from_slice(&guid(PARTITION));
    entries[32..40].copy_from_slice(&START.to_le_bytes());
    entries[40..48].copy_from_slice(&(START + content.len() as u64 / 512 - 1).to_le_bytes());
    for (at, unit) in "the-root".encode_utf16().enumerate() {
        entries[56 + 2 * at..][..2].copy_from_slice(&unit.to_le_bytes());
    }
    let mut header = vec![0; 92];
    header[..12].copy_from_slice(b"EFI PART\0\0\x01\0");
    header[12..16].copy_from_slice(&92_u32.to_le_bytes());
    for (at, value) in [(24, 1), (32, sectors - 1), (40, 34), (48, sectors - 34), (72, 2)] {
        header[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    for (at, value) in [(80, 128), (84, 128), (88, crc32(&entries))] {
        header[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    let sum = crc32(&header);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
    // The protective table.
    let mut first = [0; 512];
    first[446 + 4] = 0xee;
    first[446 + 8] = 1;
    first[446 + 12..446 + 16].copy_from_slice(&u32::MAX.to_le_bytes());
    first[510..].copy_from_slice(&[0x55, 0xaa]);
    let file = File::create(disk)?;
    file.set_len(sectors * 512)?;
    for (sector, bytes) in [(0, &first[..]), (1, &header), (2, &entries), (START, content)] {
        file.write_all_at(bytes, sector * 512)?;
    }
    Ok(())
}

/// As tables have it: the first three numbers with their smallest byte first.
fn guid(text: &str) -> [u8; 16] {
    let digits: String = text.chars().filter(|character| *character != '-').collect();
    let mut bytes = u128::from_str_radix(&digits, 16).expect("a GUID").to_be_bytes();
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    };
    !bytes.iter().fold(!0, step)
}

/// A host's tool that makes an image, or a loud word that it is not there.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--help").output().is_ok();
    if !found {
        eprintln!("SKIPPED: {tool} is not installed");
    }
    found
}

/// The tree as a folder of the host.
fn folder(directory: &Path) -> Result<std::path::PathBuf> {
    let image = image(directory, "for-the-folder")?;
    let folder = directory.join("folder");
    fs::create_dir(&folder)?;
    command::output(Command::new("debugfs").args(["-R", &format!("rdump / {}", folder.display())]).arg(image))?;
    Ok(folder)
}

#[test]
fn compressed_images_are_roots() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let folder = folder(directory.path())?;
    for (kind, tool, arguments) in
        [("squashfs", "mksquashfs", &["-quiet", "-comp", "zstd"][..]), ("erofs", "mkfs.erofs", &[])]
    {
        if !has(tool) {
            continue;
        }
        let image = directory.path().join(kind);
        let mut make = Command::new(tool);
        match kind {
            "erofs" => make.arg("-L").arg("x").arg(&image).arg(&folder),
            _ => make.arg(&folder).arg(&image),
        };
        if kind == "squashfs" {
            make.args(arguments);
        }
        // mkfs.erofs of Debian 12 knows no label.
        if command::output(&mut make).is_err() {
            command::output(Command::new(tool).arg(&image).arg(&folder))?;
        }
        // Both must be whole sectors.
        let file = File::options().write(true).open(&image)?;
        file.set_len(file.metadata()?.len().next_multiple_of(4096))?;
        boots(initramfs()?.disk_image(&image), "root=/dev/vda ro", kind, false)?;
    }
    Ok(())
}

#[test]
fn a_folder_of_the_host_is_a_root() -> Result<()> {
    let directory = tempfile::Builder::new().prefix("pidone-").tempdir_in("/tmp")?;
    let folder = folder(directory.path())?;
    let Some(server) = Server::start(&folder, directory.path(), "the-root")? else { return Ok(()) };
    let machine = virtiofs::share(initramfs()?, &[&server]);
    boots(machine, "root=the-root rootfstype=virtiofs ro pidone.overlay=tmpfs", "overlay", true)?;
    ensure!(!folder.join("etc/new").exists(), "the folder was written to");
    Ok(())
}

#[test]
fn a_folder_of_the_host_is_a_root_by_plan_9s_protocol_too() -> Result<()> {
    // Cloud kernels have no driver for it.
    let Some(kernel) = Kernel::of_version("full") else { return Ok(()) };
    let directory = tempfile::tempdir()?;
    let folder = folder(directory.path())?;
    let shared = format!("local,id=fs,path={},security_model=none", folder.display());
    let machine = initramfs_of(Image::new()?.kernel(&kernel))?.arguments(["-fsdev", &shared]);
    let machine = machine.device("virtio-9p-pci,fsdev=fs,mount_tag=the-root");
    let options = "root=the-root rootfstype=9p rootflags=trans=virtio,version=9p2000.L,access=any rw";
    let end = boots(machine, options, "9p", true)?;
    ensure!(end.console.contains("access=any"), "the flags were not used\n{}", end.console);
    ensure!(fs::read_to_string(folder.join("etc/new"))? == "x\n", "nothing was written to the folder");
    Ok(())
}

#[test]
fn persistent_memory_is_a_root() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let image = image(directory.path(), "pmem")?;
    // Devices of whole 128 MiB.
    File::options().write(true).open(&image)?.set_len(128 << 20)?;
    let backend = format!("memory-backend-file,id=pmem,share=on,mem-path={},size=128M", image.display());
    let machine = initramfs()?.arguments([
        "-M",
        "q35,nvdimm=on",
        "-m",
        "512M,slots=2,maxmem=1G",
        "-object",
        &backend,
        "-device",
        "nvdimm,memdev=pmem,id=nv",
    ]);
    let end = machine.append("root=/dev/pmem0 ro").append(LOOK).start()?.wait()?;
    if end.console.contains("no device /dev/pmem0") {
        eprintln!("SKIPPED: this kernel has no driver for persistent memory");
        return Ok(());
    }
    ensure!(end.console.contains(" / ext4 ") && end.console.contains("from-the-disk"), "{}", end.console);
    Ok(())
}

#[test]
fn what_is_written_over_a_root_on_a_disk_is_there_the_next_time() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (image, upper) = (image(directory.path(), "lower")?, directory.path().join("upper"));
    disk::write(&Tree::new(), &upper, 16)?;
    let run = |command: &str| -> Result<End> {
        let machine =
            initramfs()?.disk_image(&image).disk_image(&upper).append("root=/dev/vda pidone.overlay=/dev/vdb");
        machine.append("pidone.run -- sh -c").append(command).start()?.expect(Ending::PowerOff)
    };
    run(r#""echo kept > /etc/new""#)?;
    let end = run(r#""cat /etc/new""#)?;
    ensure!(end.console.lines().any(|line| line.ends_with("kept")), "{}", end.console);
    Ok(())
}

#[test]
fn the_memory_of_the_first_root_is_free_again() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let image = image(directory.path(), "ext4")?;
    let free = |ballast: usize| -> Result<u64> {
        let tree = |tree: &mut Tree| _ = tree.file("a/b/ballast", 0o644, vec![b'x'; ballast]);
        let machine = Image::new()?.modules(MODULES).edit(tree).vm()?.memory_mib(512).disk_image(&image);
        let script = r#"pidone.run -- sh -c "sleep 1; grep MemFree /proc/meminfo""#;
        let end = machine.append("root=/dev/vda").append(script).start()?.expect(Ending::PowerOff)?;
        let line = end.console.lines().find_map(|line| Some(line.split_once("MemFree:")?.1.to_owned()));
        let line = line.with_context(|| end.console.clone())?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    };
    let (without, with) = (free(0)?, free(100 << 20)?);
    ensure!(without.abs_diff(with) < 20 << 10, "{without} kB free without, {with} kB with 100 MiB in the initramfs");
    Ok(())
}

#[test]
fn a_root_that_is_not_there_is_a_clear_word_and_the_kernels_policy() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let image = image(directory.path(), "ext4")?;
    let machine = || -> Result<vm::Builder> { Ok(initramfs()?.disk_image(&image)) };
    let end = machine()?.append("root=LABEL=nobody").start()?.expect(Ending::Panic)?;
    ensure!(end.console.contains("no device LABEL=nobody; there are: vda:ext4"), "{}", end.console);
    ensure!(end.console.contains("without a root there is nothing to run"), "{}", end.console);
    // Or it waits, for as long as it takes.
    let mut vm = initramfs()?.append("root=/dev/vda rootwait").start()?;
    vm.wait_for("waiting for /dev/vda")?;
    vm.quit()?;
    vm.expect(Ending::HostQuit)?;
    Ok(())
}
