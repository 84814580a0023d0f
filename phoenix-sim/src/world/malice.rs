//! The attempts of malicious clients, and what comes of them.

use phoenix_core::{
    client::{Client, LentKeys},
    codec::{Codec, decode},
    error::{PeerFailure, Refusal},
    wire::{
        auth_service::{GetConnectionPackageReply, IssueTokensReply},
        delivery_service::SendMessage,
        envelope::{RequestEnvelope, ResponseEnvelope},
        operations::OperationKind,
    },
};

use super::{
    attempts::{INVALID, MISDATED, NO_VERDICT},
    call::Caller,
    state::World,
};
use crate::{
    adversary::Intrusion,
    malice::{Attempt, AttemptId, Expected, Lender},
    oracle::Violation,
    plan::Bound,
};

/// The codes of refusals that a token key which has retired meanwhile explains.
const RETIRED: [u16; 2] = [300, 407];

/// The code of the refusal of a spent token.
const SPENT: u16 = 303;

/// The codes of refusals that a membership which has changed meanwhile explains: the member is known by another
/// key, or the group is in another epoch.
const OUTDATED: [u16; 2] = [200, 602];

impl World {
    /// The keys of a user, if its client runs, is registered, and is no older copy: homeservers would know that
    /// one by other keys.
    fn lent_keys(&self, user: usize) -> Option<LentKeys> {
        let lender = &self.users[user];
        let is_older = self.oracles.restored.has_gone_back(&lender.id);
        lender.client.as_ref().filter(|_| !is_older).and_then(Client::lend_keys)
    }

    /// Has an attacker make a request with the keys of a user.
    pub(super) fn abuse_keys(&mut self, user: usize) {
        let Some(keys) = self.lent_keys(user) else { return };
        let domain = self.servers[self.users[user].server].domain.clone();
        let now = self.clock.now();
        if let Some(attempt) = self.malice.attempt(&Lender { user, domain, keys }, now) {
            self.make_attempt(attempt);
        }
    }

    fn make_attempt(&mut self, attempt: Attempt) {
        let (user, domain) = (attempt.lender, self.servers[attempt.victim].domain.clone());
        if let Expected::Misdirected { group, user: to } = &attempt.expected {
            let intrusion = Intrusion { group: group.clone(), user: *to, marker: true, maker: Some(user) };
            self.oracles.refused.intrusion(&intrusion, self.trace.current());
        }
        self.trace.note(format!("{} at {domain}, with the keys of user {user}", attempt.name));
        let request = attempt.request.clone();
        self.oracles.misdelivered.forged(user, &request);
        let attempt = self.malice.begin(attempt);
        self.call(Caller::Malice { user, attempt }, &domain, request);
    }

    /// Before the founder of a hostile group sends to itself, has what comes of that lead to another user.
    fn misdirect(&mut self, user: usize, request: &[u8]) {
        let lone = self.plan.hostile.and_then(|hostile| self.groups.get(&hostile.lone)).cloned();
        let (Some(group), Some(keys)) = (lone, self.lent_keys(user)) else { return };
        let Ok((OperationKind::SendMessage, envelope)) = RequestEnvelope::read(request) else { return };
        let Ok(body) = decode::<SendMessage>(envelope.body.as_slice()) else { return };
        if body.group.group_id != group {
            return;
        }
        let lender = Lender { user, domain: self.servers[self.users[user].server].domain.clone(), keys };
        let now = self.clock.now();
        if let Some(attempt) = self.malice.sibling_configuration(&lender, &group, now) {
            self.make_attempt(attempt);
        }
    }

    /// Returns a request of a user's client as it is sent: as the client has made it, unless it is for the group in
    /// which an attacker damages what this user sends.
    pub(super) fn damaged(&mut self, user: usize, request: Vec<u8>) -> Vec<u8> {
        let Some(hostile) = self.plan.hostile.filter(|hostile| hostile.user == user) else { return request };
        self.misdirect(user, &request);
        let (Some(group), Some(client)) = (self.groups.get(&hostile.group), &self.users[user].client) else {
            return request;
        };
        let Some(keys) = client.lend_keys() else { return request };
        let view = client.groups().into_iter().find(|view| view.group_id == *group);
        let members = view.map_or(0, |view| view.members.len());
        let domain = self.servers[self.users[user].server].domain.clone();
        let lender = Lender { user, domain, keys };
        let Some(damaged) = self.damages.damage(&lender, group, members, &request) else { return request };
        self.trace.note(format!("an attacker damages a {:?} of user {user}", damaged.damage));
        if self.oracles.malformed.made(&damaged, self.trace.current()) {
            *self.report.attempts.entry(format!("damaged {:?}: sent", damaged.damage)).or_default() += 1;
        }
        damaged.request
    }

    pub(super) fn judge_abuse(
        &mut self,
        id: AttemptId,
        answer: Result<Vec<u8>, PeerFailure>,
    ) -> Result<(), Violation> {
        let Some(attempt) = self.malice.end(id) else { return Ok(()) };
        let verdict = match answer {
            Err(_) => "no answer",
            Ok(answer) => self.verdict_on_abuse(&attempt, &answer)?,
        };
        *self.report.attempts.entry(format!("{}: {verdict}", attempt.name)).or_default() += 1;
        Ok(())
    }

    fn verdict_on_abuse(&mut self, attempt: &Attempt, answer: &[u8]) -> Result<&'static str, Violation> {
        if let Some(refusal) = ResponseEnvelope::refusal(answer) {
            return self.verdict_on_refusal(attempt, &refusal);
        }
        let name = attempt.name;
        match &attempt.expected {
            Expected::Refused(_) if self.may_be_of_now(attempt) => Ok("no verdict"),
            Expected::Refused(_) => violation(format!("{name} was accepted")),
            Expected::Harmless | Expected::Misdirected { .. } => Ok("served"),
            Expected::PackageOf(user) => {
                let reply: GetConnectionPackageReply = read(name, answer)?;
                let owner = &reply.package.content.credential.client_id().user_id;
                if owner == user {
                    return Ok("its own answer");
                }
                violation(format!("{name}: asked for {user}, answered with a package of {owner}"))
            }
            Expected::Tokens(pending) => {
                let reply: IssueTokensReply = read(name, answer)?;
                let Ok(tokens) = pending.clone().finish(&reply.response) else {
                    return violation(format!("{name}: answered with other tokens"));
                };
                self.malice.receive(attempt.lender, attempt.victim, tokens);
                Ok("its own answer")
            }
        }
    }

    /// Returns whether a request of another time may be one of now, by a homeserver's wrong clock: then nothing is wrong
    /// with it but that its token may be spent.
    fn may_be_of_now(&self, attempt: &Attempt) -> bool {
        let is_misdated = |codes: &[u16]| codes.iter().any(|code| MISDATED.contains(code));
        self.plan.sets_server_clocks()
            && matches!(attempt.expected, Expected::Refused(codes) if is_misdated(codes))
    }

    fn verdict_on_refusal(&self, attempt: &Attempt, refusal: &Refusal) -> Result<&'static str, Violation> {
        let code = refusal.code();
        if let Expected::Refused(codes) = attempt.expected
            && codes.contains(&code)
        {
            return Ok("refused");
        }
        let plan = &self.plan;
        let is_other = NO_VERDICT.contains(&code)
            // The lender's own clock may be wrong, and what it dates and signs.
            || (MISDATED.contains(&code) && plan.sets_clocks())
            || (INVALID.contains(&code) && plan.sets_clocks())
            // The token's key has retired; the direct queue is short.
            || (RETIRED.contains(&code) && plan.retires_token_keys())
            || (code == 406 && plan.is_small(Bound::DirectQueue));
        let is_of_now = code == SPENT && self.may_be_of_now(attempt);
        if is_other || is_of_now {
            return Ok("no verdict");
        }
        if OUTDATED.contains(&code) && attempt.is_outdated(self.lent_keys(attempt.lender).as_ref()) {
            return Ok("outdated");
        }
        violation(format!("{} was refused with: {refusal}", attempt.name))
    }
}

fn read<R: Codec>(name: &str, answer: &[u8]) -> Result<R, Violation> {
    match ResponseEnvelope::read(answer) {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(_)) | Err(_) => violation(format!("{name}: the answer cannot be decoded")),
    }
}

fn violation<T>(what: String) -> Result<T, Violation> {
    Err(Violation::now("refused", what, "The homeserver refuses it for the rule that it breaks."))
}
