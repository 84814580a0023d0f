//! What clients, users and timers do, in words. Ids stay: the book replaces them.

use phoenix_core::{client::Event, identifiers::LogId, operation::Timer};

use crate::plan::Action;

/// Returns an event that a client shows, in words that go on from the name of its user.
pub fn client_event(event: &Event) -> String {
    match event {
        Event::Registered => "is registered".to_owned(),
        Event::ConnectionRequested(user) => format!("is asked for a connection by {user}"),
        Event::Connected(user) => format!("is connected with {user}"),
        Event::GroupCreated { group, .. } => format!("has created {group}"),
        Event::Joined(group) => format!("has joined {group}"),
        Event::Declined { group, reason } => format!("declines {group}: {reason}"),
        Event::MessageAcknowledged { group, position, text, .. } => {
            format!("is told that “{}” has position {position} of {group}", String::from_utf8_lossy(text))
        }
        Event::Message { group, position, from, text } => {
            let text = String::from_utf8_lossy(text);
            format!("receives “{text}” from {from}, position {position} of {group}")
        }
        Event::EpochChanged { group, epoch, .. } => format!("enters epoch {epoch} of {group}"),
        Event::Gap { group, position, reason } => {
            format!("finds a gap marker ({reason:?}) instead of position {position} of {group}")
        }
        Event::Missing { group, from, to } => {
            format!("misses position {from} of {group}: position {to} came instead")
        }
        Event::MessageUnreadable { group, position, reason } => {
            format!("cannot read the message at position {position} of {group}: {reason}")
        }
        Event::CommitUnprocessable { group, position, reason } => {
            format!("cannot follow the commit at position {position} of {group}: {reason}")
        }
        Event::Removed(group) => format!("was removed from {group}"),
        Event::QueueRestored { direct } => format!("finds its {} restored from a backup", queue(*direct)),
        Event::QueueUnreadable { direct, sequence } => {
            format!("cannot read entry {sequence} of its {}", queue(*direct))
        }
        Event::BackgroundFailure(error) => format!("fails at something of its own: {error}"),
        Event::Done { outcome: Ok(()), .. } => "has ended what it was about".to_owned(),
        Event::Done { outcome: Err(error), .. } => format!("fails at what it was about: {error}"),
        Event::OldCopy => "says that it is an older copy".to_owned(),
    }
}

fn queue(direct: bool) -> &'static str {
    if direct { "direct queue" } else { "queue" }
}

/// Returns what a user wants, in words that go on from “wants to”.
pub fn action(action: &Action) -> String {
    match action {
        Action::Register => "register".to_owned(),
        Action::Connect { other } => format!("connect with user {other}"),
        Action::CreateGroup { group } => format!("create group {group}"),
        Action::Invite { group, other } => format!("invite user {other} to group {group}"),
        Action::Send { group, text } => format!("send “{text}” to group {group}"),
        Action::Leave => "leave for good".to_owned(),
        Action::Update { group } => format!("renew its keys in group {group}"),
    }
}

/// Returns what a timer is for.
pub fn timer(timer: &Timer) -> String {
    match timer {
        Timer::Distribute(LogId::Group(group)) => format!("to distribute the log of {group}"),
        Timer::Distribute(LogId::Stream { source, .. }) => format!("to distribute what came from {source}"),
        Timer::Deliver(stream) => format!("to deliver stream {} to {}", stream.shard, stream.destination),
        Timer::Sweep => "to drop what has expired".to_owned(),
    }
}
