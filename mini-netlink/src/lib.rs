//! The kernel's network configuration by netlink, without a heap: links, addresses, routes, neighbours, rules, WireGuard,
//! and what changes of them.
//!
//! - **Bytes are apart from calls.** A request is a typed value that writes itself into a buffer ([`wire`], [`link`],
//!   [`address`], [`route`], [`neighbour`], [`rule`], [`generic`], [`wireguard`]), an answer is bytes that are judged
//!   ([`reply`]): all pure. Only [`socket`] and [`monitor`] call the kernel.
//! - **Memory is the caller's.** The socket borrows one buffer; nothing here allocates or owns a static.
//! - **Nothing is cut short in silence, and nothing waits.** A writer says that the buffer is full, a reader stops at the
//!   first length that cannot be right, every loop has a bound, and no receive blocks. Who wants to wait asks for it, with
//!   a deadline: [`Monitor::wait`](monitor::Monitor::wait).
//! - **No panic**, whatever the bytes; no `unsafe`; no `core::fmt` unless the caller prints an error.
//! - **A failure is the kernel's**: its errno, which of the requests, and, beside it, its words if the socket asks for them.
//!
//! A container's network: a pair of links, one end here on a bridge, the other made in place in the namespace of process
//! 4711 as `eth0`; then, from within that namespace, an address and a default route in one datagram.
//!
//! ```no_run
//! use core::net::{IpAddr, Ipv4Addr};
//! use mini_netlink::{
//!     Action, Address, BUFFER_BYTES, ChangeAddress, ChangeRoute, Error, LOOPBACK, LinkName, LinkSettings, Namespace, Peer,
//!     Route, SetLink, Socket,
//! };
//!
//! fn outside() -> Result<(), Error> {
//!     let mut buffer = [0; BUFFER_BYTES];
//!     let mut socket = Socket::open(&mut buffer)?;
//!     let bridge = socket.link_index(&LinkName::new(b"bridge0")?)?;
//!     let here = LinkSettings {
//!         master: Some(bridge),
//!         up: Some(true),
//!         ..LinkSettings::named(LinkName::new(b"web")?)
//!     };
//!     let there = Peer::named(LinkName::new(b"eth0")?).inside(Namespace::Pid(4711));
//!     socket.veth(&here, &there)
//! }
//!
//! fn inside() -> Result<(), Error> {
//!     let mut buffer = [0; BUFFER_BYTES];
//!     let mut socket = Socket::open(&mut buffer)?;
//!     socket.set_up(LOOPBACK)?;
//!     let index = socket.link_index(&LinkName::new(b"eth0")?)?;
//!     let address = Address::new(index, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 24);
//!     let route = Route { gateway: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))), ..Route::DEFAULT_V4 };
//!     let up = LinkSettings { up: Some(true), ..LinkSettings::NONE };
//!
//!     let mut batch = socket.batch();
//!     batch.add(&SetLink { index, settings: up })?;
//!     batch.add(&ChangeAddress { action: Action::Add, address })?;
//!     batch.add(&ChangeRoute { action: Action::Add, route })?;
//!     batch.send()
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
#[macro_use]
extern crate std;

#[cfg(test)]
mod capture;

// In reading order.
pub mod wire;

pub mod name;
mod value;

pub mod address;
pub mod link;
pub mod neighbour;
pub mod route;
pub mod rule;

pub mod generic;
pub mod wireguard;

pub mod reply;

pub mod error;
pub mod monitor;
pub mod socket;

mod list;

pub use address::{Action, Address, ChangeAddress, GetAddresses};
pub use error::{Error, Explanation, Refusal, Text};
pub use link::{
    ChangeAlternativeName, ChangeKind, DeleteLink, GetLink, LOOPBACK, Link, LinkKind, LinkName, LinkSettings,
    Namespace, NewLink, Peer, SetLink, Veth, kind,
};
pub use name::BadName;
pub use neighbour::{ChangeNeighbour, GetNeighbours, Neighbour};
pub use route::{ChangeRoute, GetRoutes, Route};
pub use rule::{AddRule, DeleteRule, GetRules, Rule};
pub use rustix::io::Errno;
pub use socket::{BUFFER_BYTES, Batch, Listed, Socket};
