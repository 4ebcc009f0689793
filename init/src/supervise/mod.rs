//! PID 1 when the machine runs: children, signals, power.

pub mod message;
pub mod table;
