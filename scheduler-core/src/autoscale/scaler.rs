//! What a wanted number becomes under behaviour: stabilisation windows, rate policies, bounds.

use crate::time::Timestamp;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

/// The longest stabilisation window and the longest period of a policy.
const LONGEST_WINDOW: Duration = Duration::from_secs(3600);
const LONGEST_PERIOD: Duration = Duration::from_secs(1800);

/// Remembered recommendations and changes, each; the oldest goes first. Enough for an hour at one a second.
const MOST_REMEMBERED: usize = 4096;

/// What a policy's value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum PolicyKind {
    /// Replicas.
    Pods,
    /// Percent of the replicas at the start of the period.
    Percent,
}

/// How much may change within a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Policy {
    /// What is counted.
    pub kind: PolicyKind,
    /// How much, at least 1.
    pub value: u32,
    /// Over how long, above zero, at most half an hour.
    pub period: Duration,
}

/// Which policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Select {
    /// The one that lets most change.
    Most,
    /// The one that lets least change.
    Least,
    /// Nothing changes in this direction.
    Disabled,
}

/// The rules of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rules {
    /// The least change that was recommended within this time is made; at most an hour.
    pub window: Duration,
    /// Which policy counts.
    pub select: Select,
    /// The policies; none is allowed only where disabled.
    pub policies: Vec<Policy>,
}

/// Bounds and both directions' rules.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ScalerConfig {
    /// Fewest replicas. With 0 a workload may be scaled down to nothing and up again; above 0, a workload that has none is
    /// paused.
    pub min: u32,
    /// Most replicas.
    pub max: u32,
    /// Upwards.
    pub up: Rules,
    /// Downwards.
    pub down: Rules,
}

impl ScalerConfig {
    /// Upstream's defaults: up at once by 4 pods or by as many as there are, each 15 s, whichever is more; down
    /// without limit, once five minutes have not asked for more.
    #[must_use]
    pub fn new(min: u32, max: u32) -> Self {
        let policy = |kind, value| Policy {
            kind,
            value,
            period: Duration::from_secs(15),
        };
        Self {
            min,
            max,
            up: Rules {
                window: Duration::ZERO,
                select: Select::Most,
                policies: vec![
                    policy(PolicyKind::Pods, 4),
                    policy(PolicyKind::Percent, 100),
                ],
            },
            down: Rules {
                window: Duration::from_secs(300),
                select: Select::Most,
                policies: vec![policy(PolicyKind::Percent, 100)],
            },
        }
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScalerError {
    /// More at least than at most.
    #[error("min is {min} replicas and max is {max}, want min at most max")]
    Bounds {
        /// Fewest.
        min: u32,
        /// Most.
        max: u32,
    },
    /// A window that is too long.
    #[error("the stabilisation window is {given:?}, want at most {limit:?}")]
    Window {
        /// What was given.
        given: Duration,
        /// The limit.
        limit: Duration,
    },
    /// A direction that is not disabled has no policy.
    #[error("a direction that is not disabled has no policy, want at least one")]
    NoPolicy,
    /// A policy of nothing, or over no time or too long.
    #[error(
        "a policy allows {value} in {period:?}, want a value above 0 and a period above 0, at most {limit:?}"
    )]
    Policy {
        /// Its value.
        value: u32,
        /// Its period.
        period: Duration,
        /// The longest period.
        limit: Duration,
    },
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Scaled {
    /// Replicas to have now.
    pub replicas: u32,
    /// What was recommended after stabilisation; where it differs from `replicas`, a policy or a bound held.
    pub stabilised: u32,
}

/// Remembers recommendations and changes of one workload, and limits what is made of a recommendation.
///
/// ```
/// use scheduler_core::Timestamp;
/// use scheduler_core::autoscale::{Scaler, ScalerConfig, ScalerError};
///
/// let mut scaler = Scaler::new(ScalerConfig::new(1, 20))?;
/// let at = Timestamp::from_secs;
/// // Up at once, by 4 pods or as many as there are.
/// assert_eq!(scaler.decide(at(0), 2, 10).replicas, 6);
/// scaler.changed(at(0), 2, 6);
/// // Down only once five minutes have not asked for more.
/// let later = |second| scaler.decide(at(second), 6, 3).replicas;
/// let replicas: Vec<u32> = (60..=360).step_by(60).map(later).collect();
/// assert_eq!(replicas, [6, 6, 6, 6, 3, 3]);
/// # Ok::<(), ScalerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaler {
    config: ScalerConfig,
    /// The last decision, and how long it came after the one before.
    last: Option<Timestamp>,
    pace: Option<Duration>,
    recommendations: VecDeque<(Timestamp, u32)>,
    /// Replicas added (above zero) or removed.
    changes: VecDeque<(Timestamp, i64)>,
}

impl Scaler {
    /// One without a past: its windows begin with what runs at the first decision.
    ///
    /// # Errors
    /// [`ScalerError`].
    pub fn new(config: ScalerConfig) -> Result<Self, ScalerError> {
        if config.min > config.max {
            return Err(ScalerError::Bounds {
                min: config.min,
                max: config.max,
            });
        }
        check(&config.up)?;
        check(&config.down)?;
        Ok(Self {
            config,
            last: None,
            pace: None,
            recommendations: VecDeque::new(),
            changes: VecDeque::new(),
        })
    }

    /// What to make of a recommendation for `wanted` replicas where there are `current`. The recommendation is remembered; a change
    /// counts once [`Self::changed`] says that it was made. O(recommendations and changes within the windows).
    ///
    /// At the first decision, and after a silence longer than the windows, nothing is known of what was recommended
    /// lately: that so many run is taken as the recommendation there was, so that a restart changes nothing at once. A workload
    /// with no replicas is paused, and stays so, unless [`ScalerConfig::min`] is 0. Recommendations and changes that a
    /// clock dated ahead of `now` count as made now.
    ///
    /// Replicas that somebody changed by hand are no recommendation, as upstream: the next decision goes back to what the windows say,
    /// as fast as the policies let it. Whoever wants more of them for a while raises [`ScalerConfig::min`].
    pub fn decide(&mut self, now: Timestamp, current: u32, wanted: u32) -> Scaled {
        if current == 0 && self.config.min > 0 {
            // When it is resumed, the windows begin with what runs then.
            self.last = None;
            self.recommendations.clear();
            return Scaled {
                replicas: 0,
                stabilised: 0,
            };
        }
        let window = self.config.up.window.max(self.config.down.window);
        not_ahead(&mut self.recommendations, now);
        not_ahead(&mut self.changes, now);
        if self.knows_nothing(now, window) {
            self.recommendations.clear();
            remember(&mut self.recommendations, (now, current));
        }
        self.last = Some(now);
        self.recommendations
            .retain(|(at, _)| now.since(*at) < window);
        let within = |window: Duration| {
            let recent = self
                .recommendations
                .iter()
                .filter(move |(at, _)| now.since(*at) < window);
            recent.map(|(_, replicas)| *replicas)
        };
        let up = within(self.config.up.window).fold(wanted, u32::min);
        let down = within(self.config.down.window).fold(wanted, u32::max);
        // Not `clamp`: `up` is at most, `down` at least `wanted`, and both may lie beyond `current`.
        let stabilised = current.max(up).min(down);
        remember(&mut self.recommendations, (now, wanted));
        Scaled {
            replicas: self.limited(now, current, stabilised),
            stabilised,
        }
    }

    /// Whether this is the first decision, or a silence has outlasted the window. Decisions that always come further apart
    /// than a short window are no silence.
    fn knows_nothing(&mut self, now: Timestamp, window: Duration) -> bool {
        let Some(last) = self.last else {
            self.pace = None;
            return true;
        };
        let gap = now.since(last);
        let pace = self.pace.replace(gap);
        gap >= window && pace.is_some_and(|pace| gap > pace.saturating_mul(4))
    }

    /// Remembers that the replicas were changed, so that policies count it.
    pub fn changed(&mut self, now: Timestamp, from: u32, to: u32) {
        not_ahead(&mut self.changes, now);
        let rules = [&self.config.up, &self.config.down];
        let periods = rules
            .into_iter()
            .flat_map(|r| &r.policies)
            .map(|p| p.period);
        let longest = periods.max().unwrap_or(Duration::ZERO);
        self.changes.retain(|(at, _)| now.since(*at) < longest);
        if from != to {
            remember(&mut self.changes, (now, i64::from(to) - i64::from(from)));
        }
    }

    fn limited(&self, now: Timestamp, current: u32, wanted: u32) -> u32 {
        let replicas = if wanted > current {
            let limit = self.limit(now, current, &self.config.up, true);
            wanted.min(limit.max(current))
        } else {
            let limit = self.limit(now, current, &self.config.down, false);
            wanted.max(limit.min(current))
        };
        replicas.clamp(self.config.min, self.config.max)
    }

    /// How far a direction's policies let the number go.
    fn limit(&self, now: Timestamp, current: u32, rules: &Rules, up: bool) -> u32 {
        let limits = rules.policies.iter().map(|policy| {
            let recent = self
                .changes
                .iter()
                .filter(|(at, _)| now.since(*at) < policy.period);
            let changed: i64 = recent
                .map(|(_, change)| *change)
                .fold(0, i64::saturating_add);
            let start = i64::from(current).saturating_sub(changed).max(0);
            let start = u32::try_from(start).unwrap_or(u32::MAX);
            reach(policy, start, up)
        });
        let limit = match (rules.select, up) {
            (Select::Disabled, _) => None,
            (Select::Most, true) | (Select::Least, false) => limits.max(),
            (Select::Least, true) | (Select::Most, false) => limits.min(),
        };
        limit.unwrap_or(current)
    }
}

/// Where a policy's step leads from the start of its period: rounded up upwards, down downwards.
fn reach(policy: &Policy, start: u32, up: bool) -> u32 {
    let share = || {
        let exact = u64::from(start) * u64::from(policy.value);
        // Towards the larger change in both directions: 10 % of 5 is one replica.
        u32::try_from(exact.div_ceil(100)).unwrap_or(u32::MAX)
    };
    let step = match policy.kind {
        PolicyKind::Pods => policy.value,
        PolicyKind::Percent => share(),
    };
    if up {
        start.saturating_add(step)
    } else {
        start.saturating_sub(step)
    }
}

fn check(rules: &Rules) -> Result<(), ScalerError> {
    if rules.window > LONGEST_WINDOW {
        return Err(ScalerError::Window {
            given: rules.window,
            limit: LONGEST_WINDOW,
        });
    }
    if rules.policies.is_empty() && rules.select != Select::Disabled {
        return Err(ScalerError::NoPolicy);
    }
    let wrong = |p: &&Policy| p.value == 0 || p.period.is_zero() || p.period > LONGEST_PERIOD;
    match rules.policies.iter().find(wrong) {
        Some(policy) => Err(ScalerError::Policy {
            value: policy.value,
            period: policy.period,
            limit: LONGEST_PERIOD,
        }),
        None => Ok(()),
    }
}

/// What a clock that was ahead has dated in the future counts as of now, and so for one window and no longer.
fn not_ahead<T>(past: &mut VecDeque<(Timestamp, T)>, now: Timestamp) {
    for (at, _) in past {
        *at = (*at).min(now);
    }
}

fn remember<T>(past: &mut VecDeque<T>, event: T) {
    if past.len() >= MOST_REMEMBERED {
        past.pop_front();
    }
    past.push_back(event);
}

#[cfg(test)]
#[path = "scaler_tests.rs"]
mod tests;
