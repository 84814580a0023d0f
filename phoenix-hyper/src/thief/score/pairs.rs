//! Pairs that belong together, among those that do not.

use super::{
    bootstrap,
    halves::Half,
    value::{Score, mean},
};

/// A pair of subjects, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The one.
    pub left: usize,
    /// The other.
    pub right: usize,
    /// The half that both are of.
    pub half: Half,
    /// Whether they belong together.
    pub linked: bool,
}

/// Pairs of one half, in the order of a rule's numbers.
struct Ranking {
    /// Each with its number, and the direction of the rule taken into account.
    ranked: Vec<(f64, Pair)>,
}

impl Ranking {
    fn new(pairs: &[Pair], numbers: &[f64], half: Half, direction: f64) -> Self {
        let ranked = pairs.iter().zip(numbers).filter(|(pair, _)| pair.half == half);
        let mut ranked: Vec<_> = ranked.map(|(pair, number)| (number * direction, *pair)).collect();
        ranked.sort_by(|one, other| one.0.total_cmp(&other.0));
        Self { ranked }
    }

    /// Returns `2·AUC − 1`, with pairs that weigh as `weight` says. `None` if there are none of either sort.
    fn score(&self, weight: impl Fn(&Pair) -> f64) -> Option<f64> {
        let (mut below, mut linked, mut won) = (0.0, 0.0, 0.0);
        for equal in self.ranked.chunk_by(|one, other| one.0 == other.0) {
            let (mut with, mut without) = (0.0, 0.0);
            for (_, pair) in equal {
                *(if pair.linked { &mut with } else { &mut without }) += weight(pair);
            }
            won += with * (below + without / 2.0);
            below += without;
            linked += with;
        }
        (linked > 0.0 && below > 0.0).then(|| 2.0 * won / (linked * below) - 1.0)
    }
}

/// Scores the best of some rules. `numbers` has what each rule says of each pair, and `subjects` is above the
/// number of every subject.
pub fn score_pairs(pairs: &[Pair], numbers: &[Vec<f64>], among: &[usize], subjects: usize) -> Score {
    let mut chosen = Vec::new();
    for half in Half::BOTH {
        let Some((rule, direction)) = best(pairs, numbers, among, half.other()) else { continue };
        let ranking = Ranking::new(pairs, &numbers[rule], half, direction);
        if let Some(score) = ranking.score(|_| 1.0) {
            chosen.push((score, rule, ranking));
        }
    }
    let Some((_, rule, _)) = chosen.iter().max_by(|one, other| one.0.total_cmp(&other.0)) else {
        return Score::NOTHING;
    };
    let score = mean(chosen.iter().map(|(score, _, _)| *score)).unwrap_or_default();
    let (low, high) = bootstrap::interval(score, subjects, |drawn| {
        let weight = |pair: &Pair| drawn[pair.left] * drawn[pair.right];
        mean(chosen.iter().filter_map(|(_, _, ranking)| ranking.score(weight)))
    });
    Score {
        score,
        low,
        high,
        pairs: chosen.iter().map(|(_, _, ranking)| ranking.ranked.len()).sum(),
        rule: *rule,
    }
}

/// Returns the rule that does best on a half, and its direction. The first of equals.
fn best(pairs: &[Pair], numbers: &[Vec<f64>], among: &[usize], half: Half) -> Option<(usize, f64)> {
    let mut best: Option<(usize, f64)> = None;
    for rule in among {
        let score = Ranking::new(pairs, &numbers[*rule], half, 1.0).score(|_| 1.0)?;
        if best.is_none_or(|(_, known)| score.abs() > known.abs()) {
            best = Some((*rule, score));
        }
    }
    best.map(|(rule, score)| (rule, if score < 0.0 { -1.0 } else { 1.0 }))
}

#[cfg(test)]
mod tests {
    use phoenix_core::Random;

    use super::*;

    /// Pairs of 24 subjects on either side, each with one that it belongs to.
    fn pairs() -> Vec<Pair> {
        let half = |subject: usize| if subject.is_multiple_of(2) { Half::One } else { Half::Other };
        let all = (0..24).flat_map(|left| (0..24).map(move |right| (left, right)));
        let all = all.filter(|(left, right)| half(*left) == half(*right));
        all.map(|(left, right)| Pair { left, right: 24 + right, half: half(left), linked: left == right })
            .collect()
    }

    fn noise(random: &mut Random, pairs: &[Pair]) -> Vec<f64> {
        pairs.iter().map(|_| random.below(1000) as f64).collect()
    }

    /// Ten rules that say nothing are not taken for a leak, whatever fits best by chance. Of a hundred
    /// intervals of 95 %, some two or three are wrong on the upper side.
    #[test]
    fn noise_is_no_leak() {
        let mut red = 0;
        let pairs = pairs();
        for seed in 0..100 {
            let mut random = Random::from_seed([seed; 32]);
            let numbers: Vec<_> = (0..10).map(|_| noise(&mut random, &pairs)).collect();
            red += usize::from(score_pairs(&pairs, &numbers, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 48).low > 0.0);
        }
        assert!(red <= 10, "{red} of 100");
    }

    /// Nor is a rule that knows one subject only, and fits because that subject has more links than others.
    #[test]
    fn a_rule_that_says_the_same_of_all_pairs_says_nothing() {
        let pairs = pairs();
        let score = score_pairs(&pairs, &[vec![1.0; pairs.len()]], &[0], 48);
        assert_eq!((score.score, score.low, score.high), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_rule_that_tells_is_found_among_noise_whatever_its_direction() {
        let (pairs, mut random) = (pairs(), Random::from_seed([1; 32]));
        for direction in [1.0, -1.0] {
            let telling = pairs.iter().map(|pair| f64::from(u8::from(pair.linked)) * direction).collect();
            let numbers = [noise(&mut random, &pairs), telling, noise(&mut random, &pairs)];
            let score = score_pairs(&pairs, &numbers, &[0, 1, 2], 48);
            assert_eq!((score.score, score.low, score.high, score.rule), (1.0, 1.0, 1.0, 1));
            assert_eq!(score.pairs, 2 * 12 * 12);
            assert!(score_pairs(&pairs, &numbers, &[0, 2], 48).low <= 0.0);
        }
    }

    #[test]
    fn half_of_the_links_told_is_half_of_the_score() {
        let pairs = pairs();
        let telling = pairs.iter().map(|pair| f64::from(u8::from(pair.linked && pair.left % 4 < 2)));
        let score = score_pairs(&pairs, &[telling.collect()], &[0], 48);
        assert!((score.score - 0.5).abs() < 1e-9, "{score:?}");
        assert!(score.low > 0.1 && score.high < 0.9, "{score:?}");
    }
}
