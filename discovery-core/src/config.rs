//! How a service is checked, warmed up and judged.

use core::time::Duration;

use crate::builder::builder;
use crate::error::InputError;
use crate::health::{HealthCheck, OutlierDetection};
use crate::limits::{YEAR_MS, span, within};
use crate::warm_up::WarmUp;

/// Configuration of one service; checked as a whole when it is given to the engine.
///
/// ```
/// use core::time::Duration;
/// use discovery_core::ServiceConfig;
/// use discovery_core::health::{CheckKind, HealthCheck, OutlierDetection};
/// use discovery_core::warm_up::WarmUp;
///
/// let config = ServiceConfig::default()
///     .with_health(HealthCheck::new(CheckKind::Tcp).with_interval(Duration::from_secs(2)))
///     .with_outlier_detection(OutlierDetection::default())
///     .with_warm_up(WarmUp::envoy(Duration::from_secs(60)))
///     .with_panic_percent(30);
/// assert_eq!(config.panic_percent, 30);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct ServiceConfig {
    /// Active checks; without them a ready endpoint passes.
    pub health: Option<HealthCheck>,
    /// Passive checks; without them outcomes of calls eject nobody.
    #[cfg_attr(feature = "serde", serde(alias = "outliers"))]
    pub outlier_detection: Option<OutlierDetection>,
    /// How a cold endpoint's weight rises.
    #[doc(alias = "slow_start")]
    pub warm_up: WarmUp,
    /// An outage shorter than this (0 to a year) does not restart the warm-up.
    pub flap_grace: Duration,
    /// Weights move in steps of this many thousandths of the base weight: the granularity at which
    /// [`crate::Effect::SetWeight`] is said. 1 to 1000.
    pub weight_step_permille: u16,
    /// Below this percentage of healthy or degraded endpoints all of a region's are used, if all regions together
    /// cannot carry the load; 0 turns panic off.
    #[doc(alias = "healthy_panic_threshold")]
    pub panic_percent: u8,
    /// Losing more than this percentage of the service's endpoints at once, unannounced, is held back until
    /// confirmed, for at most [`ServiceConfig::hold_limit`]; 100 turns self-preservation off.
    #[doc(alias = "self-preservation")]
    pub hold_percent: u8,
    /// Losses within this time (0 to a year) of the first are one loss.
    pub hold_window: Duration,
    /// What is held back goes after this long (1 ms to a year) even if nobody confirms it. The time in which an engine
    /// was down counts, but a restored one first listens for `hold_window`, or for what was left if that is less:
    /// however often it restarts, a hold outlasts its limit by no more than `hold_window` of listening.
    pub hold_limit: Duration,
}

builder!(ServiceConfig {
    with_warm_up: warm_up: WarmUp,
    with_flap_grace: flap_grace: Duration,
    with_weight_step_permille: weight_step_permille: u16,
    with_panic_percent: panic_percent: u8,
    with_hold_percent: hold_percent: u8,
    with_hold_window: hold_window: Duration,
    with_hold_limit: hold_limit: Duration,
} or {
    with_health: health: HealthCheck,
    with_outlier_detection: outlier_detection: OutlierDetection,
});

impl Default for ServiceConfig {
    /// No checks, no warm-up; weights in steps of 5 %, Envoy's panic threshold of 50 %, losses of over half
    /// of the endpoints within 30 s held back for an hour, outages of less than 10 s do not restart a warm-up.
    fn default() -> Self {
        Self {
            health: None,
            outlier_detection: None,
            warm_up: WarmUp::Off,
            flap_grace: Duration::from_secs(10),
            weight_step_permille: 50,
            panic_percent: 50,
            hold_percent: 50,
            hold_window: Duration::from_secs(30),
            hold_limit: Duration::from_secs(3_600),
        }
    }
}

impl ServiceConfig {
    /// Checked, and as an engine keeps it: its fraction on the grid that any text of a snapshot carries exactly.
    pub(crate) fn checked(mut self) -> Result<Self, InputError> {
        self.check()?;
        self.warm_up = self.warm_up.on_grid();
        Ok(self)
    }

    /// Says which field is out of its range.
    pub(crate) fn check(&self) -> Result<(), InputError> {
        within(
            "weight_step_permille",
            u64::from(self.weight_step_permille),
            1,
            1000,
        )?;
        within("panic_percent", u64::from(self.panic_percent), 0, 100)?;
        within("hold_percent", u64::from(self.hold_percent), 0, 100)?;
        for (field, given) in [
            ("flap_grace", self.flap_grace),
            ("hold_window", self.hold_window),
        ] {
            let ms = u64::try_from(given.as_millis()).unwrap_or(u64::MAX);
            within(field, ms, 0, YEAR_MS)?;
        }
        span("hold_limit", self.hold_limit)?;
        self.health.as_ref().map_or(Ok(()), HealthCheck::check)?;
        self.outlier_detection
            .as_ref()
            .map_or(Ok(()), OutlierDetection::check)?;
        self.warm_up.check()
    }
}
