//! The cells of the thief's table: what is linked with what, and how well.

use serde::Serialize;

use super::{
    rules::{Clue, PAIR_RULES, amount_rules},
    score::{Amount, Pair, Score, score_amounts, score_pairs},
    view::{Seen, Site},
    world::Truth,
};

/// The link of a cell, between two subjects or between a subject and an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// A user, and its record at the queuing service.
    UserQs,
    /// A record at the queuing service, and a group.
    QsGroup,
    /// Two records at the queuing service whose owners are in one group.
    MemberMember,
    /// A user, and a homeserver that users are of with whom it shares a group.
    UserDomain,
    /// A message, and which of the local members sent it.
    Sender,
    /// The client that tokens were issued to, and a token that was redeemed.
    Token,
    /// How many members a group has.
    GroupSize,
    /// How long a message is.
    MessageLength,
    /// When a message was sent.
    ActivityHour,
}

/// The links between subjects, and those with amounts.
const PAIRS: [Link; 6] =
    [Link::UserQs, Link::QsGroup, Link::MemberMember, Link::UserDomain, Link::Sender, Link::Token];
const AMOUNTS: [Link; 3] = [Link::GroupSize, Link::MessageLength, Link::ActivityHour];

/// One cell.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// What is linked.
    pub link: Link,
    /// What the thief has: `one`, `two`, or `key-file`.
    pub image: &'static str,
    /// `2·AUC − 1` of the best rule; for amounts, the rank correlation.
    pub score: f64,
    /// The lower end of the 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The pairs, or amounts, that were scored.
    pub pairs: usize,
    /// Whether the link is seen in what is written together or one after the other, and in nothing else.
    pub co_writing: bool,
    /// The best rule.
    pub rule: String,
    /// The best rule that does not go by what is written together.
    pub otherwise: Otherwise,
    /// The best rule of each sort alone, where the link is seen by it. Each is chosen by itself, so that of those
    /// that say nothing one in forty is here by chance.
    pub clues: Vec<Otherwise>,
}

/// The best of some of the rules.
#[derive(Debug, Clone, Serialize)]
pub struct Otherwise {
    /// Its score.
    pub score: f64,
    /// The lower end of the 95 % interval.
    pub low: f64,
    /// The rule.
    pub rule: String,
}

/// Returns all cells of an image of all homeservers. `step` is called after each.
pub fn cells(sites: &[Site<'_>], truth: &Truth, image: &'static str, mut step: impl FnMut()) -> Vec<Cell> {
    let mut cells = Vec::new();
    for link in PAIRS {
        cells.push(of_pairs(sites, truth, link, image));
        step();
    }
    for link in AMOUNTS {
        cells.push(of_amounts(sites, truth, link, image));
        step();
    }
    cells
}

fn of_pairs(sites: &[Site<'_>], truth: &Truth, link: Link, image: &'static str) -> Cell {
    let (mut pairs, mut numbers, mut subjects) = (Vec::new(), vec![Vec::new(); PAIR_RULES.len()], 0);
    for site in sites {
        let mut candidates = candidates(site, truth, link);
        // There is only one other homeserver, which is in no half.
        candidates.retain(|(one, other, _)| {
            link == Link::UserDomain || site.halves[one.subject] == site.halves[other.subject]
        });
        let begin = pairs.len();
        for (one, other, linked) in candidates {
            let half = site.halves[one.subject];
            pairs.push(Pair { left: subjects + one.subject, right: subjects + other.subject, half, linked });
            let traces = [one, other].map(|seen| &site.evidence.traces[seen.subject]);
            for (rule, numbers) in PAIR_RULES.iter().zip(&mut numbers) {
                numbers.push((rule.compare)(&site.evidence, traces[0], traces[1]));
            }
        }
        if link == Link::Sender {
            let messages: Vec<usize> = pairs[begin..].iter().map(|pair| pair.left).collect();
            numbers.iter_mut().for_each(|numbers| rank_within(&messages, &mut numbers[begin..]));
        }
        subjects += site.evidence.traces.len();
    }
    let rules: Vec<_> = PAIR_RULES.iter().map(|rule| (rule.name.to_owned(), rule.clue)).collect();
    cell(link, image, &rules, |among| score_pairs(&pairs, &numbers, among, subjects))
}

/// Puts in place of each number its rank among those of the same message, from the middle. Who of the members
/// has sent a message is asked, and not which messages have few members.
fn rank_within(messages: &[usize], numbers: &mut [f64]) {
    let mut begin = 0;
    for message in messages.chunk_by(|one, other| one == other) {
        let numbers = &mut numbers[begin..begin + message.len()];
        let known = numbers.to_vec();
        for number in numbers {
            let (less, more) = known.iter().fold((0_i32, 0_i32), |(less, more), other| {
                (less + i32::from(other < number), more + i32::from(other > number))
            });
            *number = f64::from(less - more);
        }
        begin += message.len();
    }
}

/// Returns the pairs of a link at a homeserver, and whether they belong together.
fn candidates(site: &Site<'_>, truth: &Truth, link: Link) -> Vec<(Seen, Seen, bool)> {
    let all = |left: &[Seen], right: &[Seen], linked: &dyn Fn(usize, usize) -> bool| {
        let pairs = left.iter().flat_map(|one| right.iter().map(|other| (*one, *other)));
        pairs.map(|(one, other)| (one, other, linked(one.truth, other.truth))).collect()
    };
    let is_member = |user: usize, group: usize| truth.groups[group].members.contains(&user);
    match link {
        Link::UserQs => all(&site.users, &site.queues, &|user, owner| user == owner),
        Link::QsGroup => all(&site.queues, &site.groups, &is_member),
        Link::MemberMember => {
            let pairs = site
                .queues
                .iter()
                .enumerate()
                .flat_map(|(place, one)| site.queues[place + 1..].iter().map(|other| (*one, *other)));
            pairs.map(|(one, other)| (one, other, truth.share_a_group(one.truth, other.truth))).collect()
        }
        Link::UserDomain => all(&site.users, &[site.domain], &|user, domain| truth.reaches(user, domain)),
        Link::Sender => {
            let mut pairs: Vec<_> =
                all(&site.messages, &site.queues, &|message, user| truth.messages[message].sender == user);
            pairs.retain(|(message, queue, _): &(Seen, Seen, bool)| {
                is_member(queue.truth, truth.messages[message.truth].group)
            });
            pairs
        }
        Link::Token => {
            all(&site.issues, &site.redemptions, &|user, token| truth.redemptions[token].user == user)
        }
        Link::GroupSize | Link::MessageLength | Link::ActivityHour => Vec::new(),
    }
}

fn of_amounts(sites: &[Site<'_>], truth: &Truth, link: Link, image: &'static str) -> Cell {
    let rules = amount_rules();
    let (mut amounts, mut numbers) = (Vec::new(), vec![Vec::new(); rules.len()]);
    for site in sites {
        let seen = if link == Link::GroupSize { &site.groups } else { &site.messages };
        for seen in seen {
            let (group, true_amount) = amount(truth, link, seen.truth);
            // Messages of one group are alike, and no group is in both halves.
            let of_the_group = site.groups.iter().find(|other| other.truth == group).unwrap_or(seen);
            let half = site.halves[of_the_group.subject];
            amounts.push(Amount { truth: true_amount, half, cluster: group });
            for (rule, numbers) in rules.iter().zip(&mut numbers) {
                numbers.push((rule.estimate)(&site.evidence, &site.evidence.traces[seen.subject]));
            }
        }
    }
    let names: Vec<_> = rules.into_iter().map(|rule| (rule.name, rule.clue)).collect();
    cell(link, image, &names, |among| score_amounts(&amounts, &numbers, among, truth.groups.len()))
}

/// Returns the group, and the amount itself.
fn amount(truth: &Truth, link: Link, number: usize) -> (usize, f64) {
    if link == Link::GroupSize {
        return (number, truth.groups[number].members.len() as f64);
    }
    let message = &truth.messages[number];
    let is_length = link == Link::MessageLength;
    let amount = if is_length { message.length as f64 } else { f64::from(message.sent.hour().0) };
    (message.group, amount)
}

fn cell(
    link: Link,
    image: &'static str,
    rules: &[(String, Clue)],
    score: impl Fn(&[usize]) -> Score,
) -> Cell {
    let of = |wanted: &dyn Fn(Clue) -> bool| {
        let rules = rules.iter().enumerate().filter(|(_, (_, clue))| wanted(*clue));
        score(&rules.map(|(number, _)| number).collect::<Vec<_>>())
    };
    let name = |score: &Score| {
        let (name, clue) = &rules[score.rule];
        format!("{name} ({})", clue.describe())
    };
    let some =
        |score: &Score| Otherwise { score: rounded(score.score), low: rounded(score.low), rule: name(score) };
    let (best, otherwise) = (of(&|_| true), of(&|clue| clue != Clue::CoWriting));
    let clues = Clue::ALL.iter().map(|clue| of(&|other| other == *clue));
    let clues = clues.map(|score| some(&score)).filter(|clue| clue.low > 0.0).collect();
    Cell {
        link,
        image,
        score: rounded(best.score),
        low: rounded(best.low),
        high: rounded(best.high),
        pairs: best.pairs,
        co_writing: rounded(best.low) > 0.0 && rounded(otherwise.low) <= 0.0,
        rule: name(&best),
        otherwise: some(&otherwise),
        clues,
    }
}

/// Rounds to three decimals: there is no more in it.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
