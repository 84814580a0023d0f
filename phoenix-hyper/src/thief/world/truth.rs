//! What is true of the world, and what the thief's guesses are compared with. All of it comes from those who
//! did it, and from watching them do it; nothing from the files.

use phoenix_core::Timestamp;

/// A key of a row, with its kind.
pub type RowKey = Vec<u8>;

/// All that is true.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// The users.
    pub users: Vec<User>,
    /// The groups, those of connections included.
    pub groups: Vec<Group>,
    /// The messages that users sent.
    pub messages: Vec<Message>,
    /// The tokens that were redeemed.
    pub redemptions: Vec<Redemption>,
}

/// A user with a client.
#[derive(Debug, Clone, Default)]
pub struct User {
    /// The number of its homeserver.
    pub site: usize,
    /// The rows of user and client at the authentication service.
    pub account: Vec<RowKey>,
    /// The row of the client at the queuing service.
    pub queuing: Option<RowKey>,
    /// At each homeserver, the row that counts the tokens issued to it.
    pub allowances: Vec<Option<RowKey>>,
}

/// A group.
#[derive(Debug, Clone)]
pub struct Group {
    /// The number of its homeserver.
    pub site: usize,
    /// Its head row.
    pub head: RowKey,
    /// Its members.
    pub members: Vec<usize>,
}

/// A message that a user sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// The group.
    pub group: usize,
    /// The sender.
    pub sender: usize,
    /// The bytes of its text.
    pub length: usize,
    /// When it was sent.
    pub sent: Timestamp,
    /// The row in which it waited to be distributed.
    pub row: RowKey,
}

/// A token that was redeemed.
#[derive(Debug, Clone)]
pub struct Redemption {
    /// The homeserver where it was issued and redeemed.
    pub site: usize,
    /// Who redeemed it.
    pub user: usize,
    /// The row that says that it is spent.
    pub row: RowKey,
}

impl Truth {
    /// Whether two users are in one group.
    pub fn share_a_group(&self, one: usize, other: usize) -> bool {
        self.groups.iter().any(|group| group.members.contains(&one) && group.members.contains(&other))
    }

    /// Whether a user shares a group with a user of this homeserver.
    pub fn reaches(&self, user: usize, site: usize) -> bool {
        let is_there = |other: &usize| self.users[*other].site == site;
        let of_the_user = self.groups.iter().filter(|group| group.members.contains(&user));
        of_the_user.flat_map(|group| &group.members).any(is_there)
    }
}
