//! Whether two samples can come from one source: the test of Mann and Whitney, which asks nothing of how they are distributed.

/// The value in the middle.
pub(crate) fn median(sample: &[f64]) -> f64 {
    quantile(sample, 50)
}

/// The value that so many of a hundred do not exceed.
pub(crate) fn quantile(sample: &[f64], percent: usize) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

/// How likely it is that two samples of one source differ as much as these, two-sided, by the normal approximation with ties.
pub(crate) fn p_value(one: &[f64], other: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = one.iter().map(|value| (*value, true)).collect();
    all.extend(other.iter().map(|value| (*value, false)));
    all.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let (mut rank_sum, mut ties, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let same = all[at..].iter().take_while(|(value, _)| value.to_bits() == all[at].0.to_bits()).count();
        // The ranks of what is equal are shared between them.
        let rank = float(2 * at + same + 1) / 2.0;
        rank_sum += rank * float(all[at..at + same].iter().filter(|(_, is_one)| *is_one).count());
        ties += float(same).powi(3) - float(same);
        at += same;
    }
    let (first, second, total) = (float(one.len()), float(other.len()), float(all.len()));
    let u = rank_sum - first * (first + 1.0) / 2.0;
    let variance = first * second / 12.0 * ((total + 1.0) - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = ((u - first * second / 2.0).abs() - 0.5).max(0.0) / variance.sqrt();
    (2.0 * upper_tail(z)).min(1.0)
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("samples are not that large"))
}

/// The probability that a standard normal value exceeds `z`: Abramowitz and Stegun, 26.2.17, good to 7.5e-8.
fn upper_tail(z: f64) -> f64 {
    let t = 1.0 / (0.231_641_9_f64).mul_add(z, 1.0);
    let coefficients = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let polynomial = coefficients.iter().rev().fold(0.0, |sum: f64, c| (sum + c) * t);
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * polynomial
}

#[test]
fn the_test_tells_samples_apart_and_only_those_that_are() {
    let sample = |from: u32, step: u32| -> Vec<f64> {
        // Every 7th number of a cycle of 101, so that no order is left in it.
        (0..100).map(|i| f64::from(from + i * 7 % 101 * step)).collect()
    };
    assert!(p_value(&sample(0, 2), &sample(1, 2)) > 0.5, "of one source");
    assert!(p_value(&sample(0, 2), &sample(60, 2)) < 0.001, "moved by a third of their width");
    assert!((p_value(&sample(5, 0), &sample(5, 0)) - 1.0).abs() < 1e-9, "all the same");
    // Worked by hand: U = 0 of 3 against 3, z = (4.5 - 0.5) / sqrt(5.25).
    assert!((p_value(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]) - 0.0809).abs() < 0.0005);
    assert!((median(&sample(0, 1)) - 50.0).abs() < 1.5);
    assert!((upper_tail(1.96) - 0.025).abs() < 1e-4);
}
