//! boot

pub mod clock;
pub mod folder;
pub mod hostname;
pub mod lines;
pub mod modules;
pub mod resolver;
pub mod scripts;
pub mod sysctl;
