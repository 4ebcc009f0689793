//! The command line of an OCI runtime, against this machine's kernel: the real file and a bundle of busybox, in a mount
//! namespace where control groups of version 2 are mounted. Needs root and busybox; says so and passes where there is none.

mod exec;
mod host;
mod kills;
mod life;
mod machine;
mod peers;
mod places;
mod protection;
mod reports;
mod terminal;
