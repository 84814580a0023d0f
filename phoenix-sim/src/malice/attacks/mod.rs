//! The attacks: from what is known to the next attempt.
//!
//! * `names`: signatures that are not the sender's.
//! * `times`: requests of the past and of the future.
//! * `repeats`: known request ids.
//! * `tokens`: tokens that do not pay.
//! * `accounts`, `queues`, `groups`, `configs`: what is another's at each service.
//! * `encodings`: bytes that are no request.
//! * `table`: all of them.

mod accounts;
mod configs;
mod encodings;
mod groups;
mod names;
mod queues;
mod repeats;
mod table;
mod times;
mod tokens;
