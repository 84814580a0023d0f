//! PROTOCOL.md §2, Order of checks — from the bytes of a request to the operation that serves it: read,
//! recall, authenticate, redeem, serve, remember.

use crate::{
    config::Plant,
    error::{Advice, Refusal},
    homeserver::Homeserver,
    operation::{Context, Handler, Interrupt, Lane, Operation, Transaction},
    request::{
        Call, Serve, redeem,
        remembered::{Progress, RememberedAnswer},
    },
    store::Key,
    time::Timestamp,
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope},
        operations::{Request, Rules, TokenRule, for_each_operation},
    },
};
use std::time::Duration;

/// Begins to serve the request with these bytes.
pub(super) fn accept(homeserver: &Homeserver, bytes: &[u8], now: Timestamp, seed: [u8; 32]) -> Operation {
    let read = RequestEnvelope::read(bytes).and_then(|(kind, envelope)| {
        let request = Request::read(kind, envelope.body.as_slice())?;
        Ok(handler(request, bytes.to_vec(), envelope))
    });
    let handler = read.unwrap_or_else(|refusal| Box::new(Unreadable(refusal)));
    Operation::new(homeserver.clone(), now, seed, handler)
}

/// Bytes that are no request: refused at once.
struct Unreadable(Refusal);

impl Handler for Unreadable {
    fn lane(&self) -> Lane {
        Lane::Free
    }

    fn run(&self, _: &mut Transaction<'_>) -> Result<Option<Vec<u8>>, Interrupt> {
        Ok(Some(ResponseEnvelope::refused(&self.0)))
    }

    fn refused(&self, _: &mut Transaction<'_>, refusal: &Refusal) -> Option<Vec<u8>> {
        Some(ResponseEnvelope::refused(refusal))
    }
}

macro_rules! handlers {
    ($($name:ident)*) => {
        /// The handler of a request: the same for each operation of the table.
        fn handler(request: Request, bytes: Vec<u8>, envelope: RequestEnvelope) -> Box<dyn Handler> {
            match request {
                $(Request::$name(body) => Box::new(RequestHandler { bytes, envelope, body }),)*
            }
        }
    };
}
for_each_operation!(handlers);

/// A request of one kind.
struct RequestHandler<B> {
    bytes: Vec<u8>,
    envelope: RequestEnvelope,
    body: B,
}

impl<B: Serve> Handler for RequestHandler<B> {
    fn lane(&self) -> Lane {
        self.body.lane(&self.envelope)
    }

    fn may_ask(&self) -> bool {
        B::KIND.rules().may_ask
    }

    fn run(&self, transaction: &mut Transaction<'_>) -> Result<Option<Vec<u8>>, Interrupt> {
        if self.envelope.service_domain != *transaction.domain() {
            return Err(Refusal::WrongHomeserver.into());
        }
        let rules = B::KIND.rules();
        let remembered = self.remembered(transaction.context());
        if rules.timed() && !transaction.planted(Plant::IgnoreRequestTime) {
            check_time(transaction.context(), &self.envelope)?;
        }
        let rows = self.rows(rules, &remembered, transaction.context());
        transaction.snapshot().load(&rows)?;
        let progress = if rules.remembered { remembered.get(transaction)? } else { None };
        let is_redeemed = match progress {
            Some(Progress::Answered(answer)) => return Ok(Some(answer.into_vec())),
            Some(Progress::Redeemed(redemption)) => {
                redemption.check_turn(transaction.context()).map(|()| true)?
            }
            None => false,
        };
        let call = Call { envelope: &self.envelope, body: &self.body, is_redeemed };
        let reply = B::serve(transaction, &call)?;
        if !Call::<B>::is_proved(transaction) {
            debug_assert!(false, "{:?} answers without having checked all that its rules say", B::KIND);
            return Err(Refusal::Internal.into());
        }
        let answer = ResponseEnvelope::reply(&reply);
        if rules.remembered {
            remembered.answer(transaction, &answer);
        }
        Ok(Some(answer))
    }

    fn refused(&self, transaction: &mut Transaction<'_>, refusal: &Refusal) -> Option<Vec<u8>> {
        let answer = ResponseEnvelope::refused(refusal);
        if B::KIND.rules().remembered && Call::<B>::remembers_refusal(transaction) {
            let remembered = self.remembered(transaction.context());
            match refusal.advice() {
                // A caller that comes back as told must not be told the same again, nor pay again.
                Advice::Retry(wait) if Call::<B>::has_paid(transaction) => {
                    remembered.come_back(transaction, wait);
                }
                Advice::Retry(_) => {}
                Advice::GetToken | Advice::RefreshKeys | Advice::Rebase | Advice::Stop => {
                    remembered.answer(transaction, &answer);
                }
            }
        }
        Some(answer)
    }

    fn pay(&self, transaction: &mut Transaction<'_>) -> Result<bool, Interrupt> {
        if B::KIND.rules().remembered && Call::<B>::has_paid(transaction) {
            return self.remembered(transaction.context()).take_ask(transaction);
        }
        Ok(true)
    }
}

impl<B> RequestHandler<B> {
    fn remembered(&self, context: &Context) -> RememberedAnswer {
        RememberedAnswer::of(&self.bytes, &self.envelope, context)
    }

    /// The rows that the envelope names, loaded in one round before anything is decrypted or verified, so
    /// that no pass repeats such work for want of them. They decide nothing here.
    fn rows(&self, rules: Rules, remembered: &RememberedAnswer, context: &Context) -> Vec<Key> {
        let answer = rules.remembered.then(|| remembered.row());
        let token = self.envelope.token.as_ref().filter(|_| rules.token != TokenRule::None);
        let nullifier = token.and_then(|token| redeem::row(context, token));
        answer.into_iter().chain(nullifier).collect()
    }
}

fn check_time(context: &Context, envelope: &RequestEnvelope) -> Result<(), Refusal> {
    let (now, times) = (context.now(), &context.config().times);
    let future = if context.planted(Plant::NoFuture) { Duration::ZERO } else { times.request_future };
    if envelope.timestamp + times.request_past < now || envelope.timestamp > now + future {
        return Err(Refusal::OutsideTimeWindow { now });
    }
    Ok(())
}
