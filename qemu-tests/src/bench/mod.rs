//! What a container costs: pidone beside crun, runc and the [`floor`](../../floor/src/main.rs), in one interleaved run.
//!
//! Processor time and counts repeat, wall time does not: only the former are held to bars.
//!
//! Reading order: [`ground`] (the private place where it all happens), [`bundle`] and [`filter`] (what is run), [`runtime`]
//! (who runs it), [`sample`] (one measurement), [`cases`] (which ones), [`report`] (the table, the bars, the JSON). [`trace`] counts system calls,
//! [`launch`] has a guest of its own.

pub mod bundle;
pub mod cases;
pub mod filter;
pub mod ground;
pub mod launch;
pub mod report;
pub mod runtime;
pub mod sample;
pub mod trace;
