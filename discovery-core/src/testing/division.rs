//! The naive model's own reading of how a service's traffic is divided: in shares of the whole, from counts and
//! weights, with nothing remembered.

use alloc::vec::Vec;

use crate::engine::Mode;
use crate::health::Status;

/// A member as the model sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) region: usize,
    pub(super) weight: f64,
    pub(super) ready: bool,
    /// On its way out: terminating, or its node or region drained.
    pub(super) leaving: bool,
    pub(super) serving: bool,
    pub(super) drained: bool,
    pub(super) status: Status,
}

impl Seen {
    fn well(&self) -> bool {
        matches!(self.status, Status::Passing | Status::Degraded)
    }

    fn last_resort(&self) -> bool {
        self.weight > 0.0 && !self.drained && self.leaving && self.serving && self.well()
    }

    /// Counts as a host, and with which status.
    fn host(&self) -> Option<Status> {
        let counts = self.weight > 0.0 && !self.drained && !self.leaving && self.ready;
        (counts && self.status != Status::Unknown).then_some(self.status)
    }
}

/// Mode and everybody's share. `panic` is the threshold, 0 to 1.
pub(super) fn shares(members: &[Seen], panic: f64) -> (Mode, Vec<f64>) {
    let by_weight = |used: &dyn Fn(&Seen) -> bool| -> Vec<f64> {
        let weight = |m: &Seen| if used(m) { m.weight } else { 0.0 };
        let sum: f64 = members.iter().map(weight).sum();
        members.iter().map(|m| weight(m) / sum.max(1.0)).collect()
    };
    let is = |status| move |m: &Seen| m.host() == Some(status);
    let (good, degraded, failing) = (
        is(Status::Passing),
        is(Status::Degraded),
        is(Status::Failing),
    );
    let available = |m: &Seen| good(m) || degraded(m);
    let host = |m: &Seen| available(m) || failing(m);
    if !members.iter().any(available) && members.iter().any(Seen::last_resort) {
        return (Mode::LastResort, by_weight(&Seen::last_resort));
    }
    let count = |region: usize, wanted: &dyn Fn(&Seen) -> bool| {
        let here = members.iter().filter(|m| m.region == region && wanted(m));
        here.count() as u32
    };
    let regions: Vec<usize> = (0..8).filter(|&r| count(r, &host) > 0).collect();
    if regions.is_empty() {
        return (Mode::Empty, by_weight(&|_| false));
    }
    // What a region's hosts of a kind can carry of the whole, in whole percents.
    let able =
        |r: usize, kind: &dyn Fn(&Seen) -> bool| (140 * count(r, kind) / count(r, &host)).min(100);
    let sum = |kind: &dyn Fn(&Seen) -> bool| regions.iter().map(|&r| able(r, kind)).sum::<u32>();
    let whole = (sum(&good) + sum(&degraded)).min(100);
    let panics = |r: usize| {
        whole < 100 && f64::from(count(r, &available)) < panic * f64::from(count(r, &host)) - 1e-9
    };
    if regions.iter().all(|&r| panics(r)) {
        return (Mode::Panic, by_weight(&host));
    }
    if !members.iter().any(available) {
        return (Mode::Empty, by_weight(&|_| false));
    }
    let part = |r: usize, kind: &dyn Fn(&Seen) -> bool| able(r, kind) * 100 / whole.max(1);
    let (healthy, spare): (u32, u32) = regions.iter().fold((0, 0), |(h, d), &r| {
        (h + part(r, &good), d + part(r, &degraded))
    });
    let spare = match members.iter().any(good) {
        true => spare.min(100 - healthy.min(100)),
        false => 100,
    };
    let each = by_weight(&good).into_iter().zip(by_weight(&degraded));
    let ordinary = each.map(|(g, d)| (g * f64::from(100 - spare) + d * f64::from(spare)) / 100.0);
    let some = |&&r: &&usize| panics(r) && count(r, &available) > 0;
    let panicking: Vec<usize> = regions.iter().filter(some).copied().collect();
    let mode = match (panicking.is_empty(), spare) {
        (false, _) => Mode::Panic,
        (true, 0) => Mode::Normal,
        (true, _) => Mode::Degraded,
    };
    (
        mode,
        spread(members, &panicking, &ordinary.collect::<Vec<_>>(), &host),
    )
}

/// A region that panics while others do not spreads what it has over all of its hosts.
fn spread(
    members: &[Seen],
    panicking: &[usize],
    ordinary: &[f64],
    host: &dyn Fn(&Seen) -> bool,
) -> Vec<f64> {
    let mut out = ordinary.to_vec();
    for &r in panicking {
        let here = |m: &Seen| m.region == r && host(m);
        let all = || members.iter().zip(ordinary).filter(|(m, _)| here(m));
        let carried: f64 = all().map(|(_, share)| share).sum();
        let weight: f64 = all().map(|(m, _)| m.weight).sum();
        for (share, member) in out.iter_mut().zip(members).filter(|(_, m)| here(m)) {
            *share = carried * (member.weight / weight.max(1.0));
        }
    }
    out
}
