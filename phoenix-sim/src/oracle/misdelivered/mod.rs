//! S5, §1.1 — contents reach no homeserver and no client that they are not for.
//!
//! What the parties can decrypt follows from cryptography; this oracle looks at what each is handed, in whatever
//! layer of encryption:
//!
//! * `places`: rows of a queue, an account or a group are in the store of the homeserver that hosts it, and a
//!   message on its way from one homeserver to another names recipients of that other one only, and carries
//!   nothing but what they get.
//! * `requests`: what a client sends is sent to the homeserver of the group, user or queue that it is for.
//! * `answers`: what is answered goes to who asked, and is what was asked for: the entries of the asker's own
//!   queue, the package of the user who was named, and nothing that another request of another user was
//!   answered with.
//! * `readers`: who can read a message, or joins a group, is a recipient that the group's delivery service has
//!   named, and a member by the plan.

mod answers;
mod places;
mod readers;
mod requests;
mod whole;

pub use whole::Misdelivered;
