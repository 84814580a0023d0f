//! PROTOCOL.md §7, Queue configurations — messages that no client asked for, and the configurations that
//! carry them.

use crate::{
    codec::decode,
    crypto::provider::MlsCrypto,
    identifiers::{GroupId, RequestId},
    mls::validate_key_package,
    time::Timestamp,
    wire::fan_out::{ClientQueueConfig, FanOutContent, FanOutMessage, Receipt, Recipient},
};

/// Returns the shortest message that is valid for any group: the receipt of a request that was never made, at
/// position 1 of `group_id`, for the client that `config` leads to.
pub fn receipt_for(
    group_id: GroupId,
    config: ClientQueueConfig,
    request_id: RequestId,
    sent_at: Timestamp,
) -> FanOutMessage {
    let receipt = Receipt { request_id, epoch: 1 };
    FanOutMessage {
        group_id,
        position: 1,
        sent_at,
        // One element each is within every limit.
        contents: vec![FanOutContent::Receipt(receipt)].try_into().unwrap_or_default(),
        recipients: vec![Recipient { content: 0, config }].try_into().unwrap_or_default(),
    }
}

/// Returns the queue configuration in an encoded key package. Its owner has made it for Welcomes and for
/// nothing else (PROTOCOL.md §7, Queue configurations). `None` if the key package is not valid at `now`.
pub fn unbound_config(key_package: &[u8], now: Timestamp) -> Option<ClientQueueConfig> {
    // Validation draws no randomness, so any seed will do.
    let crypto = MlsCrypto::new([0; 32]);
    let view = validate_key_package(&crypto, key_package, now.seconds()).ok()?;
    decode(&view.queue_config).ok()
}
