//! PROTOCOL.md §8, §9 — the delivery service's published keys.

use crate::{
    error::Refusal,
    operation::{Interrupt, Transaction},
    request::{Call, Serve},
    wire::delivery_service::{GetDsKeys, GetDsKeysReply},
};

/// `get_ds_keys`: verifying keys for proposals of the delivery service.
impl Serve for GetDsKeys {
    fn serve(transaction: &mut Transaction<'_>, _: &Call<'_, Self>) -> Result<GetDsKeysReply, Interrupt> {
        let set = transaction.keys().ds_key_set(
            transaction.domain(),
            transaction.now(),
            transaction.config().times.key_set,
        );
        Ok(GetDsKeysReply { keys: set.ok_or(Refusal::Internal)? })
    }
}
