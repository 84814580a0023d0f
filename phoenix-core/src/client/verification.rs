//! PROTOCOL.md §11.9 — verifying members: those of a group that is joined, and those that a commit brings in.

use std::collections::BTreeMap;

use openmls::prelude::{LeafNode, Member as TreeLeaf, MlsGroup, Sender, StagedCommit};

use super::{
    credentials::Unverified,
    error::ClientError,
    messages::{FriendshipPackage, friendship_package_binding, leaf_credential, open_credential},
    shared::Shared,
    state::{Connection, Group, Member, State},
};
use crate::{
    codec::decode,
    credentials::LeafCredential,
    crypto::aead::EarKey,
    identifiers::GroupId,
    wire::delivery_service::{CommitData, LeafProfile},
};

/// Who a commit brings in.
pub(super) struct VerifiedCommit {
    pub members: Vec<Member>,
    /// From a user who accepts a connection.
    pub friendship: Option<FriendshipPackage>,
}

/// Verifies who every member is.
pub(super) async fn verify_members(
    shared: &Shared,
    group: &GroupId,
    credential_key: &EarKey,
    leaves: Vec<TreeLeaf>,
    profiles: &[LeafProfile],
) -> Result<BTreeMap<u32, Member>, ClientError> {
    let mut members = BTreeMap::new();
    for TreeLeaf { index, credential, .. } in leaves {
        let leaf = leaf_credential(credential.serialized_content())?;
        let identity = leaf.leaf.payload.identity;
        let profile = profiles.iter().find(|profile| profile.leaf == index.u32());
        let profile = profile.ok_or(ClientError::Dishonest("a member without a credential"))?;
        let credential = open_credential(credential_key, group, &identity, &profile.encrypted_credential)?;
        shared.verified(|state| state.verify_leaf(&leaf, &credential)).await?;
        members.insert(index.u32(), Member { identity, credential });
    }
    Ok(members)
}

impl State {
    /// Checks who a commit brings in, and that whoever is renewed stays who it is.
    pub fn verify_commit(
        &self,
        group: &Group,
        sender: &Sender,
        data: &[u8],
        staged: &StagedCommit,
    ) -> Result<VerifiedCommit, Unverified> {
        let data: CommitData = decode(data).map_err(ClientError::from)?;
        let leaves = new_leaves(&group.mls, sender, staged)?;
        if leaves.len() != data.encrypted_credentials.len() {
            return Err(ClientError::Dishonest("not one credential for each new leaf").into());
        }
        let mut members = Vec::new();
        for (leaf, sealed) in leaves.iter().zip(&data.encrypted_credentials) {
            let identity = leaf.leaf.payload.identity;
            let credential = open_credential(&group.credential_key, &group.id, &identity, sealed)?;
            self.verify_leaf(leaf, &credential)?;
            let member = Member { identity, credential };
            let before = group.members.values().find(|member| member.identity == identity);
            let allowed = match sender {
                Sender::Member(_) if staged.add_proposals().next().is_none() => {
                    before.is_some_and(|before| before.user() == member.user())
                }
                _ => before.is_none(),
            };
            if !allowed {
                return Err(ClientError::Dishonest("a leaf in another's name").into());
            }
            members.push(member);
        }
        let friendship = match sender {
            Sender::NewMemberCommit => Some(verify_connection_joiner(group, &members, &data)?),
            _ => None,
        };
        Ok(VerifiedCommit { members, friendship })
    }
}

/// The leaves that a commit brings or changes, in the order in which their credentials come.
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

/// The credential of a leaf, whose key it must name.
fn checked_leaf(leaf: &LeafNode) -> Result<LeafCredential, ClientError> {
    let credential = leaf_credential(leaf.credential().serialized_content())?;
    if credential.leaf.payload.verifying_key.0 != leaf.signature_key().as_slice() {
        return Err(ClientError::Dishonest("a leaf of another key"));
    }
    Ok(credential)
}

/// Whoever joins by external commit must be the one that was asked, and brings its friendship package.
fn verify_connection_joiner(
    group: &Group,
    joined: &[Member],
    data: &CommitData,
) -> Result<FriendshipPackage, ClientError> {
    let (Some(Connection::Asked(asked)), [joiner]) = (&group.connection, joined) else {
        return Err(ClientError::Dishonest("an external join that nobody waits for"));
    };
    let sealed = data.friendship_package.as_ref().filter(|_| joiner.user() == asked);
    let sealed = sealed.ok_or(ClientError::Dishonest("a connection with another than was asked"))?;
    Ok(decode(&group.credential_key.open(&friendship_package_binding(&group.id), sealed)?)?)
}
