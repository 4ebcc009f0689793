//! `linux.sysctl`: only what belongs to a namespace of the container, for anything else would change the machine.

use crate::abi::namespace::Namespace;
use crate::plan::{Request, Steps, path};
use crate::text::fields;
use crate::texts::CStr;
use crate::texts::until_nul;

const MAP: &CStr = c!("linux.sysctl");
const ROOT: &CStr = s!("/proc/sys");

/// Names, as paths below /proc/sys, after the number of the namespace that they belong to. A final `*` stands for any rest.
static NAMESPACED: &[u8] = b"3net/* 1kernel/shm* 1kernel/msg* 1kernel/sem 1kernel/auto_msgmni 1fs/mqueue/* \
6kernel/hostname 6kernel/domainname 5user/*";

const _: () = assert!(Namespace::Ipc as u8 == 1 && Namespace::Network as u8 == 3);
const _: () = assert!(Namespace::User as u8 == 5 && Namespace::Uts as u8 == 6);

/// One write a value, in order.
pub(super) fn write<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    for (number, pair) in request.spec.linux.sysctl.iter().enumerate() {
        let place = to.arena.bytes(pair.name.count_bytes() + 1);
        place_of(pair.name.to_bytes(), place);
        let place = until_nul(place).unwrap_or(s!(""));
        if let Some(problem) = problem_of(request, place) {
            to.refuse_entry(MAP, number, problem);
        }
        let path = path::join(to.arena, ROOT, place);
        to.write(path, pair.value);
    }
}

fn problem_of(request: &Request, place: &CStr) -> Option<&'static CStr> {
    if path::goes_up(place) || fields(place.to_bytes(), b'/').any(is_nothing) {
        return Some(c!("not a name below /proc/sys"));
    }
    let Some(namespace) = namespace_of(place.to_bytes()) else {
        return Some(c!("belongs to no namespace: it would change the whole machine"));
    };
    if !request.namespaces.is_own(namespace) {
        return Some(match namespace {
            Namespace::Network => c!("the container has no network namespace of its own"),
            Namespace::Ipc => c!("the container has no ipc namespace of its own"),
            Namespace::User => c!("the container has no user namespace of its own"),
            _ => c!("the container has no uts namespace of its own"),
        });
    }
    let name = if place == s!("kernel/hostname") {
        request.spec.hostname
    } else if place == s!("kernel/domainname") {
        request.spec.domainname
    } else {
        None
    };
    name.filter(|name| !name.is_empty()).map(|_| c!("contradicts hostname or domainname"))
}

fn is_nothing(component: &[u8]) -> bool {
    component.is_empty() || component == b"."
}

/// A name as a path. sysctl(8): the first separator found is the separator, and the other of the two is an ordinary
/// character; where the separator is a dot, a slash stands for a dot: `net.ipv4.conf.eth0/7.forwarding`.
fn place_of(name: &[u8], place: &mut [u8]) {
    let separator = name.iter().copied().find(|byte| matches!(byte, b'.' | b'/'));
    for (byte, place) in name.iter().zip(place) {
        *place = match (separator, *byte) {
            (Some(b'.'), b'.') => b'/',
            (Some(b'.'), b'/') => b'.',
            (_, byte) => byte,
        };
    }
}

fn namespace_of(place: &[u8]) -> Option<Namespace> {
    for entry in fields(NAMESPACED, b' ') {
        let (number, pattern) = entry.split_first()?;
        let is_match = match pattern.strip_suffix(b"*") {
            Some(prefix) => place.starts_with(prefix),
            None => place == pattern,
        };
        if is_match {
            return Namespace::ALL.get(usize::from(number & 7)).copied();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_as_sysctl_8_says() {
        for (name, expected) in [
            ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
            ("net.ipv4.conf.eth0/7.forwarding", "net/ipv4/conf/eth0.7/forwarding"),
            ("net/ipv4/conf/eth0.7/forwarding", "net/ipv4/conf/eth0.7/forwarding"),
            ("kernel", "kernel"),
        ] {
            let mut place = vec![0; name.len()];
            place_of(name.as_bytes(), &mut place);
            assert_eq!(place, expected.as_bytes());
        }
    }

    #[test]
    fn what_belongs_to_no_namespace_is_known_as_such() {
        assert_eq!(namespace_of(b"net/core/somaxconn"), Some(Namespace::Network));
        assert_eq!(namespace_of(b"kernel/shmmax"), Some(Namespace::Ipc));
        assert_eq!(namespace_of(b"kernel/sem"), Some(Namespace::Ipc));
        assert_eq!(namespace_of(b"fs/mqueue/msg_max"), Some(Namespace::Ipc));
        assert_eq!(namespace_of(b"kernel/domainname"), Some(Namespace::Uts));
        for name in ["kernel/panic", "kernel/semx", "vm/swappiness", "fs/file-max", "network/x", "net"] {
            assert_eq!(namespace_of(name.as_bytes()), None, "{name}");
        }
    }
}
