//! The network between machines: small parts, each of which does one thing to a message, or nothing.
//!
//! A message is a request or an answer. What becomes of it is decided when it is sent, from the world's
//! randomness; nothing here knows what a message means.

use std::{collections::BTreeSet, time::Duration};

use phoenix_core::rng::Random;

/// So many in a thousand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerThousand(pub u16);

impl PerThousand {
    /// Whether it happens this time. Draws even if it never does, so that settings do not shift later draws.
    pub fn happens(self, random: &mut Random) -> bool {
        random.below(1000) < u64::from(self.0)
    }
}

/// How long messages take: from the first to the second, and now and then much longer, so that they overtake
/// each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// The shortest.
    pub least: Duration,
    /// The longest of most.
    pub most: Duration,
    /// How often one takes up to [`Delays::straggler`].
    pub stragglers: PerThousand,
    /// The longest of all.
    pub straggler: Duration,
}

impl Delays {
    /// How long this one takes.
    pub fn draw(&self, random: &mut Random) -> Duration {
        let most = if self.stragglers.happens(random) { self.straggler } else { self.most };
        let range = most.saturating_sub(self.least).as_millis() as u64;
        self.least + Duration::from_millis(random.below(range + 1))
    }
}

/// What the network does to messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// How long they take.
    pub delays: Delays,
    /// How many are lost.
    pub loss: PerThousand,
    /// How many arrive twice.
    pub duplication: PerThousand,
}

/// What becomes of one message: the delays after which it arrives. None: it is lost.
pub type Arrivals = Vec<Duration>;

impl Conditions {
    /// Decides about one message.
    pub fn send(&self, random: &mut Random) -> Arrivals {
        let lost = self.loss.happens(random);
        let twice = self.duplication.happens(random);
        let (first, second) = (self.delays.draw(random), self.delays.draw(random));
        match (lost, twice) {
            (true, false) => Vec::new(),
            // One of the two copies.
            (true, true) => vec![second],
            (false, false) => vec![first],
            (false, true) => vec![first, second],
        }
    }

    /// The same network, once nothing goes wrong any more.
    pub fn calm(&self) -> Self {
        let delays = Delays { stragglers: PerThousand(0), ..self.delays };
        Self { delays, loss: PerThousand(0), duplication: PerThousand(0) }
    }
}

/// A split of the network: the homeservers on one side, with their users, cannot reach those on the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    one_side: BTreeSet<usize>,
}

impl Split {
    /// These homeservers on one side, all others on the other.
    pub fn between(one_side: impl IntoIterator<Item = usize>) -> Self {
        Self { one_side: one_side.into_iter().collect() }
    }

    /// Whether homeserver `a`, or one of its users, cannot reach homeserver `b`.
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
    fn messages_are_lost_doubled_and_late_about_as_often_as_said() {
        let mut random = Random::from_seed([1; 32]);
        let sent: Vec<Arrivals> = (0..10_000).map(|_| conditions().send(&mut random)).collect();
        let share = |of: &dyn Fn(&Arrivals) -> bool| sent.iter().filter(|arrivals| of(arrivals)).count();
        assert!((1400..1800).contains(&share(&|arrivals| arrivals.is_empty())));
        assert!((1400..1800).contains(&share(&|arrivals| arrivals.len() == 2)));
        assert!(share(&|arrivals| arrivals.iter().any(|delay| delay.as_millis() > 20)) > 500);
    }

    #[test]
    fn a_calm_network_loses_nothing() {
        let mut random = Random::from_seed([1; 32]);
        assert!((0..1000).all(|_| conditions().calm().send(&mut random).len() == 1));
    }

    #[test]
    fn a_split_separates_the_sides_only() {
        let split = Split::between([0, 2]);
        assert!(split.separates(0, 1) && split.separates(1, 2));
        assert!(!split.separates(0, 2) && !split.separates(1, 3));
    }
}
