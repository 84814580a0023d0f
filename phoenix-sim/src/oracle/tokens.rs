//! S4 — no token is spent twice.

use std::collections::BTreeMap;

use phoenix_core::{
    codec::{decode, encode},
    store::{Commit, RecordKind},
    wire::envelope::{RequestEnvelope, ResponseEnvelope, ResponseOutcome},
};
use sha2::{Digest, Sha256};

use super::Violation;
use crate::disk::Disk;

/// Which request each token was spent on.
#[derive(Debug, Default)]
pub struct Tokens {
    spent: BTreeMap<(usize, Vec<u8>), [u8; 32]>,
}

impl Tokens {
    /// A store is about to apply a commit whose expectations hold.
    ///
    /// # Errors
    /// A token that was recorded as spent before.
    pub fn commits(&mut self, disk: &Disk, commit: &Commit) -> Result<(), Violation> {
        let spends = |kind| kind == RecordKind::Nullifier;
        let again = commit.writes.iter().find(|write| {
            spends(write.key.kind()) && write.bytes.is_some() && disk.row(&write.key).is_some()
        });
        match again {
            Some(write) => {
                Err(Violation::now("tokens", format!("{:?} is recorded as spent again", write.key)))
            }
            None => Ok(()),
        }
    }

    /// A homeserver has answered a request.
    ///
    /// # Errors
    /// A token that was taken for another request before.
    pub fn answered(&mut self, server: usize, request: &[u8], reply: &[u8]) -> Result<(), Violation> {
        let Ok((_, envelope)) = RequestEnvelope::read(request) else { return Ok(()) };
        let Some(token) = &envelope.token else { return Ok(()) };
        let answer = decode::<ResponseEnvelope>(reply);
        if !matches!(answer, Ok(ResponseEnvelope { outcome: ResponseOutcome::Reply(_), .. })) {
            return Ok(());
        }
        let hash: [u8; 32] = Sha256::digest(request).into();
        if *self.spent.entry((server, encode(token))).or_insert(hash) == hash {
            return Ok(());
        }
        Err(Violation::now("tokens", format!("homeserver {server} took one token for two requests")))
    }
}
