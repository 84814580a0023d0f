//! Who reads a message, or joins a group, is one whom it is for.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_core::{
    client::Event,
    identifiers::{GroupId, LogId, QsClientId},
    wire::fan_out::FanOutContent,
};

use super::answers::Answers;
use crate::{
    oracle::{
        observation::Observation,
        rows::{LoggedMessage, Rows},
        violation::Violation,
    },
    plan::{Action, GroupNumber, Plan},
};

/// Whom delivery services have named, and whom the plan has.
#[derive(Debug, Default)]
pub(super) struct Readers {
    /// The recipients of what is at a position of a group. `None`: a configuration could not be opened.
    recipients: BTreeMap<(GroupId, u64), Option<BTreeSet<QsClientId>>>,
    /// Those among them who get a Welcome, of all positions of a group.
    invited: BTreeMap<GroupId, Option<BTreeSet<QsClientId>>>,
    /// The users who may read each text of the plan.
    texts: BTreeMap<Vec<u8>, BTreeSet<usize>>,
}

impl Readers {
    pub fn new(plan: &Plan) -> Self {
        let mut members: BTreeMap<GroupNumber, BTreeSet<usize>> = BTreeMap::new();
        for intent in &plan.intents {
            match intent.action {
                Action::CreateGroup { group } => {
                    members.entry(group).or_default().insert(intent.user);
                }
                Action::Invite { group, other } => {
                    members.entry(group).or_default().insert(other);
                }
                _ => {}
            }
        }
        let mut texts = BTreeMap::new();
        for intent in &plan.intents {
            if let Action::Send { group, text } = &intent.action {
                let members = members.get(group).cloned().unwrap_or_default();
                texts.insert(text.clone().into_bytes(), members);
            }
        }
        Self { texts, ..Self::default() }
    }

    /// Notes the recipients of a message that a delivery service writes to the log of its group.
    pub fn logged(&mut self, rows: &mut Rows, logged: &LoggedMessage) {
        let LogId::Group(_) = logged.log else { return };
        let message = &logged.message;
        let mut everyone = Some(BTreeSet::new());
        let mut invited = self.invited.remove(&message.group_id).unwrap_or_else(|| Some(BTreeSet::new()));
        for recipient in &message.recipients {
            let client = rows.client(&recipient.config);
            let content = message.contents.get(usize::from(recipient.content));
            let is_invited = matches!(content, Some(FanOutContent::Welcome(_)));
            add(&mut everyone, client);
            if is_invited {
                add(&mut invited, client);
            }
        }
        self.recipients.insert((message.group_id.clone(), message.position), everyone);
        self.invited.insert(message.group_id.clone(), invited);
    }

    /// Checks an event that a client reports.
    pub fn observe(&self, answers: &Answers, observation: &Observation<'_>) -> Result<(), Violation> {
        let user = observation.user;
        let (named, what) = match observation.event {
            Event::Message { group, position, text, .. } => {
                if self.texts.get(text).is_some_and(|members| !members.contains(&user)) {
                    let text = String::from_utf8_lossy(text);
                    return violation(format!("user {user} reads “{text}”, of a group that it is not in"));
                }
                let named = self.recipients.get(&(group.clone(), *position));
                (named, format!("reads position {position} of {group}"))
            }
            Event::Joined(group) => (self.invited.get(group), format!("joins {group}")),
            _ => return Ok(()),
        };
        let is_named = match named {
            Some(Some(clients)) => clients.iter().any(|client| answers.owner(client) == Some(user)),
            Some(None) => true,
            None => false,
        };
        if is_named { Ok(()) } else { violation(format!("user {user} {what}, and was named no recipient")) }
    }
}

/// Adds a client to those who are known; a client that is not known makes all of them unknown.
fn add(clients: &mut Option<BTreeSet<QsClientId>>, client: Option<QsClientId>) {
    match (clients.as_mut(), client) {
        (Some(known), Some(client)) => {
            known.insert(client);
        }
        (Some(_), None) => *clients = None,
        (None, _) => {}
    }
}

fn violation(what: String) -> Result<(), Violation> {
    Err(Violation::now(
        "misdelivered",
        what,
        "Only the members of a group in its present epoch can read what is sent there.",
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use phoenix_core::identifiers::{GroupUuid, UserId, UserUuid};

    use super::*;

    /// A message at position 3 of a group, whose text users 0 and 1 may read.
    fn readers(recipient: Option<QsClientId>) -> (Readers, GroupId) {
        let domain = "one.example".parse().unwrap_or_else(|_| panic!("a valid domain"));
        let group = GroupId { uuid: GroupUuid([1; 16]), domain };
        let mut readers = Readers::default();
        readers.texts.insert(b"text".to_vec(), BTreeSet::from([0, 1]));
        let named = recipient.map(|client| BTreeSet::from([client]));
        readers.recipients.insert((group.clone(), 3), named);
        (readers, group)
    }

    fn reads(readers: &Readers, answers: &Answers, user: usize, group: &GroupId) -> bool {
        let from = UserId { uuid: UserUuid([2; 16]), domain: group.domain.clone() };
        let event =
            Event::Message { group: group.clone(), position: 3, from: from.clone(), text: b"text".to_vec() };
        let observation =
            Observation { user, user_id: &from, event: &event, groups: &[], number: 0, step: 0 };
        readers.observe(answers, &observation).is_ok()
    }

    #[test]
    fn only_recipients_who_are_members_by_the_plan_may_read() {
        let client = QsClientId([3; 16]);
        let answers = Answers::with_owners([(client, 1), (QsClientId([4; 16]), 0)]);
        let (named, group) = readers(Some(client));
        assert!(reads(&named, &answers, 1, &group));
        assert!(!reads(&named, &answers, 0, &group), "a member that was not named");
        let (unknown, group) = readers(None);
        assert!(reads(&unknown, &answers, 0, &group));
        assert!(!reads(&unknown, &answers, 2, &group), "no member");
    }
}
