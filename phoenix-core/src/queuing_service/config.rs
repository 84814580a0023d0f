//! PROTOCOL.md §7, Queue configurations — sealed queue configurations: what a client authorises, for whom and
//! until when.

use crate::{
    codec::{decode, encode},
    credentials::PublishedHpkeKey,
    crypto::{
        kdf::{self, Hash},
        labels::Label,
        sign::{SigningKey, VerifyingKey},
    },
    error::Refusal,
    homeserver::{MAX_UNVERIFIED, MAX_VERIFIED, Opened},
    identifiers::{Domain, GroupId},
    operation::Context,
    rng::Random,
    wire::fan_out::{ClientQueueConfig, QueueConfig, QueueConfigContent},
};

impl ClientQueueConfig {
    /// Signs `content` with the client's configuration key and seals it to its queuing service. Sealed afresh
    /// for each use, no two look alike.
    ///
    /// # Errors
    /// A refusal if nothing can be sealed to the queuing service's key.
    pub fn seal(
        random: &mut Random,
        domain: Domain,
        to: &PublishedHpkeKey,
        content: QueueConfigContent,
        key: &SigningKey,
    ) -> Result<Self, Refusal> {
        let signature = key.sign(&content);
        let config = encode(&QueueConfig { content, signature });
        let sealed = to.key.seal(random, Label::SEAL_QUEUE_CONFIG, &encode(&domain), &config)?;
        Ok(Self { domain, key_id: to.id, sealed })
    }
}

impl QueueConfigContent {
    /// How the client's record names a group: a hash that reveals nothing without the key in here.
    pub fn list_entry(&self, ds_domain: &Domain, group_id: &GroupId) -> Hash {
        let key = self.list_key.as_bytes();
        *kdf::derive(key, Label::GROUP_LIST, &encode(&(ds_domain.clone(), group_id.clone())))
    }

    /// How the client's record names the homeserver of a pinned group, likewise.
    pub(super) fn pinned_domain(&self, ds_domain: &Domain) -> Hash {
        *kdf::derive(self.list_key.as_bytes(), Label::PINNED_DOMAIN, &encode(ds_domain))
    }
}

/// Opens a configuration. `None` if it was not sealed to this homeserver: then it names no client.
///
/// Opening is a public-key operation, so its result is kept in memory. That changes no outcome: it is kept by
/// the hash of the sealed bytes, and the client's record is read afresh each time. Any stranger can seal to
/// this homeserver, so what is not verified yet is kept apart and not for long.
pub(super) fn open(context: &Context, config: &ClientQueueConfig) -> Option<QueueConfig> {
    let name = kdf::hash(Label::SEALED_CONFIGURATION, &[&encode(config)]);
    let homeserver = context.homeserver();
    if let Some(opened) = homeserver.with_opened_configs(|cache| cache.get(&name)) {
        return Some(opened.config);
    }
    let key = context.keys().config_key(&config.key_id)?;
    let plain = key.open(Label::SEAL_QUEUE_CONFIG, &encode(&config.domain), &config.sealed).ok()?;
    let opened: QueueConfig = decode(&plain).ok()?;
    let entry = Opened { config: opened.clone(), verified: None };
    homeserver.with_opened_configs(|cache| cache.unverified.insert(name, entry, MAX_UNVERIFIED));
    Some(opened)
}

/// Whether the configuration's signature was made with `key`.
pub(super) fn verify(
    context: &Context,
    sealed: &ClientQueueConfig,
    config: &QueueConfig,
    key: &VerifyingKey,
) -> bool {
    let name = kdf::hash(Label::SEALED_CONFIGURATION, &[&encode(sealed)]);
    let homeserver = context.homeserver();
    let verified =
        homeserver.with_opened_configs(|cache| cache.get(&name)).and_then(|opened| opened.verified);
    if verified == Some(*key) {
        return true;
    }
    if key.verify(&config.content, &config.signature).is_err() {
        return false;
    }
    let entry = Opened { config: config.clone(), verified: Some(*key) };
    homeserver.with_opened_configs(|cache| cache.verified.insert(name, entry, MAX_VERIFIED));
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        queuing_service::tests::client::TestClient,
        testing::world::World,
        testing::{
            messages::group,
            world::{domain, keys},
        },
    };

    /// Any stranger can seal to the published key: that drives out nothing that a client has signed.
    #[test]
    fn strangers_do_not_drive_out_what_clients_signed() {
        let mut world = World::of(&["b.example"]);
        let mut client = TestClient::new(&mut world, "b.example", 1);
        let homeserver = world.server("b.example").homeserver.clone();
        let context = Context::new(homeserver.clone(), world.now, [0; 16]);
        let sealed = client.bound(&group("a.example", 1));
        let name = |sealed: &ClientQueueConfig| kdf::hash(Label::SEALED_CONFIGURATION, &[&encode(sealed)]);
        let known = |name| homeserver.with_opened_configs(|cache| cache.get(&name)).is_some();
        let config = open(&context, &sealed).unwrap();
        assert!(verify(&context, &sealed, &config, &client.config_key.verifying_key()));
        // Opened like any other, but signed by no client that has a record.
        let to = keys("b.example").config_keys().next().unwrap();
        let (mut random, stranger) = (Random::from_seed([2; 32]), SigningKey::from_bytes(&[3; 32]));
        let mut junk = Vec::new();
        for _ in 0..=MAX_UNVERIFIED {
            let content = config.content.clone();
            let sealed =
                ClientQueueConfig::seal(&mut random, domain("b.example"), &to, content, &stranger).unwrap();
            let opened = open(&context, &sealed).unwrap();
            assert!(!verify(&context, &sealed, &opened, &client.config_key.verifying_key()));
            junk.push(name(&sealed));
        }
        assert!(!known(junk[0]) && known(junk[MAX_UNVERIFIED]), "what is not verified is kept for a while");
        assert!(known(name(&sealed)));
    }
}
