//! PROTOCOL.md §8 — requests to and replies of the delivery service.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::{fan_out::ClientQueueConfig, message::message, queuing_service::KeyPackageBatch};
use crate::{
    codec::{Bytes, Flag, List},
    credentials::DsKeySet,
    crypto::aead::{EarCiphertext, EarKey},
    identifiers::GroupId,
    limits::{MAX_ADDS, MAX_FIRST_STATE, MAX_LARGE_REQUEST, MAX_MEMBERS, MAX_MLS_MESSAGE},
    mls::GroupInfoUpdate,
    time::Timestamp,
};

/// An MLS ratchet tree or group information.
pub type GroupState = Bytes<{ MAX_LARGE_REQUEST / 2 }>;

message! {
    /// Asks for the keys of the delivery service.
    pub struct GetDsKeys {}

    /// Answer to [`GetDsKeys`].
    pub struct GetDsKeysReply {
        /// Verifying keys for proposals that the delivery service sends.
        pub keys: DsKeySet,
    }

    /// Asks for a fresh group id.
    pub struct RequestGroupId {}

    /// Answer to [`RequestGroupId`].
    pub struct RequestGroupIdReply {
        /// The id.
        pub group_id: GroupId,
        /// Until when it is reserved; [`CreateGroup`] repeats it.
        pub reserved_until: Timestamp,
    }

    /// A group, and the key that its state is encrypted under.
    pub struct GroupAccess {
        /// Which group.
        pub group_id: GroupId,
        /// The key; members hold it, the delivery service keeps it nowhere.
        pub group_key: EarKey,
    }

    /// Creates a group, signed with the key of its only leaf.
    pub struct CreateGroup {
        /// The reserved id, and the key that the creator has drawn.
        pub group: GroupAccess,
        /// From [`RequestGroupIdReply`].
        pub reserved_until: Timestamp,
        /// The MLS ratchet tree, of one leaf.
        pub ratchet_tree: Bytes<MAX_FIRST_STATE>,
        /// The MLS group information (an MLSMessage).
        pub group_info: Bytes<MAX_FIRST_STATE>,
        /// The creator's credential, encrypted for members.
        pub encrypted_credential: EarCiphertext,
        /// The creator's queue.
        pub queue_config: ClientQueueConfig,
        /// Whether one other user is to join by external commit.
        pub awaiting_connection: Flag,
    }

    /// Asks for what a joiner needs besides its Welcome, signed with the key package's leaf key.
    pub struct WelcomeInfo {
        /// The group, from the Welcome's attribution.
        pub group: GroupAccess,
        /// The epoch joined, from the Welcome.
        pub epoch: u64,
    }

    /// Answer to [`WelcomeInfo`]: all as of the epoch joined.
    pub struct WelcomeInfoReply {
        /// The MLS ratchet tree.
        pub ratchet_tree: GroupState,
        /// Who the members are.
        pub credentials: List<LeafProfile, MAX_MEMBERS>,
    }

    /// A member's encrypted credential.
    pub struct LeafProfile {
        /// The member's leaf.
        pub leaf: u32,
        /// Its credential, for members.
        pub encrypted_credential: EarCiphertext,
    }

    /// Asks for what an external commit needs.
    pub struct ExternalCommitInfo {
        /// The group.
        pub group: GroupAccess,
    }

    /// Answer to [`ExternalCommitInfo`].
    pub struct ExternalCommitInfoReply {
        /// The MLS group information (an MLSMessage).
        pub group_info: GroupState,
        /// The MLS ratchet tree.
        pub ratchet_tree: GroupState,
        /// Who the members are.
        pub credentials: List<LeafProfile, MAX_MEMBERS>,
        /// Proposals not yet committed, oldest first.
        pub proposals: List<Bytes<MAX_MLS_MESSAGE>, MAX_MEMBERS>,
    }

    /// Joins, by external commit, a group that awaits a connection.
    pub struct JoinConnectionGroup {
        /// The group.
        pub group: GroupAccess,
        /// The commit. Its additional data is a [`CommitData`].
        pub commit: Bytes<MAX_MLS_MESSAGE>,
        /// What the delivery service cannot derive of the new group information.
        pub group_info: GroupInfoUpdate,
        /// The joiner's queue.
        pub queue_config: ClientQueueConfig,
    }

    /// Adds users.
    pub struct AddUsers {
        /// The group.
        pub group: GroupAccess,
        /// The commit, with inline Adds only. Its additional data is a [`CommitData`].
        pub commit: Bytes<MAX_MLS_MESSAGE>,
        /// What the delivery service cannot derive of the new group information.
        pub group_info: GroupInfoUpdate,
        /// The MLS Welcome.
        pub welcome: Bytes<MAX_MLS_MESSAGE>,
        /// For each joiner, in the order of the Adds, who invites.
        pub attributions: List<EarCiphertext, MAX_ADDS>,
        /// Recent batches that cover every key package added.
        pub batches: List<KeyPackageBatch, MAX_ADDS>,
    }

    /// Updates the sender's leaf.
    pub struct UpdateClient {
        /// The group.
        pub group: GroupAccess,
        /// The commit. Its additional data is a [`CommitData`], with a new credential if the leaf's has changed.
        pub commit: Bytes<MAX_MLS_MESSAGE>,
        /// What the delivery service cannot derive of the new group information.
        pub group_info: GroupInfoUpdate,
    }

    /// Answer to every commit.
    pub struct CommitReply {
        /// Its position in the group's order.
        pub position: u64,
        /// The group's epoch now.
        pub epoch: u64,
        /// When it was ordered.
        pub sent_at: Timestamp,
    }

    /// Sends an application message.
    pub struct SendMessage {
        /// The group.
        pub group: GroupAccess,
        /// An MLS PrivateMessage of the current epoch.
        pub message: Bytes<MAX_MLS_MESSAGE>,
    }

    /// Answer to [`SendMessage`].
    pub struct SendMessageReply {
        /// Its position in the group's order.
        pub position: u64,
        /// When it was ordered.
        pub sent_at: Timestamp,
    }

    /// Replaces the sender's queue configuration.
    pub struct UpdateQueueInfo {
        /// The group.
        pub group: GroupAccess,
        /// The new configuration.
        pub queue_config: ClientQueueConfig,
    }

    /// The additional authenticated data of every commit.
    pub struct CommitData {
        /// Credentials of the leaves that are new, in their order: of the users added, the joiner, or the updater.
        pub encrypted_credentials: List<EarCiphertext, MAX_ADDS>,
        /// From a user who joins a connection group: its friendship package, for the other.
        pub friendship_package: Option<EarCiphertext>,
    }
}
