//! The share of its base weight that an endpoint of a certain age is given.

use core::time::Duration;

use crate::duration::nanos;
use crate::error::InputError;
use crate::limits::{fraction, span, within};

/// How the weight of a cold endpoint rises with its age (the time since it was ready and passing).
///
/// ```
/// use core::time::Duration;
/// use discovery_core::warm_up::WarmUp;
///
/// let slow_start = WarmUp::envoy(Duration::from_secs(60));
/// assert_eq!(slow_start.factor(Duration::ZERO, 100), 0.1);
/// assert_eq!(slow_start.factor(Duration::from_secs(30), 100), 0.5);
/// assert_eq!(slow_start.factor(Duration::from_secs(60), 100), 1.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[doc(alias = "slow start")]
pub enum WarmUp {
    /// Full weight at once.
    #[default]
    Off,
    /// Envoy's slow start: `max((max(1 ms, age) / window)^(1 / aggression), least_percent / 100)` below the
    /// window, 1 from there on.
    Envoy {
        /// How long it takes.
        window: Duration,
        /// 1 is linear; above 1 rises early, below 1 late. A service's configuration takes 0.01 to 100, rounded to
        /// millionths;
        /// [`WarmUp::factor`] by itself reads what is not positive or not a number as 1, as Envoy does.
        aggression: f64,
        /// Never less than this percentage (0 to 100; Envoy's default is 10).
        least_percent: u8,
    },
    /// Dubbo's: `age / (window / weight)` in 32-bit floats, whole units of weight between 1 and the weight.
    Dubbo {
        /// How long it takes (Dubbo's default is 10 min).
        window: Duration,
    },
}

impl WarmUp {
    /// Envoy's slow start with its defaults: linear, at least 10 %.
    #[must_use]
    pub fn envoy(window: Duration) -> Self {
        Self::Envoy {
            window,
            aggression: 1.0,
            least_percent: 10,
        }
    }

    /// The factor on an endpoint's weight, 0 to 1, at an age.
    #[must_use]
    pub fn factor(&self, age: Duration, weight: u32) -> f64 {
        match *self {
            Self::Off => 1.0,
            Self::Envoy {
                window,
                aggression,
                least_percent,
            } => {
                if age >= window {
                    return 1.0;
                }
                let share = nanos(age.max(Duration::from_millis(1))) as f64 / nanos(window) as f64;
                let share = share.min(1.0);
                let a = aggression_of(aggression);
                let grown = if a == 1.0 {
                    share
                } else {
                    libm::pow(share, 1.0 / a)
                };
                grown.max(f64::from(least_percent.min(100)) / 100.0)
            }
            Self::Dubbo { window } => {
                if weight == 0 {
                    return 1.0;
                }
                f64::from(dubbo_weight(age, window, weight)) / f64::from(weight)
            }
        }
    }

    /// The age from which on the factor is 1.
    #[must_use]
    pub fn window(&self) -> Duration {
        match *self {
            Self::Off => Duration::ZERO,
            Self::Envoy { window, .. } | Self::Dubbo { window } => window,
        }
    }

    /// An age at which the factor reaches `share` (0 to 1): the inverse of [`WarmUp::factor`], up to rounding.
    pub(crate) fn age_of(&self, share: f64) -> Duration {
        let window = self.window();
        let part = match *self {
            Self::Envoy { aggression, .. } if aggression_of(aggression) != 1.0 => {
                libm::pow(share, aggression_of(aggression))
            }
            _ => share,
        };
        let at = libm::ceil(nanos(window) as f64 * part);
        Duration::from_nanos(at as u64).min(window)
    }

    /// With its aggression rounded to millionths: few enough digits for readers of JSON that lose the last bit of
    /// longer ones.
    pub(crate) fn on_grid(mut self) -> Self {
        if let Self::Envoy { aggression, .. } = &mut self {
            *aggression = libm::round(*aggression * 1e6) / 1e6;
        }
        self
    }

    pub(crate) fn check(&self) -> Result<(), InputError> {
        match *self {
            Self::Off => Ok(()),
            Self::Envoy {
                window,
                aggression,
                least_percent,
            } => {
                fraction("warm_up.aggression", aggression, LEAST, MOST)?;
                within("warm_up.least_percent", u64::from(least_percent), 0, 100)?;
                Ok(span("warm_up.window", window)?)
            }
            Self::Dubbo { window } => Ok(span("warm_up.window", window)?),
        }
    }
}

/// The range of an aggression: beyond it the curve is a step, whatever the window.
const LEAST: f64 = 0.01;
const MOST: f64 = 100.0;

fn aggression_of(given: f64) -> f64 {
    // Envoy takes anything that is not positive, NaN included, as 1.
    if given > 0.0 {
        given.clamp(LEAST, MOST)
    } else {
        1.0
    }
}

/// Dubbo's warmed weight (`AbstractLoadBalance.calculateWarmupWeight`): 32-bit division, truncated, 1 to
/// `weight`; from the window on the whole weight. Ages are read in whole milliseconds.
fn dubbo_weight(age: Duration, window: Duration, weight: u32) -> u32 {
    if age >= window {
        return weight;
    }
    let per_unit = window.as_millis() as f32 / weight as f32;
    let grown = (age.as_millis() as f32 / per_unit) as u32;
    grown.clamp(1, weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_parameters_are_defined() {
        let window = Duration::from_secs(10);
        let at = |aggression, age| {
            WarmUp::Envoy {
                window,
                aggression,
                least_percent: 0,
            }
            .factor(Duration::from_secs(age), 1)
        };
        for aggression in [0.0, -3.0, f64::NAN] {
            assert_eq!(at(aggression, 5), 0.5);
        }
        assert_eq!(at(1.0, 10), 1.0);
        assert_eq!(at(1.0, 0), 0.0001);
        assert!(at(f64::INFINITY, 1) < 1.0);
        assert_eq!(WarmUp::Dubbo { window }.factor(Duration::ZERO, 0), 1.0);
    }

    #[test]
    fn the_inverse_meets_the_factor() {
        for aggression in [0.5, 1.0, 1.7, 4.0] {
            let shape = WarmUp::Envoy {
                window: Duration::from_secs(60),
                aggression,
                least_percent: 0,
            };
            for permille in (200..1000).step_by(50) {
                let share = f64::from(permille) / 1000.0;
                let got = shape.factor(shape.age_of(share), 100);
                assert!((got - share).abs() < 1e-6, "{aggression} {share} {got}");
            }
        }
    }
}
