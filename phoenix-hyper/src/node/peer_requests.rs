//! Requests to other homeservers. Equal requests under way at the same time are sent once.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use phoenix_core::{
    error::PeerFailure,
    operation::{Ask, single_flight::SingleFlight},
};
use tokio::sync::oneshot;

type Answer = Result<Vec<u8>, PeerFailure>;

/// The requests under way, and who waits for each answer.
#[derive(Default)]
pub(super) struct PeerRequests(Mutex<SingleFlight<oneshot::Sender<Answer>>>);

impl PeerRequests {
    /// Returns the answer to `ask`, from `send` or from an equal request under way. The request goes on if
    /// this future is dropped: others may wait for it.
    pub async fn ask<F>(self: &Arc<Self>, ask: Ask, send: impl FnOnce(Ask) -> F) -> Answer
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        if self.flights().join(ask.clone(), sender) {
            let flight = Flight { peer_requests: Arc::clone(self), ask: ask.clone() };
            let sent = send(ask);
            tokio::spawn(async move { flight.answer(sent.await) });
        }
        answer.await.unwrap_or(Err(PeerFailure::NoAnswer))
    }

    fn flights(&self) -> MutexGuard<'_, SingleFlight<oneshot::Sender<Answer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way. Dropping it without an answer fails all that wait for it.
struct Flight {
    peer_requests: Arc<PeerRequests>,
    ask: Ask,
}

impl Flight {
    fn answer(self, answer: Answer) {
        for waiting in self.peer_requests.flights().complete(&self.ask) {
            // The receiver may be gone.
            let _ = waiting.send(answer.clone());
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.peer_requests.flights().complete(&self.ask);
    }
}

#[cfg(test)]
mod tests {
    use phoenix_core::wire::operations::Service;

    use super::*;

    fn ask(number: u8) -> Ask {
        Ask { domain: "b.localhost".parse().unwrap(), service: Service::Queuing, request: vec![number] }
    }

    #[tokio::test]
    async fn equal_requests_are_sent_once_and_all_are_answered() {
        let peer_requests = Arc::<PeerRequests>::default();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let send = |ask: Ask| {
            sent.lock().unwrap().push(ask.request.clone());
            async move { Ok(ask.request) }
        };
        let answers = tokio::join!(
            peer_requests.ask(ask(1), send),
            peer_requests.ask(ask(1), send),
            peer_requests.ask(ask(2), send)
        );
        assert_eq!(answers, (Ok(vec![1]), Ok(vec![1]), Ok(vec![2])));
        assert_eq!(*sent.lock().unwrap(), [vec![1], vec![2]]);
        // An answered request is sent again.
        assert_eq!(peer_requests.ask(ask(1), send).await, Ok(vec![1]));
        assert_eq!(sent.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_request_that_ends_without_an_answer_fails() {
        let peer_requests = Arc::<PeerRequests>::default();
        let panics = |_| async { std::panic::resume_unwind(Box::new("while asking")) };
        assert_eq!(peer_requests.ask(ask(1), panics).await, Err(PeerFailure::NoAnswer));
        assert_eq!(peer_requests.flights().under_way(), 0);
    }
}
