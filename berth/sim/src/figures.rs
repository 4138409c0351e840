//! What a replay measured, and its promised JSON form.

use crate::load::Lost;
use crate::policy::Policy;
use serde::Serialize;
use serde_json::{Value, json};

/// Seconds that one point of a chart stands for.
pub const BUCKET: u64 = 300;
/// Steps of the host-use histogram: 0.1 % of a host each, up to 100 %.
const USE_STEPS: usize = 1_000;

/// Traffic-control operations carried out, by what they cost the traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TcOps {
    /// No packet is lost.
    pub free: u64,
    /// No packet is lost, but a bucket is refilled.
    pub refills: u64,
    /// One leaf's queue is lost.
    pub loses_leaf: u64,
    /// The whole device's queues are lost.
    pub loses_all: u64,
    /// Traffic passes unshaped for a moment.
    pub unshaped: u64,
}

/// One point of the charts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bucket {
    /// Host-seconds that were overloaded.
    pub overloaded: u64,
    /// Host-seconds in all.
    pub host_seconds: u64,
    /// Sum of the hosts' use, in cores x seconds.
    pub used: f64,
    /// The highest use of any host in any second, 0 to 1.
    pub highest: f64,
    /// Core-seconds that went unserved.
    pub unserved: f64,
    /// Core-seconds that went unserved or were served late.
    pub harm: f64,
    /// Moves begun.
    pub moves: u64,
}

/// The figures of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Where the containers began, and who moved them.
    pub policy: Policy,
    /// Whether starting replicas were warmed up.
    pub warmup: bool,
    /// Host-seconds whose 10 s mean use was above the safety capacity.
    pub overloaded_host_seconds: u64,
    /// Host-seconds judged: those after the first hour.
    pub host_seconds: u64,
    /// Core-seconds asked for and not served, gaps included.
    pub unserved_core_seconds: f64,
    /// The part of it that fell on replicas in their first 60 s of serving.
    pub unserved_start_core_seconds: f64,
    /// The part of it that fell into the gaps of fixed addresses being handed over.
    pub unserved_gap_core_seconds: f64,
    /// Core-seconds served late, on hosts above their safety capacity.
    pub late_core_seconds: f64,
    /// Moves begun.
    pub moves: u64,
    /// Moves given up (no address, say).
    pub moves_aborted: u64,
    /// How long each overload lasted, in seconds; sorted by [`Figures::finish`].
    pub reliefs: Vec<u64>,
    /// Addresses found held by two: always 0, or the run ends.
    pub address_conflicts: u64,
    /// Claims granted.
    pub address_claims: u64,
    /// Claims that got an address which somebody had held before.
    pub address_reuses: u64,
    /// Hosts that ever ran something.
    pub hosts_used: u64,
    /// Core-seconds the trace asked for (warm).
    pub demand_core_seconds: f64,
    /// Cores reserved if every container had whole cores of its own.
    pub dedicated_cores: f64,
    /// Cores of the hosts used.
    pub shared_cores: f64,
    /// Traffic-control operations.
    pub tc_ops: TcOps,
    /// Weights sent to the callers.
    pub weight_updates: u64,
    /// Operations sent to the registry.
    pub registry_updates: u64,
    /// Health probes answered.
    pub probes: u64,
    /// Requests picked to check the shares.
    pub picks: u64,
    /// Largest difference between a replica's share of the picks and of the weights, 0 to 1.
    pub share_error_max: f64,
    /// Host-seconds in which the uplink's division gave somebody less than they asked for.
    pub network_limited_host_seconds: u64,
    /// The charts.
    pub series: Vec<Bucket>,
    /// The first second that counts for overload, harm and use.
    judged_from: u64,
    histogram: Vec<u64>,
}

impl Figures {
    /// No figures yet.
    #[must_use]
    pub fn new(policy: Policy, warmup: bool, judged_from: u64) -> Self {
        Self {
            policy,
            warmup,
            judged_from,
            histogram: vec![0; USE_STEPS + 1],
            ..Self::default()
        }
    }

    /// Records one host's second: `used` of `cores`, and whether it counts as overloaded.
    pub fn host(&mut self, second: u64, used: f64, cores: f64, overloaded: bool) {
        let part = (used / cores).clamp(0.0, 1.0);
        if self.judges(second) {
            self.host_seconds += 1;
            self.overloaded_host_seconds += u64::from(overloaded);
            let step = (part * USE_STEPS as f64).round() as usize;
            if let Some(count) = self.histogram.get_mut(step) {
                *count += 1;
            }
        }
        let bucket = self.bucket(second);
        bucket.host_seconds += 1;
        bucket.overloaded += u64::from(overloaded);
        bucket.used += used;
        bucket.highest = bucket.highest.max(part);
    }

    /// Whether a second counts.
    #[must_use]
    pub fn judges(&self, second: u64) -> bool {
        second >= self.judged_from
    }

    /// Records what a second's demand came to, `demand` cores in all.
    pub(crate) fn lost(&mut self, second: u64, demand: f64, lost: &Lost) {
        let unserved = lost.over + lost.own + lost.gap;
        let bucket = self.bucket(second);
        bucket.unserved += unserved;
        bucket.harm += unserved + lost.late;
        if self.judges(second) {
            self.demand_core_seconds += demand;
            self.unserved_core_seconds += unserved;
            self.unserved_start_core_seconds += lost.starting;
            self.unserved_gap_core_seconds += lost.gap;
            self.late_core_seconds += lost.late;
        }
    }

    /// Records how long an overload lasted that ended in second `until`, from the first judged second on.
    pub(crate) fn relief_of(&mut self, since: Option<u64>, until: u64) {
        let since = since.map(|since| since.max(self.judged_from));
        self.reliefs
            .extend(since.filter(|s| *s < until).map(|s| until - s));
    }

    /// Core-seconds unserved or served late: the one measure that protection must pay in.
    #[must_use]
    pub fn harm_core_seconds(&self) -> f64 {
        self.unserved_core_seconds + self.late_core_seconds
    }

    /// The chart point of a second.
    pub fn bucket(&mut self, second: u64) -> &mut Bucket {
        let at = (second / BUCKET) as usize;
        if self.series.len() <= at {
            self.series.resize(at + 1, Bucket::default());
        }
        &mut self.series[at]
    }

    /// The share of a host's cores below which `quantile` of the host-seconds lie.
    #[must_use]
    pub fn use_quantile(&self, quantile: f64) -> f64 {
        let want = (quantile * self.host_seconds as f64).ceil() as u64;
        let mut seen = 0;
        for (step, count) in self.histogram.iter().enumerate() {
            seen += count;
            if seen >= want {
                return step as f64 / USE_STEPS as f64;
            }
        }
        1.0
    }

    /// Brings the lists into order once the run is over.
    pub fn finish(&mut self) {
        self.reliefs.sort_unstable();
    }

    /// Seconds within which `quantile` of the overloads ended; 0 when there was none.
    #[must_use]
    pub fn relief(&self, quantile: f64) -> f64 {
        let last = self.reliefs.len().saturating_sub(1);
        let at = (quantile * last as f64).round() as usize;
        self.reliefs.get(at).map_or(0.0, |&s| s as f64)
    }

    /// How many times fewer cores the shared hosts need than one container to its own whole cores.
    #[must_use]
    pub fn utilisation_gain(&self) -> f64 {
        if self.shared_cores > 0.0 {
            self.dedicated_cores / self.shared_cores
        } else {
            0.0
        }
    }

    /// Share of the host-seconds that were overloaded.
    #[must_use]
    pub fn overloaded_share(&self) -> f64 {
        self.overloaded_host_seconds as f64 / self.host_seconds.max(1) as f64
    }

    /// The promised form.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "protect": self.policy == Policy::Protected,
            "warmup": self.warmup,
            "overloaded_host_seconds": self.overloaded_host_seconds,
            "host_seconds": self.host_seconds,
            "unserved_core_seconds": rounded(self.unserved_core_seconds),
            "unserved_start_core_seconds": rounded(self.unserved_start_core_seconds),
            "unserved_gap_core_seconds": rounded(self.unserved_gap_core_seconds),
            "late_core_seconds": rounded(self.late_core_seconds),
            "harm_core_seconds": rounded(self.harm_core_seconds()),
            "demand_core_seconds": rounded(self.demand_core_seconds),
            "host_use_p50": self.use_quantile(0.5),
            "host_use_p99": self.use_quantile(0.99),
            "moves": self.moves,
            "moves_aborted": self.moves_aborted,
            "overloads": self.reliefs.len(),
            "relief_seconds_p50": self.relief(0.5),
            "relief_seconds_p99": self.relief(0.99),
            "address_conflicts": self.address_conflicts,
            "address_claims": self.address_claims,
            "address_reuses": self.address_reuses,
            "hosts_used": self.hosts_used,
            "utilisation_gain": rounded(self.utilisation_gain()),
            "tc_ops": self.tc_ops,
            "weight_updates": self.weight_updates,
            "registry_updates": self.registry_updates,
            "probes": self.probes,
            "picks": self.picks,
            "share_error_max": (self.share_error_max * 1e6).round() / 1e6,
            "network_limited_host_seconds": self.network_limited_host_seconds,
        })
    }
}

/// To a thousandth: sums of a day's floats carry no more.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_come_from_the_histogram() {
        let mut f = Figures::new(Policy::Protected, true, 0);
        for i in 0..100u32 {
            f.host(0, f64::from(i) / 100.0 * 8.0, 8.0, i >= 80);
        }
        assert_eq!((f.host_seconds, f.overloaded_host_seconds), (100, 20));
        assert!((f.use_quantile(0.5) - 0.49).abs() < 1e-9);
        assert!((f.use_quantile(0.99) - 0.98).abs() < 1e-9);
        assert!((f.overloaded_share() - 0.2).abs() < 1e-9);
    }

    #[test]
    fn nothing_before_the_first_judged_second_counts() {
        let mut f = Figures::new(Policy::ByLoad, true, 10);
        let lost = Lost {
            over: 1.0,
            own: 0.5,
            starting: 0.25,
            gap: 2.0,
            late: 4.0,
        };
        for second in 0..12 {
            f.host(second, 7.0, 8.0, true);
            f.lost(second, 9.0, &lost);
        }
        assert_eq!((f.host_seconds, f.overloaded_host_seconds), (2, 2));
        assert_eq!((f.unserved_core_seconds, f.late_core_seconds), (7.0, 8.0));
        assert_eq!((f.harm_core_seconds(), f.demand_core_seconds), (15.0, 18.0));
        assert_eq!(f.series[0].harm, 12.0 * 7.5);
    }

    #[test]
    fn no_overload_needs_no_relief() {
        let mut f = Figures::new(Policy::Protected, true, 0);
        assert_eq!(f.relief(0.99), 0.0);
        f.reliefs = vec![30, 10, 20];
        f.finish();
        assert_eq!((f.relief(0.5), f.relief(0.99)), (20.0, 30.0));
    }
}
