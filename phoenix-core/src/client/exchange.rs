//! PROTOCOL.md §11.3 — requests and repeats: the same bytes until an answer comes, or none can come.
//!
//! A request whose outcome is unknown is repeated only with the same bytes, which a homeserver carries out
//! once. A new request is made only after a refusal, which says that the former one was not carried out.

use std::{future::poll_fn, task::Poll, time::Duration};

use super::{
    error::ClientError,
    event::{Exchange, ExchangeId, Output},
    shared::Shared,
    state::{Confirmation, Identity, State},
};
use crate::{
    codec::encode,
    crypto::tokens::Token,
    error::{Advice, Refusal},
    identifiers::{Domain, RequestId},
    time::Timestamp,
    wire::{
        delivery_service::{CommitReply, SendMessageReply},
        envelope::{RequestEnvelope, ResponseEnvelope, Signer},
        operations::{RequestBody, Service, TokenRule},
    },
};

/// How many requests are made before a refusal that advises another token or fresh keys is final.
const MAX_NEW_REQUESTS: usize = 4;

/// A reply that can be rebuilt from the receipt in the queue.
pub(super) trait OrderedReply {
    /// Rebuilds the reply.
    fn from_receipt(receipt: Confirmation) -> Self;
}

impl OrderedReply for SendMessageReply {
    fn from_receipt(receipt: Confirmation) -> Self {
        Self { position: receipt.position, sent_at: receipt.sent_at }
    }
}

impl OrderedReply for CommitReply {
    fn from_receipt(receipt: Confirmation) -> Self {
        Self { position: receipt.position, epoch: receipt.epoch, sent_at: receipt.sent_at }
    }
}

/// An encoded, signed request.
pub(super) struct SignedRequest {
    pub id: RequestId,
    pub bytes: Vec<u8>,
}

/// The outcome of sending the same bytes as often as needed.
enum DeliveryOutcome<R> {
    Answer(Result<R, Refusal>),
    Receipt(Confirmation),
}

/// The outcome of sending them once.
enum SendOutcome {
    Answer(Vec<u8>),
    Failed,
    Receipt(Confirmation),
}

/// A request that is ready to be sent, as often as needed.
struct PreparedRequest {
    domain: Domain,
    service: Service,
    bytes: Vec<u8>,
    id: RequestId,
    /// When repeating it ends.
    until: Timestamp,
}

impl Shared {
    /// Requests `body` and returns the reply.
    pub async fn call<B: RequestBody + Sync>(
        &self,
        domain: &Domain,
        body: &B,
        identity: Option<&Identity>,
    ) -> Result<B::Reply, ClientError> {
        let window = self.with(|state| state.config.request_window);
        self.call_within(domain, body, identity, window).await
    }

    /// As [`Shared::call`], but repeats the request for at most `window`.
    pub async fn call_within<B: RequestBody + Sync>(
        &self,
        domain: &Domain,
        body: &B,
        identity: Option<&Identity>,
        window: Duration,
    ) -> Result<B::Reply, ClientError> {
        for _ in 0..MAX_NEW_REQUESTS {
            let prepared = self.prepare(domain, body, identity, window).await?;
            match self.deliver::<B::Reply>(&prepared).await? {
                DeliveryOutcome::Answer(Ok(reply)) => return Ok(reply),
                DeliveryOutcome::Answer(Err(refusal)) => {
                    self.with(|state| state.prepare_again(domain, refusal))?
                }
                // No slot for a receipt was made.
                DeliveryOutcome::Receipt(_) => {
                    return Err(ClientError::Dishonest("a receipt for a request that is not ordered"));
                }
            }
        }
        Err(Refusal::TokenNeeded.into())
    }

    /// Requests something that a delivery service orders: the answer or the receipt confirms it, whichever
    /// comes first. `note` is called with the id of each request that is made, before it is sent.
    pub async fn call_ordered<B>(
        &self,
        domain: &Domain,
        body: &B,
        identity: Option<&Identity>,
        mut note: impl FnMut(&mut State, RequestId),
    ) -> Result<B::Reply, ClientError>
    where
        B: RequestBody + Sync,
        B::Reply: OrderedReply,
    {
        let window = self.with(|state| state.config.request_window);
        for _ in 0..MAX_NEW_REQUESTS {
            let prepared = self.prepare(domain, body, identity, window).await?;
            self.with(|state| {
                state.receipts.insert(prepared.id, None);
                note(state, prepared.id);
            });
            let delivered = self.deliver::<B::Reply>(&prepared).await;
            self.with(|state| state.receipts.remove(&prepared.id));
            match delivered? {
                DeliveryOutcome::Answer(Ok(reply)) => return Ok(reply),
                DeliveryOutcome::Receipt(receipt) => return Ok(B::Reply::from_receipt(receipt)),
                DeliveryOutcome::Answer(Err(refusal)) => {
                    self.with(|state| state.prepare_again(domain, refusal))?
                }
            }
        }
        Err(Refusal::TokenNeeded.into())
    }

    /// Makes a request, with a token if the operation needs one.
    async fn prepare<B: RequestBody>(
        &self,
        domain: &Domain,
        body: &B,
        identity: Option<&Identity>,
        window: Duration,
    ) -> Result<PreparedRequest, ClientError> {
        let rules = B::KIND.rules();
        let token = match rules.token {
            TokenRule::None => None,
            TokenRule::Any | TokenRule::Local => Some(self.take_token(domain).await?),
        };
        self.with(|state| {
            let SignedRequest { id, bytes } = state.request(domain, body, token, identity)?;
            Ok(PreparedRequest {
                domain: domain.clone(),
                service: rules.service,
                bytes,
                id,
                until: state.now + window,
            })
        })
    }

    /// Sends the same bytes until an answer or a receipt comes, or none can come any more.
    async fn deliver<R: crate::codec::Codec>(
        &self,
        prepared: &PreparedRequest,
    ) -> Result<DeliveryOutcome<R>, ClientError> {
        let mut failures = 0;
        loop {
            let (wait, refusal) = match self.send(prepared).await {
                SendOutcome::Receipt(receipt) => return Ok(DeliveryOutcome::Receipt(receipt)),
                SendOutcome::Failed => (self.with(|state| state.backoff(failures)), None),
                SendOutcome::Answer(bytes) => match ResponseEnvelope::read::<R>(&bytes) {
                    Ok(Ok(reply)) => return Ok(DeliveryOutcome::Answer(Ok(reply))),
                    Ok(Err(refusal)) => {
                        let Advice::Retry(wait) = refusal.advice() else {
                            // A copy before this one may have been in time.
                            if failures > 0 && matches!(refusal, Refusal::OutsideTimeWindow { .. }) {
                                return Err(ClientError::Unanswered { domain: prepared.domain.clone() });
                            }
                            return Ok(DeliveryOutcome::Answer(Err(refusal)));
                        };
                        (wait, Some(refusal))
                    }
                    Err(_) => (self.with(|state| state.backoff(failures)), None),
                },
            };
            failures += u32::from(refusal.is_none());
            if self.now() + wait >= prepared.until {
                return match refusal {
                    Some(refusal) if failures == 0 => Err(refusal.into()),
                    _ => Err(ClientError::Unanswered { domain: prepared.domain.clone() }),
                };
            }
            if let Some(receipt) = self.pause(prepared.id, wait).await {
                return Ok(DeliveryOutcome::Receipt(receipt));
            }
        }
    }

    /// Sends the bytes once, and waits for the outcome.
    async fn send(&self, prepared: &PreparedRequest) -> SendOutcome {
        let (id, timeout) = self.with(|state| {
            state.next_exchange += 1;
            let id = ExchangeId(state.next_exchange);
            let request = prepared.bytes.clone();
            let exchange =
                Exchange { id, domain: prepared.domain.clone(), service: prepared.service, request };
            state.outputs.push_back(Output::Request(exchange));
            state.exchanges.insert(id, None);
            (id, state.now + state.config.request_timeout)
        });
        poll_fn(|_| {
            self.with(|state| {
                let answered = state.exchanges.get(&id).is_some_and(Option::is_some);
                let sent = if answered {
                    match state.exchanges.get_mut(&id).and_then(Option::take) {
                        Some(Ok(bytes)) => SendOutcome::Answer(bytes),
                        Some(Err(_)) | None => SendOutcome::Failed,
                    }
                } else if let Some(receipt) = state.receipt(&prepared.id) {
                    SendOutcome::Receipt(receipt)
                } else if state.now >= timeout {
                    SendOutcome::Failed
                } else {
                    state.wake_at(timeout);
                    return Poll::Pending;
                };
                state.exchanges.remove(&id);
                Poll::Ready(sent)
            })
        })
        .await
    }

    /// Waits for `wait`, or until the receipt arrives. Returns the receipt, if there is one.
    async fn pause(&self, id: RequestId, wait: Duration) -> Option<Confirmation> {
        let due = self.now() + wait;
        poll_fn(|_| {
            self.with(|state| {
                let receipt = state.receipt(&id);
                if receipt.is_some() || state.now >= due {
                    return Poll::Ready(receipt);
                }
                state.wake_at(due);
                Poll::Pending
            })
        })
        .await
    }
}

impl State {
    /// Signs a new request.
    pub fn request<B: RequestBody>(
        &mut self,
        domain: &Domain,
        body: &B,
        token: Option<Token>,
        identity: Option<&Identity>,
    ) -> Result<SignedRequest, ClientError> {
        let id = RequestId::random(&mut self.random);
        let request = RequestEnvelope::to(domain.clone(), self.now, id, body).token(token);
        let envelope = match identity {
            Some(Identity { sender, key }) => request.signed(Signer { sender, key })?,
            None => request.unsigned()?,
        };
        Ok(SignedRequest { id, bytes: encode(&envelope) })
    }

    fn receipt(&self, id: &RequestId) -> Option<Confirmation> {
        self.receipts.get(id).copied().flatten()
    }

    /// Prepares for another request after a refusal. Returns the refusal if it is final.
    fn prepare_again(&mut self, domain: &Domain, refusal: Refusal) -> Result<(), ClientError> {
        match refusal.advice() {
            Advice::GetToken => {
                if refusal != Refusal::TokenSpent {
                    self.tokens.forget(domain);
                }
                Ok(())
            }
            Advice::RefreshKeys => {
                self.tokens.forget(domain);
                Ok(())
            }
            Advice::Retry(_) | Advice::Rebase | Advice::Stop => Err(refusal.into()),
        }
    }

    /// Returns how long to wait after a failure: doubled with each, between half of that and all of it.
    fn backoff(&mut self, failures: u32) -> Duration {
        let config = &self.config;
        let longest = config.backoff_first.saturating_mul(1 << failures.min(16)).min(config.backoff_limit);
        let half = u64::try_from(longest.as_millis() / 2).unwrap_or(u64::MAX);
        Duration::from_millis(half + self.random.below(half + 1))
    }
}
