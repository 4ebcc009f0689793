//! Signal numbers: signal(7). The real-time ones are as C libraries count them, from 34.

/// Interrupt; from the kernel to PID 1: Ctrl-Alt-Del was pressed.
pub const INT: u8 = 2;
/// Kill, not to be caught.
pub const KILL: u8 = 9;
/// User-defined 1.
pub const USR1: u8 = 10;
/// User-defined 2.
pub const USR2: u8 = 12;
/// Terminate.
pub const TERM: u8 = 15;
/// Continue.
pub const CONT: u8 = 18;
/// Power failure.
pub const PWR: u8 = 30;
/// First real-time signal that programs may use.
pub const RTMIN: u8 = 34;
