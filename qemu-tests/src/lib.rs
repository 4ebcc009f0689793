//! Boots pidone in QEMU.
