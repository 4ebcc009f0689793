//! Lists of typed things, from [`Socket::dump`]. After [`Listed::Again`] all that was told before is void.

use crate::address::{Address, GetAddresses};
use crate::error::Error;
use crate::link::{GetLink, Link};
use crate::neighbour::{GetNeighbours, Neighbour};
use crate::route::{GetRoutes, Route};
use crate::rule::{GetRules, Rule};
use crate::socket::{Listed, Socket};

/// What [`Socket::dump`] tells, read by `read`; what that makes nothing of is passed over.
macro_rules! list {
    ($socket:ident, $request:ident, $each:ident, $read:expr) => {
        $socket.dump($request, &mut |listed| {
            match listed {
                Listed::Again => $each(Listed::Again),
                Listed::Object(message) => {
                    if let Some(object) = $read(message)? {
                        $each(Listed::Object(object));
                    }
                }
            }
            Ok(())
        })
    };
}

impl Socket<'_> {
    /// Tells `each` of every link. [`Listed::Again`]: see [`Socket::dump`].
    pub fn links(&mut self, each: &mut dyn FnMut(Listed<Link>)) -> Result<(), Error> {
        let request = &GetLink::All;
        list!(self, request, each, Link::read)
    }

    /// Tells `each` of the addresses. [`Listed::Again`]: see [`Socket::dump`].
    pub fn addresses(&mut self, request: &GetAddresses, each: &mut dyn FnMut(Listed<Address>)) -> Result<(), Error> {
        list!(self, request, each, |message| Address::read(message)
            .map(|address| address.filter(|address| request.matches(address))))
    }

    /// Tells `each` of the routes. [`Listed::Again`]: see [`Socket::dump`].
    ///
    /// ```no_run
    /// use core::net::IpAddr;
    /// use mini_netlink::address::Family;
    /// use mini_netlink::{Error, GetRoutes, Listed, Socket};
    ///
    /// /// The gateway of the default route that is used: that with the lowest metric.
    /// fn default_gateway(socket: &mut Socket<'_>) -> Result<Option<IpAddr>, Error> {
    ///     let mut best = None;
    ///     let main = GetRoutes { family: Some(Family::V4), table: Some(254), ..GetRoutes::ALL };
    ///     socket.routes(&main, &mut |listed| match listed {
    ///         Listed::Again => best = None,
    ///         Listed::Object(route) if route.prefix_length > 0 => {}
    ///         Listed::Object(route) => {
    ///             let found = (route.metric.unwrap_or(0), route.gateway);
    ///             best = Some(best.map_or(found, |best: (u32, _)| if best.0 <= found.0 { best } else { found }));
    ///         }
    ///     })?;
    ///     Ok(best.and_then(|(_, gateway)| gateway))
    /// }
    /// ```
    pub fn routes(&mut self, request: &GetRoutes, each: &mut dyn FnMut(Listed<Route<'_>>)) -> Result<(), Error> {
        list!(self, request, each, |message| Route::read(message)
            .map(|route| route.filter(|route| request.matches(route))))
    }

    /// Tells `each` of the neighbours. [`Listed::Again`]: see [`Socket::dump`].
    pub fn neighbours(
        &mut self,
        request: &GetNeighbours,
        each: &mut dyn FnMut(Listed<Neighbour>),
    ) -> Result<(), Error> {
        list!(self, request, each, |message| Neighbour::read(message)
            .map(|neighbour| neighbour.filter(|neighbour| request.matches(neighbour))))
    }

    /// Tells `each` of the rules. [`Listed::Again`]: see [`Socket::dump`].
    pub fn rules(&mut self, request: &GetRules, each: &mut dyn FnMut(Listed<Rule>)) -> Result<(), Error> {
        list!(self, request, each, Rule::read)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::link::AlternativeNames;
    use crate::wire::Message;

    /// Attributes of any kind and content, one within the other up to four deep; unlike in mere bytes, lengths are right.
    fn any_attributes() -> impl Strategy<Value = Vec<u8>> {
        let content = proptest::collection::vec(any::<u8>(), 0..24);
        content.prop_recursive(4, 64, 8, |content| {
            proptest::collection::vec((0_u16..64, content), 0..8).prop_map(|attributes| {
                let mut bytes = Vec::new();
                for (kind, content) in attributes {
                    bytes.extend(u16::try_from(content.len() + 4).unwrap().to_ne_bytes());
                    bytes.extend(kind.to_ne_bytes());
                    bytes.extend(content);
                    bytes.resize(bytes.len().next_multiple_of(4), 0);
                }
                bytes
            })
        })
    }

    proptest! {
        #[test]
        fn whatever_the_kernel_tells_is_read_or_refused(
            fixed in proptest::collection::vec(any::<u8>(), 0..17),
            family in proptest::sample::select(vec![0_u8, 2, 7, 10]),
            attributes in any_attributes(),
        ) {
            let mut payload = [fixed, attributes].concat();
            if let Some(first) = payload.first_mut() {
                *first = family;
            }
            for kind in (16..40).chain([108, 109]) {
                let message = Message { kind, flags: 0, sequence: 1, port: 0, payload: &payload };
                let _ = Link::read(&message);
                let _ = AlternativeNames::read(&message).map(Iterator::count);
                let _ = Address::read(&message);
                let _ = Route::read(&message).map(|route| route.map(|route| route.next_hops.iter().count()));
                let _ = Neighbour::read(&message);
                let _ = Rule::read(&message);
            }
        }
    }
}
