//! Answers go to who asked, and are what was asked for.

use std::collections::BTreeMap;

use phoenix_core::{
    codec::encode,
    identifiers::{ClientId, QsClientId},
    store::{RecordKind, Write},
    wire::{
        auth_service::GetConnectionPackageReply,
        envelope::{RequestEnvelope, ResponseEnvelope, Sender},
        operations::{OperationKind, Request},
        queues::DequeueReply,
    },
};
use sha2::{Digest, Sha256};

use crate::oracle::violation::Violation;

type Hash = [u8; 32];

/// What is asked by whom, what was answered, and what is in queues.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The user who sends each request, or whose keys it is made with.
    askers: BTreeMap<Hash, usize>,
    /// The request that each answer was first given to which no two requests share, with its asker.
    given: BTreeMap<Hash, (Hash, usize)>,
    /// The row of a queue that each entry was stored in.
    entries: BTreeMap<Hash, (RecordKind, Vec<u8>)>,
    /// Whose queues are whose, as clients have said by reading them.
    owners: BTreeMap<QsClientId, usize>,
    direct_owners: BTreeMap<ClientId, usize>,
}

/// Whether an answer is of one request only: it names something that was drawn for it.
const fn is_unique(kind: OperationKind) -> bool {
    matches!(
        kind,
        OperationKind::InitRegistration
            | OperationKind::IssueTokens
            | OperationKind::CreateUserRecord
            | OperationKind::RequestGroupId
    )
}

impl Answers {
    /// Notes a request that leaves the client of a user.
    pub fn sent(&mut self, user: usize, envelope: &RequestEnvelope, request: &Request) {
        if let (Request::Dequeue(_), Some(client)) = (request, queue(envelope)) {
            self.owners.insert(client, user);
        }
        if let Request::DequeueDirect(body) = request {
            self.direct_owners.insert(body.client_id.clone(), user);
        }
    }

    /// Returns what is known when these users have read these queues.
    #[cfg(test)]
    pub fn with_owners(owners: impl IntoIterator<Item = (QsClientId, usize)>) -> Self {
        Self { owners: owners.into_iter().collect(), ..Self::default() }
    }

    /// Notes who makes a request: a user, or an attacker with the keys of that user.
    pub fn asked(&mut self, user: usize, bytes: &[u8]) {
        self.askers.entry(Sha256::digest(bytes).into()).or_insert(user);
    }

    /// Returns the user who has read a queue as its own.
    pub fn owner(&self, client: &QsClientId) -> Option<usize> {
        self.owners.get(client).copied()
    }

    /// Notes a new entry of a queue.
    pub fn entered(&mut self, write: &Write) {
        let kind = write.key.kind();
        if let RecordKind::FanOutQueueEntry | RecordKind::DirectQueueEntry = kind
            // The first byte of a row is its format.
            && let Some(entry) = write.bytes.as_ref().and_then(|bytes| bytes.get(1..))
        {
            let name = (kind, write.key.name().to_vec());
            self.entries.insert(Sha256::digest(entry).into(), name);
        }
    }

    /// Checks what a homeserver answers to a request.
    pub fn answered(&mut self, bytes: &[u8], reply: &[u8]) -> Result<(), Violation> {
        if ResponseEnvelope::refusal(reply).is_some() {
            return Ok(());
        }
        let Ok((kind, envelope)) = RequestEnvelope::read(bytes) else { return Ok(()) };
        if is_unique(kind) {
            return self.given_once(kind, bytes, reply);
        }
        if !matches!(
            kind,
            OperationKind::Dequeue | OperationKind::DequeueDirect | OperationKind::GetConnectionPackage
        ) {
            return Ok(());
        }
        let asker = self.askers.get::<Hash>(&Sha256::digest(bytes).into()).copied();
        let Ok(request) = Request::read(kind, envelope.body.as_slice()) else { return Ok(()) };
        match request {
            Request::Dequeue(_) => {
                let Some(client) = queue(&envelope) else { return Ok(()) };
                let owner = self.owners.get(&client).copied();
                self.read(RecordKind::FanOutQueueEntry, &encode(&client), (owner, asker), reply)
            }
            Request::DequeueDirect(body) => {
                let owner = self.direct_owners.get(&body.client_id).copied();
                let name = encode(&body.client_id);
                self.read(RecordKind::DirectQueueEntry, &name, (owner, asker), reply)
            }
            Request::GetConnectionPackage(body) => {
                let Ok(Ok(reply)) = ResponseEnvelope::read::<GetConnectionPackageReply>(reply) else {
                    return Ok(());
                };
                let owner = &reply.package.content.credential.client_id().user_id;
                if *owner == body.user_id {
                    return Ok(());
                }
                violation(format!("asked for a package of {}, answered with one of {owner}", body.user_id))
            }
            _ => Ok(()),
        }
    }

    /// Checks that an answer was not given to another request of another user.
    fn given_once(&mut self, kind: OperationKind, bytes: &[u8], reply: &[u8]) -> Result<(), Violation> {
        let request: Hash = Sha256::digest(bytes).into();
        let Some(asker) = self.askers.get(&request).copied() else { return Ok(()) };
        let (first, owner) = *self.given.entry(Sha256::digest(reply).into()).or_insert((request, asker));
        if first == request || owner == asker {
            return Ok(());
        }
        violation(format!("user {asker} gets the answer to a {kind:?} of user {owner}"))
    }

    /// Checks that the entries that are read are of the queue with this name, and that its owner reads them.
    fn read(
        &self,
        kind: RecordKind,
        name: &[u8],
        (owner, asker): (Option<usize>, Option<usize>),
        reply: &[u8],
    ) -> Result<(), Violation> {
        let Ok(Ok(reply)) = ResponseEnvelope::read::<DequeueReply>(reply) else { return Ok(()) };
        if !reply.entries.is_empty() && asker.is_some() && asker != owner {
            return violation(format!("user {asker:?} reads the {kind:?} of user {owner:?}"));
        }
        for entry in &reply.entries {
            let row = [name, &entry.sequence.to_be_bytes()[..]].concat();
            let hash: Hash = Sha256::digest(encode(entry)).into();
            if self.entries.get(&hash).is_some_and(|stored| *stored != (kind, row)) {
                let sequence = entry.sequence;
                return violation(format!("user {asker:?} reads a {kind:?} {sequence} of another queue"));
            }
        }
        Ok(())
    }
}

/// Returns the name under which a request reads a fan-out queue.
fn queue(envelope: &RequestEnvelope) -> Option<QsClientId> {
    match envelope.authentication.as_ref()?.sender {
        Sender::QsClient(client) => Some(client),
        _ => None,
    }
}

fn violation(what: String) -> Result<(), Violation> {
    Err(Violation::now(
        "misdelivered",
        what,
        "An answer goes to the caller who asked, and holds nothing of anyone else.",
    ))
}

#[cfg(test)]
mod tests {
    use phoenix_core::{
        crypto::{
            hpke::HpkeCiphertext,
            ratchet::{QueueEntry, QueueEntryContent},
            sign::SigningKey,
        },
        identifiers::{QsUserId, RequestId},
        store::Key,
        time::Timestamp,
        wire::{
            envelope::Signer,
            queues::DequeueRange,
            queuing_service::{CreateUserRecordReply, Dequeue},
        },
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_000);

    fn reading(client: QsClientId) -> Vec<u8> {
        let (sender, key) = (Sender::QsClient(client), SigningKey::from_bytes(&[1; 32]));
        let body = Dequeue { range: DequeueRange { first: 0, maximum: 9, generation: 0, last: None } };
        let domain = "one.example".parse().unwrap_or_else(|_| panic!("a valid domain"));
        let request = RequestEnvelope::to(domain, NOW, RequestId(client.0), &body);
        let request = request.signed(Signer { sender: &sender, key: &key });
        encode(&request.unwrap_or_else(|_| panic!("a short request")))
    }

    fn entry(sequence: u64, mark: u8) -> QueueEntry {
        let ciphertext = vec![mark; 16].try_into().unwrap_or_else(|_| panic!("a short ciphertext"));
        let content = QueueEntryContent::RatchetKey(HpkeCiphertext { encapsulated: [mark; 32], ciphertext });
        QueueEntry { generation: 0, sequence, content }
    }

    /// Two queues, with one entry each, that users 0 and 1 have read.
    fn two_queues() -> (Answers, [QsClientId; 2]) {
        let clients = [QsClientId([1; 16]), QsClientId([2; 16])];
        let mut answers = Answers::with_owners([(clients[0], 0), (clients[1], 1)]);
        for (client, mark) in clients.iter().zip([1, 2]) {
            let kind = RecordKind::FanOutQueueEntry;
            let name = [&[kind as u8], &client.0[..], &7_u64.to_be_bytes()].concat();
            let key = Key::from_bytes(&name).unwrap_or_else(|| panic!("a known kind"));
            answers.entered(&Write { key, bytes: Some([vec![1], encode(&entry(7, mark))].concat()) });
        }
        (answers, clients)
    }

    fn reply(mark: u8) -> Vec<u8> {
        let entries = vec![entry(7, mark)].try_into().unwrap_or_default();
        ResponseEnvelope::reply(&DequeueReply { first: 7, entries, remaining: 0 })
    }

    #[test]
    fn a_queue_is_read_by_its_owner() {
        let (mut answers, [first, _]) = two_queues();
        answers.asked(0, &reading(first));
        assert!(answers.answered(&reading(first), &reply(1)).is_ok());
        let (mut answers, _) = two_queues();
        answers.asked(1, &reading(first));
        assert!(answers.answered(&reading(first), &reply(1)).is_err());
    }

    #[test]
    fn entries_are_of_the_queue_that_is_read() {
        let (mut answers, [first, _]) = two_queues();
        answers.asked(0, &reading(first));
        assert!(answers.answered(&reading(first), &reply(2)).is_err());
    }

    #[test]
    fn a_unique_answer_is_one_users() {
        let drawn = CreateUserRecordReply { user: QsUserId([3; 16]), client: QsClientId([4; 16]) };
        let (mut answers, drawn) = (Answers::default(), ResponseEnvelope::reply(&drawn));
        let kind = OperationKind::CreateUserRecord;
        for (user, bytes) in [(0, b"one"), (0, b"two"), (1, b"six")] {
            answers.asked(user, bytes);
            assert_eq!(answers.given_once(kind, bytes, &drawn).is_ok(), user == 0);
        }
    }
}
