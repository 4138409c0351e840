//! `--ipam-opt`, and what pools remember of it.

use crate::refusal::Refusal;
use ipam::PoolSpec;
use ipam::pool::{Affinity, Order};
use std::collections::BTreeMap;
use std::time::Duration;

/// The label of a pool that says whose it is: [`MADE`] or [`AUTO`].
pub(crate) const ROLE: &str = "docker";
/// The pool was made for a network, and goes when nothing uses it.
pub(crate) const MADE: &str = "made";
/// The pool may be given to a network that names none.
pub(crate) const AUTO: &str = "auto";
/// The label of how long the next request may take over a released address.
const RESTART: &str = "docker.restart";
/// The label of how long an address that was asked for by number waits for being asked for again.
const STICKY: &str = "docker.sticky";
/// What a label of the pool is given, or asked for, by.
const LABEL: &str = "label.";

/// How long the next request may take over a released address, unless told: `docker restart` releases and asks within a
/// few hundred milliseconds.
const RESTART_TIME: Duration = Duration::from_secs(5);
/// How long an address that was asked for by number waits, unless told.
const STICKY_TIME: Duration = Duration::from_secs(3600);
/// The quarantine of a pool that is made for a network, unless told: as `berth ipam pool add` has it.
const QUARANTINE_TIME: Duration = Duration::from_secs(60);

/// What `--ipam-opt` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The pool by name.
    pub(crate) pool: Option<String>,
    /// Labels of the pool.
    pub(crate) labels: BTreeMap<String, String>,
    quarantine: Option<Duration>,
    order: Option<Order>,
    restart: Option<Duration>,
    sticky: Option<Duration>,
}

impl Options {
    /// Reads them; unknown ones may be meant for others.
    pub(crate) fn read(given: Option<&BTreeMap<String, String>>) -> Result<Self, Refusal> {
        let mut options = Self::default();
        for (key, value) in given.into_iter().flatten() {
            let time =
                || duration(value).map_err(|e| Refusal::bad(format!("--ipam-opt {key}: {e}")));
            match key.as_str() {
                "pool" => options.pool = Some(value.clone()),
                "quarantine" => options.quarantine = Some(time()?),
                "restart" => options.restart = Some(time()?),
                "sticky" => options.sticky = Some(time()?),
                "order" => {
                    let order = Order::from_name(value);
                    let known = "lowest, round-robin, lru or random";
                    let bad =
                        || Refusal::bad(format!("--ipam-opt order: {value:?} is not {known}"));
                    options.order = Some(order.ok_or_else(bad)?);
                }
                _ => {
                    if let Some(label) = key.strip_prefix(LABEL) {
                        if label.starts_with(ROLE) {
                            let message = format!(
                                "--ipam-opt {key}: labels that begin with {ROLE:?} are kept by the plugin"
                            );
                            return Err(Refusal::bad(message));
                        }
                        options.labels.insert(label.to_owned(), value.clone());
                    }
                }
            }
        }
        Ok(options)
    }

    /// The options that say how addresses are given out, on a pool that is made for a network or that no network uses.
    pub(crate) fn set(&self, spec: &mut PoolSpec) {
        spec.quarantine = self.quarantine.unwrap_or(QUARANTINE_TIME);
        spec.order = self.order.unwrap_or(Order::Lowest);
        spec.affinity = Affinity::Off;
        spec.labels.extend(self.labels.clone());
        spec.labels.insert(ROLE.to_owned(), MADE.to_owned());
        for (label, time) in [(RESTART, self.restart), (STICKY, self.sticky)] {
            match time {
                Some(time) => spec
                    .labels
                    .insert(label.to_owned(), format!("{}ms", time.as_millis())),
                None => spec.labels.remove(label),
            };
        }
    }

    /// The first option that a pool which is there does not answer.
    pub(crate) fn differs(&self, spec: &PoolSpec) -> Option<String> {
        let wrong = |option: &str, have: String| format!("its {option} is {have}");
        if let Some(q) = self.quarantine.filter(|q| *q != spec.quarantine) {
            return Some(format!(
                "{}, not {q:?}",
                wrong("quarantine", format!("{:?}", spec.quarantine))
            ));
        }
        if let Some(order) = self.order.filter(|o| *o != spec.order) {
            return Some(format!(
                "{}, not {}",
                wrong("order", spec.order.name().into()),
                order.name()
            ));
        }
        for (option, asked, have) in [
            ("restart", self.restart, restart(spec)),
            ("sticky", self.sticky, sticky(spec)),
        ] {
            if let Some(asked) = asked.filter(|asked| *asked != have) {
                return Some(format!(
                    "{}, not {asked:?}",
                    wrong(option, format!("{have:?}"))
                ));
            }
        }
        let label = self
            .labels
            .iter()
            .find(|(k, v)| spec.labels.get(*k) != Some(v));
        label.map(|(key, value)| format!("it has no label {key}={value}"))
    }
}

/// How long the next request may take over an address of a pool that was released.
pub(crate) fn restart(spec: &PoolSpec) -> Duration {
    told(spec, RESTART).unwrap_or(RESTART_TIME)
}

/// How long an address of a pool that was asked for by number waits for being asked for again.
pub(crate) fn sticky(spec: &PoolSpec) -> Duration {
    told(spec, STICKY).unwrap_or(STICKY_TIME)
}

fn told(spec: &PoolSpec, label: &str) -> Option<Duration> {
    duration(spec.labels.get(label)?).ok()
}

/// A time as it is written: `500ms`, `60s`, `5m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("{text:?} is no time such as 60s, 5m or 1h")),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("{text:?} is no time such as 60s, 5m or 1h"))?;
    let millis = number
        .checked_mul(millis)
        .ok_or_else(|| format!("{text:?} is too long"))?;
    Ok(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_an_end() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for bad in [
            "",
            "5",
            "s",
            "5 s",
            "-5s",
            "1.5s",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
