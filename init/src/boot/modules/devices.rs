//! What the devices of the machine say of themselves: `/sys/bus/*/devices/*/modalias`, and `/sys/class/input/*/modalias`.

use crate::abi::Errno;

use crate::error::{Context, Error, Result};
use crate::limits::MODALIAS_BYTES_MAX;
use crate::sys::file::{self, CWD, Open};
use crate::sys::map;
use crate::sys::path::{PathBuffer, copy};
use crate::sys::{self, AsFd, BorrowedFd};
use crate::text::fields;

/// The list is full. No system call made here returns it.
const FULL: Errno = Errno::NOBUFS;
/// One line of sysfs: a page.
const MODALIAS_BYTES: usize = 4096;

/// A list of aliases, each once, one a line.
pub(super) struct Aliases {
    text: &'static mut [u8],
    used: usize,
}

impl Aliases {
    /// An empty list.
    pub(super) fn new() -> Result<Aliases> {
        Ok(Aliases { text: map::zeroed(MODALIAS_BYTES_MAX).doing(c!("list the devices"))?, used: 0 })
    }

    /// Its bytes in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The aliases that came behind the first `from` bytes.
    pub(super) fn behind(&self, from: usize) -> impl Iterator<Item = &[u8]> + Clone {
        let text = self.text.get(from..self.used).unwrap_or(&[]);
        fields(text, b'\n').filter(|line| !line.is_empty())
    }

    /// Adds what every device says now. A device that goes away meanwhile says nothing.
    pub(super) fn collect(&mut self) -> Result<()> {
        self.collect_all().map_err(|errno| match errno {
            FULL => Error::limit(c!("list the devices"), s!("bytes"), MODALIAS_BYTES_MAX + 1, MODALIAS_BYTES_MAX),
            errno => Error::kernel(c!("list the devices"), errno),
        })
    }

    fn collect_all(&mut self) -> sys::Result<()> {
        let Ok(buses) = file::open(CWD, s!("/sys/bus"), Open::Directory) else { return Ok(()) };
        let mut path = PathBuffer::empty();
        file::for_each_entry(buses.as_fd(), &mut |bus, _| {
            let path = path.below(bus, s!("devices"))?;
            let Ok(devices) = file::open(buses.as_fd(), path, Open::Directory) else { return Ok(()) };
            self.collect_bus(devices.as_fd())
        })?;
        // Input devices are on no bus, and only they ask for evdev, without which a power button is not heard.
        let Ok(inputs) = file::open(CWD, s!("/sys/class/input"), Open::Directory) else { return Ok(()) };
        self.collect_bus(inputs.as_fd())
    }

    fn collect_bus(&mut self, devices: BorrowedFd) -> sys::Result<()> {
        let mut path = PathBuffer::empty();
        let mut buffer = [0; MODALIAS_BYTES];
        file::for_each_entry(devices, &mut |device, _| {
            let path = path.below(device, s!("modalias"))?;
            match file::open(devices, path, Open::Read) {
                Ok(file) => self.add(file::read_all(file.as_fd(), &mut buffer).unwrap_or_default()),
                Err(_) => Ok(()),
            }
        })
    }

    fn add(&mut self, alias: &[u8]) -> sys::Result<()> {
        let alias = alias.trim_ascii();
        if alias.is_empty() || self.behind(0).any(|other| other == alias) {
            return Ok(());
        }
        let end = self.used + alias.len() + 1;
        let room = self.text.get_mut(self.used..end).and_then(<[u8]>::split_last_mut);
        let (last, room) = room.ok_or(FULL)?;
        copy(room, alias);
        *last = b'\n';
        self.used = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_of_the_same_kind_are_listed_once_and_new_ones_behind_the_known() {
        let mut devices = Aliases::new().unwrap();
        devices.add(b"pci:v00001AF4\n").unwrap();
        devices.add(b"acpi:PNP0C0C:\n").unwrap();
        let known = devices.used();
        devices.add(b"pci:v00001AF4\n").unwrap();
        devices.add(b"\n").unwrap();
        assert_eq!(devices.used(), known);
        devices.add(b"virtio:d00000001v00001AF4\n").unwrap();
        assert_eq!(devices.behind(known).collect::<Vec<_>>(), [b"virtio:d00000001v00001AF4"]);
        assert_eq!(devices.behind(0).count(), 3);
    }

    #[test]
    fn one_device_too_many_is_an_error() {
        let mut devices = Aliases::new().unwrap();
        let mut alias = [b'x'; MODALIAS_BYTES];
        for number in 0..MODALIAS_BYTES_MAX / (MODALIAS_BYTES + 1) {
            alias[..8].copy_from_slice(&number.to_be_bytes().map(|byte| b'a' + byte % 16));
            alias[8] = b'a' + (number / 16 % 16) as u8;
            devices.add(&alias).unwrap();
        }
        assert_eq!(devices.add(&[b'y'; MODALIAS_BYTES]), Err(FULL));
        assert_eq!(devices.add(b"short"), Ok(()));
    }
}
