//! Faults on purpose: every system call of a command fails in turn, or its caller is killed there. What must hold is that
//! somebody is told, and that nothing is left behind.
//!
//! [`tracer`] makes a call fail, [`remains`] sees what is left, [`commands`] says what is done before and after.

pub mod commands;
pub mod remains;
pub mod tracer;
