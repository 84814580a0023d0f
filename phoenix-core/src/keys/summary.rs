//! PROTOCOL.md §3, Secrets — what an operator may see of the keys of a homeserver: which there are and until
//! when, no secrets.

use super::{
    publication::{published, published_hpke},
    service_keys::{IntermediateKey, ServiceKeys},
};
use crate::time::ExpirationData;

/// A key or credential, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySummary {
    /// Its kind, in words, such as `root credential`.
    pub what: &'static str,
    /// The id or fingerprint that it is published under, in hexadecimal digits.
    pub id: String,
    /// When it is valid.
    pub expiration: ExpirationData,
}

impl ServiceKeys {
    /// Summarises every key and credential that has a public half, by kind, the newest of each first.
    pub fn summary(&self) -> Vec<KeySummary> {
        fn entry(what: &'static str, id: impl ToString, expiration: &ExpirationData) -> KeySummary {
            KeySummary { what, id: id.to_string(), expiration: *expiration }
        }
        let roots = self.roots.iter();
        let roots = roots.map(|root| entry("root credential", root.fingerprint(), &root.payload.expiration));
        let intermediates = self.intermediates.iter().map(|IntermediateKey { credential, .. }| {
            entry("intermediate credential", credential.fingerprint(), credential.expiration())
        });
        let signing = [("queuing service", &self.queuing), ("delivery service", &self.delivery)];
        let signing = signing.into_iter().flat_map(|(what, keys)| {
            keys.iter().map(move |key| entry(what, published(key).id, &key.expiration))
        });
        let sealing = [("queue configurations", &self.config), ("federated streams", &self.stream)];
        let sealing = sealing.into_iter().flat_map(|(what, keys)| {
            keys.iter().map(move |key| entry(what, published_hpke(key).id, &key.expiration))
        });
        roots.chain(intermediates).chain(signing).chain(sealing).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rng::Random,
        time::{DAY, Timestamp},
    };

    #[test]
    fn everything_published_is_listed_under_its_public_name() {
        let now = Timestamp::from_milliseconds(1_800_000_000_000);
        let domain = "example.com".parse().unwrap();
        let keys = ServiceKeys::generate(&domain, &mut Random::from_seed([1; 32]), now);
        let summary = keys.summary();
        let listed: Vec<_> = summary.iter().map(|key| (key.what, key.id.clone())).collect();
        let credentials = keys.as_credential_set(&domain, now, DAY).unwrap().content;
        let queuing = keys.qs_key_set(&domain, now, DAY).unwrap().content;
        let delivery = keys.ds_key_set(&domain, now, DAY).unwrap().content;
        let expected = [
            ("root credential", credentials.roots[0].fingerprint().to_string()),
            ("intermediate credential", credentials.intermediates[0].fingerprint().to_string()),
            ("queuing service", queuing.keys[0].id.to_string()),
            ("delivery service", delivery.keys[0].id.to_string()),
            ("queue configurations", queuing.config_keys[0].id.to_string()),
            ("federated streams", queuing.stream_keys[0].id.to_string()),
        ];
        assert_eq!(listed, expected);
        assert_eq!(summary[2].expiration, queuing.keys[0].expiration);
        assert!(summary.iter().all(|key| key.expiration.contains(now)));
    }
}
