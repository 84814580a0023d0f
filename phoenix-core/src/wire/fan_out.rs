//! PROTOCOL.md §7, §8 — what is fanned out, to whom, and what a client finds in its queue.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::message::message;
use crate::{
    codec::{Bytes, List},
    credentials::KeyId,
    crypto::{
        aead::{EarCiphertext, EarKey},
        hpke::HpkeCiphertext,
        labels::Label,
        sign::{Signable, Signature},
    },
    error::Refusal,
    identifiers::{Domain, GroupId, QsClientId, RequestId},
    limits::{MAX_MEMBERS, MAX_MLS_MESSAGE, MAX_SEALED_CONFIG},
    time::Timestamp,
};

message! {
    /// Where a client's messages go: its homeserver, and sealed to that one's queuing service, the rest.
    pub struct ClientQueueConfig {
        /// The client's homeserver.
        pub domain: Domain,
        /// Which of the queuing service's keys it is sealed to.
        pub key_id: KeyId,
        /// A sealed [`QueueConfig`].
        pub sealed: HpkeCiphertext,
    }

    /// What a client's signature in a queue configuration covers.
    pub struct QueueConfigContent {
        /// The queue.
        pub client: QsClientId,
        /// Opens the client's push token, if it has one.
        pub push_token_key: Option<EarKey>,
        /// Names groups in the client's record, so that the record tells nothing without it.
        pub list_key: EarKey,
        /// Whether the client wants to be woken.
        pub notify: Notify,
        /// From whom and for what deliveries are authorised.
        pub binding: Binding,
        /// Until when.
        pub not_after: Timestamp,
    }

    /// The content of a sealed configuration: signed inside by the client's configuration key.
    pub struct QueueConfig {
        /// What is signed.
        pub content: QueueConfigContent,
        /// With the key whose verifying half is in the client's record.
        pub signature: Signature,
    }

    /// One message of a group and all who get it. Written once per message; each stream to another homeserver
    /// carries it with the recipients there.
    pub struct FanOutMessage {
        /// The group; its domain is the only homeserver that may deliver this.
        pub group_id: GroupId,
        /// The group's order: total and without gaps.
        pub position: u64,
        /// When the delivery service ordered it.
        pub sent_at: Timestamp,
        /// What is delivered: one content for most, others for the sender and for joiners.
        pub contents: List<FanOutContent, 130>,
        /// Who gets which.
        pub recipients: List<Recipient, MAX_MEMBERS>,
    }

    /// One recipient of a [`FanOutMessage`].
    pub struct Recipient {
        /// Index into the contents.
        pub content: u16,
        /// Its queue.
        pub config: ClientQueueConfig,
    }

    /// Tells a sender what became of its request, in the group's order: a lost answer heals.
    pub struct Receipt {
        /// Which request.
        pub request_id: RequestId,
        /// The group's epoch after it.
        pub epoch: u64,
    }

    /// What a joiner gets: the Welcome and, encrypted under the friendship key, who invites and the group's keys.
    pub struct WelcomeBundle {
        /// An MLS Welcome.
        pub welcome: Bytes<MAX_MLS_MESSAGE>,
        /// The inviter's attribution, which only the joiner can open.
        pub attribution: EarCiphertext,
    }
}

impl ClientQueueConfig {
    /// Makes sure that it is not longer than one can be.
    ///
    /// # Errors
    /// [`Refusal::InvalidQueueConfig`]: whoever made it is at fault.
    pub fn check_length(&self) -> Result<(), Refusal> {
        let long = self.sealed.ciphertext.as_slice().len() > MAX_SEALED_CONFIG;
        if long { Err(Refusal::InvalidQueueConfig) } else { Ok(()) }
    }
}

impl Signable for QueueConfigContent {
    const LABEL: Label = Label::QUEUE_CONFIG;
}

/// Whether a client wants to be woken for what comes through a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Notify {
    /// Yes.
    Always = 1,
    /// No; it will look by itself.
    Silent = 2,
}

/// From whom and for what a configuration authorises deliveries (PROTOCOL.md §7).
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Binding {
    /// For Welcomes only; the accepted Welcome pins its group.
    #[tls_codec(discriminant = 1)]
    Unbound,
    /// For one group of one homeserver.
    #[tls_codec(discriminant = 2)]
    Bound {
        /// The homeserver.
        ds_domain: Domain,
        /// The group.
        group_id: GroupId,
    },
}

/// What is delivered.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum FanOutContent {
    /// An MLS commit, proposal or application message.
    #[tls_codec(discriminant = 1)]
    Message(Bytes<MAX_MLS_MESSAGE>),
    /// An invitation.
    #[tls_codec(discriminant = 2)]
    Welcome(WelcomeBundle),
    /// To the sender: it was ordered here.
    #[tls_codec(discriminant = 3)]
    Receipt(Receipt),
    /// Messages of the group were dropped before they reached the recipient's homeserver.
    #[tls_codec(discriminant = 4)]
    Dropped,
}

/// What a client finds in its fan-out queue, once decrypted.
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum QueueMessage {
    /// A delivery.
    #[tls_codec(discriminant = 1)]
    Delivery(Delivery),
    /// Something of this group was not delivered; the client should resync.
    #[tls_codec(discriminant = 2)]
    Gap(Gap),
}

message! {
    /// A delivery as the client finds it.
    pub struct Delivery {
        /// The homeserver that delivered it, authenticated.
        pub source: Domain,
        /// The group.
        pub group_id: GroupId,
        /// The position in the group's order.
        pub position: u64,
        /// When it was ordered.
        pub sent_at: Timestamp,
        /// What it is.
        pub content: FanOutContent,
    }

    /// A marker in place of what was not delivered.
    pub struct Gap {
        /// The group.
        pub group_id: GroupId,
        /// The position that was not delivered; for dropped streams the last one.
        pub position: u64,
        /// Why.
        pub reason: GapReason,
    }
}

/// Why something was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum GapReason {
    /// The queue was full.
    QueueFull = 1,
    /// Too many deliveries in too short a time.
    Rate = 2,
    /// The configuration has expired.
    Expired = 3,
    /// The configuration does not authorise the group's homeserver to deliver this.
    NotAuthorised = 4,
    /// Dropped on the way: the homeserver was out of reach for too long.
    Dropped = 5,
}
