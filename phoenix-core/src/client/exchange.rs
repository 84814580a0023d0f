//! PROTOCOL.md §11.3 — requests and repeats: the same bytes until an answer comes, or none can come.
//!
//! A request is noted in its intent and saved before it leaves, so that after a restart the same bytes leave
//! again. It is signed anew, under the same id, only after a refusal, which says that it was not carried out,
//! or where the caller says that carrying it out twice does no harm.

use std::time::Duration;

use super::{
    error::ClientError,
    event::{Exchange, ExchangeId},
    pass::{Interrupt, Pass},
    state::{Answer, Call, Departure, Identity, Note, Sending, SignedRequest, State, Wait, Want},
};
use crate::{
    codec::{Bytes, Flag, decode, encode},
    crypto::tokens::Token,
    error::{Advice, PeerFailure, Refusal},
    identifiers::{Domain, RequestId},
    time::{MINUTE, Timestamp},
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope, Signer},
        operations::{OperationKind, RequestBody, TokenRule},
    },
};

/// How many requests are signed before a refusal that advises another token is final.
const MAX_NEW_REQUESTS: u32 = 4;

/// The longest pause that a homeserver's refusal brings about: its clock, or it, may be wrong about when to come
/// back.
const LONGEST_PAUSE: Duration = MINUTE.saturating_mul(5);

/// For how long a request is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// For as long as the request is valid; then its outcome is unknown.
    Window,
    /// For as long as the intent exists: carrying it out twice does no harm. When the request is not valid any
    /// more, the client reads its queue, which may tell the outcome, and signs it again.
    Unlimited,
    /// The same for reading the queue itself.
    UnlimitedReading,
}

/// A request that is to be made: its body, and who signs it.
pub(super) struct Body<B> {
    pub body: B,
    pub identity: Option<Identity>,
}

impl<B> Body<B> {
    pub const fn unsigned(body: B) -> Self {
        Self { body, identity: None }
    }

    pub const fn signed(body: B, identity: Identity) -> Self {
        Self { body, identity: Some(identity) }
    }
}

/// The outcome of a pass over a request under way.
enum Progress {
    Wait(Wait),
    Answered(Answer),
    /// It has to be signed (again).
    Sign,
    /// Something else has to be done first.
    After(Box<Want>),
    Failed(ClientError),
}

impl Pass<'_> {
    /// Requests something, and returns the reply.
    pub fn call<B: RequestBody>(
        &mut self,
        domain: &Domain,
        patience: Patience,
        make: impl FnOnce(&mut State, RequestId) -> Result<Body<B>, ClientError>,
    ) -> Result<B::Reply, Interrupt> {
        Ok(self.ask(domain, patience, make)?.map_err(ClientError::from)?)
    }

    /// As [`Pass::call`], but returns a refusal that is final.
    ///
    /// `make` is called once, for all restarts, and with the id of the request.
    pub fn ask<B: RequestBody>(
        &mut self,
        domain: &Domain,
        patience: Patience,
        make: impl FnOnce(&mut State, RequestId) -> Result<Body<B>, ClientError>,
    ) -> Result<Result<B::Reply, Refusal>, Interrupt> {
        self.ask_named(domain, patience, None, make)
    }

    /// As [`Pass::ask`], for a body that has an id already: another intent may have carried it before.
    pub fn ask_as<B: RequestBody>(
        &mut self,
        domain: &Domain,
        patience: Patience,
        id: RequestId,
        make: impl FnOnce(&mut State) -> Result<Body<B>, ClientError>,
    ) -> Result<Result<B::Reply, Refusal>, Interrupt> {
        self.ask_named(domain, patience, Some(id), |state, _| make(state))
    }

    fn ask_named<B: RequestBody>(
        &mut self,
        domain: &Domain,
        patience: Patience,
        id: Option<RequestId>,
        make: impl FnOnce(&mut State, RequestId) -> Result<Body<B>, ClientError>,
    ) -> Result<Result<B::Reply, Refusal>, Interrupt> {
        let operation = B::KIND.code();
        if self.next_note()?.is_none() {
            let state = self.state_mut();
            let id = id.unwrap_or_else(|| RequestId::random(&mut state.random));
            let Body { body, identity } = make(state, id)?;
            let body = Bytes::new(encode(&body))?;
            let (domain, request, uncertain) = (domain.clone(), None, Flag::No);
            let call = Call { operation, domain, id, body, identity, request, made: 0, uncertain };
            self.note(Note::Call(Box::new(call)))?;
        }
        loop {
            match self.next_note()? {
                Some(Note::Answered { operation: of, answer, .. }) if *of == operation => {
                    let answer = match answer {
                        Answer::Reply(reply) => Ok(decode(reply.as_slice())?),
                        Answer::Refused(refusal) => Err(refusal.clone()),
                    };
                    self.pass_note();
                    return Ok(answer);
                }
                Some(Note::Call(call)) if call.operation == operation => {}
                Some(Note::Made { .. } | Note::Call(_) | Note::Answered { .. }) | None => {
                    return Err(ClientError::BegunByAnotherVersion.into());
                }
            }
            match self.go_on::<B>(patience)? {
                Progress::Wait(wait) => return Err(Interrupt::Wait(wait)),
                Progress::After(want) => return Err(self.after(&want)),
                Progress::Failed(error) => return Err(error.into()),
                Progress::Sign => self.sign::<B>(patience)?,
                Progress::Answered(answer) => {
                    let id = self.id();
                    self.state_mut().sendings.remove(&id);
                    if let Some(note) = self.next_note_mut()?
                        && let Note::Call(call) = note
                    {
                        let (id, made, uncertain) = (call.id, call.made, call.uncertain);
                        *note = Note::Answered { operation, id, made, uncertain, answer };
                    }
                }
            }
        }
    }

    /// Returns the id of the request that was just answered, and how many requests were made with it.
    pub fn answered(&mut self) -> Result<(RequestId, u32), Interrupt> {
        match self.last_note()? {
            Some(Note::Answered { id, made, .. }) => Ok((*id, *made)),
            Some(Note::Made { .. } | Note::Call(_)) | None => Err(ClientError::BegunByAnotherVersion.into()),
        }
    }

    /// Whether a copy of the request that was just answered may have been carried out before.
    pub fn was_uncertain(&mut self) -> Result<bool, Interrupt> {
        match self.last_note()? {
            Some(Note::Answered { uncertain, .. }) => Ok((*uncertain).into()),
            Some(Note::Made { .. } | Note::Call(_)) | None => Err(ClientError::BegunByAnotherVersion.into()),
        }
    }

    /// Signs the request, with a token if the operation needs one.
    fn sign<B: RequestBody>(&mut self, patience: Patience) -> Result<(), Interrupt> {
        let Some(Note::Call(call)) = self.next_note()? else { return Ok(()) };
        let domain = call.domain.clone();
        let token = match B::KIND.rules().token {
            TokenRule::None => None,
            TokenRule::Any | TokenRule::Local => match self.state_mut().take_token(&domain) {
                Some(token) => Some(token),
                None => return Err(self.after_tokens(domain, patience)),
            },
        };
        let until = self.now() + self.state().config.request_window;
        let now = self.state().time_at(&domain);
        let Some(Note::Call(call)) = self.next_note_mut()? else { return Ok(()) };
        let body: B = decode(call.body.as_slice())?;
        let bytes = signed_request(&domain, now, call.id, &body, token, call.identity.as_ref())?;
        call.request = Some(SignedRequest { bytes: Bytes::new(bytes)?, until });
        call.made += 1;
        let (id, now) = (self.id(), self.now());
        let state = self.state_mut();
        let failures = state.sendings.get(&id).map_or(0, |before| before.failures);
        state.sendings.insert(id, Sending { failures, ..Sending::new(now) });
        Ok(())
    }

    /// Has tokens fetched: again and again, if that is how long the request is sent.
    fn after_tokens(&mut self, domain: Domain, patience: Patience) -> Interrupt {
        match self.take_failure() {
            Some(error) if patience != Patience::Window && error.may_pass() => {}
            Some(error) => return error.into(),
            None => {}
        }
        self.after(&Want::FetchTokens { domain })
    }

    /// Sends the request, or sees what has become of it.
    fn go_on<B: RequestBody>(&mut self, patience: Patience) -> Result<Progress, Interrupt> {
        let id = self.id();
        let Some(Note::Call(call)) = self.next_note()? else { return Ok(Progress::Wait(Wait::Nothing)) };
        let Some(SignedRequest { until, .. }) = call.request else {
            // After a pause, if the last one was refused for its time.
            let next = self.state().sendings.get(&id).map(|sending| sending.next);
            let pause = next.filter(|next| *next > self.now());
            return Ok(pause.map_or(Progress::Sign, |next| Progress::Wait(Wait::Until(next))));
        };
        let (domain, made, uncertain) = (call.domain.clone(), call.made, bool::from(call.uncertain));
        let state = self.state_mut();
        let now = state.now;
        let Some(sending) = state.sendings.get_mut(&id) else {
            // The client was restarted: a copy may have left before.
            state.sendings.insert(id, Sending::new(now));
            return self.note_uncertain().map(|()| Progress::Wait(Wait::Nothing));
        };
        let answer = sending.answer.take();
        let lost = answer.is_none() && sending.exchange.is_some() && sending.timeout <= now;
        let mut wait = None;
        match answer {
            Some(Ok(bytes)) => match ResponseEnvelope::read::<B::Reply>(&bytes) {
                Ok(Ok(reply)) => return Ok(Progress::Answered(Answer::Reply(Bytes::new(encode(&reply))?))),
                Ok(Err(refusal)) => match refusal.advice() {
                    Advice::Retry(after) => {
                        sending.exchange = None;
                        sending.last_refusal = Some(refusal);
                        wait = Some(after.min(LONGEST_PAUSE));
                    }
                    Advice::GetToken | Advice::RefreshKeys | Advice::Rebase | Advice::Stop => {
                        return self.refused(refusal, &domain, made, uncertain, patience);
                    }
                },
                Err(_) => sending.fail(PeerFailure::NotAnAnswer),
            },
            Some(Err(failure)) => sending.fail(failure),
            None if lost => sending.fail(PeerFailure::NoAnswer),
            None => {}
        }
        if sending.exchange.is_some() {
            return Ok(Progress::Wait(Wait::Answer));
        }
        let failures = sending.failures;
        if failures > 0 && !uncertain {
            self.note_uncertain()?;
        }
        self.send_again(wait, until, &domain, patience)
    }

    /// Sends the request now, or waits until it is sent again.
    fn send_again(
        &mut self,
        wait: Option<Duration>,
        until: Timestamp,
        domain: &Domain,
        patience: Patience,
    ) -> Result<Progress, Interrupt> {
        let id = self.id();
        let state = self.state_mut();
        let now = state.now;
        let failed = state.sendings.get(&id).filter(|sending| sending.failed).map(|sending| sending.failures);
        let wait = wait.or_else(|| failed.map(|failures| state.backoff(failures - 1)));
        let Some(sending) = state.sendings.get_mut(&id) else { return Ok(Progress::Wait(Wait::Nothing)) };
        if let Some(wait) = wait {
            sending.failed = false;
            sending.next = now + wait;
        }
        if sending.next >= until {
            return Ok(self.over(patience, domain));
        }
        if sending.next > now {
            return Ok(Progress::Wait(Wait::Until(sending.next)));
        }
        self.depart()
    }

    /// The request is not valid any more.
    fn over(&mut self, patience: Patience, domain: &Domain) -> Progress {
        let id = self.id();
        let state = self.state_mut();
        let has_queue = state.account.queuing.is_some();
        let Some(sending) = state.sendings.get_mut(&id) else { return Progress::Wait(Wait::Nothing) };
        match patience {
            Patience::Window => match &sending.last_refusal {
                Some(refusal) if sending.failures == 0 => Progress::Failed(refusal.clone().into()),
                _ => Progress::Failed(ClientError::Unanswered { domain: domain.clone() }),
            },
            Patience::Unlimited if has_queue && !std::mem::replace(&mut sending.asked_state, true) => {
                Progress::After(Box::new(Want::ReadFanOutQueue))
            }
            Patience::Unlimited | Patience::UnlimitedReading => {
                // The queue may be out of reach, too.
                let _ = self.take_failure();
                Progress::Sign
            }
        }
    }

    fn depart(&mut self) -> Result<Progress, Interrupt> {
        let Some(Note::Call(call)) = self.next_note()? else { return Ok(Progress::Wait(Wait::Nothing)) };
        let service = OperationKind::from_code(call.operation).map(|kind| kind.rules().service);
        let (Some(service), Some(request)) = (service, &call.request) else {
            return Err(ClientError::BegunByAnotherVersion.into());
        };
        let (domain, request) = (call.domain.clone(), request.bytes.as_slice().to_vec());
        let id = self.id();
        let state = self.state_mut();
        state.next_exchange += 1;
        let exchange = ExchangeId(state.next_exchange);
        state.departures.push_back(Departure::Request(Exchange { id: exchange, domain, service, request }));
        let timeout = state.now + state.config.request_timeout;
        if let Some(sending) = state.sendings.get_mut(&id) {
            sending.exchange = Some(exchange);
            sending.timeout = timeout;
        }
        Ok(Progress::Wait(Wait::Answer))
    }

    /// Decides what follows from a refusal that does not advise to come back.
    fn refused(
        &mut self,
        refusal: Refusal,
        domain: &Domain,
        made: u32,
        uncertain: bool,
        patience: Patience,
    ) -> Result<Progress, Interrupt> {
        let state = self.state_mut();
        let again = match refusal.advice() {
            Advice::GetToken => {
                if refusal != Refusal::TokenSpent {
                    state.forget_tokens(domain);
                }
                made < MAX_NEW_REQUESTS
            }
            // The caller of the request fetches the keys and makes another one.
            Advice::RefreshKeys | Advice::Retry(_) | Advice::Rebase | Advice::Stop => false,
        };
        if again {
            return Ok(Progress::Sign);
        }
        let is_misdated = matches!(refusal, Refusal::OutsideTimeWindow { .. });
        if let Refusal::OutsideTimeWindow { now } = refusal
            && state.corrects_time(domain, now)
            && !uncertain
            && made < MAX_NEW_REQUESTS
        {
            return Ok(Progress::Sign);
        }
        // A copy before this one may have been in time.
        if uncertain && is_misdated {
            if patience == Patience::Window {
                return Ok(Progress::Failed(ClientError::Unanswered { domain: domain.clone() }));
            }
            return self.sign_later(refusal);
        }
        Ok(Progress::Answered(Answer::Refused(refusal)))
    }

    /// Has the request signed again after a pause: the clocks of client and homeserver differ.
    fn sign_later(&mut self, refusal: Refusal) -> Result<Progress, Interrupt> {
        let id = self.id();
        let state = self.state_mut();
        let failures = state.sendings.get(&id).map_or(0, |sending| sending.failures);
        let next = state.now + state.backoff(failures);
        if let Some(sending) = state.sendings.get_mut(&id) {
            sending.exchange = None;
            sending.failures += 1;
            sending.last_refusal = Some(refusal);
            sending.next = next;
        }
        if let Some(Note::Call(call)) = self.next_note_mut()? {
            call.request = None;
        }
        Ok(Progress::Wait(Wait::Until(next)))
    }

    fn note_uncertain(&mut self) -> Result<(), Interrupt> {
        if let Some(Note::Call(call)) = self.next_note_mut()? {
            call.uncertain = Flag::Yes;
        }
        Ok(())
    }
}

/// Encodes and signs a request.
fn signed_request<B: RequestBody>(
    domain: &Domain,
    now: Timestamp,
    id: RequestId,
    body: &B,
    token: Option<Token>,
    identity: Option<&Identity>,
) -> Result<Vec<u8>, ClientError> {
    let request = RequestEnvelope::to(domain.clone(), now, id, body).token(token);
    let envelope = match identity {
        Some(Identity { sender, key }) => request.signed(Signer { sender, key })?,
        None => request.unsigned()?,
    };
    Ok(encode(&envelope))
}

impl State {
    /// Signs a request that no intent waits for.
    pub fn request<B: RequestBody>(
        &mut self,
        domain: &Domain,
        body: &B,
        identity: &Identity,
    ) -> Result<Vec<u8>, ClientError> {
        let id = RequestId::random(&mut self.random);
        signed_request(domain, self.time_at(domain), id, body, None, Some(identity))
    }

    /// Returns the time by the clock of a homeserver, as far as it is known.
    fn time_at(&self, domain: &Domain) -> Timestamp {
        let error = self.clock_errors.get(domain).copied().unwrap_or_default();
        Timestamp::from_milliseconds(self.now.milliseconds().saturating_add_signed(error))
    }

    /// Takes in what the clock of a homeserver reads, which has refused a request for its time. Returns whether
    /// that is another time than the request was signed for. The homeserver decides what time requests to it
    /// bear, and nothing else: what is valid is judged by the device's own clock.
    fn corrects_time(&mut self, domain: &Domain, theirs: Timestamp) -> bool {
        let error = theirs.milliseconds().cast_signed() - self.now.milliseconds().cast_signed();
        self.clock_errors.insert(domain.clone(), error) != Some(error)
    }

    /// Returns how long to wait after a failure: doubled with each, between half of that and all of it.
    fn backoff(&mut self, failures: u32) -> Duration {
        let config = &self.config;
        let longest = config.backoff_first.saturating_mul(1 << failures.min(16)).min(config.backoff_limit);
        let half = u64::try_from(longest.as_millis() / 2).unwrap_or(u64::MAX);
        Duration::from_millis(half + self.random.below(half + 1))
    }
}
