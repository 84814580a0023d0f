//! PROTOCOL.md §8 — requests to the delivery service, and its replies.
//!
//! Clients send all of them, members of a group and those who join one. Every operation on a group carries a
//! [`GroupAccess`]: the group's state is encrypted under a key that members hold and the service keeps
//! nowhere.

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

/// An MLS ratchet tree (`optional<Node> ratchet_tree<V>`), or a GroupInfo in an MLSMessage, as the delivery
/// service hands it out.
pub type GroupState = Bytes<{ MAX_LARGE_REQUEST / 2 }>;

message! {
    /// Asks for the keys of the delivery service: a question that is open to every client (§8, Access and
    /// authentication).
    pub struct GetDsKeys {}

    /// Answer to [`GetDsKeys`].
    pub struct GetDsKeysReply {
        /// The verifying keys of proposals that the delivery service makes, signed.
        pub keys: DsKeySet,
    }

    /// Asks for an id for a new group, from a local client (§8, Creating a group).
    pub struct RequestGroupId {}

    /// Answer to [`RequestGroupId`].
    pub struct RequestGroupIdReply {
        /// An id of this homeserver that no group has or ever had.
        pub group_id: GroupId,
        /// The time until which the id is reserved. [`CreateGroup`] repeats it.
        pub reserved_until: Timestamp,
    }

    /// A group, and the key that opens its state (§8, Access and authentication).
    pub struct GroupAccess {
        /// The group's id.
        pub group_id: GroupId,
        /// The key that the group's state is encrypted under. Members hold it, the delivery service keeps it
        /// nowhere.
        pub group_key: EarKey,
    }

    /// Creates a group, from a local client, signed with the key of the tree's only leaf (§8, Creating a
    /// group).
    pub struct CreateGroup {
        /// The reserved id, and a key that the creator has drawn.
        pub group: GroupAccess,
        /// As in [`RequestGroupIdReply`]: it finds the reservation.
        pub reserved_until: Timestamp,
        /// The MLS ratchet tree, of one leaf.
        pub ratchet_tree: Bytes<MAX_FIRST_STATE>,
        /// The GroupInfo of epoch 0, in an MLSMessage.
        pub group_info: Bytes<MAX_FIRST_STATE>,
        /// The creator's credential, encrypted for the members to come.
        pub encrypted_credential: EarCiphertext,
        /// The way to the creator's queue.
        pub queue_config: ClientQueueConfig,
        /// Whether one other user will join by external commit: with [`JoinConnectionGroup`].
        pub awaiting_connection: Flag,
    }

    /// Asks for what a joiner needs besides its Welcome, signed with the leaf key in the joiner's key package
    /// (§8, Joining from a Welcome).
    pub struct WelcomeInfo {
        /// The group, from the attribution that came with the Welcome.
        pub group: GroupAccess,
        /// The epoch that the joiner joins in, from the Welcome.
        pub epoch: u64,
    }

    /// Answer to [`WelcomeInfo`], all as of the epoch that the joiner joins in.
    pub struct WelcomeInfoReply {
        /// The MLS ratchet tree.
        pub ratchet_tree: GroupState,
        /// The members' credentials, by leaf, ascending.
        pub credentials: List<LeafProfile, MAX_MEMBERS>,
    }

    /// A member's encrypted credential (§8, State).
    pub struct LeafProfile {
        /// The member's leaf index.
        pub leaf: u32,
        /// The member's credential, which members can open.
        pub encrypted_credential: EarCiphertext,
    }

    /// Asks for what an external commit needs, from a member, or from the user that a group awaits (§8,
    /// Joining by external commit).
    pub struct ExternalCommitInfo {
        /// The group to join.
        pub group: GroupAccess,
    }

    /// Answer to [`ExternalCommitInfo`], all as of the current epoch.
    pub struct ExternalCommitInfoReply {
        /// The GroupInfo, in an MLSMessage.
        pub group_info: GroupState,
        /// The MLS ratchet tree.
        pub ratchet_tree: GroupState,
        /// The members' credentials, by leaf, ascending.
        pub credentials: List<LeafProfile, MAX_MEMBERS>,
        /// Proposals that are not committed yet, each an MLSMessage, oldest first.
        pub proposals: List<Bytes<MAX_MLS_MESSAGE>, MAX_MEMBERS>,
    }

    /// Joins, by external commit, a group that awaits a connection (§8, Joining by external commit). The
    /// group's key proves that the sender was invited.
    pub struct JoinConnectionGroup {
        /// The group, from the connection request.
        pub group: GroupAccess,
        /// The external commit, in an MLSMessage. Its additional authenticated data is a [`CommitData`].
        pub commit: Bytes<MAX_MLS_MESSAGE>,
        /// What the delivery service cannot derive of the new GroupInfo.
        pub group_info: GroupInfoUpdate,
        /// The way to the joiner's queue.
        pub queue_config: ClientQueueConfig,
    }

    /// Adds users, from an admin (§8, Adding users).
    pub struct AddUsers {
        /// The group to add users to.
        pub group: GroupAccess,
        /// The commit, with Adds by value only, in an MLSMessage. Its additional authenticated data is a
        /// [`CommitData`].
        pub commit: Bytes<MAX_MLS_MESSAGE>,
        /// What the delivery service cannot derive of the new GroupInfo.
        pub group_info: GroupInfoUpdate,
        /// The Welcome for all joiners, in an MLSMessage.
        pub welcome: Bytes<MAX_MLS_MESSAGE>,
        /// For each joiner, in the order of the Adds: who invites, which that joiner alone can open.
        pub attributions: List<EarCiphertext, MAX_ADDS>,
        /// The batches, as the queuing services handed them out, that cover every key package added.
        pub batches: List<KeyPackageBatch, MAX_ADDS>,
    }

    /// Updates the leaf of the member that sends it, and commits all pending proposals (§8, Updating a leaf).
    pub struct UpdateClient {
        /// The sender's group.
        pub group: GroupAccess,
        /// The commit, in an MLSMessage. Its additional authenticated data is a [`CommitData`], with one
        /// encrypted credential if and only if the commit changes the leaf's credential.
        pub commit: Bytes<MAX_MLS_MESSAGE>,
        /// What the delivery service cannot derive of the new GroupInfo.
        pub group_info: GroupInfoUpdate,
    }

    /// Answer to every commit (§8, Commits).
    pub struct CommitReply {
        /// The commit's position in the group's order.
        pub position: u64,
        /// The epoch that the commit led to.
        pub epoch: u64,
        /// When the commit was ordered, by the homeserver's clock.
        pub sent_at: Timestamp,
    }

    /// Sends an application message, from a member (§8, Application messages).
    pub struct SendMessage {
        /// The group to send to.
        pub group: GroupAccess,
        /// A PrivateMessage of the current epoch, in an MLSMessage.
        pub message: Bytes<MAX_MLS_MESSAGE>,
    }

    /// Answer to [`SendMessage`].
    pub struct SendMessageReply {
        /// The message's position in the group's order.
        pub position: u64,
        /// When the message was ordered, by the homeserver's clock.
        pub sent_at: Timestamp,
    }

    /// Replaces the queue configuration of the member that sends it (§8, Queue configurations of members).
    /// From a joiner it also says that the joiner has fetched what [`WelcomeInfo`] returns.
    pub struct UpdateQueueInfo {
        /// The sender's group.
        pub group: GroupAccess,
        /// The new way to the sender's queue, at the same homeserver as before.
        pub queue_config: ClientQueueConfig,
    }

    /// The additional authenticated data of every commit, encoded (§8, MLS profile).
    pub struct CommitData {
        /// The credentials of the leaves that the commit brings or changes: those of the users added, in the
        /// order of the Adds; the joiner's; or the updater's.
        pub encrypted_credentials: List<EarCiphertext, MAX_ADDS>,
        /// From a user who joins a connection group: its friendship package, for the other one. Else absent.
        pub friendship_package: Option<EarCiphertext>,
    }
}
