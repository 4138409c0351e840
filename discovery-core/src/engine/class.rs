//! How an endpoint counts, and what it would weigh.

use super::places::Places;
use super::record::{Class, Record};
use crate::config::ServiceConfig;
use crate::health::Status;
use crate::registry::RegistrationStatus;
use crate::time::Timestamp;

/// Works out how an endpoint counts and what it would weigh; gives the time of its warm-up's next step.
pub(super) fn gauge(
    record: &mut Record,
    config: &ServiceConfig,
    places: &Places,
    now: Timestamp,
) -> Timestamp {
    let (permille, due) = warmed(record, config, now);
    record.permille = permille;
    record.class = classify(record, places);
    record.counted_region = record.region.0;
    record.full = full(record, places);
    due
}

/// What it would weigh if it were used.
pub(super) fn full(record: &Record, places: &Places) -> u32 {
    let share = match record.class {
        // On its way out and alone: the drain does not thin it.
        Class::Fallback => 1000,
        _ => places.share(record.region.0),
    };
    scaled(record.base, record.permille, share)
}

/// Thousandths of a base weight; never 0 unless the base is.
pub(super) fn scaled(base: u32, permille: u16, share: u16) -> u32 {
    let product = u64::from(base) * u64::from(permille) * u64::from(share) / 1000;
    u32::try_from(product)
        .unwrap_or(u32::MAX)
        .max(u32::from(base > 0))
}

/// Starts, keeps or restarts the warm-up.
pub(super) fn age(record: &mut Record, config: &ServiceConfig, now: Timestamp) {
    let (up, was) = (record.up(), record.down_at == Timestamp::MAX);
    if up && !was {
        let long = record.seen_up && now.since(record.down_at) >= config.flap_grace;
        if long {
            record.warm = false;
        }
        if long || record.warm_from == Timestamp::MAX {
            record.warm_from = now;
        }
        record.seen_up = true;
        record.down_at = Timestamp::MAX;
    } else if !up && was {
        record.down_at = now;
    }
}

/// The thousandths that warm-up allows now, and when there will be more.
fn warmed(record: &Record, config: &ServiceConfig, now: Timestamp) -> (u16, Timestamp) {
    let shape = &config.warm_up;
    if record.warm || shape.window().is_zero() {
        return (1000, Timestamp::MAX);
    }
    let age = now.since(record.warm_from);
    let grown = (shape.factor(age, record.base) * 1000.0) as u16;
    if grown >= 1000 {
        return (1000, Timestamp::MAX);
    }
    let step = config.weight_step_permille.max(1);
    let least = (shape.factor(core::time::Duration::ZERO, record.base) * 1000.0) as u16;
    let permille = (grown / step * step).max(least).max(1);
    // Also while it fails: in panic it carries traffic all the same.
    let next = (permille / step + 1).saturating_mul(step).min(1000);
    let at = record
        .warm_from
        .after(shape.age_of(f64::from(next) / 1000.0));
    // Rounding may leave the age a hair short of the step; look again a millisecond later.
    let soon = now.after(core::time::Duration::from_millis(1));
    (permille, at.max(soon))
}

/// How the endpoint counts. Kubernetes' reading: ready ones are used, else those that still serve.
pub(super) fn classify(record: &Record, places: &Places) -> Class {
    let Record {
        conditions: c,
        checker,
        ..
    } = record;
    let well = matches!(checker.status, Status::Passing | Status::Degraded) && !record.ejected;
    let leaving = c.terminating || places.drained(record.node.0, record.region.0);
    if record.drained || record.base == 0 {
        Class::Out
    } else if leaving {
        if c.serving && well {
            Class::Fallback
        } else {
            Class::Out
        }
    } else if !c.ready {
        Class::Out
    } else if record.ejected {
        Class::Failed
    } else {
        match checker.status {
            Status::Unknown => Class::Pending,
            Status::Failing => Class::Failed,
            Status::Degraded => Class::Degraded,
            Status::Passing => Class::Good,
        }
    }
}

/// What a registry is told. Ejections are what callers see, and stay out of it.
pub(super) fn registration_status(record: &Record, places: &Places) -> RegistrationStatus {
    let drained = record.drained || places.drained(record.node.0, record.region.0);
    if drained || record.conditions.terminating {
        return RegistrationStatus::Draining;
    }
    if !record.conditions.ready {
        return RegistrationStatus::Failing;
    }
    match record.checker.status {
        Status::Unknown if record.unsettled => RegistrationStatus::Unknown,
        Status::Unknown => RegistrationStatus::Failing,
        Status::Passing => RegistrationStatus::Passing,
        Status::Degraded => RegistrationStatus::Degraded,
        Status::Failing => RegistrationStatus::Failing,
    }
}
