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
            let answer = Err(PeerFailure::NoAnswer);
            let flight = Flight { peer_requests: Arc::clone(self), ask: ask.clone(), answer };
            let sent = send(ask);
            tokio::spawn(flight.end_with(sent));
        }
        answer.await.unwrap_or(Err(PeerFailure::NoAnswer))
    }

    fn flights(&self) -> MutexGuard<'_, SingleFlight<oneshot::Sender<Answer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way. It ends once, when it is dropped: whoever asks after that sends another one.
struct Flight {
    peer_requests: Arc<PeerRequests>,
    ask: Ask,
    /// What all that wait for it are told.
    answer: Answer,
}

impl Flight {
    async fn end_with(mut self, answer: impl Future<Output = Answer>) {
        self.answer = answer.await;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let waiting = self.peer_requests.flights().complete(&self.ask);
        for waiting in waiting {
            // The receiver may be gone.
            let _ = waiting.send(self.answer.clone());
        }
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

    /// Each answer wakes a task that asks the same again at once, while the request before ends.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_end_of_a_request_takes_no_newer_one_with_it() {
        let peer_requests = Arc::<PeerRequests>::default();
        let asking: Vec<_> = (0..8)
            .map(|_| {
                let peer_requests = Arc::clone(&peer_requests);
                tokio::spawn(async move {
                    let mut failed = 0;
                    for _ in 0..25_000 {
                        let send = |ask: Ask| async move { Ok(ask.request) };
                        failed += u32::from(peer_requests.ask(ask(1), send).await.is_err());
                    }
                    failed
                })
            })
            .collect();
        for asking in asking {
            assert_eq!(asking.await.unwrap(), 0);
        }
        assert_eq!(peer_requests.flights().under_way(), 0);
    }

    #[tokio::test]
    async fn a_request_that_ends_without_an_answer_fails() {
        let peer_requests = Arc::<PeerRequests>::default();
        let panics = |_| async { std::panic::resume_unwind(Box::new("while asking")) };
        assert_eq!(peer_requests.ask(ask(1), panics).await, Err(PeerFailure::NoAnswer));
        assert_eq!(peer_requests.flights().under_way(), 0);
    }
}
