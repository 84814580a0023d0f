//! The addresses of a name, without those that are not public: a stranger who names a homeserver could
//! otherwise make this one send requests into its own network (PROTOCOL.md §5).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use tokio::sync::Semaphore;

/// The port of HTTPS, where services listen.
const PORT: u16 = 443;

/// Addresses tried for one name: more than a homeserver has, and too few to flood others through this
/// process.
const MAX_ADDRESSES: usize = 8;

/// Look-ups at once: each holds a thread, and a hostile name server answers slowly.
const MAX_LOOKUPS: usize = 32;

/// The system's resolver.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    lookups: Arc<Semaphore>,
    /// The address that every name resolves to.
    #[cfg(test)]
    pub everything: Option<SocketAddr>,
}

impl Resolver {
    pub fn new() -> Self {
        Self {
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            #[cfg(test)]
            everything: None,
        }
    }

    /// Returns the addresses of `host`, unchecked.
    pub async fn look_up(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        #[cfg(test)]
        if let Some(address) = self.everything {
            return Ok(vec![address]);
        }
        let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        let look_up = move || {
            // Held until the thread is free, even if the caller is gone.
            let _permit = permit;
            Ok((host.as_str(), PORT).to_socket_addrs()?.take(MAX_ADDRESSES).collect())
        };
        tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)?
    }
}

/// Keeps the addresses that may be connected to.
pub(super) fn allowed(mut found: Vec<SocketAddr>, private_addresses: bool) -> Vec<SocketAddr> {
    found.retain(|address| private_addresses || is_public(address.ip()));
    found
}

/// Whether an address belongs to the public Internet: neither to this machine or network (loopback, private,
/// link-local, …) nor to no host at all (unspecified, multicast, documentation, reserved, …).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Networks that are not public: those of the IANA IPv4 special-purpose registry that are not global,
/// multicast, and reserved ones.
const SPECIAL_V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    !SPECIAL_V4.iter().any(|(network, length)| (bits ^ u32::from_be_bytes(*network)) >> (32 - length) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, ..] = address.segments();
    match (a, b) {
        // Translated by the network to the embedded IPv4 address (RFC 6052).
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => {
            let [.., w, x, y, z] = address.octets();
            is_public_v4(Ipv4Addr::new(w, x, y, z))
        }
        // Protocol assignments, among them Teredo, benchmarking and ORCHID.
        (0x2001, 0..=0x1ff)
        // Documentation, in two generations.
        | (0x2001, 0xdb8)
        | (0x3fff, 0..=0xfff)
        // 6to4: routed to the embedded IPv4 address.
        | (0x2002, _) => false,
        // Global unicast. Everything else is special, mapped IPv4 addresses included.
        _ => a >> 13 == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn private_addresses_of_a_name_are_left_out() {
        let both: Vec<SocketAddr> =
            ["127.0.0.1:443", "1.1.1.1:443"].map(|address| address.parse().unwrap()).into();
        assert_eq!(allowed(both.clone(), false), both[1..]);
        assert_eq!(allowed(both.clone(), true), both);
        assert_eq!(allowed(both[..1].to_vec(), false), []);
    }
}
