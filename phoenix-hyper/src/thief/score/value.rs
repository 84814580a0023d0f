//! A score, and how sure it is.

/// The score of the best rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// From −1 to 1; 0 says nothing.
    pub score: f64,
    /// The lower end of the 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The pairs, or amounts, that were scored.
    pub pairs: usize,
    /// The number of the rule that was chosen for the half with the better score.
    pub rule: usize,
}

impl Score {
    /// The score of what nobody can be wrong about: there is nothing to be compared.
    pub const NOTHING: Self = Self { score: 0.0, low: 0.0, high: 0.0, pairs: 0, rule: 0 };
}

/// Returns the mean of some values; `None` if there are none.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}
