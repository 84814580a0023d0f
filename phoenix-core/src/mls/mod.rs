//! PROTOCOL.md §8 — MLS (RFC 9420) as the delivery service and the clients use it.
//!
//! In reading order:
//!
//! | read | for |
//! | --- | --- |
//! | [`CIPHERSUITE`], [`capabilities`] | the part of MLS that groups here are made of |
//! | [`parse_message`], [`check_application_message`], [`welcome_references`] | messages, read strictly |
//! | [`LeafView`], [`ExternalSenderView`], [`Roles`] | what the delivery service sees of a group |
//! | [`validate_key_package`] | what a queuing service takes in and a commit may add |
//! | [`GroupState`], [`StagedChange`], [`CommitSummary`] | a group: created, advanced by commits, stored |
//! | [`GroupInfoUpdate`] | what a committer sends along, so that others can join from outside |
//! | `MlsProvider`, `MlsRecords` (feature `client`) | a member's own groups, their state as records |
//! | [`GroupInfoView`], [`RatchetTree`] | for clients of other MLS implementations, and tests of them |
//!
//! What holds: bytes that are read have one encoding, and every other one is refused; a commit is staged only
//! if each member would accept it, as far as a delivery service can see; a change is merged only into the
//! state that it was checked against; and what is refused changes nothing.
//!
//! openmls does the work behind these types. It compares the lifetimes of key packages with the system's
//! clock besides; everything else here is a function of its arguments.

mod commit;
mod encoding;
mod external_proposal;
mod group_info;
mod key_package;
#[cfg(feature = "client")]
mod member_provider;
#[cfg(feature = "client")]
mod member_records;
#[cfg(feature = "client")]
mod member_storage;
mod message;
mod profile;
mod public_group;
mod ratchet_tree;
mod roles;
mod signer;
mod staged;
mod storage;
#[cfg(test)]
mod tests;
mod view;

pub use commit::{
    AddView, CommitError, CommitSender, CommitSummary, CommittedProposal, ProposalKind, RemoveView,
};
pub use encoding::{MalformedMessage, parse_message};
pub use external_proposal::ProposalError;
pub use group_info::{
    GroupInfoBytes, GroupInfoError, GroupInfoUpdate, GroupInfoView, MAX_GROUP_INFO_EXTENSIONS,
    SIGNATURE_LENGTH,
};
pub use key_package::{
    KeyPackageError, KeyPackageLifetime, KeyPackageView, MAX_KEY_PACKAGE_LIFETIME_SECONDS,
    key_package_reference, validate_key_package,
};
#[cfg(feature = "client")]
pub use member_provider::MlsProvider;
#[cfg(feature = "client")]
pub use member_records::{DamagedMlsState, MlsRecordChange, MlsRecordKind, MlsRecordName, MlsRecords};
pub use message::{
    ApplicationMessageError, ApplicationMessageView, check_application_message, message_group_id,
    welcome_references,
};
pub use profile::{CIPHERSUITE, LEAF_CREDENTIAL_TYPE, QUEUE_CONFIG_EXTENSION, ROLES_EXTENSION, capabilities};
pub use public_group::{GroupState, NotFresh, ValidationError};
pub use ratchet_tree::{RatchetTree, only_leaf_key};
pub use roles::Roles;
pub use staged::{MergeError, StagedChange};
pub use storage::StoredStateError;
pub use view::{ExternalSenderView, LeafError, LeafView, PendingProposal};
