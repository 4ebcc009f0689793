//! The boot harness of pidone: host code that assembles machines and watches them run.
//!
//! - A guest is a [`vm::Vm`]: a kernel, an initramfs or a disk, and a deadline on the host's clock (guest clocks lie).
//! - What a guest boots is a [`tree::Tree`], written by [`initramfs`] or [`disk`]; nothing is unpacked as root.
//! - [`image::Image`] lays a tree out as LinuxKit's builder does, from [`container::Container`]s.
//! - Everything downloaded or derived lives in [`cache`], so a second run needs no network.
//! - Two guests run at a time, over all processes: see [`gate`].
//!
//! The environment may say otherwise: `PIDONE_KERNEL` (`6.12`), `PIDONE_VMLINUX` and `PIDONE_MODULES` (a kernel of one's own),
//! `PIDONE_BINARY` and `PIDONE_PROBE` (programs built already), `PIDONE_ACCEL` (`tcg`, `kvm`), `PIDONE_GUESTS` (how many at a
//! time), `PIDONE_CACHE` (where downloads are kept).
//!
//! Reading order: `tree`, `initramfs`, `disk`, `kernel`, `modules`, `vm` (with `console`, `qmp`, `gate`, `acceleration`),
//! then `container`, `image`, `observation`, `debian`. [`bench`] measures on the host.

pub mod acceleration;
pub mod artifacts;
pub mod bench;
pub mod cache;
pub mod command;
pub mod console;
pub mod container;
pub mod debian;
pub mod debian_host;
pub mod demo;
pub mod disk;
pub mod faults;
pub mod gate;
pub mod image;
pub mod initramfs;
pub mod kernel;
pub mod modules;
pub mod observation;
pub mod oneshot;
pub mod profile;
pub mod qmp;
pub mod root;
pub mod soak;
pub mod tree;
pub mod virtiofs;
pub mod vm;
