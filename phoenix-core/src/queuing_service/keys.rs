//! PROTOCOL.md §7, Published keys — the queuing service's published keys.

use crate::{
    operation::{Interrupt, Transaction},
    request::{Call, Serve},
    wire::queuing_service::{GetConfigKey, GetConfigKeyReply, GetQsKeys, GetQsKeysReply},
};

/// `get_config_key`: the key that clients seal queue configurations to.
impl Serve for GetConfigKey {
    fn serve(transaction: &mut Transaction<'_>, _: &Call<'_, Self>) -> Result<GetConfigKeyReply, Interrupt> {
        Ok(GetConfigKeyReply { key: transaction.keys().published_config_key(transaction.now())? })
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
        Ok(GetQsKeysReply { keys: set? })
    }
}
