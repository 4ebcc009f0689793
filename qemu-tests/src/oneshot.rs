//! Throwaway machines: one command or one bundle, its standard streams on virtio-serial ports, its exit code on another.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::tree::Tree;
use crate::vm;

/// The ports, in the order of the descriptors, and the one for the exit code.
pub const PORTS: [&str; 4] = ["stdin", "stdout", "stderr", "org.pidone.exit"];

/// The option that gives the command these streams.
pub const STDIO: &str = "pidone.stdio=stdin,stdout,stderr";

/// The devices behind [`PORTS`]: unix sockets of these names in a directory.
pub fn with_ports(mut machine: vm::Builder, directory: &Path) -> vm::Builder {
    machine = machine.device("virtio-serial-pci");
    for (index, name) in PORTS.iter().enumerate() {
        let socket = directory.join(name);
        machine = machine
            .arguments(["-chardev", &format!("socket,id=port{index},path={},server=on,wait=off", socket.display())])
            .device(&format!("virtserialport,chardev=port{index},name={name}"));
    }
    machine
}

/// Connects to one of the ports once QEMU has made it.
pub fn connect(directory: &Path, name: &str) -> Result<UnixStream> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match UnixStream::connect(directory.join(name)) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() >= deadline => return Err(error).context(format!("connect to {name}")),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Ends what goes into a port, once the guest has it all: QEMU drops what it has not read when the line is closed.
pub fn finish(port: UnixStream) -> Result<()> {
    let mut waiting: libc::c_int = 1;
    while waiting > 0 && !has_hung_up(&port) {
        std::thread::sleep(Duration::from_millis(5));
        // SAFETY: an open socket, and the kernel writes one `int`.
        let asked = unsafe { libc::ioctl(port.as_raw_fd(), libc::TIOCOUTQ, &raw mut waiting) };
        ensure!(asked == 0, std::io::Error::last_os_error());
    }
    Ok(())
}

fn has_hung_up(port: &UnixStream) -> bool {
    let mut polled = libc::pollfd { fd: port.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one `struct pollfd`; it does not wait.
    unsafe { libc::poll(&raw mut polled, 1, 0) > 0 && polled.revents & (libc::POLLHUP | libc::POLLERR) != 0 }
}

/// What comes from a port until the machine has ended, copied to `copy` as it comes.
pub fn collect(mut port: UnixStream, mut copy: impl Write + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = port.read(&mut bytes) {
            // Whoever reads our output may have gone; the machine goes on.
            let _ = copy.write_all(&bytes[..count]).and_then(|()| copy.flush());
            all.extend_from_slice(&bytes[..count]);
        }
        all
    })
}

/// The exit code in what the port for it said.
pub fn exit_code(said: &[u8]) -> Option<u8> {
    String::from_utf8_lossy(said).strip_prefix("exit ")?.trim_end().parse().ok()
}

/// A word of a command on the kernel's command line: spaces, quotes, backslashes and what is not printable as `\xNN`.
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    // The kernel passes over empty words.
    let bytes = word.bytes().map(|byte| if plain(byte) { (byte as char).into() } else { format!("\\x{byte:02x}") });
    bytes.collect()
}

/// The directories that pidone mounts on.
pub fn mount_points(tree: &mut Tree) {
    for directory in ["dev", "proc", "run", "sys", "var"] {
        tree.directory(directory, 0o755);
    }
    tree.directory("tmp", 0o1777);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_pidone_reads_them() {
        assert_eq!(quoted("a b\"c\\é"), "a\\x20b\\x22c\\x5c\\xc3\\xa9");
        assert_eq!(exit_code(b"exit 255\n"), Some(255));
        assert_eq!((exit_code(b"exit 256\n"), exit_code(b"")), (None, None));
    }
}
