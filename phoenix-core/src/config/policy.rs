//! PROTOCOL.md §9, Policy — which homeservers a homeserver federates with. The policy is asked before any
//! work is done for a peer.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    error::Refusal,
    identifiers::{Domain, InvalidDomain},
};

/// The policy, apart for each direction. By default both are open.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Which homeservers may ask this one and deliver to it.
    pub inbound: Rule,
    /// Which homeservers this one asks and delivers to.
    pub outbound: Rule,
}

/// The rule for one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// With no homeserver.
    Closed,
    /// With these only.
    Allowlist(Vec<Pattern>),
    /// With all but some.
    Open {
        /// The ones that are left out.
        blocklist: Vec<Pattern>,
    },
}

impl Default for Rule {
    fn default() -> Self {
        Self::Open { blocklist: Vec::new() }
    }
}

/// The direction that a policy is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The other homeserver comes to this one.
    Inbound,
    /// This homeserver goes to the other one.
    Outbound,
}

impl Policy {
    /// Returns the policy of a homeserver that does not federate at all.
    pub fn closed() -> Self {
        Self { inbound: Rule::Closed, outbound: Rule::Closed }
    }

    /// Makes sure that the policy allows `domain` in this direction.
    ///
    /// # Errors
    /// [`Refusal::NotFederated`] if it does not.
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

/// Which domains a rule means: one, written as it is, or all below a suffix, written `*.` and the suffix. The
/// suffix itself is not among them.
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
