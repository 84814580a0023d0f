//! What the key file opens.

use phoenix_core::{
    codec::{decode, encode},
    crypto::{aead::EarCiphertext, labels::Label},
    keys::ServiceKeys,
    store::{Protection, RecordKind},
    wire::fan_out::FanOutMessage,
};

use super::{image::Image, row::Written};

impl Image {
    /// Opens every row that the homeserver's keys open, and in messages on their way the recipients' sealed
    /// configurations, which name their queues.
    pub fn open(&mut self, keys: &ServiceKeys) {
        let is_sealed = |row: &&mut Written| row.kind.declaration().protection == Protection::ServiceKey;
        for row in self.rows.iter_mut().filter(is_sealed) {
            row.opened = opened(row, keys).unwrap_or_default();
        }
    }
}

fn opened(row: &Written, keys: &ServiceKeys) -> Option<Vec<u8>> {
    // One byte of format, then the ciphertext.
    let sealed: EarCiphertext = decode(row.content().get(1..)?).ok()?;
    let mut plain = keys.service_key.open(&row.key, &sealed).ok()?.to_vec();
    if row.kind == RecordKind::FanOutRow
        && let Ok(message) = decode::<FanOutMessage>(&plain)
    {
        for recipient in message.recipients.iter() {
            let config = &recipient.config;
            let Some(key) = keys.config_key(&config.key_id) else { continue };
            let config = key.open(Label::SEAL_QUEUE_CONFIG, &encode(&config.domain), &config.sealed);
            plain.extend(config.iter().flat_map(|config| config.iter()));
        }
    }
    Some(plain)
}
