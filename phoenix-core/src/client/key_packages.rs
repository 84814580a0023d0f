//! PROTOCOL.md §7.5, §7.6, §11.4 — the client's own key packages and queue configurations.

use openmls::prelude::{Extension, Extensions, KeyPackage, UnknownExtension};
use openmls_traits::OpenMlsProvider;
use tls_codec::Serialize;

use super::{
    error::ClientError,
    exchange::{Body, Patience},
    messages::add_package_binding,
    pass::{Interrupt, Pass},
    state::{OwnPackage, State, Want},
};
use crate::{
    codec::{Bytes, encode},
    credentials::PublishedHpkeKey,
    identifiers::GroupId,
    mls::{CIPHERSUITE, QUEUE_CONFIG_EXTENSION},
    wire::{
        fan_out::{Binding, ClientQueueConfig, Notify, QueueConfigContent},
        queuing_service::{AddPackage, PublishKeyPackages},
    },
};

/// Publishes fresh key packages in place of those before. Those that were handed out stay usable.
pub(super) fn publish(pass: &mut Pass<'_>) -> Result<(), Interrupt> {
    let domain = pass.state().config.domain.clone();
    if !pass.is_repeated() {
        pass.config_key()?;
    }
    pass.call(&domain, Patience::Window, |state, _| {
        let to = state.own_config_key()?;
        let ordinary = state.config.key_packages;
        let packages: Result<Vec<_>, ClientError> =
            (0..=ordinary).map(|number| state.key_package(&to, number == ordinary)).collect();
        state.account.change().used_packages = 0;
        let friendship_token = state.account.friendship_token.clone();
        let body = PublishKeyPackages { friendship_token, packages: packages?.try_into()? };
        Ok(Body::signed(body, state.queuing_identity()?))
    })?;
    Ok(())
}

impl State {
    /// Has fresh key packages published if half of them are used.
    pub fn replenish_key_packages(&mut self) {
        if self.account.used_packages as usize * 2 >= self.config.key_packages.max(1) {
            self.want(&Want::PublishKeyPackages);
        }
    }

    /// Makes a key package and keeps its private keys.
    fn key_package(&mut self, to: &PublishedHpkeKey, last_resort: bool) -> Result<AddPackage, ClientError> {
        let leaf = self.new_leaf()?;
        let config = self.queue_config(to, Binding::Unbound)?;
        let extension = Extension::Unknown(QUEUE_CONFIG_EXTENSION, UnknownExtension(encode(&config)));
        let extensions = Extensions::single(extension).map_err(ClientError::mls)?;
        let mut builder = KeyPackage::builder()
            .leaf_node_capabilities(Self::capabilities())
            .key_package_lifetime(self.lifetime())
            .key_package_extensions(extensions);
        if last_resort {
            builder = builder.mark_as_last_resort();
        }
        let bundle = builder
            .build(CIPHERSUITE, &self.provider, &leaf.key, leaf.for_mls())
            .map_err(ClientError::mls)?;
        let package = bundle.key_package();
        let reference =
            package.hash_ref(self.provider.crypto()).map_err(ClientError::mls)?.as_slice().to_vec();
        let reference = Bytes::new(reference)?;
        let bytes = package.tls_serialize_detached().map_err(ClientError::mls)?;
        let identity = leaf.credential.leaf.payload.identity;
        let member = encode(&self.member_credential(leaf.attribution_key.clone())?);
        let encrypted_credential =
            self.account.friendship_key.seal(&mut self.random, &add_package_binding(&identity), &member)?;
        self.key_packages
            .insert(reference, OwnPackage { leaf_key: leaf.key, last_resort: last_resort.into() });
        Ok(AddPackage { key_package: Bytes::new(bytes)?, encrypted_credential })
    }

    /// Makes a queue configuration of this client.
    pub fn queue_config(
        &mut self,
        to: &PublishedHpkeKey,
        binding: Binding,
    ) -> Result<ClientQueueConfig, ClientError> {
        let lifetime = self.config.queue_config_lifetime;
        // An unbound one is valid for as long as its key package, and for as long as a bound one after that.
        let extra =
            if binding == Binding::Unbound { self.config.key_package_lifetime } else { Default::default() };
        let not_after = self.now + lifetime + extra;
        let queuing = self.account.queuing.as_ref().ok_or(ClientError::NotRegistered)?;
        let content = QueueConfigContent {
            client: queuing.client,
            push_token_key: None,
            list_key: queuing.list_key.clone(),
            notify: Notify::Always,
            binding,
            not_after,
        };
        let domain = self.config.domain.clone();
        Ok(ClientQueueConfig::seal(&mut self.random, domain, to, content, &queuing.config_key)?)
    }

    /// Makes a queue configuration that is bound to one group.
    pub fn bound_config(
        &mut self,
        to: &PublishedHpkeKey,
        group: &GroupId,
    ) -> Result<ClientQueueConfig, ClientError> {
        self.queue_config(to, Binding::Bound { ds_domain: group.domain.clone(), group_id: group.clone() })
    }
}
