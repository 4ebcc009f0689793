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
