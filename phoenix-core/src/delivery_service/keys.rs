//! PROTOCOL.md §8, §9 — the delivery service's published keys.

use crate::{
    error::Refusal,
    operation::{Context, Interrupt, Transaction},
    request::Call,
    wire::delivery_service::{GetDsKeys, GetDsKeysReply},
};

/// `get_ds_keys`: verifying keys for proposals of the delivery service.
pub(crate) fn get_ds_keys(
    _: &mut Transaction,
    context: &mut Context,
    _: &Call<'_, GetDsKeys>,
) -> Result<GetDsKeysReply, Interrupt> {
    let set = context.keys().ds_key_set(context.domain(), context.now, context.config().times.key_set);
    Ok(GetDsKeysReply { keys: set.map_err(|_| Refusal::Internal)? })
}
