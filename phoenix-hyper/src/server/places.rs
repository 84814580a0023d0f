//! Places for connections: a limited number in all, for each address, and for each network of addresses.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::limits::ServerLimits;
use crate::body::Quota;

/// The places that are taken.
#[derive(Debug)]
pub(super) struct Places {
    taken: Mutex<Taken>,
    limits: ServerLimits,
}

#[derive(Debug, Default)]
struct Taken {
    connections: usize,
    by_network: BTreeMap<Network, (usize, Quota)>,
}

/// A place for one connection, freed on drop.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
    /// What all requests from this address, and from the networks that it is in, may take of the budget of
    /// bodies.
    pub quota: Quota,
}

impl Places {
    pub fn new(limits: ServerLimits) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), limits })
    }

    /// Takes a place for a connection from `address`, if one is free.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut taken = self.taken();
        let Taken { connections, by_network } = &mut *taken;
        let has_place = |(network, share): (Network, usize)| {
            let held = by_network.get(&network).map_or(0, |(connections, _)| *connections);
            held < self.limits.connections_per_address.saturating_mul(share)
        };
        if *connections >= self.limits.connections || !networks(address).all(has_place) {
            return None;
        }
        *connections += 1;
        let mut quota = Quota::default();
        for (network, share) in networks(address) {
            let bytes = self.limits.body_bytes_per_address.saturating_mul(share);
            let (connections, together) = by_network.entry(network).or_insert_with(|| (0, Quota::new(bytes)));
            *connections += 1;
            quota.share(together);
        }
        Some(Place { places: Arc::clone(self), address, quota })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.connections -= 1;
        for (network, _) in networks(self.address) {
            if let Some((connections, _)) = taken.by_network.get_mut(&network) {
                *connections -= 1;
                if *connections == 0 {
                    taken.by_network.remove(&network);
                }
            }
        }
    }
}

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Network {
    first: IpAddr,
    bits: u8,
}

/// What providers assign IPv6 addresses by, and how many times the share of one customer each may take: one line
/// has 64 bits, a household up to 56, a site 48. However many networks of 64 bits someone holds, places are left for
/// others.
const IPV6_STEPS: [(u8, usize); 3] = [(64, 1), (56, 4), (48, 16)];

/// The networks that an address counts for, and the share of each: of IPv4, the address alone.
fn networks(address: IpAddr) -> impl Iterator<Item = (Network, usize)> {
    let (steps, address): (&[(u8, usize)], _) = match address.to_canonical() {
        address @ IpAddr::V4(_) => (&[(32, 1)], address),
        address @ IpAddr::V6(_) => (&IPV6_STEPS, address),
    };
    steps.iter().map(move |(bits, share)| {
        let first = match address {
            IpAddr::V6(address) => {
                let rest = 128 - u32::from(*bits);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> rest << rest))
            }
            address @ IpAddr::V4(_) => address,
        };
        (Network { first, bits: *bits }, *share)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(connections: usize, connections_per_address: usize) -> Arc<Places> {
        Places::new(ServerLimits { connections, connections_per_address, ..ServerLimits::default() })
    }

    #[test]
    fn a_place_that_is_given_back_is_there_again() {
        let places = places(2, 2);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let first = places.take(address).unwrap();
        let _second = places.take(address).unwrap();
        assert!(places.take("192.0.2.2".parse().unwrap()).is_none());
        drop(first);
        assert!(places.take("192.0.2.2".parse().unwrap()).is_some());
        assert_eq!(places.taken().by_network.len(), 1, "nothing is kept of an address that is gone");
    }

    #[test]
    fn one_customer_cannot_take_all_places() {
        let places = places(10, 1);
        let mut held = Vec::new();
        for (address, free) in [
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", false),
            ("192.0.2.2", true),
            ("2001:db8:1:2::3", true),
            ("2001:db8:1:2:ffff::4", false),
            ("2001:db8:1:3::3", true),
        ] {
            let place = places.take(address.parse().unwrap());
            assert_eq!(place.is_some(), free, "{address}");
            held.extend(place);
        }
    }

    /// Each network of 64 bits has its own share, and all that one site has together, one of all.
    #[test]
    fn one_site_with_many_networks_cannot_take_all_places() {
        let places = places(100, 1);
        let mut held = Vec::new();
        let mut take = |address: Ipv6Addr| {
            let place = places.take(address.into());
            let free = place.is_some();
            held.extend(place);
            free
        };
        let site: u128 = 0x2001_0db8_0001 << 80;
        let household = (0..256).filter(|line| take(Ipv6Addr::from_bits(site | line << 64 | 1))).count();
        assert_eq!(household, 4);
        let all = (0..65_536).filter(|line| take(Ipv6Addr::from_bits(site | line << 64 | 1))).count();
        assert_eq!(household + all, 16);
        assert!(take(Ipv6Addr::from_bits(0x2001_0db8_0002 << 80)), "another site is served");
        drop(held);
        assert!(places.taken().by_network.is_empty(), "nothing is kept of networks that are gone");
    }
}
