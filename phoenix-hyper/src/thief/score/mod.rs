//! How well a rule does, and how sure that is.
//!
//! *Halves.* Subjects are divided at random into two halves. A pair is of a half if both its subjects are;
//! all others are left out. The best rule, and its direction, is chosen on one half and scored on the other,
//! and the other way round; the score is the mean. So a rule that fits by chance is not taken for a leak, and
//! neither is one that fits a subject which has many pairs.
//!
//! *Scores.* For pairs `2·AUC − 1`: how much more often a pair that belongs together gets a higher number
//! than one that does not, than the other way round. For amounts, Spearman's rank correlation.
//!
//! *Intervals.* 1.96 standard deviations either way, of 400 bootstrap samples of *subjects*, on both sides of
//! a pair: pairs that have a subject in common are not independent, and samples of pairs would make the
//! interval too narrow. A rule is not chosen anew in each sample, since it was chosen on the other half.

mod amounts;
mod bootstrap;
mod halves;
mod pairs;
mod value;

pub use self::{
    amounts::{Amount, score_amounts},
    halves::Half,
    pairs::{Pair, score_pairs},
    value::Score,
};
