//! Folders of the host, shared with a guest by virtiofs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::vm::Builder;

/// It makes its socket before anything else.
const START: Duration = Duration::from_secs(30);

/// The program that serves the folder. It ends with its handle.
pub struct Server {
    child: Child,
    tag: String,
    socket: PathBuf,
}

impl Server {
    /// Serves `folder` under the name `tag`, with what it needs in `directory`, whose path is short. `None`, and a loud word
    /// of it, where the program is not installed.
    pub fn start(folder: &Path, directory: &Path, tag: &str) -> Result<Option<Server>> {
        let places = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"];
        let Some(program) = places.into_iter().find(|path| Path::new(path).exists()) else {
            eprintln!("SKIPPED: virtiofsd is not installed");
            return Ok(None);
        };
        let socket = directory.join(tag);
        let mut command = Command::new(program);
        command.arg(format!("--socket-path={}", socket.display()));
        command.args(["-o", &format!("source={},cache=auto,sandbox=chroot", folder.display())]);
        let child = command.stderr(File::create(socket.with_extension("log"))?).spawn().context(program)?;
        let server = Server { child, tag: tag.into(), socket };
        let started = Instant::now();
        while !server.socket.exists() {
            ensure!(started.elapsed() < START, "{program} makes no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Some(server))
    }

    /// Stops it in the midst of what it does: from here on it answers nothing.
    pub fn fall_silent(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::STOP)?)
    }

    /// Lets it answer again.
    pub fn go_on(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }
}

/// Gives the folders to a guest.
pub fn share(machine: Builder, servers: &[&Server]) -> Builder {
    let memory = ["-object", "memory-backend-memfd,id=mem,size=512M,share=on", "-numa", "node,memdev=mem"];
    servers.iter().fold(machine.memory_mib(512).arguments(memory), |machine, server| {
        let Server { tag, socket, .. } = server;
        let socket = format!("socket,id={tag},path={}", socket.display());
        machine.arguments(["-chardev", &socket]).device(&format!("vhost-user-fs-pci,chardev={tag},tag={tag}"))
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
