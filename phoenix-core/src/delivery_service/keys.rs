//! PROTOCOL.md §8, Access and authentication — the delivery service's published keys (§4, Published sets).

use crate::{
    operation::{Interrupt, Transaction},
    request::{Call, Serve},
    wire::delivery_service::{GetDsKeys, GetDsKeysReply},
};

/// Verifying keys of the proposals that the delivery service makes, signed and public.
impl Serve for GetDsKeys {
    fn serve(transaction: &mut Transaction<'_>, _: &Call<'_, Self>) -> Result<GetDsKeysReply, Interrupt> {
        let set = transaction.keys().ds_key_set(
            transaction.domain(),
            transaction.now(),
            transaction.config().times.key_set,
        );
        Ok(GetDsKeysReply { keys: set? })
    }
}
