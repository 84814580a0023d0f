//! PROTOCOL.md §8, State — who is in a group, and what the delivery service keeps of each member.

use std::collections::BTreeSet;

use super::{
    group::Group,
    sections::{Member, MembersSection, RestSection, Section, check_secret_length},
};
use crate::{
    codec::decode,
    credentials::{LeafCredential, validation::validate_leaf_possession},
    crypto::{aead::EarCiphertext, sign::VerifyingKey},
    error::Refusal,
    identifiers::LeafIdentity,
    mls::LeafView,
    operation::{Context, Interrupt, Transaction},
    wire::{delivery_service::LeafProfile, fan_out::ClientQueueConfig},
};

/// The two sections that change with the membership. What one says of a leaf goes with what the other says.
pub(super) struct Roster {
    pub members: MembersSection,
    pub rest: RestSection,
}

/// A leaf as the MLS tree has it, before the delivery service knows whose pseudonym it carries.
#[derive(Clone, Copy)]
pub(super) struct Leaf<'a> {
    pub index: u32,
    /// The content of its MLS credential: an encoded [`LeafCredential`].
    pub credential: &'a [u8],
    /// The leaf's signature key, which the credential must name.
    pub key: &'a VerifyingKey,
}

impl<'a> From<&'a LeafView> for Leaf<'a> {
    fn from(leaf: &'a LeafView) -> Self {
        Self { index: leaf.index, credential: &leaf.credential, key: &leaf.signature_key }
    }
}

impl Leaf<'_> {
    /// Returns the identity that the leaf's credential names, once its owner has proved that it holds the
    /// leaf's key.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::InvalidCredential`], or [`Refusal::InvalidMlsMessage`] if the
    /// credential is that of another key.
    pub fn identity(&self, context: &Context) -> Result<LeafIdentity, Refusal> {
        let credential: LeafCredential = decode(self.credential).map_err(|_| Refusal::Malformed)?;
        let pseudonym = validate_leaf_possession(&credential, context.now())?;
        if pseudonym.verifying_key() != self.key {
            return Err(Refusal::InvalidMlsMessage);
        }
        Ok(*pseudonym.identity())
    }
}

impl Roster {
    /// Reads the rest of the state beside the members, whose section was read to open the group.
    pub fn read(
        transaction: &mut Transaction<'_>,
        group: &Group,
        members: MembersSection,
    ) -> Result<Self, Interrupt> {
        Ok(Self { members, rest: group.read(transaction, Section::Rest)? })
    }

    /// Writes both sections.
    pub fn write(&self, transaction: &mut Transaction<'_>, group: &mut Group) -> Result<(), Refusal> {
        group.write(transaction, Section::Members, &self.members)?;
        group.write(transaction, Section::Rest, &self.rest)
    }

    /// Adds a member: its leaf, where its messages go, and its credential for the other members.
    ///
    /// # Errors
    /// A refusal if what comes with the leaf is too long, the leaf's credential is not valid, its identity is
    /// in the group or among its admins already, or the group is full.
    pub fn add(
        &mut self,
        context: &Context,
        leaf: Leaf<'_>,
        queue_config: ClientQueueConfig,
        encrypted_credential: EarCiphertext,
    ) -> Result<(), Refusal> {
        queue_config.check_length()?;
        check_secret_length(&encrypted_credential)?;
        let identity = leaf.identity(context)?;
        let taken = self.members.members.iter().any(|member| member.identity == identity);
        if taken || self.members.roles.is_admin(&identity) {
            return Err(Refusal::InvalidMlsMessage);
        }
        let active = context.now().month();
        let member = Member { leaf: leaf.index, identity, key: *leaf.key, queue_config, active };
        let members = &mut self.members.members;
        members.push(member).map_err(|_| Refusal::GroupFull)?;
        members.sort_by_key(|member| member.leaf);
        let profiles = &mut self.rest.credentials;
        let profile = LeafProfile { leaf: leaf.index, encrypted_credential };
        profiles.push(profile).map_err(|_| Refusal::GroupFull)?;
        profiles.sort_by_key(|profile| profile.leaf);
        Ok(())
    }

    /// Removes the members at `leaves`, with their profiles.
    pub fn remove(&mut self, leaves: &BTreeSet<u32>) {
        self.members.members.retain(|member| !leaves.contains(&member.leaf));
        self.rest.credentials.retain(|profile| !leaves.contains(&profile.leaf));
    }
}
