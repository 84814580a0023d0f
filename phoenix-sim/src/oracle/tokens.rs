//! S4 — no token is spent twice.

use std::collections::BTreeMap;

use phoenix_core::{
    codec::{decode, encode},
    store::{Commit, RecordKind},
    wire::envelope::{RequestEnvelope, ResponseEnvelope, ResponseOutcome},
};
use sha2::{Digest, Sha256};

use super::violation::Violation;
use crate::{disk::Disk, schedule::EventNumber};

const SHOULD: &str =
    "A homeserver records a token as spent with what it pays for, and refuses it from then on.";

/// The request that each token was spent on.
#[derive(Debug, Default)]
pub struct Tokens {
    /// The hash of the request and the event in which it was answered, by the homeserver's index and the
    /// encoded token.
    spent: BTreeMap<(usize, Vec<u8>), ([u8; 32], EventNumber)>,
}

impl Tokens {
    /// Checks a commit whose expectations hold, before the store applies it.
    ///
    /// # Errors
    /// It records a token as spent that is recorded already.
    pub fn commits(&mut self, disk: &Disk, commit: &Commit) -> Result<(), Violation> {
        let again = commit.writes.iter().find(|write| {
            let spends = write.key.kind() == RecordKind::Nullifier && write.bytes.is_some();
            spends && disk.rows.get(&write.key).is_some()
        });
        match again {
            Some(write) => {
                let what = format!("a token is recorded as spent again: {:?}", write.key);
                Err(Violation::now("tokens", what, SHOULD))
            }
            None => Ok(()),
        }
    }

    /// Notes the token that homeserver `server` has redeemed for a request, which it answers in the event
    /// `number`.
    ///
    /// # Errors
    /// The homeserver has redeemed it for another request before.
    pub fn answered(
        &mut self,
        server: usize,
        request: &[u8],
        reply: &[u8],
        number: EventNumber,
    ) -> Result<(), Violation> {
        let Ok((_, envelope)) = RequestEnvelope::read(request) else { return Ok(()) };
        let Some(token) = &envelope.token else { return Ok(()) };
        let answer = decode::<ResponseEnvelope>(reply);
        if !matches!(answer, Ok(ResponseEnvelope { outcome: ResponseOutcome::Reply(_), .. })) {
            return Ok(());
        }
        let hash: [u8; 32] = Sha256::digest(request).into();
        let (known, since) = *self.spent.entry((server, encode(token))).or_insert((hash, number));
        if known == hash {
            return Ok(());
        }
        let what = format!("homeserver {server} redeemed one token for two requests");
        Err(Violation::since("tokens", what, SHOULD, since))
    }
}
