//! PROTOCOL.md §7, What is delivered — what a delivery service sends to whom, and what a client finds in its
//! fan-out queue.
//!
//! None of these is a request: they travel inside of frames, queue entries and requests. Where a message goes
//! is told by the [`ClientQueueConfig`] of each recipient (§7, Queue configurations).

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
    /// The way to a client's queue (§7, Queue configurations). The client gives it to the delivery services
    /// of its groups. They learn its homeserver; all the rest is sealed to that homeserver's queuing service.
    pub struct ClientQueueConfig {
        /// The client's homeserver.
        pub domain: Domain,
        /// The configuration key of that homeserver's queuing service that it is sealed to.
        pub key_id: KeyId,
        /// A [`QueueConfig`], sealed afresh for every use, so that no two look alike.
        pub sealed: HpkeCiphertext,
    }

    /// What a client says about deliveries to it (§7, Queue configurations).
    pub struct QueueConfigContent {
        /// The client's pseudonym, which names its queue.
        pub client: QsClientId,
        /// The key that opens the client's push token, if it has one.
        pub push_token_key: Option<EarKey>,
        /// The key of the names that groups have in the client's record: without it, the record tells
        /// nothing. The same in all configurations of a client.
        pub list_key: EarKey,
        /// Whether the client wants to be told of each delivery.
        pub notify: Notify,
        /// The deliveries that are authorised.
        pub binding: Binding,
        /// The time after which nothing is authorised.
        pub not_after: Timestamp,
    }

    /// The content of a sealed configuration, signed by the client: only its own queuing service sees who
    /// signed (§7, Queue configurations).
    pub struct QueueConfig {
        /// What is signed.
        pub content: QueueConfigContent,
        /// The signature over the content, by the configuration key whose verifying half is in the client's
        /// record.
        pub signature: Signature,
    }

    /// One message of a group, with all who get it. The group's delivery service writes it once, in its own
    /// log; each stream to another homeserver carries it with the recipients there (§7, What is delivered).
    pub struct FanOutMessage {
        /// The group. Its domain is the only homeserver that may deliver this message.
        pub group_id: GroupId,
        /// The message's position in the group's order: from 0, without gaps.
        pub position: u64,
        /// When the delivery service ordered it, by its own clock.
        pub sent_at: Timestamp,
        /// What is delivered: one content for most recipients, others for the sender and for joiners.
        pub contents: List<FanOutContent, 130>,
        /// The recipients, each with the content that it gets.
        pub recipients: List<Recipient, MAX_MEMBERS>,
    }

    /// One recipient of a [`FanOutMessage`] (§7, What is delivered).
    pub struct Recipient {
        /// The index of its content in [`FanOutMessage::contents`].
        pub content: u16,
        /// The way to its queue.
        pub config: ClientQueueConfig,
    }

    /// Tells a sender, in the group's order, that its request was carried out: so a lost answer heals (§7,
    /// What is delivered).
    pub struct Receipt {
        /// The id of the request.
        pub request_id: RequestId,
        /// The group's epoch after the request.
        pub epoch: u64,
    }

    /// What a joiner gets (§7, What is delivered).
    pub struct WelcomeBundle {
        /// The MLS Welcome, in an MLSMessage.
        pub welcome: Bytes<MAX_MLS_MESSAGE>,
        /// Who invites, and the group's keys, which only the joiner can open.
        pub attribution: EarCiphertext,
    }
}

impl ClientQueueConfig {
    /// Makes sure that the sealed part is within [`MAX_SEALED_CONFIG`] bytes.
    ///
    /// # Errors
    /// [`Refusal::InvalidQueueConfig`] if it is longer: its maker is at fault.
    pub fn check_length(&self) -> Result<(), Refusal> {
        let long = self.sealed.ciphertext.as_slice().len() > MAX_SEALED_CONFIG;
        if long { Err(Refusal::InvalidQueueConfig) } else { Ok(()) }
    }
}

impl Signable for QueueConfigContent {
    const LABEL: Label = Label::QUEUE_CONFIG;
}

/// Whether a client wants to be told of what comes through a configuration (§7, Queue configurations).
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Notify {
    /// The client is told of every delivery.
    Always = 1,
    /// The client is not told, and looks by itself. Gap markers are told all the same.
    Silent = 2,
}

/// The deliveries that a configuration authorises (§7, Queue configurations).
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Binding {
    /// Welcomes, from any homeserver. One that is accepted pins its group: from then on everything of that
    /// group is authorised.
    #[tls_codec(discriminant = 1)]
    Unbound,
    /// Everything of one group.
    #[tls_codec(discriminant = 2)]
    Bound {
        /// The homeserver that delivers for the group.
        ds_domain: Domain,
        /// The group's id.
        group_id: GroupId,
    },
}

/// What one recipient gets (§7, What is delivered).
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum FanOutContent {
    /// A commit, proposal or application message, in an MLSMessage.
    #[tls_codec(discriminant = 1)]
    Message(Bytes<MAX_MLS_MESSAGE>),
    /// An invitation, for a joiner.
    #[tls_codec(discriminant = 2)]
    Welcome(WelcomeBundle),
    /// For the sender: its own message has this position.
    #[tls_codec(discriminant = 3)]
    Receipt(Receipt),
    /// Messages of the group were dropped before they reached the recipient's homeserver.
    #[tls_codec(discriminant = 4)]
    Dropped,
}

/// What a client finds in its fan-out queue, once it has decrypted an entry (§7, What is delivered).
#[derive(Debug, Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum QueueMessage {
    /// A message of a group.
    #[tls_codec(discriminant = 1)]
    Delivery(Delivery),
    /// Something of a group was not delivered: the client should resync.
    #[tls_codec(discriminant = 2)]
    Gap(Gap),
}

message! {
    /// A message of a group, as its recipient finds it (§7, What is delivered).
    pub struct Delivery {
        /// The homeserver that delivered it. The queuing service has authenticated it.
        pub source: Domain,
        /// The group that the message is of.
        pub group_id: GroupId,
        /// The message's position in the group's order.
        pub position: u64,
        /// When it was ordered, by the clock of the group's homeserver.
        pub sent_at: Timestamp,
        /// What was delivered.
        pub content: FanOutContent,
    }

    /// A gap marker, in place of what was not delivered (§7, Gap markers). Further losses of the same group
    /// may add none until it is read.
    pub struct Gap {
        /// The group that something was lost of.
        pub group_id: GroupId,
        /// The position that was not delivered; where a stream dropped several, the last one.
        pub position: u64,
        /// Why it was not delivered.
        pub reason: GapReason,
    }
}

/// Why something was not delivered (§7, Gap markers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum GapReason {
    /// The queue was full. The client reads it more often.
    QueueFull = 1,
    /// There were more deliveries in a minute than the client, or the client in this group, may get.
    Rate = 2,
    /// The configuration has expired. The client gives the group a new one.
    Expired = 3,
    /// The configuration does not authorise this delivery.
    NotAuthorised = 4,
    /// The message was dropped on the way: the client's homeserver was out of reach for too long, or the
    /// message is longer than an entry can be.
    Dropped = 5,
}
