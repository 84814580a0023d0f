//! PROTOCOL.md §11, A client outlives its process — how openmls reads and writes a member's records.

use openmls_traits::storage::{CURRENT_VERSION, StorageProvider, traits};

use super::member_records::{DamagedMlsState, MlsRecordKind, MlsRecords, decode, encode};

const V: u16 = CURRENT_VERSION;

/// The values that a group has one of: how each is written, read and deleted.
macro_rules! group_values {
    ($($kind:ident: $value:ident, $write:ident, $read:ident, $delete:ident;)*) => {
        $(
            fn $write<Group: traits::GroupId<V>, Value: traits::$value<V>>(
                &self,
                group: &Group,
                value: &Value,
            ) -> Result<(), DamagedMlsState> {
                self.write(MlsRecordKind::$kind, group, value)
            }

            fn $read<Group: traits::GroupId<V>, Value: traits::$value<V>>(
                &self,
                group: &Group,
            ) -> Result<Option<Value>, DamagedMlsState> {
                self.read(MlsRecordKind::$kind, group)
            }

            fn $delete<Group: traits::GroupId<V>>(&self, group: &Group) -> Result<(), DamagedMlsState> {
                self.delete(MlsRecordKind::$kind, group)
            }
        )*
    };
}

impl StorageProvider<V> for MlsRecords {
    type Error = DamagedMlsState;

    group_values! {
        Tree: TreeSync, write_tree, tree, delete_tree;
        InterimTranscriptHash: InterimTranscriptHash,
            write_interim_transcript_hash, interim_transcript_hash, delete_interim_transcript_hash;
        Context: GroupContext, write_context, group_context, delete_context;
        ConfirmationTag: ConfirmationTag, write_confirmation_tag, confirmation_tag, delete_confirmation_tag;
        MessageSecrets: MessageSecrets, write_message_secrets, message_secrets, delete_message_secrets;
        ResumptionSecrets: ResumptionPskStore,
            write_resumption_psk_store, resumption_psk_store, delete_all_resumption_psk_secrets;
        OwnLeafIndex: LeafNodeIndex, write_own_leaf_index, own_leaf_index, delete_own_leaf_index;
        EpochSecrets: GroupEpochSecrets,
            write_group_epoch_secrets, group_epoch_secrets, delete_group_epoch_secrets;
    }

    // In a self-describing encoding: openmls reads a part of it as whatever fits.
    fn write_mls_join_config<Group: traits::GroupId<V>, Value: traits::MlsGroupJoinConfig<V>>(
        &self,
        group: &Group,
        value: &Value,
    ) -> Result<(), DamagedMlsState> {
        let text = serde_json::to_vec(value).map_err(|_| DamagedMlsState)?;
        self.write(MlsRecordKind::JoinConfig, group, &text)
    }

    fn mls_group_join_config<Group: traits::GroupId<V>, Value: traits::MlsGroupJoinConfig<V>>(
        &self,
        group: &Group,
    ) -> Result<Option<Value>, DamagedMlsState> {
        let text: Option<Vec<u8>> = self.read(MlsRecordKind::JoinConfig, group)?;
        text.map(|text| serde_json::from_slice(&text).map_err(|_| DamagedMlsState)).transpose()
    }

    fn delete_group_config<Group: traits::GroupId<V>>(&self, group: &Group) -> Result<(), DamagedMlsState> {
        self.delete(MlsRecordKind::JoinConfig, group)
    }

    fn write_group_state<Value: traits::GroupState<V>, Group: traits::GroupId<V>>(
        &self,
        group: &Group,
        value: &Value,
    ) -> Result<(), DamagedMlsState> {
        self.write(MlsRecordKind::GroupState, group, value)
    }

    fn group_state<Value: traits::GroupState<V>, Group: traits::GroupId<V>>(
        &self,
        group: &Group,
    ) -> Result<Option<Value>, DamagedMlsState> {
        self.read(MlsRecordKind::GroupState, group)
    }

    fn delete_group_state<Group: traits::GroupId<V>>(&self, group: &Group) -> Result<(), DamagedMlsState> {
        self.delete(MlsRecordKind::GroupState, group)
    }

    fn append_own_leaf_node<Group: traits::GroupId<V>, Leaf: traits::LeafNode<V>>(
        &self,
        group: &Group,
        leaf: &Leaf,
    ) -> Result<(), DamagedMlsState> {
        let mut leaves = self.list(MlsRecordKind::OwnLeafNodes, group)?;
        leaves.push(encode(leaf)?.to_vec());
        self.write(MlsRecordKind::OwnLeafNodes, group, &leaves)
    }

    fn own_leaf_nodes<Group: traits::GroupId<V>, Leaf: traits::LeafNode<V>>(
        &self,
        group: &Group,
    ) -> Result<Vec<Leaf>, DamagedMlsState> {
        self.list(MlsRecordKind::OwnLeafNodes, group)?.iter().map(|leaf| decode(leaf)).collect()
    }

    fn delete_own_leaf_nodes<Group: traits::GroupId<V>>(&self, group: &Group) -> Result<(), DamagedMlsState> {
        self.delete(MlsRecordKind::OwnLeafNodes, group)
    }

    fn queue_proposal<
        Group: traits::GroupId<V>,
        Reference: traits::ProposalRef<V>,
        Proposal: traits::QueuedProposal<V>,
    >(
        &self,
        group: &Group,
        reference: &Reference,
        proposal: &Proposal,
    ) -> Result<(), DamagedMlsState> {
        let mut queue = self.proposals(group)?;
        let reference = encode(reference)?.to_vec();
        queue.retain(|(queued, _)| *queued != reference);
        queue.push((reference, encode(proposal)?.to_vec()));
        self.write(MlsRecordKind::Proposals, group, &queue)
    }

    fn queued_proposal_refs<Group: traits::GroupId<V>, Reference: traits::ProposalRef<V>>(
        &self,
        group: &Group,
    ) -> Result<Vec<Reference>, DamagedMlsState> {
        self.proposals(group)?.iter().map(|(reference, _)| decode(reference)).collect()
    }

    fn queued_proposals<
        Group: traits::GroupId<V>,
        Reference: traits::ProposalRef<V>,
        Proposal: traits::QueuedProposal<V>,
    >(
        &self,
        group: &Group,
    ) -> Result<Vec<(Reference, Proposal)>, DamagedMlsState> {
        let queue = self.proposals(group)?;
        queue.iter().map(|(reference, proposal)| Ok((decode(reference)?, decode(proposal)?))).collect()
    }

    fn remove_proposal<Group: traits::GroupId<V>, Reference: traits::ProposalRef<V>>(
        &self,
        group: &Group,
        reference: &Reference,
    ) -> Result<(), DamagedMlsState> {
        let mut queue = self.proposals(group)?;
        let reference = encode(reference)?.to_vec();
        queue.retain(|(queued, _)| *queued != reference);
        self.write(MlsRecordKind::Proposals, group, &queue)
    }

    fn clear_proposal_queue<Group: traits::GroupId<V>, Reference: traits::ProposalRef<V>>(
        &self,
        group: &Group,
    ) -> Result<(), DamagedMlsState> {
        self.delete(MlsRecordKind::Proposals, group)
    }

    fn write_signature_key_pair<Key: traits::SignaturePublicKey<V>, Pair: traits::SignatureKeyPair<V>>(
        &self,
        key: &Key,
        pair: &Pair,
    ) -> Result<(), DamagedMlsState> {
        self.write(MlsRecordKind::SignatureKeyPair, key, pair)
    }

    fn signature_key_pair<Key: traits::SignaturePublicKey<V>, Pair: traits::SignatureKeyPair<V>>(
        &self,
        key: &Key,
    ) -> Result<Option<Pair>, DamagedMlsState> {
        self.read(MlsRecordKind::SignatureKeyPair, key)
    }

    fn delete_signature_key_pair<Key: traits::SignaturePublicKey<V>>(
        &self,
        key: &Key,
    ) -> Result<(), DamagedMlsState> {
        self.delete(MlsRecordKind::SignatureKeyPair, key)
    }

    fn write_encryption_key_pair<Key: traits::EncryptionKey<V>, Pair: traits::HpkeKeyPair<V>>(
        &self,
        key: &Key,
        pair: &Pair,
    ) -> Result<(), DamagedMlsState> {
        self.write(MlsRecordKind::EncryptionKeyPair, key, pair)
    }

    fn encryption_key_pair<Pair: traits::HpkeKeyPair<V>, Key: traits::EncryptionKey<V>>(
        &self,
        key: &Key,
    ) -> Result<Option<Pair>, DamagedMlsState> {
        self.read(MlsRecordKind::EncryptionKeyPair, key)
    }

    fn delete_encryption_key_pair<Key: traits::EncryptionKey<V>>(
        &self,
        key: &Key,
    ) -> Result<(), DamagedMlsState> {
        self.delete(MlsRecordKind::EncryptionKeyPair, key)
    }

    fn write_encryption_epoch_key_pairs<
        Group: traits::GroupId<V>,
        Epoch: traits::EpochKey<V>,
        Pair: traits::HpkeKeyPair<V>,
    >(
        &self,
        group: &Group,
        epoch: &Epoch,
        leaf: u32,
        pairs: &[Pair],
    ) -> Result<(), DamagedMlsState> {
        self.write(MlsRecordKind::EpochKeyPairs, &(group, epoch, leaf), &pairs)
    }

    fn encryption_epoch_key_pairs<
        Group: traits::GroupId<V>,
        Epoch: traits::EpochKey<V>,
        Pair: traits::HpkeKeyPair<V>,
    >(
        &self,
        group: &Group,
        epoch: &Epoch,
        leaf: u32,
    ) -> Result<Vec<Pair>, DamagedMlsState> {
        Ok(self.read(MlsRecordKind::EpochKeyPairs, &(group, epoch, leaf))?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<Group: traits::GroupId<V>, Epoch: traits::EpochKey<V>>(
        &self,
        group: &Group,
        epoch: &Epoch,
        leaf: u32,
    ) -> Result<(), DamagedMlsState> {
        self.delete(MlsRecordKind::EpochKeyPairs, &(group, epoch, leaf))
    }

    fn write_key_package<Reference: traits::HashReference<V>, Package: traits::KeyPackage<V>>(
        &self,
        reference: &Reference,
        package: &Package,
    ) -> Result<(), DamagedMlsState> {
        self.write(MlsRecordKind::KeyPackage, reference, package)
    }

    fn key_package<Reference: traits::HashReference<V>, Package: traits::KeyPackage<V>>(
        &self,
        reference: &Reference,
    ) -> Result<Option<Package>, DamagedMlsState> {
        self.read(MlsRecordKind::KeyPackage, reference)
    }

    fn delete_key_package<Reference: traits::HashReference<V>>(
        &self,
        reference: &Reference,
    ) -> Result<(), DamagedMlsState> {
        self.delete(MlsRecordKind::KeyPackage, reference)
    }

    fn write_psk<Id: traits::PskId<V>, Bundle: traits::PskBundle<V>>(
        &self,
        id: &Id,
        bundle: &Bundle,
    ) -> Result<(), DamagedMlsState> {
        self.write(MlsRecordKind::PreSharedKey, id, bundle)
    }

    fn psk<Bundle: traits::PskBundle<V>, Id: traits::PskId<V>>(
        &self,
        id: &Id,
    ) -> Result<Option<Bundle>, DamagedMlsState> {
        self.read(MlsRecordKind::PreSharedKey, id)
    }

    fn delete_psk<Id: traits::PskId<V>>(&self, id: &Id) -> Result<(), DamagedMlsState> {
        self.delete(MlsRecordKind::PreSharedKey, id)
    }
}
