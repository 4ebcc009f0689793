//! Bytes to `Spec`: pure functions over text.

pub mod spec;
