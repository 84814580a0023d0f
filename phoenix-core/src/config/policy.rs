//! PROTOCOL.md §9, Policy — with whom a homeserver federates. Asked before any work is done for a peer.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    error::Refusal,
    identifiers::{Domain, InvalidDomain},
};

/// The policy, for each direction apart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// What others may ask of us and deliver to us.
    pub inbound: Rule,
    /// Whom we deliver to and ask.
    pub outbound: Rule,
}

/// The rule for one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Nobody.
    Closed,
    /// Only these.
    Allowlist(Vec<Pattern>),
    /// All but these.
    Open {
        /// Who is not.
        blocklist: Vec<Pattern>,
    },
}

impl Default for Rule {
    fn default() -> Self {
        Self::Open { blocklist: Vec::new() }
    }
}

/// Which way a policy is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// They come to us.
    Inbound,
    /// We go to them.
    Outbound,
}

impl Policy {
    /// No federation at all.
    pub fn closed() -> Self {
        Self { inbound: Rule::Closed, outbound: Rule::Closed }
    }

    /// Refuses where the policy does not allow `domain` in this direction.
    ///
    /// # Errors
    /// [`Refusal::NotFederated`].
    pub fn check(&self, direction: Direction, domain: &Domain) -> Result<(), Refusal> {
        let rule = match direction {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        };
        if rule.allows(domain) { Ok(()) } else { Err(Refusal::NotFederated) }
    }
}

impl Rule {
    fn allows(&self, domain: &Domain) -> bool {
        let listed = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(domain));
        match self {
            Self::Closed => false,
            Self::Allowlist(patterns) => listed(patterns),
            Self::Open { blocklist } => !listed(blocklist),
        }
    }
}

/// A domain, or `*.` and a suffix: every domain below it (and not the suffix itself).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    domain: Domain,
    below: bool,
}

impl Pattern {
    fn matches(&self, domain: &Domain) -> bool {
        if self.below {
            let above = domain.as_str().strip_suffix(self.domain.as_str());
            above.is_some_and(|above| above.ends_with('.'))
        } else {
            *domain == self.domain
        }
    }
}

impl FromStr for Pattern {
    type Err = InvalidDomain;

    fn from_str(text: &str) -> Result<Self, InvalidDomain> {
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        Ok(Self { domain: name.parse()?, below })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", if self.below { "*." } else { "" }, self.domain)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(rule: &Rule, domain: &str) -> bool {
        rule.allows(&domain.parse().unwrap())
    }

    #[test]
    fn patterns_match_whole_labels_below_the_suffix() {
        let rule = Rule::Allowlist(vec!["*.example.com".parse().unwrap(), "example.org".parse().unwrap()]);
        assert!(allowed(&rule, "a.example.com"));
        assert!(allowed(&rule, "a.b.example.com"));
        assert!(!allowed(&rule, "example.com"));
        assert!(!allowed(&rule, "evilexample.com"));
        assert!(allowed(&rule, "example.org"));
        assert!(!allowed(&rule, "a.example.org"));
    }

    #[test]
    fn each_direction_has_its_own_rule() {
        let blocked: Domain = "spam.example".parse().unwrap();
        let policy = Policy {
            inbound: Rule::Open { blocklist: vec!["spam.example".parse().unwrap()] },
            outbound: Rule::default(),
        };
        assert_eq!(policy.check(Direction::Inbound, &blocked), Err(Refusal::NotFederated));
        assert_eq!(policy.check(Direction::Outbound, &blocked), Ok(()));
        assert_eq!(Policy::closed().check(Direction::Outbound, &blocked), Err(Refusal::NotFederated));
    }
}
