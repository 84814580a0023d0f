//! PROTOCOL.md §5, Domains — the domain that a homeserver is named by.

use std::{fmt, str::FromStr};

use tls_codec::{DeserializeBytes, Serialize, Size};

use crate::codec::Bytes;

/// A homeserver's fully qualified domain name, in lower case and ASCII (IDNA A-labels).
///
/// It has at least two labels and at most 253 octets, no port and no trailing dot, and is no IP address.
/// `localhost` names of two or more labels (`a.localhost`) are domains like any other here; whether a
/// homeserver may *serve* one is up to its adapter. Encoded as its octets, with their length; any other
/// spelling than this one is not a valid encoding.
///
/// ```
/// use phoenix_core::identifiers::Domain;
/// let domain: Domain = "Example.COM".parse().unwrap();
/// assert_eq!(domain.as_str(), "example.com");
/// assert!("192.0.2.1".parse::<Domain>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

/// Why a string is not a homeserver domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDomain {
    /// Longer than 253 octets, or empty.
    #[error("a domain has 1 to 253 octets")]
    Length,
    /// A label is empty, longer than 63 octets, or starts or ends with a hyphen.
    #[error("a label has 1 to 63 octets and neither starts nor ends with a hyphen")]
    Label,
    /// A character other than letters, digits, hyphens and dots. International names are written in their
    /// ASCII form (`xn--…`).
    #[error("a domain is written in ASCII letters, digits and hyphens (international names as xn--…)")]
    Character,
    /// One label only.
    #[error("a domain has at least two labels")]
    NotQualified,
    /// An IP address.
    #[error("an IP address is not a domain")]
    IpAddress,
}

const MAX_OCTETS: usize = 253;

impl Domain {
    /// Returns the name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name lies below `localhost`, which only a homeserver for development may serve.
    pub fn is_localhost(&self) -> bool {
        self.0.ends_with(".localhost")
    }

    /// Returns the part that its owner registered, by the public suffix list: `chat.example.co.uk` and
    /// `example.co.uk` have one owner, and count as one. A name that is a public suffix itself stands for
    /// itself.
    pub fn registrable(&self) -> Domain {
        let registrable = psl::domain_str(&self.0).unwrap_or(&self.0);
        Self(registrable.to_owned())
    }

    fn check(name: &str) -> Result<(), InvalidDomain> {
        if name.is_empty() || name.len() > MAX_OCTETS {
            return Err(InvalidDomain::Length);
        }
        let labels: Vec<&str> = name.split('.').collect();
        for label in &labels {
            if label.is_empty() || label.len() > 63 || label.starts_with('-') || label.ends_with('-') {
                return Err(InvalidDomain::Label);
            }
            if !label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
                return Err(InvalidDomain::Character);
            }
        }
        // No top-level domain is numeric (RFC 3696 §2); every IPv4 address ends in a number.
        if labels.last().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit())) {
            return Err(InvalidDomain::IpAddress);
        }
        if labels.len() < 2 { Err(InvalidDomain::NotQualified) } else { Ok(()) }
    }
}

impl FromStr for Domain {
    type Err = InvalidDomain;

    fn from_str(name: &str) -> Result<Self, InvalidDomain> {
        let name = name.to_ascii_lowercase();
        Self::check(&name)?;
        Ok(Self(name))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl serde::Serialize for Domain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Domain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

impl Domain {
    fn octets(&self) -> Bytes<MAX_OCTETS> {
        Bytes::new(self.0.as_bytes().to_vec()).unwrap_or_default()
    }
}

impl Size for Domain {
    fn tls_serialized_len(&self) -> usize {
        self.octets().tls_serialized_len()
    }
}

impl Serialize for Domain {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        self.octets().tls_serialize(writer)
    }
}

impl DeserializeBytes for Domain {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let (octets, rest) = Bytes::<MAX_OCTETS>::tls_deserialize_bytes(bytes)?;
        let name = String::from_utf8(octets.into_vec()).map_err(|_| tls_codec::Error::InvalidInput)?;
        Self::check(&name).map_err(|_| tls_codec::Error::InvalidInput)?;
        Ok((Self(name), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};

    #[test]
    fn names_that_are_no_domains_are_refused_each_with_its_reason() {
        for (name, reason) in [
            ("", InvalidDomain::Length),
            ("localhost", InvalidDomain::NotQualified),
            ("192.0.2.1", InvalidDomain::IpAddress),
            ("[2001:db8::1]", InvalidDomain::Character),
            ("example.com:443", InvalidDomain::Character),
            ("example.com.", InvalidDomain::Label),
            ("-a.example.com", InvalidDomain::Label),
            ("bücher.example", InvalidDomain::Character),
        ] {
            assert_eq!(name.parse::<Domain>(), Err(reason), "{name}");
        }
        assert!("a".repeat(254).parse::<Domain>().is_err());
        assert!("a.localhost".parse::<Domain>().unwrap().is_localhost());
    }

    #[test]
    fn only_lower_case_is_a_valid_encoding() {
        let domain: Domain = "Example.COM".parse().unwrap();
        let encoded = encode(&domain);
        assert_eq!(decode(&encoded), Ok(domain));
        assert!(decode::<Domain>(&encoded.to_ascii_uppercase()).is_err());
    }

    #[test]
    fn subdomains_share_their_registrant() {
        let registrable = |name: &str| name.parse::<Domain>().unwrap().registrable().to_string();
        assert_eq!(registrable("chat.example.co.uk"), "example.co.uk");
        assert_eq!(registrable("a.b.example.com"), "example.com");
        assert_eq!(registrable("a.localhost"), "a.localhost");
    }
}
