//! Places for connections: a limited number in all, and for each address.

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
    by_address: BTreeMap<IpAddr, (usize, Quota)>,
}

/// A place for one connection, freed on drop.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
    /// What all requests from this address may take of the budget of bodies.
    pub quota: Quota,
}

impl Places {
    pub fn new(limits: ServerLimits) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), limits })
    }

    /// Takes a place for a connection from `address`, if one is free.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = one_customer(address);
        let mut taken = self.taken();
        if taken.connections >= self.limits.connections {
            return None;
        }
        let (connections, quota) = taken
            .by_address
            .entry(address)
            .or_insert_with(|| (0, Quota::new(self.limits.body_bytes_per_address)));
        if *connections >= self.limits.connections_per_address {
            return None;
        }
        *connections += 1;
        let quota = quota.clone();
        taken.connections += 1;
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
        if let Some((connections, _)) = taken.by_address.get_mut(&self.address) {
            *connections -= 1;
            if *connections == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// What a provider assigns to one customer: an IPv4 address, or an IPv6 network of 64 bits.
fn one_customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
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
        assert_eq!(places.taken().by_address.len(), 1, "nothing is kept of an address that is gone");
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
}
