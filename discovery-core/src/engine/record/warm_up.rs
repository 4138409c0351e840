//! An endpoint's age, and what it would weigh by it.

use core::time::Duration;

use super::Record;
use crate::config::ServiceConfig;
use crate::endpoint::WarmUpStart;
use crate::engine::class::Class;
use crate::engine::places::Places;
use crate::health::Status;
use crate::time::Timestamp;

impl Record {
    /// Works out its age, class and weight as they are now, and when its weight takes the next step.
    pub(in crate::engine) fn measure(
        &mut self,
        config: &ServiceConfig,
        places: &Places,
        now: Timestamp,
    ) {
        self.age(config, now);
        self.warm_due = self.gauge(config, places, now);
    }

    /// A weight that is another one by now is left for the next input to announce.
    pub(in crate::engine) fn weigh_at(&mut self, now: Timestamp) {
        self.warm_due = now;
    }

    /// Works out how it counts and what it would weigh; gives the time of its warm-up's next step.
    pub(super) fn gauge(
        &mut self,
        config: &ServiceConfig,
        places: &Places,
        now: Timestamp,
    ) -> Timestamp {
        let (permille, due) = self.warmed(config, now);
        self.warm_permille = permille;
        self.class = self.classify(places);
        self.counted_region = self.region.0;
        self.full = self.weight_if_used(places);
        due
    }

    /// What it would weigh if it were used.
    pub(super) fn weight_if_used(&self, places: &Places) -> u32 {
        let share = match self.class {
            // On its way out and alone: the drain does not thin it.
            Class::Fallback => 1000,
            _ => places.share(self.region),
        };
        scaled(self.base, self.warm_permille, share)
    }

    /// Ready and well: what warm-up counts from.
    pub(super) fn up(&self) -> bool {
        let well = matches!(self.checker.status, Status::Passing | Status::Degraded);
        self.conditions.ready && !self.conditions.terminating && well
    }

    /// From when its warm-up counts. The time told is `lead` behind `now`.
    pub(in crate::engine) fn warm_up_from(
        &mut self,
        start: WarmUpStart,
        now: Timestamp,
        lead: Duration,
    ) {
        (self.warm_from, self.warm) = match start {
            WarmUpStart::WhenHealthy => (Timestamp::MAX, false),
            WarmUpStart::At(t) => (t.after(lead).min(now), false),
            WarmUpStart::Done => (Timestamp::ZERO, true),
        };
    }

    /// Starts, continues or restarts the warm-up.
    fn age(&mut self, config: &ServiceConfig, now: Timestamp) {
        let (up, was) = (self.up(), self.down_at == Timestamp::MAX);
        if up && !was {
            let long = self.seen_up && now.since(self.down_at) >= config.flap_grace;
            if long {
                self.warm = false;
            }
            if long || self.warm_from == Timestamp::MAX {
                self.warm_from = now;
            }
            self.seen_up = true;
            self.down_at = Timestamp::MAX;
        } else if !up && was {
            self.down_at = now;
        }
    }

    /// The thousandths that warm-up allows now, and when there will be more.
    fn warmed(&self, config: &ServiceConfig, now: Timestamp) -> (u16, Timestamp) {
        let shape = &config.warm_up;
        if self.warm || shape.window().is_zero() {
            return (1000, Timestamp::MAX);
        }
        let age = now.since(self.warm_from);
        let grown = (shape.factor(age, self.base) * 1000.0) as u16;
        if grown >= 1000 {
            return (1000, Timestamp::MAX);
        }
        let step = config.weight_step_permille.max(1);
        let least = (shape.factor(Duration::ZERO, self.base) * 1000.0) as u16;
        let permille = (grown / step * step).max(least).max(1);
        // Also while it fails: in panic it carries traffic all the same.
        let next = (permille / step + 1).saturating_mul(step).min(1000);
        let at = self.warm_from.after(shape.age_of(f64::from(next) / 1000.0));
        // Rounding may leave the age a hair short of the step; look again a millisecond later.
        let soon = now.after(Duration::from_millis(1));
        (permille, at.max(soon))
    }
}

/// Thousandths of a base weight; never 0 unless the base is.
fn scaled(base: u32, permille: u16, share: u16) -> u32 {
    let product = u64::from(base) * u64::from(permille) * u64::from(share) / 1000;
    u32::try_from(product)
        .unwrap_or(u32::MAX)
        .max(u32::from(base > 0))
}
