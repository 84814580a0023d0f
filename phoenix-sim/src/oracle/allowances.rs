//! S4 — no more tokens than are allowed: to one client, to the clients of one domain, and to all domains that
//! are new, in each time frame; and none is spent that was not issued.
//!
//! What was issued follows from requests and answers. A request that was first seen in one time frame and
//! answered in another counts for none.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    config::Rates,
    identifiers::{ClientId, Domain},
    store::{Key, MemoryStore, RecordKind},
    time::Timestamp,
    wire::{
        auth_service::{IssueTokens, IssueTokensReply},
        envelope::{RequestEnvelope, ResponseEnvelope},
        operations::{OperationKind, Request},
    },
};
use sha2::{Digest, Sha256};

use super::{
    change::{Change, Fate},
    rows::Rows,
    violation::Violation,
};

use crate::journal::Unsynced;

/// What every violation here lacks.
const SHOULD: &str = "A homeserver counts each token that it issues, and refuses those beyond an allowance.";

/// For so many days a domain counts as new.
const NEW_FOR_DAYS: u32 = 7;

/// The tokens that each homeserver has issued.
#[derive(Debug, Default)]
pub struct Allowances {
    homeservers: BTreeMap<usize, Issued>,
}

/// What one homeserver has issued.
#[derive(Debug, Default)]
struct Issued {
    /// When each request for tokens was first seen.
    seen: BTreeMap<[u8; 32], Timestamp>,
    /// The requests that were answered with tokens.
    served: BTreeSet<[u8; 32]>,
    /// By client and time frame.
    clients: BTreeMap<(ClientId, u64), u64>,
    /// By registrable domain and time frame.
    domains: BTreeMap<(Domain, u64), u64>,
    /// To all new domains, by time frame.
    new: BTreeMap<u64, u64>,
    /// The day of the first tokens for each registrable domain.
    since: BTreeMap<Domain, u32>,
    /// Altogether.
    total: u64,
    /// How many were spent.
    spent: u64,
}

impl Allowances {
    /// Takes back that tokens were spent: the store of homeserver `server` has lost the commit.
    pub fn unspent(&mut self, server: usize, lost: &Unsynced) {
        let kept = lost.commit.writes.iter().filter(|write| {
            write.key.kind() == RecordKind::Nullifier && write.bytes.is_some() && lost.created(&write.key)
        });
        let count = kept.count() as u64;
        let issued = self.homeservers.entry(server).or_default();
        issued.spent = issued.spent.saturating_sub(count);
    }

    /// Notes that the store of homeserver `server` has the rows `after`, of a copy, in the place of those `before`.
    /// It has forgotten what was spent and issued since, and can issue as much again in the same time frame.
    pub fn restored(&mut self, server: usize, (before, after): (&MemoryStore, &MemoryStore)) {
        let spent = before.keys_of(RecordKind::Nullifier).into_iter();
        let count = spent.filter(|key| after.get(key).is_none()).count() as u64;
        let issued = self.homeservers.entry(server).or_default();
        issued.spent = issued.spent.saturating_sub(count);
        issued.clients.clear();
        issued.domains.clear();
        issued.new.clear();
    }

    /// Notes that a request arrives at homeserver `server`, by whose clock it is `now`.
    pub fn arrives(&mut self, server: usize, request: &[u8], now: Timestamp) {
        if is_for_tokens(request) {
            let seen = &mut self.homeservers.entry(server).or_default().seen;
            seen.entry(Sha256::digest(request).into()).or_insert(now);
        }
    }

    /// Checks an answer of homeserver `server`, by whose clock it is `now`.
    ///
    /// # Errors
    /// It brings more tokens than are allowed.
    pub fn answered(
        &mut self,
        rows: &Rows,
        server: usize,
        request: &[u8],
        reply: &[u8],
        now: Timestamp,
    ) -> Result<(), Violation> {
        let (Some(config), Some(body)) = (rows.config(server), wanted(request)) else { return Ok(()) };
        let reply = ResponseEnvelope::read::<IssueTokensReply>(reply);
        let hash: [u8; 32] = Sha256::digest(request).into();
        let issued = self.homeservers.entry(server).or_default();
        if !matches!(reply, Ok(Ok(_))) || !issued.served.insert(hash) {
            return Ok(());
        }
        let count = body.blinded.len() as u64;
        issued.total += count;
        let frame = |time: Timestamp| time.seconds() / config.rates.token_time_frame.as_secs().max(1);
        let client = body.credential.client_id();
        let domain = (client.user_id.domain != config.domain).then(|| client.user_id.domain.registrable());
        if let Some(domain) = &domain {
            issued.since.entry(domain.clone()).or_insert(now.day());
        }
        if issued.seen.get(&hash).is_none_or(|seen| frame(*seen) != frame(now)) {
            return Ok(());
        }
        issued.count(&config.rates, client, domain, count, (frame(now), now.day()))
    }

    /// Checks a commit.
    ///
    /// # Errors
    /// More tokens are spent than were issued.
    pub fn commits(&mut self, change: &Change<'_>) -> Result<(), Violation> {
        let is_spent =
            |(key, fate): &(&Key, Fate)| key.kind() == RecordKind::Nullifier && *fate == Fate::Made;
        let spent = change.written().filter(is_spent).count() as u64;
        let issued = self.homeservers.entry(change.server).or_default();
        issued.spent += spent;
        if issued.spent <= issued.total {
            return Ok(());
        }
        let what = format!("{} tokens are spent, and {} were issued", issued.spent, issued.total);
        Err(Violation::now("allowances", what, SHOULD))
    }
}

/// Returns whether a request asks for tokens: its version is followed by the code of its operation.
fn is_for_tokens(request: &[u8]) -> bool {
    request.get(2..4).is_some_and(|code| code == OperationKind::IssueTokens.code().to_be_bytes())
}

/// Returns what a request for tokens asks for. `None` if it is another one.
fn wanted(request: &[u8]) -> Option<IssueTokens> {
    if !is_for_tokens(request) {
        return None;
    }
    let (kind, envelope) = RequestEnvelope::read(request).ok()?;
    match Request::read(kind, envelope.body.as_slice()).ok()? {
        Request::IssueTokens(body) => Some(body),
        _ => None,
    }
}

impl Issued {
    fn count(
        &mut self,
        rates: &Rates,
        client: &ClientId,
        domain: Option<Domain>,
        count: u64,
        (frame, day): (u64, u32),
    ) -> Result<(), Violation> {
        let within = |whom: String, sum: &mut u64, limit: u64| {
            *sum += count;
            let what = || format!("{whom} got {sum} tokens in one time frame, of at most {limit}");
            if *sum > limit { Err(Violation::now("allowances", what(), SHOULD)) } else { Ok(()) }
        };
        let sum = self.clients.entry((client.clone(), frame)).or_default();
        within(format!("{client:?}"), sum, rates.token_allowance)?;
        let Some(domain) = domain else { return Ok(()) };
        let days = self.since.get(&domain).map_or(0, |since| day.saturating_sub(*since));
        let limit = rates.domain_first_day.saturating_mul(u64::from(days) + 1).min(rates.domain_limit);
        within(domain.to_string(), self.domains.entry((domain, frame)).or_default(), limit)?;
        if days < NEW_FOR_DAYS {
            within("new domains".to_owned(), self.new.entry(frame).or_default(), rates.new_domains)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use phoenix_core::identifiers::{ClientUuid, UserId, UserUuid};

    use super::*;

    fn client(number: u8, domain: &str) -> ClientId {
        let user_id = UserId { uuid: UserUuid([number; 16]), domain: domain.parse().unwrap() };
        ClientId { user_id, uuid: ClientUuid([number; 16]) }
    }

    #[test]
    fn clients_domains_and_new_domains_together_have_limits() {
        let rates = Rates { token_allowance: 20, domain_first_day: 30, new_domains: 40, ..Rates::default() };
        let mut issued = Issued::default();
        let mut gets = |number: u8, domain: &str, count: u64, frame: u64| {
            let client = client(number, domain);
            issued.since.entry(client.user_id.domain.clone()).or_insert(100);
            let domain = Some(client.user_id.domain.clone());
            issued.count(&rates, &client, domain, count, (frame, 100)).map_err(|violation| violation.what)
        };
        assert_eq!(gets(1, "a.example", 20, 1), Ok(()));
        assert!(gets(1, "a.example", 1, 1).unwrap_err().contains("ClientId"));
        assert_eq!(gets(2, "a.example", 10, 1), Ok(()));
        assert!(gets(3, "a.example", 1, 1).unwrap_err().contains("a.example"));
        assert_eq!(gets(4, "b.example", 10, 1), Ok(()));
        assert!(gets(5, "c.example", 1, 1).unwrap_err().contains("new domains"));
        assert_eq!(gets(1, "a.example", 20, 2), Ok(()), "the next time frame");
    }
}
