//! pidone: a tiny static PID 1 for virtual machines with container launching built in.
//!
//! Principles:
//! - **Parse, plan, apply.** Bytes become a `Spec` (what was asked); a `Spec` plus `Facts` becomes a `Plan` (what will be
//!   done); a `Plan` becomes system calls. The first two are pure and hold every decision.
//! - **One vocabulary.** Everything done to the machine is a [`plan::step::Step`]; `apply` performs it, `plan::print`
//!   writes it down.
//! - **Memory is handed down.** No heap: fixed regions in `.bss`, lent once, and an arena over them.
//! - **The kernel is behind one door.** `abi` has its numbers, `sys` its calls and all `unsafe`.
//! - **PID 1 touches nothing untrusted.** A short-lived launcher, forked from the same image, parses, plans and applies.
//!
//! Modules in reading order; each may use only what stands below it in `ARCHITECTURE.md`'s table.
#![cfg_attr(not(test), no_std)]

pub mod limits;

#[macro_use]
pub mod packing;

pub mod boot;
pub mod command;
pub mod control;
pub mod runtime;
pub mod supervise;

pub mod launch;
pub mod logger;

pub mod apply;
pub mod config;
pub mod observe;
pub mod plan;

pub mod abi;
pub mod error;
pub mod log;
pub mod sys;
pub mod text;

pub use sys::{arena, record, texts};

#[cfg(test)]
mod imports;
