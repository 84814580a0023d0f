//! PROTOCOL.md §2 — what travels: the envelope of every request and answer, and one file per family of
//! messages.
//!
//! A *message* is a structure whose fields are encoded one after the other ([`codec`](crate::codec)). A
//! request is one message, the body, in a [`RequestEnvelope`](envelope::RequestEnvelope); its answer is
//! another one, or a [`Refusal`](crate::error::Refusal), in a
//! [`ResponseEnvelope`](envelope::ResponseEnvelope).
//!
//! * [`envelope`]: what is around every request and answer, and how a request is signed.
//! * [`operations`]: the table of all operations: code, service, authentication, token, size.
//! * [`auth_service`], [`queuing_service`], [`delivery_service`]: the bodies and replies of each service.
//! * [`queues`]: how a queue is read, whichever service keeps it.
//! * [`fan_out`]: what is delivered to whom, and what a client finds in its queue.
//! * [`federation`]: frames between homeservers.

pub mod auth_service;
pub mod delivery_service;
pub mod envelope;
pub mod fan_out;
pub mod federation;
pub mod message;
pub mod operations;
pub mod queues;
pub mod queuing_service;
#[cfg(test)]
mod tests;
