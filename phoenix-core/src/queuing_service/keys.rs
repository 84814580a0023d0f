//! PROTOCOL.md §7 — the queuing service's published keys.

use crate::{
    error::Refusal,
    operation::{Interrupt, Transaction},
    request::{Call, Serve},
    wire::queuing_service::{GetConfigKey, GetConfigKeyReply, GetQsKeys, GetQsKeysReply},
};

/// `get_config_key`: the key that clients seal queue configurations to.
impl Serve for GetConfigKey {
    fn serve(transaction: &mut Transaction<'_>, _: &Call<'_, Self>) -> Result<GetConfigKeyReply, Interrupt> {
        let now = transaction.now();
        let mut keys = transaction.keys().config_keys().filter(|key| key.expiration.contains(now));
        let key = keys.next().ok_or(Refusal::Internal)?;
        Ok(GetConfigKeyReply { key })
    }
}

/// `get_qs_keys`: all published keys, signed, with their validity.
impl Serve for GetQsKeys {
    fn serve(transaction: &mut Transaction<'_>, _: &Call<'_, Self>) -> Result<GetQsKeysReply, Interrupt> {
        let set = transaction.keys().qs_key_set(
            transaction.domain(),
            transaction.now(),
            transaction.config().times.key_set,
        );
        Ok(GetQsKeysReply { keys: set.ok_or(Refusal::Internal)? })
    }
}
