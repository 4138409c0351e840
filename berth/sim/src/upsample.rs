//! Brings a trace's samples to one second.
//!
//! No public trace has a value each second, so the seconds between samples are made: the demand runs in a
//! straight line from one sample to the next (the last is held) or stays at each sample until the next
//! ([`Between`]), and around that line moves a first-order autoregressive noise with a correlation time of ten seconds. Its deviation is 15 % of the distance to the
//! nearer of idle and the container's limit, at least 0.15 percentage points, so that the mean over an
//! interval stays that of the line, nothing leaves the limits, and demand changes every second. Each
//! container draws from a stream of its own, so one more container changes nothing for the rest.

use super::trace::Trace;
use crate::rng::{Xoshiro256PlusPlus, bell, stream};

/// What of the noise stays from one second to the next: e^(-1/10).
const KEEP: f32 = 0.904_837_4;
/// Deviation of the noise over the distance to the nearer limit.
const DEPTH: f32 = 0.15;
/// Least distance that the noise is scaled by, in percentage points.
const LEAST: f32 = 1.0;

/// What demand does from one sample to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Between {
    /// It stays at the sample, and steps to the next one.
    Hold,
    /// It runs in a straight line to the next one.
    #[default]
    Ramp,
}

/// Demand second by second, in cores.
#[derive(Debug)]
pub struct Upsampler<'a> {
    trace: &'a Trace,
    between: Between,
    noise: Vec<f32>,
    streams: Vec<Xoshiro256PlusPlus>,
    limits: Vec<f32>,
}

impl<'a> Upsampler<'a> {
    /// An upsampler at second 0.
    #[must_use]
    pub fn new(trace: &'a Trace, between: Between, seed: u64) -> Self {
        let count = trace.containers.len() as u64;
        let mut streams: Vec<_> = (0..count).map(|i| stream(seed, "upsample", i)).collect();
        let noise = streams.iter_mut().map(bell).collect();
        let limits = trace.containers.iter().map(|c| c.cores() * 100.0).collect();
        Self {
            trace,
            between,
            noise,
            streams,
            limits,
        }
    }

    /// Writes each container's demand of `second`, in cores, into `out` (one slot a container), and moves the
    /// noise on: call once a second, in order.
    pub fn step(&mut self, second: u64, out: &mut [f32]) {
        let interval = u64::from(self.trace.interval);
        let (at, within) = ((second / interval) as usize, (second % interval) as f32);
        let part = match self.between {
            Between::Hold => 0.0,
            Between::Ramp => within / interval as f32,
        };
        let fresh = (1.0 - KEEP * KEEP).sqrt();
        let each = self
            .trace
            .containers
            .iter()
            .zip(&mut self.noise)
            .zip(&mut self.streams);
        for (((container, noise), rng), (limit, out)) in each.zip(self.limits.iter().zip(out)) {
            let here = container
                .samples
                .get(at)
                .or(container.samples.last())
                .copied();
            let here = here.unwrap_or(0.0);
            let next = container.samples.get(at + 1).copied().unwrap_or(here);
            let line = here + (next - here) * part;
            *noise = KEEP * *noise + fresh * bell(rng);
            let room = line.min(limit - line).max(LEAST);
            *out = (line + DEPTH * room * *noise).clamp(0.0, *limit) * 0.01;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::generate;

    #[test]
    fn means_stay_limits_hold_and_every_second_differs() {
        let trace = generate(3);
        let mut up = Upsampler::new(&trace, Between::Ramp, 3);
        let n = trace.containers.len();
        let (mut now, mut before) = (vec![0.0; n], vec![0.0; n]);
        let (mut sum, mut line, mut same) = (0.0_f64, 0.0_f64, 0);
        for second in 0..1_200 {
            up.step(second, &mut now);
            assert!(now.iter().all(|d| (0.0..=1.0).contains(d)));
            same += usize::from(now == before);
            sum += now.iter().map(|&d| f64::from(d)).sum::<f64>();
            let (at, part) = ((second / 300) as usize, (second % 300) as f64 / 300.0);
            for c in &trace.containers {
                let (a, b) = (f64::from(c.samples[at]), f64::from(c.samples[at + 1]));
                line += (a + (b - a) * part) / 100.0;
            }
            std::mem::swap(&mut now, &mut before);
        }
        assert_eq!(same, 0);
        assert!((sum / line - 1.0).abs() < 0.01, "{sum} against {line}");
    }

    #[test]
    fn held_samples_stay_until_the_next() {
        let mut trace = generate(3);
        for container in &mut trace.containers {
            container.samples = vec![20.0, 80.0];
        }
        let n = trace.containers.len();
        let mut up = Upsampler::new(&trace, Between::Hold, 3);
        let mut now = vec![0.0; n];
        for second in 0..600 {
            up.step(second, &mut now);
            let mean = now.iter().sum::<f32>() / n as f32;
            let want = if second < 300 { 0.2 } else { 0.8 };
            assert!((mean - want).abs() < 0.01, "{mean} in second {second}");
        }
    }

    #[test]
    fn another_container_changes_nothing_for_the_first() {
        let trace = generate(3);
        let mut fewer = trace.clone();
        fewer.containers.truncate(10);
        let (mut a, mut b) = (vec![0.0; trace.containers.len()], vec![0.0; 10]);
        Upsampler::new(&trace, Between::Ramp, 9).step(0, &mut a);
        Upsampler::new(&fewer, Between::Ramp, 9).step(0, &mut b);
        assert_eq!(a[..10], b[..]);
    }
}
