//! Time as it is told: late messages, and a clock that was set back.

use core::time::Duration;

use crate::config::ServiceConfig;
use crate::duration::nanos;
use crate::health::HealthCheck;
use crate::time::Timestamp;

/// Tellings that are late by up to this are messages out of order, not a clock that was set back; by less, half of the
/// shortest interval, in an engine that checks more often. Chosen well above what threads lose between reading a clock
/// and telling the time.
const PATIENCE: Duration = Duration::from_secs(1);

/// How late a time told may be without being taken for a clock that was set back: for services with these checks.
pub(super) fn patience<'a>(checks: impl Iterator<Item = &'a HealthCheck>) -> Duration {
    let least = checks.map(HealthCheck::shortest_interval).min();
    least.map_or(PATIENCE, |d| (d / 2).min(PATIENCE))
}

/// The least that any interval may be ([`crate::health::HealthCheck`]).
const SHORTEST: Duration = Duration::from_millis(1);

/// The latest time that can be told: [`Timestamp::MAX`] is "never".
pub(super) const LATEST: Timestamp = Timestamp::from_nanos(u64::MAX - 1);

/// The engine's time, and how it follows the clock that it is told. Nobody else sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// The latest time told; time that goes backwards counts as this.
    now: Timestamp,
    /// The first of the times told that are behind without a break; MAX when the last was not.
    back: Timestamp,
    /// The widest gap between two times told: from where a clock that now goes back may have leapt ahead.
    leap: (Timestamp, Timestamp),
    /// While an input is taken in: how far the time it was told with is behind what the engine's times are counted by.
    lead: Duration,
}

impl Clock {
    pub(super) const NEW: Self = Self::at(Timestamp::ZERO);

    /// A clock that was told of nothing but `now`.
    pub(super) const fn at(now: Timestamp) -> Self {
        Self {
            now,
            back: Timestamp::MAX,
            leap: (Timestamp::ZERO, Timestamp::ZERO),
            lead: Duration::ZERO,
        }
    }

    /// The clock of a snapshot of this time and widest gap, at `now`; and how the snapshot's times move to it.
    pub(super) fn restored(
        was: Timestamp,
        leap: (Timestamp, Timestamp),
        now: Timestamp,
    ) -> (Self, Moved) {
        let mut clock = Self::at(now);
        if now >= was {
            clock.leap = leap;
        }
        (clock, Moved::new(was, now, leap))
    }

    /// The latest time told.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn leap(&self) -> (Timestamp, Timestamp) {
        self.leap
    }

    /// How far the time of the present input is behind the engine's.
    pub(super) fn lead(&self) -> Duration {
        self.lead
    }

    /// An input comes that was told at this time.
    pub(super) fn begin(&mut self, told: Timestamp, patience: impl Fn() -> Duration) {
        self.lead = self.set_back_by(told, patience);
    }

    /// The input was refused: it never came.
    pub(super) fn cancel(&mut self) {
        self.lead = Duration::ZERO;
    }

    /// The input was taken in: so is its time. If the clock was set back, how the times of before move.
    pub(super) fn tick(
        &mut self,
        told: Timestamp,
        patience: impl Fn() -> Duration,
    ) -> Option<Moved> {
        if !self.lead.is_zero() {
            let moved = Moved::new(self.now, told, self.leap).doubted_since(self.back);
            *self = Self::at(told);
            return Some(moved);
        }
        if self.late(told, patience) {
            self.back = self.back.min(told);
            return None;
        }
        self.back = Timestamp::MAX;
        let (from, to) = self.leap;
        if self.now > Timestamp::ZERO && told.since(self.now) > to.since(from) {
            self.leap = (self.now, told);
        }
        self.now = self.now.max(told);
        None
    }

    /// When the time wants to be told again, since the last time told was far behind.
    pub(super) fn doubt_ends(&self, patience: impl Fn() -> Duration) -> Option<Timestamp> {
        let doubt = self.back < Timestamp::MAX;
        doubt.then(|| self.back.after(patience()))
    }

    fn late(&self, told: Timestamp, patience: impl Fn() -> Duration) -> bool {
        let behind = self.now.since(told);
        behind >= SHORTEST && behind > patience()
    }

    /// How far the clock was set back, once it has been seen to run on from there; zero otherwise.
    fn set_back_by(&self, told: Timestamp, patience: impl Fn() -> Duration) -> Duration {
        let seen = self.back < Timestamp::MAX && self.late(told, &patience);
        if seen && told >= self.back.after(patience()) {
            return self.now.since(told);
        }
        Duration::ZERO
    }
}

/// How times of before move to a clock that reads otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) now: Timestamp,
    by: u64,
    /// Times up to this were told before the clock leapt ahead, and are right as they are.
    right: Option<Timestamp>,
    /// The last time that was told before; nobody listened from then on until now, unless now is earlier.
    was: Timestamp,
    /// For how long the engine's time has stood since the clock read otherwise.
    pub(super) doubt: Duration,
}

impl Moved {
    /// From a clock that read `was` to one that reads `now`.
    fn new(was: Timestamp, now: Timestamp, leap: (Timestamp, Timestamp)) -> Self {
        let by = was.since(now);
        let leapt = leap.0 <= now && now < leap.1 && by <= leap.1.since(leap.0);
        Self {
            now,
            by: nanos(by),
            right: leapt.then_some(leap.0),
            was,
            doubt: Duration::ZERO,
        }
    }

    /// When it was first told of a clock that reads otherwise.
    fn doubted_since(self, back: Timestamp) -> Self {
        let doubt = self.now.since(back);
        Self { doubt, ..self }
    }

    /// For how long nobody listened.
    pub(super) fn deaf(&self) -> Duration {
        self.now.since(self.was)
    }

    /// What is left of a wait that went on in doubt.
    pub(super) fn left(&self, wait: Duration) -> Duration {
        wait.saturating_sub(self.doubt)
    }

    pub(super) fn at(&self, t: Timestamp) -> Timestamp {
        if t == Timestamp::MAX || self.right.is_some_and(|right| t <= right) {
            return t;
        }
        earlier(t, self.by)
    }

    /// A time of something that has happened: not in the future.
    pub(super) fn past(&self, t: Timestamp) -> Timestamp {
        match self.at(t) {
            Timestamp::MAX => Timestamp::MAX,
            t => t.min(self.now),
        }
    }

    /// The beginning of a hold. Its time runs on while nobody listens, but leaves a while to hear that it was for nothing;
    /// what of that while is spent stays spent, so restarts do not add up.
    pub(super) fn held(&self, since: Timestamp, config: &ServiceConfig) -> Timestamp {
        let since = self.past(since);
        let end = since.after(config.hold_limit);
        let hearing = end.since(self.was).min(config.hold_window);
        let least = self.now.after(hearing);
        if self.deaf().is_zero() || end >= least {
            return since;
        }
        earlier(least, nanos(config.hold_limit))
    }

    /// The end of a wait that may be as long as `longest`.
    pub(super) fn wait(&self, t: Timestamp, longest: Duration) -> Timestamp {
        let planned = earlier(self.at(t), nanos(self.doubt));
        planned.min(self.now.after(self.left(longest)))
    }
}

fn earlier(t: Timestamp, by: u64) -> Timestamp {
    Timestamp::from_nanos(t.as_nanos().saturating_sub(by))
}
