//! What requests contend for. Lanes spare conflicts and decide nothing.

use crate::{
    codec::encode,
    crypto::{kdf, labels::Label},
    operation::Lane,
    wire::{delivery_service::GroupAccess, envelope::RequestEnvelope},
};

impl Lane {
    /// The lane that `parts` name.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        Self::Of(kdf::hash(Label::ROW_NAME, parts).to_vec())
    }

    /// The lane of a group.
    pub(crate) fn group(group: &GroupAccess) -> Self {
        Self::Of(encode(&group.group_id))
    }

    /// The lane of the sender, by the name that it gives.
    pub(crate) fn sender(envelope: &RequestEnvelope) -> Self {
        let authentication = envelope.authentication.as_ref();
        authentication.map_or(Self::Free, |authentication| Self::of(&[&encode(&authentication.sender)]))
    }
}
