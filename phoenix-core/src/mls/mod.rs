//! PROTOCOL.md §8 — MLS as the delivery service and the clients use it: one ciphersuite, our own credential
//! type and extensions, and one strict way to read messages.

mod commit;
mod encoding;
mod external_proposal;
mod group_info;
mod key_package;
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
