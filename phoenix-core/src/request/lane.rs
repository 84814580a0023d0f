//! PROTOCOL.md §2, Determinism and storage — what requests contend for.
//!
//! Two requests that write the same row conflict, and one of them has to come again. A driver that serves the
//! requests of one lane one after the other spares them that. No decision rests on lanes: conflicts are found
//! in any case.

use crate::{
    codec::encode,
    crypto::{kdf, labels::Label},
    operation::Lane,
    wire::{delivery_service::GroupAccess, envelope::RequestEnvelope},
};

impl Lane {
    /// Returns the lane of what `parts` name: what it is first, then which one. A hash keeps the name short, and
    /// what it is made of out of sight.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        Self::Of(kdf::hash(Label::ROW_NAME, parts).to_vec())
    }

    /// Returns the lane of a group, for all that may write its head row.
    pub(crate) fn group(group: &GroupAccess) -> Self {
        Self::of(&[b"group", &encode(&group.group_id)])
    }

    /// Returns the lane of the sender, by the name that it gives. The name is not authenticated yet: a wrong
    /// one costs its owner no more than a wait.
    pub(crate) fn sender(envelope: &RequestEnvelope) -> Self {
        let authentication = envelope.authentication.as_ref();
        authentication
            .map_or(Self::Free, |authentication| Self::of(&[b"sender", &encode(&authentication.sender)]))
    }
}
