//! Samples of subjects.

use phoenix_core::Random;

/// How many samples are drawn.
const SAMPLES: usize = 400;

/// Of a normal distribution, 95 % lie within this many standard deviations.
const DEVIATIONS: f64 = 1.96;

/// Returns the 95 % interval around `score`, from samples. `of_sample` gets how often each of `subjects` was
/// drawn, and returns `None` if nothing can be said of the sample.
pub fn interval(score: f64, subjects: usize, mut of_sample: impl FnMut(&[f64]) -> Option<f64>) -> (f64, f64) {
    let mut random = Random::from_seed([3; 32]);
    let mut scores = Vec::with_capacity(SAMPLES);
    let mut drawn = vec![0.0; subjects];
    for _ in 0..SAMPLES {
        drawn.fill(0.0);
        for _ in 0..subjects {
            drawn[random.below(subjects as u64) as usize] += 1.0;
        }
        scores.extend(of_sample(&drawn));
    }
    // Where most samples say nothing, nothing is sure.
    if scores.len() < SAMPLES / 2 {
        return (-1.0, 1.0);
    }
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / count;
    let width = DEVIATIONS * variance.sqrt();
    ((score - width).max(-1.0), (score + width).min(1.0))
}
