//! PROTOCOL.md §6 — requests to and replies of the authentication service.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{
    codec::{Bytes, List},
    credentials::{AsCredentialSet, ClientCredential, ClientCredentialRequest},
    crypto::{
        hpke::{HpkeCiphertext, HpkePublicKey},
        labels::Label,
        sign::{Signable, Signature},
        tokens::{BlindedToken, MAX_BATCH, TokenKeyId, TokenPublicKey, TokenResponse},
    },
    identifiers::{ClientId, UserId},
    limits::MAX_CONNECTION_PACKAGES,
    time::{ExpirationData, Timestamp},
    wire::queues::DequeueRange,
};

use super::message::message;

message! {
    /// First step of a registration.
    pub struct InitRegistration {
        /// The credential wanted; names user, client and key.
        pub credential_request: ClientCredentialRequest,
        /// The client's first OPAQUE message.
        pub opaque_request: Bytes<256>,
    }

    /// Answer to [`InitRegistration`].
    pub struct InitRegistrationReply {
        /// The credential, in force once the registration is finished.
        pub credential: ClientCredential,
        /// The homeserver's OPAQUE message.
        pub opaque_response: Bytes<512>,
        /// Until when it must be finished; [`FinishRegistration`] repeats it.
        pub expires_at: Timestamp,
    }

    /// Last step of a registration, signed with the key of the new credential.
    pub struct FinishRegistration {
        /// From [`InitRegistrationReply`].
        pub expires_at: Timestamp,
        /// The client's last OPAQUE message.
        pub opaque_upload: Bytes<1024>,
        /// The key that the direct queue is encrypted to.
        pub queue_key: HpkePublicKey,
        /// The first connection packages.
        pub connection_packages: List<ConnectionPackage, MAX_CONNECTION_PACKAGES>,
    }

    /// Asks for the credentials of the authentication service.
    pub struct GetAsCredentials {}

    /// Answer to [`GetAsCredentials`].
    pub struct GetAsCredentialsReply {
        /// Roots, intermediates and revocations.
        pub credentials: AsCredentialSet,
    }

    /// Asks for the public keys that tokens are issued under.
    pub struct GetTokenKeys {}

    /// Answer to [`GetTokenKeys`].
    pub struct GetTokenKeysReply {
        /// Those in force, for each scope.
        pub keys: List<TokenPublicKey, 8>,
    }

    /// Asks for tokens. The scope is that of the key named.
    pub struct IssueTokens {
        /// Under which key.
        pub key_id: TokenKeyId,
        /// The blinded tokens.
        pub blinded: List<BlindedToken, MAX_BATCH>,
        /// The caller's credential; needed from clients of other homeservers, who are not known here.
        pub credential: ClientCredential,
    }

    /// Answer to [`IssueTokens`].
    pub struct IssueTokensReply {
        /// The evaluated tokens and the proof that they were evaluated under the public key.
        pub response: TokenResponse,
    }

    /// Replaces the client's connection packages.
    pub struct PublishConnectionPackages {
        /// Whose they are.
        pub client_id: ClientId,
        /// At least one; the last is handed out again and again when the others are gone.
        pub packages: List<ConnectionPackage, MAX_CONNECTION_PACKAGES>,
    }

    /// Asks for a connection package of a user.
    pub struct GetConnectionPackage {
        /// Of whom.
        pub user_id: UserId,
    }

    /// Answer to [`GetConnectionPackage`].
    pub struct GetConnectionPackageReply {
        /// The package.
        pub package: ConnectionPackage,
    }

    /// Puts a sealed connection request into a client's direct queue.
    pub struct EnqueueDirect {
        /// Whose queue.
        pub client_id: ClientId,
        /// Sealed to the key of a connection package.
        pub package: HpkeCiphertext,
    }

    /// Reads the client's direct queue.
    pub struct DequeueDirect {
        /// Whose queue.
        pub client_id: ClientId,
        /// What to read.
        pub range: DequeueRange,
    }

    /// What a client publishes so that others can ask it for a connection.
    pub struct ConnectionPackageContent {
        /// Whose package it is.
        pub credential: ClientCredential,
        /// The key that connection requests are sealed to.
        pub encryption_key: HpkePublicKey,
        /// From when until when it is good.
        pub expiration: ExpirationData,
    }

    /// [`ConnectionPackageContent`], signed by the client.
    pub struct ConnectionPackage {
        /// What is signed.
        pub content: ConnectionPackageContent,
        /// With the client credential's key.
        pub signature: Signature,
    }
}

impl Signable for ConnectionPackageContent {
    const LABEL: Label = Label::CONNECTION_PACKAGE;
}
