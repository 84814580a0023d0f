//! PROTOCOL.md §8 — small MLS clients for tests, and a delivery service that is reloaded at every step.

use openmls::{
    messages::group_info::GroupInfo,
    prelude::{
        CommitBuilder, Credential, CredentialType, CredentialWithKey, Extension, ExtensionType, Extensions,
        ExternalSender, GroupContext, GroupId, Initial, KeyPackage, LeafNodeIndex, LeafNodeParameters,
        Lifetime, MlsGroup, MlsGroupJoinConfig, MlsMessageBodyIn, MlsMessageOut, OpenMlsProvider as _,
        PURE_PLAINTEXT_WIRE_FORMAT_POLICY, ProcessedMessageContent, ProposalType, ProtocolMessage,
        RatchetTreeIn, RequiredCapabilitiesExtension, StagedWelcome, UnknownExtension,
    },
};
use tls_codec::Serialize as _;

use super::super::{
    CIPHERSUITE, CommitError, CommitSummary, GroupInfoUpdate, GroupState, LEAF_CREDENTIAL_TYPE,
    QUEUE_CONFIG_EXTENSION, ROLES_EXTENSION, StagedChange, capabilities, encoding::read, parse_message,
};
use crate::{
    crypto::{provider::MlsCrypto, sign::SigningKey},
    mls::{MlsProvider, MlsRecords},
};

pub const GROUP_ID: &[u8] = b"group@example.com";
pub const QUEUE_CONFIG: &[u8] = &[0x51; 120];
pub const DAY: u64 = 24 * 60 * 60;

pub struct Client {
    pub provider: MlsProvider,
    pub signer: SigningKey,
    pub credential: CredentialWithKey,
}

/// What a client sends to the delivery service.
#[derive(Clone)]
pub struct Sent {
    pub commit: Vec<u8>,
    pub welcome: Option<Vec<u8>>,
    pub update: GroupInfoUpdate,
}

impl Client {
    pub fn new(seed: u8) -> Self {
        let signer = SigningKey::from_bytes(&[seed; 32]);
        let credential = credential(&signer, &[seed; 90]);
        Self {
            provider: MlsProvider::new(MlsCrypto::new([seed; 32]), MlsRecords::default()),
            signer,
            credential,
        }
    }

    /// The same person on an empty disk.
    pub fn without_state(&self, seed: u8) -> Self {
        Self {
            provider: MlsProvider::new(MlsCrypto::new([seed; 32]), MlsRecords::default()),
            signer: self.signer.clone(),
            credential: self.credential.clone(),
        }
    }

    pub fn key_package(&self, lifetime: Lifetime) -> KeyPackage {
        let config = Extension::Unknown(QUEUE_CONFIG_EXTENSION, UnknownExtension(QUEUE_CONFIG.to_vec()));
        self.key_package_with(lifetime, Extensions::single(config).unwrap())
    }

    pub fn key_package_with(&self, lifetime: Lifetime, extensions: Extensions<KeyPackage>) -> KeyPackage {
        KeyPackage::builder()
            .leaf_node_capabilities(capabilities())
            .key_package_lifetime(lifetime)
            .key_package_extensions(extensions)
            .build(CIPHERSUITE, &self.provider, &self.signer, self.credential.clone())
            .unwrap()
            .into_key_package()
    }

    pub fn new_group(&self, extensions: Extensions<GroupContext>) -> MlsGroup {
        MlsGroup::builder()
            .ciphersuite(CIPHERSUITE)
            .with_group_id(GroupId::from_slice(GROUP_ID))
            .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .with_group_context_extensions(extensions)
            .with_capabilities(capabilities())
            .lifetime(lifetime())
            .build(&self.provider, &self.signer, self.credential.clone())
            .unwrap()
    }

    pub fn group_info(&self, group: &MlsGroup) -> Vec<u8> {
        let message = group.export_group_info(self.provider.crypto(), &self.signer, false).unwrap();
        message.to_bytes().unwrap()
    }

    pub fn commit(
        &self,
        group: &mut MlsGroup,
        authenticated_data: &[u8],
        change: impl FnOnce(CommitBuilder<'_, Initial>) -> CommitBuilder<'_, Initial>,
    ) -> Sent {
        group.set_aad(authenticated_data.to_vec());
        let bundle = change(group.commit_builder())
            .load_psks(self.provider.storage())
            .unwrap()
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(self.provider.rand(), self.provider.crypto(), &self.signer, |_| true)
            .unwrap()
            .stage_commit(&self.provider)
            .unwrap();
        sent(bundle.commit(), bundle.to_welcome_msg(), bundle.group_info().unwrap())
    }

    pub fn merge_own(&self, group: &mut MlsGroup) {
        group.merge_pending_commit(&self.provider).unwrap();
    }

    pub fn join(&self, welcome: &[u8], tree: &[u8]) -> MlsGroup {
        let MlsMessageBodyIn::Welcome(welcome) = parse_message(welcome).unwrap().extract() else {
            panic!("not a Welcome");
        };
        StagedWelcome::build_from_welcome(&self.provider, &join_config(), welcome)
            .unwrap()
            .with_ratchet_tree(read::<RatchetTreeIn>(tree).unwrap())
            .build()
            .unwrap()
            .into_group(&self.provider)
            .unwrap()
    }

    pub fn join_externally(&self, group_info: &[u8], tree: &[u8]) -> (MlsGroup, Sent) {
        let MlsMessageBodyIn::GroupInfo(info) = parse_message(group_info).unwrap().extract() else {
            panic!("not a GroupInfo");
        };
        let parameters = LeafNodeParameters::builder().with_capabilities(capabilities()).build();
        let (group, bundle) = MlsGroup::external_commit_builder()
            .with_ratchet_tree(read::<RatchetTreeIn>(tree).unwrap())
            .with_config(join_config())
            .with_aad(b"external".to_vec())
            .build_group(&self.provider, info, self.credential.clone())
            .unwrap()
            .leaf_node_parameters(parameters)
            .load_psks(self.provider.storage())
            .unwrap()
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(self.provider.rand(), self.provider.crypto(), &self.signer, |_| true)
            .unwrap()
            .finalize(&self.provider)
            .unwrap();
        let sent = sent(bundle.commit(), None, bundle.group_info().unwrap());
        (group, sent)
    }

    pub fn receive(&self, group: &mut MlsGroup, message: &[u8]) {
        let message: ProtocolMessage = parse_message(message).unwrap().try_into_protocol_message().unwrap();
        match group.process_message(&self.provider, message).unwrap().into_content() {
            ProcessedMessageContent::StagedCommitMessage(staged) => {
                group.merge_staged_commit(&self.provider, *staged).unwrap();
            }
            ProcessedMessageContent::ProposalMessage(proposal) => {
                group.store_pending_proposal(self.provider.storage(), *proposal).unwrap();
            }
            _ => panic!("neither commit nor proposal"),
        }
    }
}

fn sent(commit: &MlsMessageOut, welcome: Option<MlsMessageOut>, group_info: &GroupInfo) -> Sent {
    Sent {
        commit: commit.to_bytes().unwrap(),
        welcome: welcome.map(|welcome| welcome.to_bytes().unwrap()),
        update: GroupInfoUpdate::from_group_info(group_info).unwrap(),
    }
}

pub fn credential(signer: &SigningKey, content: &[u8]) -> CredentialWithKey {
    CredentialWithKey {
        credential: Credential::new(CredentialType::Other(LEAF_CREDENTIAL_TYPE), content.to_vec()),
        signature_key: signer.verifying_key().0.as_slice().into(),
    }
}

/// Around the real time, which openmls reads.
pub fn lifetime() -> Lifetime {
    Lifetime::new(30 * DAY)
}

pub fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(false)
        .build()
}

pub fn extensions(service: &Client, roles: &[u8]) -> Extensions<GroupContext> {
    let sender =
        ExternalSender::new(service.credential.signature_key.clone(), service.credential.credential.clone());
    Extensions::from_vec(vec![
        Extension::RequiredCapabilities(RequiredCapabilitiesExtension::new(
            &[ExtensionType::Unknown(ROLES_EXTENSION)],
            &[ProposalType::SelfRemove],
            &[CredentialType::Other(LEAF_CREDENTIAL_TYPE)],
        )),
        Extension::Unknown(ROLES_EXTENSION, UnknownExtension(roles.to_vec())),
        Extension::ExternalSenders(vec![sender]),
    ])
    .unwrap()
}

pub fn leaf(index: u32) -> LeafNodeIndex {
    LeafNodeIndex::new(index)
}

/// A delivery service with one group.
pub struct Service {
    pub crypto: MlsCrypto,
    pub state: GroupState,
    pub group_info: Vec<u8>,
}

impl Service {
    pub fn create(client: &Client, group: &MlsGroup) -> Self {
        let crypto = MlsCrypto::new([0xD5; 32]);
        let tree = group.export_ratchet_tree().tls_serialize_detached().unwrap();
        let (state, info) = GroupState::create(&crypto, &tree, &client.group_info(group)).unwrap();
        state.check_fresh().unwrap();
        Self { crypto, state, group_info: info.into_vec() }
    }

    pub fn stage(&self, sent: &Sent) -> Result<StagedChange, CommitError> {
        self.state.stage_commit(&self.crypto, &sent.commit, &sent.update)
    }

    /// Why the commit is refused.
    pub fn refusal(&self, sent: &Sent) -> CommitError {
        self.stage(sent).err().unwrap()
    }

    /// Accepts a commit, through storage and back on both sides of it.
    pub fn accept(&mut self, sent: &Sent) -> CommitSummary {
        self.reload();
        let change = self.stage(sent).unwrap();
        let summary = change.summary().clone();
        self.state.merge(change).unwrap();
        self.reload();
        assert_eq!(self.state.epoch(), summary.epoch_after);
        assert_eq!(self.state.leaf(summary.committer.index).as_ref(), Some(&summary.committer));
        assert_eq!(self.state.roles(), summary.roles_after);
        assert_eq!(self.state.external_senders(), summary.external_senders_after);
        for add in &summary.adds {
            let leaf = self.state.leaf(add.leaf).unwrap();
            assert_eq!(
                (leaf.signature_key, leaf.credential),
                (add.view.signature_key, add.view.credential.clone())
            );
        }
        self.group_info = summary.group_info.as_slice().to_vec();
        summary
    }

    pub fn reload(&mut self) {
        let snapshot = self.state.snapshot().unwrap();
        let loaded = GroupState::load(&snapshot, self.state.group_id()).unwrap();
        assert_eq!(loaded.snapshot().unwrap(), snapshot);
        assert_eq!(loaded.members(), self.state.members());
        assert_eq!(loaded.pending_proposals(), self.state.pending_proposals());
        assert_eq!(loaded.export_tree(), self.state.export_tree());
        self.state = loaded;
    }

    pub fn indices(&self) -> Vec<u32> {
        self.state.members().iter().map(|member| member.index).collect()
    }
}
