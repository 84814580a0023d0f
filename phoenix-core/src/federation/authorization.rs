//! PROTOCOL.md §7, What is delivered — only a group's own homeserver can deliver for it: the group's domain
//! is the authenticated source, and the MLS message inside is of that very group.

use crate::{
    codec::encode,
    identifiers::Domain,
    mls,
    wire::fan_out::{FanOutContent, FanOutMessage},
};

/// Whether `source` may deliver `message`.
pub(crate) fn may_deliver(source: &Domain, message: &FanOutMessage) -> bool {
    message.group_id.domain == *source
        && message.contents.iter().all(|content| match content {
            FanOutContent::Message(inner) => {
                mls::message_group_id(inner.as_slice()).is_ok_and(|group| group == encode(&message.group_id))
            }
            FanOutContent::Welcome(_) | FanOutContent::Receipt(_) | FanOutContent::Dropped => true,
        })
}
