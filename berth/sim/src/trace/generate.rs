//! A generated day: no measured trace, but one with the published figures of a real one.
//!
//! Calibrated on PlanetLab's 3 March 2011 as CloudSim uses it: 1,052 containers, mean 12.31 %, deviation
//! 17.09, 288 samples of 300 s. Every value is the quantile of a Kumaraswamy distribution with that mean and
//! deviation, taken at a Gaussian copula: a part that belongs to the container and stays all day (78 % of the
//! latent variance, which gives the 65 to 75 % of the variance that lies between containers on such days) and
//! a part that changes each sample (autocorrelation 0.1). Services are sized by Zipf's law.

use super::Trace;
use crate::rng::{bell, stream};
use rand::{Rng, RngExt as _};

const CONTAINERS: usize = 1_052;
const SERVICES: usize = 57;
const SAMPLES: usize = 288;
const INTERVAL: u32 = 300;
/// Kumaraswamy's shape parameters whose mean is 0.1231 and deviation 0.1709.
const SHAPE: (f64, f64) = (0.418, 2.132_236);
/// Share of the latent variance that stays with the container.
const BETWEEN: f64 = 0.78;
/// Autocorrelation of the rest from one sample to the next.
const AUTOCORRELATION: f64 = 0.1;

/// The generated day of a seed; the same seed gives the same day on every machine.
#[must_use]
pub fn generate(seed: u64) -> Trace {
    let sizes = zipf(CONTAINERS, SERVICES);
    let levels = levels(seed);
    let mut rows = Vec::with_capacity(CONTAINERS);
    for (service, &size) in sizes.iter().enumerate() {
        for replica in 0..size {
            let index = rows.len();
            let mut rng = stream(seed, "generate/samples", index as u64);
            let samples = samples(levels[index], &mut rng);
            rows.push((
                format!("s{service:02}-{replica:03}"),
                format!("s{service:02}"),
                samples,
            ));
        }
    }
    Trace::build("generated".to_owned(), true, INTERVAL, rows)
}

/// `total` containers over `services` services, sizes proportional to 1/rank, at least one each.
fn zipf(total: usize, services: usize) -> Vec<usize> {
    let harmonic: f64 = (1..=services).map(|r| 1.0 / r as f64).sum();
    let share = |r: usize| ((total as f64 / harmonic / r as f64) as usize).max(1);
    let mut sizes: Vec<usize> = (1..=services).map(share).collect();
    let placed: usize = sizes.iter().sum();
    // What rounding down left over goes to the largest.
    sizes[0] += total.saturating_sub(placed);
    sizes
}

/// Each container's own standard normal level: stratified (so that every seed meets the figures), shuffled.
fn levels(seed: u64) -> Vec<f64> {
    let stratum = |i: usize| normal_quantile((i as f64 + 0.5) / CONTAINERS as f64);
    let mut levels: Vec<f64> = (0..CONTAINERS).map(stratum).collect();
    let mut rng = stream(seed, "generate/levels", 0);
    for i in (1..levels.len()).rev() {
        levels.swap(i, rng.random_range(0..=i as u64) as usize);
    }
    levels
}

/// One container's day around its level, in whole percent of one core.
fn samples(level: f64, rng: &mut impl Rng) -> Vec<f32> {
    let own = libm::sqrt(BETWEEN) * level;
    let (keep, fresh) = (
        AUTOCORRELATION,
        libm::sqrt(1.0 - AUTOCORRELATION * AUTOCORRELATION),
    );
    let mut moving = f64::from(bell(rng));
    let mut out = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        moving = keep * moving + fresh * f64::from(bell(rng));
        let z = own + libm::sqrt(1.0 - BETWEEN) * moving;
        out.push(libm::round(100.0 * quantile(normal_cdf(z))) as f32);
    }
    out
}

/// Kumaraswamy's quantile function: (1 - (1 - u)^(1/b))^(1/a).
fn quantile(u: f64) -> f64 {
    let (a, b) = SHAPE;
    libm::pow(1.0 - libm::pow(1.0 - u, 1.0 / b), 1.0 / a)
}

fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / core::f64::consts::SQRT_2)
}

/// The normal quantile by bisection: slow and exact enough for a thousand levels.
fn normal_quantile(u: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if normal_cdf(middle) < u {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}
