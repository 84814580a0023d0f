//! PROTOCOL.md §8, Access and authentication — a group: its head row, and access to its state with the key
//! that the caller brings.

use subtle::ConstantTimeEq as _;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

use super::sections::{GroupSection, Member, MembersSection, Section, SectionName, TreeSection};
use crate::{
    codec::{Bytes, Codec, Flag, decode, encode},
    crypto::{
        aead::EarKey,
        kdf::{self, Hash},
        labels::Label,
        padding,
    },
    error::Refusal,
    identifiers::{GroupId, GroupUuid},
    mls,
    operation::{Context, Interrupt, Transaction},
    request::Call,
    store::{Key, Record, RecordKind},
    time::Month,
    wire::{delivery_service::GroupAccess, envelope::Sender},
};

/// The head row of a group: all that is not encrypted under its key.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct GroupHead {
    generations: Generations,
    /// The next position in the group's order: from 0, without gaps.
    next_position: u64,
    /// The month in which the group was last used.
    last_used: Month,
    /// Whether a caller that has nothing but the group's key may join.
    pub awaiting_connection: Flag,
    /// What the group's key is known by: another key is refused without a look at the state, so in the same
    /// time whatever the size of the group.
    key_hash: Hash,
}

/// How often each section that changes was written.
#[derive(Debug, Clone, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Generations {
    tree: u64,
    members: u64,
    rest: u64,
}

impl Record for GroupHead {
    type Name = GroupUuid;
    const KIND: RecordKind = RecordKind::GroupHead;
}

/// A group that was opened with its key.
pub(super) struct Group {
    pub id: GroupId,
    /// Its head row, as [`save`](Self::save) will write it.
    pub head: GroupHead,
    key: EarKey,
}

impl Group {
    /// Begins a new group. It is not stored yet.
    pub fn new(access: &GroupAccess, awaiting_connection: Flag, context: &Context) -> Self {
        let head = GroupHead {
            generations: Generations::default(),
            next_position: 0,
            last_used: context.now().month(),
            awaiting_connection,
            key_hash: key_hash(access),
        };
        Self { id: access.group_id.clone(), head, key: access.group_key.clone() }
    }

    /// Returns the key of the head row of the group `id`.
    pub fn row(id: &GroupId) -> Key {
        Key::of::<GroupHead>(&id.uuid)
    }

    /// Whether there is, or ever was, a group `id`.
    pub fn exists(transaction: &mut Transaction<'_>, id: &GroupId) -> Result<bool, Interrupt> {
        Ok(transaction.get::<GroupHead>(&id.uuid)?.is_some())
    }

    /// Opens the group with the key that the caller brings, and reads its members.
    ///
    /// A group that does not exist and a key that is not the group's are one refusal, after the same work:
    /// the hash of the key. What remains is how long a store takes to say that there is no row.
    ///
    /// # Errors
    /// [`Refusal::NoSuchGroup`].
    pub fn open(
        transaction: &mut Transaction<'_>,
        access: &GroupAccess,
    ) -> Result<(Self, MembersSection), Interrupt> {
        let id = &access.group_id;
        let name = SectionName { group: id.uuid, section: Section::Members };
        transaction.load([Key::of::<GroupHead>(&id.uuid), Key::of::<GroupSection>(&name)])?;
        let head: Option<GroupHead> = transaction.get(&id.uuid)?;
        let key_hash = key_hash(access);
        let head = head.filter(|head| bool::from(head.key_hash.ct_eq(&key_hash)));
        let head = head.filter(|_| id.domain == *transaction.domain()).ok_or(Refusal::NoSuchGroup)?;
        let group = Self { id: id.clone(), head, key: access.group_key.clone() };
        let members = group.read(transaction, Section::Members)?;
        Ok((group, members))
    }

    /// Reads a section of the current generation.
    ///
    /// # Errors
    /// [`Refusal::NoSuchGroup`] if there is none, or it is another generation's.
    pub fn read<S: Codec>(
        &self,
        transaction: &mut Transaction<'_>,
        section: Section,
    ) -> Result<S, Interrupt> {
        let name = SectionName { group: self.id.uuid, section };
        let GroupSection(sealed) = transaction.get(&name)?.ok_or(Refusal::NoSuchGroup)?;
        let padded = self.key.open(&self.associated(&name), &sealed).map_err(|_| Refusal::NoSuchGroup)?;
        let damaged = Refusal::StoredData { kind: RecordKind::GroupSection as u8 };
        let plain = padding::unpad(&padded).map_err(|_| damaged.clone())?;
        Ok(decode(plain).map_err(|_| damaged)?)
    }

    /// Writes a section, as its next generation.
    pub fn write<S: Codec>(
        &mut self,
        transaction: &mut Transaction<'_>,
        section: Section,
        content: &S,
    ) -> Result<(), Refusal> {
        if let Some(generation) = self.generation_mut(section) {
            *generation += 1;
        }
        let name = SectionName { group: self.id.uuid, section };
        let minimum = transaction.config().sizes.section_padding;
        let padded = Zeroizing::new(padding::pad(&Zeroizing::new(encode(content)), minimum)?);
        let sealed = self.key.seal(transaction.random(), &self.associated(&name), &padded)?;
        transaction.put(&name, &GroupSection(sealed));
        Ok(())
    }

    /// Deletes a section that is not needed any more.
    pub fn delete(&self, transaction: &mut Transaction<'_>, section: Section) {
        transaction.delete::<GroupSection>(&SectionName { group: self.id.uuid, section });
    }

    /// Reads the MLS public group.
    pub fn tree(&self, transaction: &mut Transaction<'_>) -> Result<mls::GroupState, Interrupt> {
        let tree: TreeSection = self.read(transaction, Section::Tree)?;
        let damaged = Refusal::StoredData { kind: RecordKind::GroupSection as u8 };
        Ok(mls::GroupState::load(tree.snapshot.as_slice(), &encode(&self.id)).map_err(|_| damaged)?)
    }

    /// Writes the MLS public group.
    pub fn write_tree(
        &mut self,
        transaction: &mut Transaction<'_>,
        state: &mls::GroupState,
    ) -> Result<(), Refusal> {
        let snapshot =
            state.snapshot().ok().and_then(|bytes| Bytes::new(bytes).ok()).ok_or(Refusal::GroupFull)?;
        self.write(transaction, Section::Tree, &TreeSection { snapshot })
    }

    /// Takes the next position in the group's order.
    pub fn next_position(&mut self) -> u64 {
        let position = self.head.next_position;
        self.head.next_position += 1;
        position
    }

    /// Writes the head row: last, since it names what the sections have become.
    pub fn save(mut self, transaction: &mut Transaction<'_>) {
        self.head.last_used = transaction.now().month();
        transaction.put(&self.id.uuid, &self.head);
    }

    fn generation_mut(&mut self, section: Section) -> Option<&mut u64> {
        let generations = &mut self.head.generations;
        match section {
            Section::Tree => Some(&mut generations.tree),
            Section::Members => Some(&mut generations.members),
            Section::Rest => Some(&mut generations.rest),
            Section::Past(_) => None,
        }
    }

    /// Returns what a section is bound to: its kind, group, section and generation.
    fn associated(&self, name: &SectionName) -> Vec<u8> {
        let generations = &self.head.generations;
        let generation = match name.section {
            Section::Tree => generations.tree,
            Section::Members => generations.members,
            Section::Rest => generations.rest,
            // Written once: its name says which epoch it is of.
            Section::Past(_) => 0,
        };
        [Key::of::<GroupSection>(name).to_bytes(), encode(&generation)].concat()
    }
}

/// Returns what the head knows the key by. The key cannot be learnt from it.
fn key_hash(access: &GroupAccess) -> Hash {
    kdf::hash(Label::GROUP_KEY, &[access.group_key.as_bytes(), &encode(&access.group_id)])
}

/// Returns the member that made the request, once the request's signature is verified with the member's leaf
/// key.
///
/// # Errors
/// [`Refusal::Unauthenticated`]: the sender is no leaf, there is no such member, or the signature is
/// another's.
pub(super) fn authenticate<'a, B>(
    transaction: &mut Transaction<'_>,
    call: &Call<'_, B>,
    members: &'a MembersSection,
) -> Result<&'a Member, Refusal> {
    let Sender::Leaf(leaf) = call.sender()? else { return Err(Refusal::Unauthenticated) };
    let member = members.find(*leaf).ok_or(Refusal::Unauthenticated)?;
    call.authenticate(transaction, &member.key)?;
    Ok(member)
}
