//! Questions to other homeservers: equal ones under way at the same time are one.

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

/// Who waits for which answer.
#[derive(Default)]
pub(super) struct Asking(Mutex<SingleFlight<oneshot::Sender<Answer>>>);

impl Asking {
    /// The answer to `ask`, from `send` or from an equal question that is under way. The question goes on if this is
    /// dropped: others may wait for it.
    pub async fn ask<F>(self: &Arc<Self>, ask: Ask, send: impl FnOnce(Ask) -> F) -> Answer
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        if self.flights().join(ask.clone(), tell) {
            let question = Question { asking: Arc::clone(self), ask: ask.clone() };
            let sent = send(ask);
            tokio::spawn(async move { question.answer(sent.await) });
        }
        told.await.unwrap_or(Err(PeerFailure::NoAnswer))
    }

    fn flights(&self) -> MutexGuard<'_, SingleFlight<oneshot::Sender<Answer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question under way. Dropped without an answer, nobody waits for one any longer.
struct Question {
    asking: Arc<Asking>,
    ask: Ask,
}

impl Question {
    fn answer(self, answer: Answer) {
        for waiting in self.asking.flights().complete(&self.ask) {
            // Whoever waited may be gone.
            let _ = waiting.send(answer.clone());
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.asking.flights().complete(&self.ask);
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
    async fn equal_questions_are_sent_once_and_all_are_answered() {
        let asking = Arc::<Asking>::default();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let send = |ask: Ask| {
            sent.lock().unwrap().push(ask.request.clone());
            async move { Ok(ask.request) }
        };
        let answers =
            tokio::join!(asking.ask(ask(1), send), asking.ask(ask(1), send), asking.ask(ask(2), send));
        assert_eq!(answers, (Ok(vec![1]), Ok(vec![1]), Ok(vec![2])));
        assert_eq!(*sent.lock().unwrap(), [vec![1], vec![2]]);
        // What was answered is asked again.
        assert_eq!(asking.ask(ask(1), send).await, Ok(vec![1]));
        assert_eq!(sent.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_question_that_ends_without_an_answer_is_none() {
        let asking = Arc::<Asking>::default();
        let panics = |_| async { std::panic::resume_unwind(Box::new("while asking")) };
        assert_eq!(asking.ask(ask(1), panics).await, Err(PeerFailure::NoAnswer));
        assert_eq!(asking.flights().under_way(), 0);
    }
}
