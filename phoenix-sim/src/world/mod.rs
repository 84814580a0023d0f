//! A world: homeservers, users, a network and an attacker, advanced event by event.
//!
//! Everything that happens follows from a [`Plan`](crate::plan::Plan) and its seed. [`run`] generates the
//! plan from [`Settings`](crate::plan::Settings) and runs it in a thread whose clock and ambient randomness
//! are simulated. A test with a plan of its own creates a [`World`] inside
//! [`in_world`](crate::interpose::in_world).
//!
//! * `process`, `call`, `machine`, `stage`, `event`: the nouns.
//! * `state`: the world itself, which every file after it extends by methods.
//! * `setup`: from a plan to the first events.
//! * `requests`, `processes`, `timers`, `stores`: the homeservers and the network between them.
//! * `users`, `clients`, `intents`, `giving_up`, `attempts`, `malice`: the honest and the dishonest who use them.
//! * `naming`: what failures call all of them.
//! * `faults`, `damage`, `mishaps`, `pauses`, `power`, `restores`, `settling`: what goes wrong, and the end of it.
//! * `run`: the loop, which handles one event after the other.

mod attempts;
mod call;
mod clients;
mod damage;
mod event;
mod faults;
mod giving_up;
mod intents;
mod machine;
mod malice;
mod marks;
mod mishaps;
mod naming;
mod pauses;
mod power;
mod process;
mod processes;
mod requests;
mod restores;
mod run;
mod settling;
mod setup;
mod stage;
mod state;
mod stores;
mod timers;
mod users;

pub use run::{LoggedRun, run, run_logged, run_plan};
pub use state::World;
