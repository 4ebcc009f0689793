//! `Spec` and `Facts` to `Plan`: every decision about a container, pure.

pub mod step;
