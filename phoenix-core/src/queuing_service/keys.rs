//! PROTOCOL.md §7 — the queuing service's published keys.

use crate::{
    error::Refusal,
    operation::{Context, Interrupt, Transaction},
    request::Call,
    wire::queuing_service::{GetConfigKey, GetConfigKeyReply, GetQsKeys, GetQsKeysReply},
};

/// `get_config_key`: the key that clients seal queue configurations to.
pub(crate) fn get_config_key(
    _: &mut Transaction,
    context: &mut Context,
    _: &Call<'_, GetConfigKey>,
) -> Result<GetConfigKeyReply, Interrupt> {
    let key = context.keys().published_config_key(context.now).map_err(|_| Refusal::Internal)?;
    Ok(GetConfigKeyReply { key })
}

/// `get_qs_keys`: all published keys, signed, with their validity.
pub(crate) fn get_qs_keys(
    _: &mut Transaction,
    context: &mut Context,
    _: &Call<'_, GetQsKeys>,
) -> Result<GetQsKeysReply, Interrupt> {
    let set = context.keys().qs_key_set(context.domain(), context.now, context.config().times.key_set);
    Ok(GetQsKeysReply { keys: set.map_err(|_| Refusal::Internal)? })
}
