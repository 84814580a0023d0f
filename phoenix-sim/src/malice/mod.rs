//! Malicious clients: some users lend their keys to attackers. The users' own clients go on honestly; beside
//! them, the attackers make requests with the keys, and with all that they have overheard: requests, answers,
//! signatures, spent tokens, keys of groups.
//!
//! To read requests in the clear is more than transport security gives an attacker, so what holds here holds
//! for weaker attackers too. No attack of the table may be carried out, nor change anything; the lenders' and all
//! others' intents finish.
//!
//! | attack | must be refused, because | PROTOCOL.md |
//! | --- | --- | --- |
//! | wrong key, another's name, no signature, another kind of sender | a request is its sender's only if the sender's key has signed it | §2.3, §3.3 |
//! | signature on another body, another operation, for another homeserver | a signature covers all three | §3.3 |
//! | request of the past, of the future | answers are remembered for as long as the window only | §2.3, §2.5 |
//! | known id (and token) | an id is no request: another body is served or refused as any other, and not with the answer to the first | §2.5 |
//! | no token, spent token, token of another homeserver, forged token, federated token, tokens of another scope | what is expensive is paid for, once, where it is asked for | §6.6 |
//! | another's direct queue, packages for another, packages of another | what is a client's is read and replaced by that client | §6.8, §6.10 |
//! | registered again, registration finished again | a user id is one user's, and a registration ends once | §6.3 |
//! | another's credential | a credential is its key's owner's | §6.6 |
//! | package of no one, request to no one | there is no one | §6.8, §6.9 |
//! | another's queue, another's signals | what is in a queue is its owner's | §7.10 |
//! | no friend, packages under another token, key package named twice, no last resort | key packages are handed out to friends, each once, and never run out | §7.5 |
//! | no admin, unsigned batch | only admins add users, whose queuing service has said so | §8.6 |
//! | another's commit, no commit | a commit is its sender's | §8.5 |
//! | no member, no group key | only members have rights in a group | §8.2 |
//! | information for no member, join uninvited | a group takes one join from outside | §8.8 |
//! | not reserved | a group is created once | §8.3 |
//! | information for no joiner | only who was added needs it | §8.7 |
//! | message of a past epoch, another group's message, no message | what members get, they can decrypt | §8.10 |
//! | queue at another homeserver, long configuration | no member has others' traffic go elsewhere, or grow | §8.11 |
//! | byte left over, cut short, unknown operation, unknown version, question for another homeserver | there is one encoding of each request, for one homeserver | §2.3 |
//! | frame of a client | frames are of homeservers | §9.4 |
//!
//! Three things are served and must do no harm: a connection request that its recipient cannot open, one that was
//! put into the queue before (§11.10), and the configuration of a sibling group: what comes through it is no more
//! than a gap marker (§7.8).
//!
//! One user more, who has founded a group for it, lends its keys to an attacker who damages what is sent there:
//! messages, a commit, a Welcome. A delivery service cannot tell; the members must, and are told.
//!
//! * `attempt`: what attackers try, and what must come of it.
//! * `knowledge`: what they have overheard and got.
//! * `forging`: what attacks are made of.
//! * `attacks`: the attacks themselves.
//! * `damage`: what a member damages in its own group.

mod attacks;
mod attempt;
mod damage;
mod forging;
mod knowledge;

pub use attempt::{Attempt, AttemptId, Expected, Standing};
pub use damage::{Damage, Damaged, Damages};
pub use knowledge::{Lender, Malice};
