//! `Spec` and `Facts` to `Plan`: every decision about a container, pure.

mod options;
pub mod print;
pub mod step;
