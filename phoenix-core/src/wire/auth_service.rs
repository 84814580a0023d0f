//! PROTOCOL.md §6 — requests to the authentication service, and its replies.
//!
//! Clients send all of them; other homeservers send [`GetAsCredentials`] too. The service knows who users
//! are, and learns from none of these messages which groups they are in.

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
    /// First step of a registration, from a client that has no account yet (§6, Registration).
    pub struct InitRegistration {
        /// The credential that the client wants, signed by itself: it names user, client and key.
        pub credential_request: ClientCredentialRequest,
        /// The client's first OPAQUE message, a RegistrationRequest.
        pub opaque_request: Bytes<256>,
    }

    /// Answer to [`InitRegistration`].
    pub struct InitRegistrationReply {
        /// The credential, signed by an intermediate. It is in force once the registration is finished.
        pub credential: ClientCredential,
        /// The homeserver's OPAQUE message, a RegistrationResponse.
        pub opaque_response: Bytes<512>,
        /// The time until which the registration can be finished. [`FinishRegistration`] repeats it.
        pub expires_at: Timestamp,
    }

    /// Last step of a registration, signed with the key of the new credential (§6, Registration).
    pub struct FinishRegistration {
        /// As in [`InitRegistrationReply`]: it finds the registration.
        pub expires_at: Timestamp,
        /// The client's last OPAQUE message, a RegistrationRecord.
        pub opaque_upload: Bytes<1024>,
        /// The public key that the entries of the client's direct queue are encrypted to.
        pub queue_key: HpkePublicKey,
        /// The first connection packages, at least one. The last one is handed out again and again when the
        /// others are gone.
        pub connection_packages: List<ConnectionPackage, MAX_CONNECTION_PACKAGES>,
    }

    /// Asks for the credentials of the authentication service: a question that is open to every client and
    /// homeserver (§6, Published credentials).
    pub struct GetAsCredentials {}

    /// Answer to [`GetAsCredentials`].
    pub struct GetAsCredentialsReply {
        /// Roots, intermediates and revocations, signed.
        pub credentials: AsCredentialSet,
    }

    /// Asks for the public keys that tokens are issued under, before [`IssueTokens`] (§6, Tokens).
    pub struct GetTokenKeys {}

    /// Answer to [`GetTokenKeys`].
    pub struct GetTokenKeysReply {
        /// The keys that issue now, one for each scope.
        pub keys: List<TokenPublicKey, 8>,
    }

    /// Asks for a batch of tokens, from a local client or one of another homeserver (§6, Tokens).
    pub struct IssueTokens {
        /// The key to issue under. Its scope is the scope of the tokens.
        pub key_id: TokenKeyId,
        /// The tokens, blinded: the service cannot recognise them when they are redeemed. At least one.
        pub blinded: List<BlindedToken, MAX_BATCH>,
        /// The caller's own credential: clients of other homeservers are not known here.
        pub credential: ClientCredential,
    }

    /// Answer to [`IssueTokens`].
    pub struct IssueTokensReply {
        /// The evaluated tokens, in the order of the request, and the proof that they were evaluated under
        /// the published key.
        pub response: TokenResponse,
    }

    /// Replaces all connection packages of the client that sends it (§6, Connection packages).
    pub struct PublishConnectionPackages {
        /// The sender, whose packages these are.
        pub client_id: ClientId,
        /// At least one. The last one is handed out again and again when the others are gone.
        pub packages: List<ConnectionPackage, MAX_CONNECTION_PACKAGES>,
    }

    /// Asks for a connection package of a user, from a client that wants a connection (§6, Connection
    /// packages).
    pub struct GetConnectionPackage {
        /// The user to ask for a connection.
        pub user_id: UserId,
    }

    /// Answer to [`GetConnectionPackage`].
    pub struct GetConnectionPackageReply {
        /// A package of the user's client. It is not handed out again, unless it is the last one.
        pub package: ConnectionPackage,
    }

    /// Puts a sealed connection request into a client's direct queue, from a client that wants a connection
    /// (§6, Direct queue). The service does not learn who asks.
    pub struct EnqueueDirect {
        /// The client to ask, from the credential in its connection package.
        pub client_id: ClientId,
        /// The connection request, sealed to the key in the connection package.
        pub package: HpkeCiphertext,
    }

    /// Reads the direct queue of the client that sends it (§6, Direct queue), which is answered with a
    /// [`DequeueReply`](super::queues::DequeueReply).
    pub struct DequeueDirect {
        /// The sender, whose queue it is.
        pub client_id: ClientId,
        /// What to read, and what to drop.
        pub range: DequeueRange,
    }

    /// What a client publishes so that others can ask it for a connection (§6, Connection packages).
    pub struct ConnectionPackageContent {
        /// The credential of the package's owner.
        pub credential: ClientCredential,
        /// The public key that connection requests are sealed to.
        pub encryption_key: HpkePublicKey,
        /// The time in which the package may be used.
        pub expiration: ExpirationData,
    }

    /// A connection package, signed by its owner (§6, Connection packages).
    pub struct ConnectionPackage {
        /// What is signed.
        pub content: ConnectionPackageContent,
        /// The signature over the content, by the credential's key.
        pub signature: Signature,
    }
}

impl Signable for ConnectionPackageContent {
    const LABEL: Label = Label::CONNECTION_PACKAGE;
}
