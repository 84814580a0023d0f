//! PROTOCOL.md §3, Labels — every signature, derived key and sealed message has a label of its own.
//!
//! A label ties a signature or ciphertext to the one use that it was made for: nothing signed as one
//! structure verifies as another. This file is the complete list; a test checks that all labels differ.

/// The name of one use of a key: what a signature, hash, derived key or ciphertext is for.
///
/// As text it is `Phoenix 1.0 `, followed by the text in this file; it enters as these bytes, in UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(&'static str);

impl Label {
    /// The label as it enters signatures and derivations.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

macro_rules! labels {
    ($($(#[$meta:meta])* $name:ident = $text:literal;)*) => {
        impl Label {
            $($(#[$meta])* pub const $name: Self = Self(concat!("Phoenix 1.0 ", $text));)*

            /// All labels, in the order of this file.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

labels! {
    // Signatures: what is signed.
    /// A client's request (PROTOCOL.md §3).
    REQUEST_AUTH = "RequestAuth";
    /// Proof of possession of a root's key.
    AS_CREDENTIAL_SELF = "AsCredential, by itself";
    /// Proof of possession of an intermediate's key.
    AS_INTERMEDIATE_SELF = "AsIntermediateCredential, by itself";
    /// An intermediate credential, by its root.
    AS_INTERMEDIATE_CREDENTIAL = "AsIntermediateCredential, by its root";
    /// A client's request for a credential: proof of possession.
    CLIENT_CREDENTIAL_SELF = "ClientCredential, by itself";
    /// A client credential, by the intermediate.
    CLIENT_CREDENTIAL = "ClientCredential, by the intermediate";
    /// Proof of possession of a leaf's key.
    LEAF_CREDENTIAL_SELF = "LeafCredential, by itself";
    /// A leaf credential, by the client.
    LEAF_CREDENTIAL = "LeafCredential, by the client";
    /// A revocation of an authority's credential.
    REVOCATION = "Revocation";
    /// The set of an authentication service's credentials.
    AS_CREDENTIAL_SET = "AsCredentialSet";
    /// The set of a queuing service's keys.
    QS_KEY_SET = "QsKeySet";
    /// The set of a delivery service's keys.
    DS_KEY_SET = "DsKeySet";
    /// A connection package, by the client that publishes it.
    CONNECTION_PACKAGE = "ConnectionPackage";
    /// A request for a connection, by the client that makes it.
    CONNECTION_ESTABLISHMENT = "ConnectionEstablishmentPackage";
    /// The key packages that a queuing service handed out together.
    KEY_PACKAGE_BATCH = "KeyPackageBatch";
    /// A queue configuration, by the client it leads to.
    QUEUE_CONFIG = "QueueConfig";
    /// The attribution of a Welcome, by the client that invites.
    WELCOME_ATTRIBUTION = "WelcomeAttribution";
    /// A frame with a batch of a federated stream, by the sending queuing service.
    FEDERATED_BATCH = "FederatedBatch";

    // Derivations: what the key or hash is for.
    /// The hash of a group's key.
    GROUP_KEY = "group key";
    /// The hash of a queue's entry.
    QUEUE_ENTRY = "queue entry";
    /// The fingerprint of a credential.
    FINGERPRINT = "fingerprint";
    /// The hash of a request's body, inside its authentication.
    REQUEST_BODY = "request body";
    /// The hash under which a request's answer is remembered.
    REMEMBERED_ANSWER_ID = "remembered answer, name";
    /// The key under which a request's answer is remembered.
    REMEMBERED_ANSWER_KEY = "remembered answer, key";
    /// A key for one write of encrypted state.
    ENCRYPTION_AT_REST = "encryption at rest, one write";
    /// The name under which a client's record is stored.
    CLIENT_RECORD_NAME = "client record, name";
    /// The hash by which a member knows a repeated message.
    REPEATED_MESSAGE = "repeated message";
    /// A queue's next ratchet key.
    RATCHET_NEXT = "ratchet, next key";
    /// A queue's message key.
    RATCHET_MESSAGE = "ratchet, message key";
    /// A queue's rotation key.
    RATCHET_ROTATION = "ratchet, rotation key";
    /// A queue's ratchet key after rotation.
    RATCHET_ROTATED = "ratchet, rotated key";
    /// The nullifier of a token.
    TOKEN_NULLIFIER = "token, nullifier";
    /// The id of a token key.
    TOKEN_KEY_ID = "token, key id";
    /// The start of what a token's output is computed over.
    TOKEN_INPUT = "token, input";
    /// A token issuer's key, from the homeserver's seed.
    TOKEN_ISSUER = "token, issuer key";
    /// An OPAQUE server's setup, from its seed.
    OPAQUE_SETUP = "OPAQUE, server setup";
    /// The context of an OPAQUE login.
    OPAQUE_LOGIN = "OPAQUE, login";
    /// The key for add packages, from the friendship token.
    ADD_PACKAGES = "add packages";
    /// The hash of a friendship token.
    FRIENDSHIP_TOKEN = "friendship token";
    /// The hash by which a client's record names a group.
    GROUP_LIST = "group list entry";
    /// The hash by which a client's record names a homeserver for which a group was pinned.
    PINNED_DOMAIN = "pinned domain";
    /// The hash by which caches and rates name a sealed queue configuration.
    SEALED_CONFIGURATION = "sealed configuration";
    /// The checksum of the keys of a homeserver, in their file.
    SERVICE_KEYS_FILE = "service keys, file";
    /// The checksum of a root's private key, in its file.
    ROOT_KEY_FILE = "root key, file";
    /// The hash of the entry of a federated stream that was accepted last.
    ACCEPTED_ENTRY = "accepted entry";
    /// The name of a row whose key must not show what it is about.
    ROW_NAME = "row name";

    // Sealing to a public key: what is sealed.
    /// A queue configuration, to its queuing service.
    SEAL_QUEUE_CONFIG = "sealed QueueConfig";
    /// A queue's first ratchet key, to its owner.
    SEAL_RATCHET_KEY = "sealed ratchet key";
    /// A queue's rotation, to its owner.
    SEAL_RATCHET_ROTATION = "sealed ratchet rotation";
    /// The seed of a stream's epoch, to the queuing service it leads to.
    SEAL_STREAM_SEED = "sealed stream seed";
    /// A connection request, to the client it is for.
    SEAL_CONNECTION = "sealed ConnectionEstablishmentPackage";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_labels_are_alike() {
        let mut texts: Vec<_> = Label::ALL.iter().map(|label| label.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Label::ALL.len());
    }
}
