//! All kinds of attacks.

use phoenix_core::time::Timestamp;

use crate::malice::{
    attempt::Attempt,
    knowledge::{Lender, Malice},
};

/// Makes an attempt of one kind. Returns `None` if too little is known for it.
type Attack = fn(&mut Malice, &Lender, Timestamp) -> Option<Attempt>;

const ATTACKS: &[Attack] = &[
    Malice::wrong_key,
    Malice::anothers_name,
    Malice::no_signature,
    Malice::another_kind_of_sender,
    Malice::signature_on_another_body,
    Malice::signature_on_another_operation,
    Malice::signature_for_another_homeserver,
    Malice::of_the_past,
    Malice::of_the_future,
    Malice::known_id_and_token,
    Malice::known_id,
    Malice::no_token,
    Malice::spent_token,
    Malice::foreign_token,
    Malice::forged_token,
    Malice::federated_token,
    Malice::others_scope,
    Malice::anothers_direct_queue,
    Malice::packages_for_another,
    Malice::packages_of_another,
    Malice::registered_again,
    Malice::finished_again,
    Malice::anothers_credential,
    Malice::package_of_no_one,
    Malice::request_to_no_one,
    Malice::unreadable_request,
    Malice::repeated_request,
    Malice::anothers_queue,
    Malice::anothers_signals,
    Malice::no_friend,
    Malice::packages_under_another_token,
    Malice::package_named_twice,
    Malice::no_last_resort,
    Malice::no_admin,
    Malice::unsigned_batch,
    Malice::anothers_commit,
    Malice::no_member,
    Malice::no_group_key,
    Malice::information_for_no_member,
    Malice::join_uninvited,
    Malice::not_reserved,
    Malice::information_for_no_joiner,
    Malice::past_epoch,
    Malice::another_groups_message,
    Malice::no_message,
    Malice::no_commit,
    Malice::another_homeservers_queue,
    Malice::long_configuration,
    Malice::left_over,
    Malice::cut_short,
    Malice::question_for_another,
    Malice::unknown,
    Malice::frame_of_a_client,
];

/// How many kinds of attacks are tried until too little is known for none of them.
const TRIES: usize = 4;

impl Malice {
    /// Returns an attempt of a random kind with the keys of `lender`. `None` if too little is known for each
    /// kind that was drawn.
    pub fn attempt(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        for _ in 0..TRIES {
            let kind = self.pick(ATTACKS.len())?;
            let attempt = ATTACKS[kind](self, lender, now);
            let attempt = attempt.or_else(|| self.tokens_lacking(lender, now));
            if attempt.is_some() {
                return attempt;
            }
        }
        None
    }

    /// Asks for the tokens that an attack has just lacked: the next ones will go further.
    fn tokens_lacking(&mut self, lender: &Lender, now: Timestamp) -> Option<Attempt> {
        let domain = self.lacking.take()?;
        let to = self.index(&domain)?;
        self.tokens_of(lender, to, now)
    }
}
