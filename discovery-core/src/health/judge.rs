//! The arithmetic of passive checks: runs of errors, rates over an interval, the cap.

use super::outlier::{
    CallOutcome, FailurePercentageEjection, Flavour, OutlierDetection, SuccessRateEjection,
};
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// What callers have reported of one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Reports {
    /// Errors, gateway errors, local errors in a row.
    pub(crate) errors: u32,
    pub(crate) gateway: u32,
    pub(crate) local: u32,
    /// Calls of this interval, and those of them that went well.
    pub(crate) calls: u64,
    pub(crate) well: u64,
    /// Ejections in a row, as Envoy and gRPC count them.
    pub(crate) times: u32,
    /// When the present ejection is over; without one, when the last was.
    pub(crate) until: Timestamp,
}

impl Reports {
    /// Takes calls that ended alike; whether a run of errors is long enough to eject. That run then begins
    /// anew (the others go on, as in Envoy), so that a refused ejection is asked for again after as many errors.
    pub(crate) fn take(
        &mut self,
        config: &OutlierDetection,
        outcome: CallOutcome,
        count: u32,
    ) -> bool {
        self.calls = self.calls.saturating_add(u64::from(count));
        let add = |run: &mut u32, hit: bool| {
            *run = if hit { run.saturating_add(count) } else { 0 };
        };
        if outcome == CallOutcome::Ok {
            self.well = self.well.saturating_add(u64::from(count));
        }
        // A call that never reached the server says nothing of the server's own errors.
        if outcome != CallOutcome::Local {
            add(
                &mut self.errors,
                matches!(outcome, CallOutcome::Error | CallOutcome::Gateway),
            );
            add(&mut self.gateway, outcome == CallOutcome::Gateway);
        }
        add(&mut self.local, outcome == CallOutcome::Local);
        let trip = |run: &mut u32, limit: Option<u32>| {
            let long = limit.is_some_and(|l| l > 0 && *run >= l);
            if long {
                *run = 0;
            }
            long
        };
        let trips = [
            trip(&mut self.errors, config.consecutive_errors),
            trip(&mut self.gateway, config.consecutive_gateway),
            trip(&mut self.local, config.consecutive_local),
        ];
        trips.contains(&true)
    }

    pub(crate) fn clear_runs(&mut self) {
        (self.errors, self.gateway, self.local) = (0, 0, 0);
    }

    /// Counts an ejection and gives its length before jitter: the base times the ejections in a row, at most
    /// the maximum (which is at least the base). Envoy stops counting one beyond what reaches the maximum, since
    /// counting on would only delay the way back; gRPC counts on.
    pub(crate) fn eject(&mut self, config: &OutlierDetection) -> Duration {
        let most = config.max_ejection.max(config.base_ejection);
        let length = |times: u32| config.base_ejection.saturating_mul(times);
        let counts = config.flavour == Flavour::Grpc
            || length(self.times) < most.saturating_add(config.base_ejection);
        self.times = self.times.saturating_add(u32::from(counts));
        self.clear_runs();
        length(self.times).min(most)
    }

    /// An ejection ended.
    pub(crate) fn end(&mut self, now: Timestamp) {
        self.clear_runs();
        self.until = now;
    }

    /// An interval ended without an ejection: one step back from the long ejections. Envoy's interval must have
    /// begun after the last ejection had ended.
    pub(crate) fn decay(&mut self, config: &OutlierDetection, now: Timestamp) {
        let whole = now.since(self.until) >= config.interval;
        self.times = self
            .times
            .saturating_sub(u32::from(config.flavour == Flavour::Grpc || whole));
    }
}

/// Whether one more of `hosts` may be ejected when `ejected` are.
pub(crate) fn may_eject(config: &OutlierDetection, ejected: usize, hosts: usize) -> bool {
    if config.always_one && ejected == 0 {
        return true;
    }
    let most = usize::from(config.max_ejection_percent) * hosts;
    match config.flavour {
        Flavour::Envoy => (ejected + 1) * 100 <= most,
        Flavour::Grpc => ejected * 100 < most,
    }
}

/// The success rate (percent) below which an endpoint is an outlier: mean less `factor_permille` thousandths
/// of the population's standard deviation, as Envoy and gRPC A50 have it. `None` of no rates.
///
/// ```
/// use discovery_core::health::success_rate_threshold;
///
/// let rates = success_rate_threshold(&[100.0, 100.0, 100.0, 100.0, 50.0], 1_900).expect("five rates");
/// assert_eq!((rates.mean, rates.stdev), (90.0, 20.0));
/// assert_eq!(rates.threshold, 52.0); // the fifth is an outlier
/// ```
#[must_use]
pub fn success_rate_threshold(rates: &[f64], factor_permille: u32) -> Option<SuccessRates> {
    if rates.is_empty() {
        return None;
    }
    let n = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / n;
    let variance = rates.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / n;
    let stdev = libm::sqrt(variance);
    let threshold = mean - stdev * (f64::from(factor_permille) / 1000.0);
    Some(SuccessRates {
        mean,
        variance,
        stdev,
        threshold,
    })
}

/// Statistics of success rates, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuccessRates {
    /// Mean.
    pub mean: f64,
    /// Population variance.
    pub variance: f64,
    /// Its root.
    pub stdev: f64,
    /// Rates strictly below it are outliers.
    pub threshold: f64,
}

/// An endpoint's interval: who (its place in the caller's list), calls and those that went well.
type Interval = (u32, u64, u64);

/// An endpoint that is an outlier by one rule: the first that is configured is of kind 0, the second of kind 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlier {
    pub(crate) index: u32,
    pub(crate) kind: u64,
    pub(crate) enforcement_percent: u8,
}

/// The calls of an interval, region by region.
#[derive(Clone, Debug, Default)]
pub(crate) struct RegionCalls(BTreeMap<u32, Vec<Interval>>);

impl RegionCalls {
    /// Adds what callers reported of one endpoint.
    pub(crate) fn add(&mut self, region: u32, index: u32, reports: &Reports) {
        let interval = (index, reports.calls, reports.well);
        self.0.entry(region).or_default().push(interval);
    }

    /// The outliers, each region judged by itself.
    pub(crate) fn outliers(&self, config: &OutlierDetection) -> Vec<Outlier> {
        let mut outliers = Vec::new();
        for hosts in self.0.values() {
            let by_success = config
                .success_rate
                .map(|rate| (rate.enforcement_percent, by_success(&rate, hosts)));
            let by_failure = config.failure_percentage.map(|rate| {
                let found = by_failure(&rate, config.flavour, hosts);
                (rate.enforcement_percent, found)
            });
            let rules = by_success.into_iter().chain(by_failure);
            for (kind, (enforcement_percent, found)) in (0..).zip(rules) {
                outliers.extend(found.into_iter().map(|index| Outlier {
                    index,
                    kind,
                    enforcement_percent,
                }));
            }
        }
        outliers
    }
}

/// Who is an outlier by success rate.
fn by_success(rate: &SuccessRateEjection, hosts: &[Interval]) -> Vec<u32> {
    let enough = with_volume(rate.request_volume, rate.minimum_hosts, hosts);
    let percent = |&(_, calls, well): &Interval| well as f64 * 100.0 / calls as f64;
    let rates: Vec<f64> = enough.iter().map(percent).collect();
    let Some(found) = success_rate_threshold(&rates, rate.stdev_factor_permille) else {
        return Vec::new();
    };
    let below = enough.iter().filter(|h| percent(h) < found.threshold);
    below.map(|h| h.0).collect()
}

/// Who is an outlier by failure percentage.
fn by_failure(rate: &FailurePercentageEjection, flavour: Flavour, hosts: &[Interval]) -> Vec<u32> {
    let beyond = |&&(_, calls, well): &&Interval| {
        let (failed, limit) = (
            calls.saturating_sub(well) * 100,
            u64::from(rate.threshold_percent) * calls,
        );
        match flavour {
            Flavour::Envoy => failed >= limit,
            Flavour::Grpc => failed > limit,
        }
    };
    with_volume(rate.request_volume, rate.minimum_hosts, hosts)
        .iter()
        .filter(beyond)
        .map(|h| h.0)
        .collect()
}

/// Those with enough calls, or none when they are too few to judge.
fn with_volume(request_volume: u32, minimum_hosts: u32, hosts: &[Interval]) -> Vec<Interval> {
    let volume = u64::from(request_volume).max(1);
    let enough: Vec<Interval> = hosts.iter().filter(|h| h.1 >= volume).copied().collect();
    if enough.len() < minimum_hosts as usize {
        Vec::new()
    } else {
        enough
    }
}
