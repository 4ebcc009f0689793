//! Whether guests run under KVM or emulated (TCG). A `/dev/kvm` proves little: nested in some machines it opens but
//! emulates kernel code badly or stops, so KVM is used only where it has booted a guest.

use std::fs;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::artifacts::busybox;
use crate::cache;
use crate::kernel::Kernel;
use crate::tree::Tree;
use crate::vm::{Ending, Vm};

/// KVM that works is there in well under a second.
const PROBE_DEADLINE: Duration = Duration::from_secs(6);

/// How the guest's processor is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceleration {
    /// Emulated.
    Tcg,
    /// By the host's processor.
    Kvm,
}

impl Acceleration {
    /// QEMU's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Acceleration::Tcg => "tcg",
            Acceleration::Kvm => "kvm",
        }
    }

    fn from_name(name: &str) -> Option<Acceleration> {
        [Acceleration::Tcg, Acceleration::Kvm].into_iter().find(|acceleration| acceleration.name() == name)
    }

    /// `PIDONE_ACCEL`, or what the probe found on this host kernel; the answer is kept in the cache.
    pub fn choose(kernel: &Kernel) -> Result<Acceleration> {
        if let Ok(name) = std::env::var("PIDONE_ACCEL") {
            match Acceleration::from_name(&name) {
                Some(acceleration) => return Ok(acceleration),
                None => bail!("PIDONE_ACCEL is tcg or kvm, not {name}"),
            }
        }
        let uname = rustix::system::uname();
        let memory = cache::directory()?.join(format!("acceleration-{}", uname.release().to_string_lossy()));
        let remembered = || fs::read_to_string(&memory).ok().and_then(|name| Acceleration::from_name(name.trim()));
        if let Some(acceleration) = remembered() {
            return Ok(acceleration);
        }
        let _lock = cache::lock("acceleration")?;
        if let Some(acceleration) = remembered() {
            return Ok(acceleration);
        }
        let acceleration = if kvm_boots(kernel).unwrap_or(false) { Acceleration::Kvm } else { Acceleration::Tcg };
        fs::write(&memory, acceleration.name())?;
        Ok(acceleration)
    }
}

fn kvm_boots(kernel: &Kernel) -> Result<bool> {
    if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(false);
    }
    let mut tree = Tree::new();
    tree.host_file("bin/busybox", 0o755, busybox()?);
    tree.file("init", 0o755, "#!/bin/busybox sh\n/bin/busybox poweroff -f\n");
    let mut vm = Vm::new(kernel).initramfs(&tree).acceleration(Acceleration::Kvm).deadline(PROBE_DEADLINE).start()?;
    Ok(vm.wait()?.ending == Ending::PowerOff)
}
