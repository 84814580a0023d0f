//! The network: delays, loss, duplication and partitions.
//!
//! A message is a request or an answer. What becomes of it is decided when it is sent, from the world's
//! randomness; nothing here knows what a message means.

use std::{collections::BTreeSet, time::Duration};

use phoenix_core::rng::Random;
use serde::{Deserialize, Serialize};

/// A probability in thousandths: 0 never happens, 1000 always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerThousand(pub u16);

impl PerThousand {
    /// Draws whether it happens this time. Draws even if it never does, so that a setting does not shift
    /// later draws.
    pub fn happens(self, random: &mut Random) -> bool {
        random.below(1000) < u64::from(self.0)
    }
}

/// How long messages take. Stragglers take much longer than others, so that messages overtake each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delays {
    /// The shortest delay.
    pub least: Duration,
    /// The longest delay of a message that is no straggler.
    pub most: Duration,
    /// How often a message is a straggler.
    pub stragglers: PerThousand,
    /// The longest delay of a straggler.
    pub straggler: Duration,
}

/// A quick network: up to twenty milliseconds, without stragglers.
impl Default for Delays {
    fn default() -> Self {
        let (least, most) = (Duration::from_millis(1), Duration::from_millis(20));
        Self { least, most, stragglers: PerThousand(0), straggler: most }
    }
}

impl Delays {
    /// Draws the delay of one message.
    pub fn draw(&self, random: &mut Random) -> Duration {
        let most = if self.stragglers.happens(random) { self.straggler } else { self.most };
        let range = most.saturating_sub(self.least).as_millis() as u64;
        self.least + Duration::from_millis(random.below(range + 1))
    }
}

/// What the network does to messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// How long messages take.
    pub delays: Delays,
    /// How often a message is lost.
    pub loss: PerThousand,
    /// How often a message is duplicated.
    pub duplication: PerThousand,
}

/// The delays after which the copies of one message arrive. Empty: the message is lost.
pub type Arrivals = Vec<Duration>;

impl Conditions {
    /// Draws what becomes of one message.
    pub fn send(&self, random: &mut Random) -> Arrivals {
        let lost = self.loss.happens(random);
        let twice = self.duplication.happens(random);
        let (first, second) = (self.delays.draw(random), self.delays.draw(random));
        match (lost, twice) {
            (true, false) => Vec::new(),
            // One of the two copies is lost.
            (true, true) => vec![second],
            (false, false) => vec![first],
            (false, true) => vec![first, second],
        }
    }

    /// Returns the same network without loss, duplication and stragglers.
    pub fn without_faults(&self) -> Self {
        let delays = Delays { stragglers: PerThousand(0), ..self.delays };
        Self { delays, loss: PerThousand(0), duplication: PerThousand(0) }
    }
}

/// A partition of the network: the homeservers on one side, with their users, cannot reach those on the
/// other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    one_side: BTreeSet<usize>,
}

impl Partition {
    /// Returns the partition between these homeservers, named by their index, and all others.
    pub fn between(one_side: impl IntoIterator<Item = usize>) -> Self {
        Self { one_side: one_side.into_iter().collect() }
    }

    /// Returns whether homeserver `a` and its users cannot reach homeserver `b`, nor the other way round.
    pub fn separates(&self, a: usize, b: usize) -> bool {
        self.one_side.contains(&a) != self.one_side.contains(&b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions() -> Conditions {
        let ms = Duration::from_millis;
        Conditions {
            delays: Delays { least: ms(1), most: ms(20), stragglers: PerThousand(100), straggler: ms(900) },
            loss: PerThousand(200),
            duplication: PerThousand(200),
        }
    }

    #[test]
    fn messages_are_lost_duplicated_and_late_about_as_often_as_set() {
        let mut random = Random::from_seed([1; 32]);
        let sent: Vec<Arrivals> = (0..10_000).map(|_| conditions().send(&mut random)).collect();
        let share = |of: &dyn Fn(&Arrivals) -> bool| sent.iter().filter(|arrivals| of(arrivals)).count();
        assert!((1400..1800).contains(&share(&|arrivals| arrivals.is_empty())));
        assert!((1400..1800).contains(&share(&|arrivals| arrivals.len() == 2)));
        assert!(share(&|arrivals| arrivals.iter().any(|delay| delay.as_millis() > 20)) > 500);
    }

    #[test]
    fn a_network_without_faults_delivers_every_message_once() {
        let mut random = Random::from_seed([1; 32]);
        assert!((0..1000).all(|_| conditions().without_faults().send(&mut random).len() == 1));
    }

    #[test]
    fn a_partition_separates_its_sides_only() {
        let partition = Partition::between([0, 2]);
        assert!(partition.separates(0, 1) && partition.separates(1, 2));
        assert!(!partition.separates(0, 2) && !partition.separates(1, 3));
    }
}
