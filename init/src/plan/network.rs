//! runtime.json's interfaces, with LinuxKit's meaning.

use crate::abi::namespace::Namespace;
use crate::config::spec::Interface;
use crate::plan::step::{InterfaceStep, Origin, Step};
use crate::plan::{Request, Steps};
use crate::texts::CStr;

const LIST: &CStr = s!("runtime.json: interfaces");

/// netdevice(7): IFNAMSIZ, without the final NUL.
const NAME_BYTES_MAX: usize = 15;

/// config.json's `netDevices`.
pub(super) fn devices<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let field = c!("linux.netDevices");
    let devices = &request.spec.linux.net_devices;
    if !devices.names.is_empty() && !request.namespaces.is_own(Namespace::Network) {
        return to.refuse(field, c!("the container has no network namespace of its own"));
    }
    for (number, (from, device)) in devices.iter().enumerate() {
        let name = device.name.unwrap_or(from);
        // The kernel puts a number in the place of a final %d.
        let plain = name.to_bytes().strip_suffix(b"%d").unwrap_or(name.to_bytes());
        if !is_name(from.to_bytes()) || !is_name(plain) || name.count_bytes() > NAME_BYTES_MAX {
            to.refuse_entry(field, number, NAME);
        }
        to.push(Step::Interface(InterfaceStep { name, origin: Origin::Device { from } }));
    }
}

const NAME: &CStr = c!("name: must be 1 to 15 bytes without slash, colon, percent sign and space");

/// One step an interface, in order.
pub(super) fn interfaces<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let interfaces = request.runtime.interfaces;
    if !interfaces.is_empty() && !request.namespaces.is_own(Namespace::Network) {
        return to.refuse(LIST, c!("the container has no network namespace of its own"));
    }
    for (number, interface) in interfaces.iter().enumerate() {
        let is_repeated = |other: &Interface| other.name == interface.name;
        let origin = origin(interface);
        match (interface.name, origin) {
            (None, _) => to.refuse_entry(LIST, number, c!("name: required")),
            (Some(name), _) if !is_name(name.to_bytes()) => to.refuse_entry(LIST, number, NAME),
            _ if interfaces.iter().take(number).any(is_repeated) => {
                to.refuse_entry(LIST, number, c!("name: another interface has it already"));
            }
            (_, Err(problem)) => to.refuse_entry(LIST, number, problem),
            (Some(name), Ok(origin)) => to.push(Step::Interface(InterfaceStep { name, origin })),
        }
    }
}

fn origin<'a>(interface: &Interface<'a>) -> core::result::Result<Origin<'a>, &'static CStr> {
    let kind = interface.add.filter(|kind| !kind.is_empty());
    let peer = interface.peer.filter(|peer| !peer.is_empty());
    let is_veth = kind.map_or(peer.is_some(), |kind| kind == s!("veth"));
    match (kind, peer) {
        (_, Some(peer)) if is_veth && is_name(peer.to_bytes()) => Ok(Origin::Veth { peer }),
        (_, Some(_)) if is_veth => Err(c!("peer: must be 1 to 15 bytes without slash, colon, percent sign and space")),
        (_, Some(_)) => Err(c!("peer: only a veth has one")),
        (_, None) if is_veth => Err(c!("peer: required for a veth")),
        (Some(kind), None) if interface.create_in_root => Ok(Origin::MadeOutside { kind }),
        (Some(kind), None) => Ok(Origin::MadeInside { kind }),
        (None, None) => Ok(Origin::Existing),
    }
}

/// What the kernel takes for a name; a percent sign would make it a pattern.
fn is_name(name: &[u8]) -> bool {
    let is_wrong = |byte: &u8| matches!(byte, b'/' | b':' | b'%') || byte.is_ascii_whitespace() || *byte == 0x0b;
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name != b"." && name != b".." && !name.iter().any(is_wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kernel() {
        for name in [s!("eth0"), s!("a"), s!("123456789012345"), s!("br-x.7@y")] {
            assert!(is_name(name.to_bytes()), "{name:?}");
        }
        for name in [
            s!(""),
            s!("."),
            s!(".."),
            s!("1234567890123456"),
            s!("a/b"),
            s!("a b"),
            s!("a:b"),
            s!("eth%d"),
            s!("a\tb"),
            s!("a\x0bb"),
        ] {
            assert!(!is_name(name.to_bytes()), "{name:?}");
        }
    }

    #[test]
    fn interfaces_come_to_be_as_linuxkit_does_it() {
        let origin_of = |add, peer, create_in_root| {
            let found = origin(&Interface { name: Some(s!("eth0")), add, peer, create_in_root });
            match found {
                Ok(Origin::Existing | Origin::Device { .. }) => "existing",
                Ok(Origin::Veth { .. }) => "veth",
                Ok(Origin::MadeOutside { .. }) => "outside",
                Ok(Origin::MadeInside { .. }) => "inside",
                Err(_) => "refused",
            }
        };
        assert_eq!(origin_of(None, None, false), "existing");
        assert_eq!(origin_of(None, Some(s!("veth0")), false), "veth");
        assert_eq!(origin_of(Some(s!("veth")), Some(s!("veth0")), true), "veth");
        assert_eq!(origin_of(Some(s!("veth")), None, false), "refused");
        assert_eq!(origin_of(Some(s!("wireguard")), None, true), "outside");
        assert_eq!(origin_of(Some(s!("dummy")), None, false), "inside");
        assert_eq!(origin_of(Some(s!("dummy")), Some(s!("veth0")), false), "refused");
        assert_eq!(origin_of(None, Some(s!("a/b")), false), "refused");
    }
}
