//! PROTOCOL.md §7, State — pseudonymous users and clients; PROTOCOL.md §7, Records — how they come to be;
//! PROTOCOL.md §7, Authentication modes — the proof that a request is theirs.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use super::fan_out_queue;
use crate::{
    codec::List,
    crypto::{kdf::Hash, sign::VerifyingKey},
    error::Refusal,
    identifiers::{QsClientId, QsUserId},
    limits::{MAX_CLIENTS, MAX_LISTED_GROUPS},
    operation::{Interrupt, Transaction},
    request::{Call, Serve},
    store::{Record, RecordKind},
    time::Month,
    wire::{
        envelope::Sender,
        queuing_service::{CreateUserRecord, CreateUserRecordReply},
    },
};

/// A pseudonymous user.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct QsUser {
    /// Authenticates the record's owner.
    pub key: VerifyingKey,
    /// The hash of the user's friendship token.
    pub friendship_hash: Hash,
    /// The user's clients.
    pub clients: List<QsClientId, MAX_CLIENTS>,
}

impl Record for QsUser {
    type Name = QsUserId;
    const KIND: RecordKind = RecordKind::QsUser;
}

/// A pseudonymous client.
#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct QsClient {
    /// The user whose client it is.
    pub user: QsUserId,
    /// Authenticates the client.
    pub key: VerifyingKey,
    /// Verifies its queue configurations.
    pub config_key: VerifyingKey,
    /// The groups whose Welcome came through an unbound configuration. When there are too many, the homeserver
    /// with most of them loses its oldest.
    pub pinned: List<Pin, MAX_LISTED_GROUPS>,
    /// The groups that the client has blocked, hashed as pinned ones are.
    pub blocked: List<Hash, MAX_LISTED_GROUPS>,
    /// The month in which the client was last active.
    pub active: Month,
}

/// A pinned group: hashes that mean nothing without the key in the client's configurations.
#[derive(Debug, Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Pin {
    /// Names the group.
    pub group: Hash,
    /// Names the group's homeserver.
    pub domain: Hash,
}

impl Record for QsClient {
    type Name = QsClientId;
    const KIND: RecordKind = RecordKind::QsClient;
}

/// `create_user_record`: a user with its first client and queue, under fresh pseudonyms.
impl Serve for CreateUserRecord {
    fn serve(
        transaction: &mut Transaction<'_>,
        call: &Call<'_, Self>,
    ) -> Result<CreateUserRecordReply, Interrupt> {
        call.redeem(transaction)?;
        let body = call.body;
        let user = QsUserId::random(transaction.random());
        let client = QsClientId::random(transaction.random());
        // A queue that nothing can be sealed for is refused before anything is written.
        fan_out_queue::create(transaction, client, body.queue_key)?;
        let mut clients = List::default();
        let _ = clients.push(client);
        transaction
            .put(&user, &QsUser { key: body.user_key, friendship_hash: body.friendship_hash, clients });
        transaction.put(
            &client,
            &QsClient {
                user,
                key: body.client_key,
                config_key: body.config_key,
                pinned: List::default(),
                blocked: List::default(),
                active: transaction.now().month(),
            },
        );
        Ok(CreateUserRecordReply { user, client })
    }
}

/// The client that made a request, once its signature is verified with its record's key.
pub(super) fn authenticate<B>(
    transaction: &mut Transaction<'_>,
    call: &Call<'_, B>,
) -> Result<(QsClientId, QsClient), Interrupt> {
    let Sender::QsClient(id) = call.sender()? else { return Err(Refusal::Unauthenticated.into()) };
    let client: QsClient = transaction.get(id)?.ok_or(Refusal::Unauthenticated)?;
    call.authenticate(transaction, &client.key)?;
    Ok((*id, client))
}
