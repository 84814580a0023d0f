//! PROTOCOL.md §11.9 — verifying members: those of a group that is joined, and those that a commit brings in.

use std::collections::BTreeMap;

use openmls::prelude::{LeafNode, Member as TreeLeaf, MlsGroup, Sender, StagedCommit};

use super::{
    credentials::Unverified,
    error::ClientError,
    messages::{FriendshipPackage, friendship_package_binding, leaf_credential, open_credential},
    pass::{Interrupt, Pass},
    state::{Connection, Group, Member, State},
};
use crate::{
    codec::decode,
    credentials::LeafCredential,
    crypto::aead::EarKey,
    identifiers::GroupId,
    wire::delivery_service::{CommitData, LeafProfile},
};

/// The members that a commit adds or renews, verified.
pub(super) struct VerifiedCommit {
    pub members: Vec<Member>,
    /// The friendship package of a joiner who accepts a connection.
    pub friendship: Option<FriendshipPackage>,
}

/// Verifies every member of a group that is joined. Returns them by leaf index.
pub(super) fn verify_members(
    pass: &mut Pass<'_>,
    group: &GroupId,
    credential_key: &EarKey,
    leaves: Vec<TreeLeaf>,
    profiles: &[LeafProfile],
) -> Result<BTreeMap<u32, Member>, Interrupt> {
    let mut members = BTreeMap::new();
    for TreeLeaf { index, credential, .. } in leaves {
        let leaf = leaf_credential(credential.serialized_content())?;
        let identity = leaf.leaf.payload.identity;
        let profile = profiles.iter().find(|profile| profile.leaf == index.u32());
        let profile = profile.ok_or(ClientError::dishonest("a member without an encrypted credential"))?;
        let credential = open_credential(credential_key, group, &identity, &profile.encrypted_credential)?;
        pass.verified(|state| state.verify_leaf(&leaf, &credential))?;
        members.insert(index.u32(), Member { identity, credential });
    }
    Ok(members)
}

impl State {
    /// Verifies each leaf that a commit adds or changes, and that a changed leaf stays the same user's.
    pub fn verify_commit(
        &self,
        id: &GroupId,
        sender: &Sender,
        data: &[u8],
        staged: &StagedCommit,
    ) -> Result<VerifiedCommit, Unverified> {
        let data: CommitData = decode(data).map_err(ClientError::from)?;
        let group = self.group(id)?;
        let leaves = new_leaves(self.mls(id)?, sender, staged)?;
        if leaves.len() != data.encrypted_credentials.len() {
            return Err(ClientError::dishonest(
                "a commit without exactly one encrypted credential for each new leaf",
            )
            .into());
        }
        let mut members = Vec::new();
        for (leaf, sealed) in leaves.iter().zip(&data.encrypted_credentials) {
            let identity = leaf.leaf.payload.identity;
            let credential = open_credential(&group.credential_key, id, &identity, sealed)?;
            self.verify_leaf(leaf, &credential)?;
            let member = Member { identity, credential };
            let members_before = self.members(id);
            let before = members_before.into_iter().find(|member| member.identity == identity);
            let allowed = match sender {
                Sender::Member(_) if staged.add_proposals().next().is_none() => {
                    before.is_some_and(|before| before.user() == member.user())
                }
                _ => before.is_none(),
            };
            if !allowed {
                return Err(ClientError::dishonest("a leaf under an identity that is not its own").into());
            }
            members.push(member);
        }
        let friendship = match sender {
            Sender::NewMemberCommit => Some(verify_connection_joiner(id, group, &members, &data)?),
            _ => None,
        };
        Ok(VerifiedCommit { members, friendship })
    }
}

/// Returns the leaves that a commit adds or changes, in the order of their encrypted credentials.
fn new_leaves(
    group: &MlsGroup,
    sender: &Sender,
    staged: &StagedCommit,
) -> Result<Vec<LeafCredential>, ClientError> {
    let mut leaves = Vec::new();
    for add in staged.add_proposals() {
        leaves.push(checked_leaf(add.add_proposal().key_package().leaf_node())?);
    }
    if let Some(leaf) = staged.update_path_leaf_node() {
        let credential = checked_leaf(leaf)?;
        let unchanged = |index| {
            let mut members = group.members();
            members.any(|member| member.index == index && member.credential == *leaf.credential())
        };
        match sender {
            Sender::Member(index) if unchanged(*index) => {}
            _ => leaves.push(credential),
        }
    }
    Ok(leaves)
}

/// Decodes the credential of a leaf, which must name the leaf's key.
fn checked_leaf(leaf: &LeafNode) -> Result<LeafCredential, ClientError> {
    let credential = leaf_credential(leaf.credential().serialized_content())?;
    if credential.leaf.payload.verifying_key.0 != leaf.signature_key().as_slice() {
        return Err(ClientError::dishonest("a leaf credential for another key than the leaf's"));
    }
    Ok(credential)
}

/// Checks that the joiner by external commit is the user that was asked, and decrypts its friendship package.
fn verify_connection_joiner(
    id: &GroupId,
    group: &Group,
    joined: &[Member],
    data: &CommitData,
) -> Result<FriendshipPackage, ClientError> {
    let (Some(Connection::Asked(asked)), [joiner]) = (&group.connection, joined) else {
        return Err(ClientError::dishonest("an external commit to a group that awaits none"));
    };
    let sealed = data.friendship_package.as_ref().filter(|_| joiner.user() == asked);
    let sealed = sealed.ok_or(ClientError::dishonest(
        "a connection with another user than the one asked, or without a friendship package",
    ))?;
    Ok(decode(&group.credential_key.open(&friendship_package_binding(id), sealed)?)?)
}
