//! Amounts that are guessed: sizes, lengths, times.

use super::{
    bootstrap,
    halves::Half,
    value::{Score, mean},
};

/// An amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Amount {
    /// What is true.
    pub truth: f64,
    /// The half that it is of.
    pub half: Half,
    /// What it has in common with others: amounts of one cluster are drawn together.
    pub cluster: usize,
}

/// Scores the best of some rules. `numbers` has what each rule says of each amount, and `clusters` is above
/// every cluster.
pub fn score_amounts(amounts: &[Amount], numbers: &[Vec<f64>], among: &[usize], clusters: usize) -> Score {
    let mut chosen = Vec::new();
    for half in Half::BOTH {
        let Some((rule, direction)) = best(amounts, numbers, among, half.other()) else { continue };
        let guessed: Vec<(f64, f64, usize)> = of_half(amounts, half)
            .map(|(place, amount)| (numbers[rule][place] * direction, amount.truth, amount.cluster))
            .collect();
        if let Some(score) = correlation(&guessed, |_| 1.0) {
            chosen.push((score, rule, guessed));
        }
    }
    let Some((_, rule, _)) = chosen.iter().max_by(|one, other| one.0.total_cmp(&other.0)) else {
        return Score::NOTHING;
    };
    let score = mean(chosen.iter().map(|(score, _, _)| *score)).unwrap_or_default();
    let (low, high) = bootstrap::interval(score, clusters, |drawn| {
        mean(chosen.iter().filter_map(|(_, _, guessed)| correlation(guessed, |cluster| drawn[cluster])))
    });
    Score { score, low, high, pairs: chosen.iter().map(|(_, _, guessed)| guessed.len()).sum(), rule: *rule }
}

fn of_half(amounts: &[Amount], half: Half) -> impl Iterator<Item = (usize, &Amount)> {
    amounts.iter().enumerate().filter(move |(_, amount)| amount.half == half)
}

/// Returns the rule that does best on a half, and its direction. The first of equals.
fn best(amounts: &[Amount], numbers: &[Vec<f64>], among: &[usize], half: Half) -> Option<(usize, f64)> {
    let mut best: Option<(usize, f64)> = None;
    for rule in among {
        let guessed: Vec<_> =
            of_half(amounts, half).map(|(place, amount)| (numbers[*rule][place], amount.truth, 0)).collect();
        let score = correlation(&guessed, |_| 1.0).unwrap_or_default();
        if best.is_none_or(|(_, known)| score.abs() > known.abs()) {
            best = Some((*rule, score));
        }
    }
    best.map(|(rule, score)| (rule, if score < 0.0 { -1.0 } else { 1.0 }))
}

/// Returns Spearman's correlation of guesses and truths, with amounts that weigh as their cluster does; 0 for
/// a rule that says the same of all. `None` if fewer than three weigh anything, or all are equal.
fn correlation(guessed: &[(f64, f64, usize)], weight: impl Fn(usize) -> f64) -> Option<f64> {
    let weights: Vec<f64> = guessed.iter().map(|(_, _, cluster)| weight(*cluster)).collect();
    if weights.iter().filter(|weight| **weight > 0.0).count() < 3 {
        return None;
    }
    let guesses = ranks(&guessed.iter().map(|(guess, _, _)| *guess).collect::<Vec<_>>(), &weights);
    let truths = ranks(&guessed.iter().map(|(_, truth, _)| *truth).collect::<Vec<_>>(), &weights);
    let all: f64 = weights.iter().sum();
    let mean =
        |ranks: &[f64]| ranks.iter().zip(&weights).map(|(rank, weight)| rank * weight).sum::<f64>() / all;
    let (mean_guess, mean_truth) = (mean(&guesses), mean(&truths));
    let (mut both, mut of_guesses, mut of_truths) = (0.0, 0.0, 0.0);
    for ((guess, truth), weight) in guesses.iter().zip(&truths).zip(&weights) {
        let (guess, truth) = (guess - mean_guess, truth - mean_truth);
        both += weight * guess * truth;
        of_guesses += weight * guess * guess;
        of_truths += weight * truth * truth;
    }
    if of_truths <= 0.0 {
        return None;
    }
    Some(if of_guesses <= 0.0 { 0.0 } else { both / (of_guesses * of_truths).sqrt() })
}

/// Returns the rank of each value: the weight of all that are less, and half of that of its equals.
fn ranks(values: &[f64], weights: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, other| values[*one].total_cmp(&values[*other]));
    let (mut ranks, mut below) = (vec![0.0; values.len()], 0.0);
    for equal in order.chunk_by(|one, other| values[*one] == values[*other]) {
        let weight: f64 = equal.iter().map(|place| weights[*place]).sum();
        for place in equal {
            ranks[*place] = below + weight / 2.0;
        }
        below += weight;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use phoenix_core::Random;

    use super::*;

    fn amounts(random: &mut Random) -> Vec<Amount> {
        let amount = |number: usize| Amount {
            truth: random.below(1000) as f64,
            half: if number.is_multiple_of(2) { Half::One } else { Half::Other },
            cluster: number,
        };
        (0..60).map(amount).collect()
    }

    #[test]
    fn noise_is_no_leak() {
        let mut red = 0;
        for seed in 0..100 {
            let mut random = Random::from_seed([seed; 32]);
            let amounts = amounts(&mut random);
            let numbers: Vec<Vec<f64>> =
                (0..10).map(|_| amounts.iter().map(|_| random.below(1000) as f64).collect()).collect();
            red +=
                usize::from(score_amounts(&amounts, &numbers, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 60).low > 0.0);
        }
        assert!(red <= 10, "{red} of 100");
    }

    #[test]
    fn what_grows_or_falls_with_the_truth_is_found() {
        let mut random = Random::from_seed([1; 32]);
        let amounts = amounts(&mut random);
        for direction in [1.0, -1.0] {
            let noise = amounts.iter().map(|_| random.below(1000) as f64).collect();
            let telling = amounts.iter().map(|amount| amount.truth.powi(3) * direction).collect();
            let score = score_amounts(&amounts, &[noise, telling], &[0, 1], 60);
            assert!(score.low > 0.999 && score.rule == 1 && score.pairs == 60, "{score:?}");
        }
    }
}
