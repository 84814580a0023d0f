//! What the thief looks at, and what is true of it: subjects with their rows, side by side.

use super::{
    evidence::{Evidence, Subject},
    images::Image,
    score::Half,
    world::{RowKey, Truth},
};

/// The subjects at one homeserver, by what they are. Numbers are those of the evidence.
pub struct Site<'a> {
    /// What the image says of each subject.
    pub evidence: Evidence<'a>,
    /// The half that each subject is of.
    pub halves: Vec<Half>,
    /// The local users, with their numbers in the truth.
    pub users: Vec<Seen>,
    /// The local users' queues.
    pub queues: Vec<Seen>,
    /// The groups of this homeserver.
    pub groups: Vec<Seen>,
    /// The messages of these groups.
    pub messages: Vec<Seen>,
    /// The users, of any homeserver, whom tokens were issued to.
    pub issues: Vec<Seen>,
    /// The tokens that were redeemed.
    pub redemptions: Vec<Seen>,
    /// The other homeserver.
    pub domain: Seen,
}

/// A subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its number in the evidence.
    pub subject: usize,
    /// Its number in the truth: that of a user, for queues and issues as well.
    pub truth: usize,
}

/// Subjects, numbered as they come.
#[derive(Default)]
struct Subjects(Vec<Subject>);

impl Subjects {
    fn add(&mut self, truth: usize, subject: Subject) -> Seen {
        self.0.push(subject);
        Seen { subject: self.0.len() - 1, truth }
    }
}

impl<'a> Site<'a> {
    /// Looks at the image of the homeserver with number `site`. What came after `first` is new since the
    /// first image, and `other` is the domain of the other homeserver.
    pub fn new(image: &'a Image, first: u64, truth: &Truth, site: usize, other: &str) -> Self {
        let mut subjects = Subjects::default();
        let local = || truth.users.iter().enumerate().filter(|(_, user)| user.site == site);
        let users = local().map(|(number, user)| {
            let mut subject = Subject::of_identifiers(&user.account);
            subject.handles.extend(Subject::of_rows(&user.allowances[site]).handles);
            subjects.add(number, subject)
        });
        let users = users.collect();
        let queues = local().filter_map(|(number, user)| {
            user.queuing.as_ref().map(|row| subjects.add(number, Subject::of_rows([row])))
        });
        let queues = queues.collect();
        let groups = truth.groups.iter().enumerate().filter(|(_, group)| group.site == site);
        let groups = groups.map(|(number, group)| subjects.add(number, Subject::of_rows([&group.head])));
        let groups = groups.collect();
        let is_here = |group: usize| truth.groups[group].site == site;
        let messages = truth.messages.iter().enumerate().filter(|(_, message)| is_here(message.group));
        let messages =
            messages.map(|(number, message)| subjects.add(number, Subject::of_rows([&message.row])));
        let messages = messages.collect();
        let issues = truth.users.iter().enumerate().filter_map(|(number, user)| {
            let row: &RowKey = user.allowances[site].as_ref()?;
            let mut subject = Subject::of_rows([row]);
            if user.site == site {
                subject.handles.extend(Subject::of_identifiers(&user.account).handles);
            }
            Some(subjects.add(number, subject))
        });
        let issues = issues.collect();
        let redemptions = truth.redemptions.iter().enumerate().filter(|(_, token)| token.site == site);
        let redemptions =
            redemptions.map(|(number, token)| subjects.add(number, Subject::of_rows([&token.row])));
        let redemptions = redemptions.collect();
        let domain = subjects.add(1 - site, Subject::of_bytes(other.as_bytes()));
        let Subjects(subjects) = subjects;
        let name = |subject: &Subject| subject.handles.first().map(|handle| Half::of(handle));
        let halves = subjects.iter().map(|subject| name(subject).unwrap_or(Half::One)).collect();
        let evidence = Evidence::gather(image, first, &subjects);
        Self { evidence, halves, users, queues, groups, messages, issues, redemptions, domain }
    }
}
