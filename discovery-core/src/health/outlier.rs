//! Passive checks: what callers see of an endpoint, and when that is reason to leave it out for a while.

use core::time::Duration;

use crate::builder::builder;
use crate::error::ConfigError;
use crate::limits::{YEAR_MS, span, within};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum CallOutcome {
    /// Well.
    Ok,
    /// With a server's error (HTTP 5xx, or gRPC's like).
    Error,
    /// With a gateway's error (HTTP 502, 503, 504); counts as [`CallOutcome::Error`] too.
    Gateway,
    /// Without an answer, on this side: no connection, a reset, a timeout.
    Local,
}

/// Whose reading of the rules is followed where they differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Flavour {
    /// Envoy: failure percentage `>=` threshold; ejects only while the share with the next one stays within
    /// the cap.
    #[default]
    Envoy,
    /// gRPC A50: failure percentage `>` threshold; ejects until the share has reached the cap, which it may
    /// pass by one.
    Grpc,
}

/// Ejection by success rate: who succeeds less often than the others by too many standard deviations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SuccessRateEjection {
    /// How many population standard deviations below the mean a success rate must be, in thousandths of one (Envoy and
    /// gRPC: 1900).
    #[doc(alias = "stdev_factor")]
    #[cfg_attr(feature = "serde", serde(alias = "limit"))]
    pub stdev_factor_permille: u32,
    /// With fewer endpoints of enough calls nobody is judged.
    pub minimum_hosts: u32,
    /// Calls in the interval that make an endpoint count.
    pub request_volume: u32,
    /// Outliers are ejected with this probability, in percent.
    pub enforcement_percent: u8,
}

builder!(SuccessRateEjection {
    with_stdev_factor_permille: stdev_factor_permille: u32,
    with_minimum_hosts: minimum_hosts: u32,
    with_request_volume: request_volume: u32,
    with_enforcement_percent: enforcement_percent: u8,
});

impl Default for SuccessRateEjection {
    /// Envoy's: 1.9 standard deviations, 5 hosts of 100 calls each, always enforced.
    fn default() -> Self {
        Self {
            stdev_factor_permille: 1_900,
            minimum_hosts: 5,
            request_volume: 100,
            enforcement_percent: 100,
        }
    }
}

/// Ejection by failure percentage: who fails too large a part of its calls, whatever the others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FailurePercentageEjection {
    /// The percentage of failed calls, 0 to 100, from which on ([`Flavour::Envoy`]) or beyond which ([`Flavour::Grpc`]) an
    /// endpoint is an outlier (Envoy and gRPC: 85).
    #[doc(alias = "threshold")]
    #[cfg_attr(feature = "serde", serde(alias = "limit"))]
    pub threshold_percent: u32,
    /// With fewer endpoints of enough calls nobody is judged.
    pub minimum_hosts: u32,
    /// Calls in the interval that make an endpoint count.
    pub request_volume: u32,
    /// Outliers are ejected with this probability, in percent.
    pub enforcement_percent: u8,
}

builder!(FailurePercentageEjection {
    with_threshold_percent: threshold_percent: u32,
    with_minimum_hosts: minimum_hosts: u32,
    with_request_volume: request_volume: u32,
    with_enforcement_percent: enforcement_percent: u8,
});

impl Default for FailurePercentageEjection {
    /// gRPC's: 85 %, 5 hosts of 50 calls each, always enforced.
    fn default() -> Self {
        Self {
            threshold_percent: 85,
            minimum_hosts: 5,
            request_volume: 50,
            enforcement_percent: 100,
        }
    }
}

/// Outlier detection (passive health checks) of one service, judged within each of its regions apart.
///
/// ```
/// use discovery_core::health::{OutlierDetection, SuccessRateEjection};
///
/// let rate = SuccessRateEjection::default().with_minimum_hosts(3);
/// let rules = OutlierDetection::default()
///     .with_consecutive_errors(Some(10))
///     .with_success_rate(rate)
///     .with_max_ejection_percent(20);
/// assert_eq!(rules.consecutive_errors, Some(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OutlierDetection {
    /// Whose reading.
    pub flavour: Flavour,
    /// How often rates are judged and ejections end.
    pub interval: Duration,
    /// The first ejection's length; the n-th in a row lasts n times as long. Each interval without an ejection
    /// takes one back.
    #[doc(alias = "base_ejection_time")]
    pub base_ejection: Duration,
    /// The longest ejection (at least `base_ejection`).
    #[doc(alias = "max_ejection_time")]
    pub max_ejection: Duration,
    /// Up to this much is added to an ejection, from the seed.
    #[doc(alias = "max_ejection_time_jitter")]
    pub ejection_jitter: Duration,
    /// The largest share of a priority's endpoints that may be ejected, in percent.
    pub max_ejection_percent: u8,
    /// One may be ejected whatever the share.
    #[doc(alias = "always_eject_one_host")]
    pub always_one: bool,
    /// A pass of the active check ends an ejection.
    #[doc(alias = "successful_active_health_check_uneject_host")]
    pub pass_returns: bool,
    /// So many errors in a row eject (gateway errors among them); `None` never.
    #[doc(alias = "consecutive_5xx")]
    pub consecutive_errors: Option<u32>,
    /// So many gateway errors in a row eject.
    #[doc(alias = "consecutive_gateway_failure")]
    pub consecutive_gateway: Option<u32>,
    /// So many local errors in a row eject.
    #[doc(alias = "consecutive_local_origin_failure")]
    pub consecutive_local: Option<u32>,
    /// OutlierDetection by success rate.
    pub success_rate: Option<SuccessRateEjection>,
    /// OutlierDetection by failure percentage.
    pub failure_percentage: Option<FailurePercentageEjection>,
}

builder!(OutlierDetection {
    with_flavour: flavour: Flavour,
    with_interval: interval: Duration,
    with_base_ejection: base_ejection: Duration,
    with_max_ejection: max_ejection: Duration,
    with_ejection_jitter: ejection_jitter: Duration,
    with_max_ejection_percent: max_ejection_percent: u8,
    with_always_one: always_one: bool,
    with_pass_returns: pass_returns: bool,
} or {
    with_consecutive_errors: consecutive_errors: u32,
    with_consecutive_gateway: consecutive_gateway: u32,
    with_consecutive_local: consecutive_local: u32,
    with_success_rate: success_rate: SuccessRateEjection,
    with_failure_percentage: failure_percentage: FailurePercentageEjection,
});

impl Default for OutlierDetection {
    /// Envoy's defaults, its jitter of 0 and its failure percentage (not enforced there) left out.
    fn default() -> Self {
        Self {
            flavour: Flavour::Envoy,
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
            ejection_jitter: Duration::ZERO,
            max_ejection_percent: 10,
            always_one: false,
            pass_returns: true,
            consecutive_errors: Some(5),
            consecutive_gateway: None,
            consecutive_local: Some(5),
            success_rate: Some(SuccessRateEjection::default()),
            failure_percentage: None,
        }
    }
}

impl OutlierDetection {
    /// No ejection is longer than this, jitter included.
    pub(crate) fn longest_ejection(&self) -> Duration {
        let longest = self.max_ejection.max(self.base_ejection);
        longest.saturating_add(self.ejection_jitter)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        span("outlier_detection.interval", self.interval)?;
        span("outlier_detection.base_ejection", self.base_ejection)?;
        span("outlier_detection.max_ejection", self.max_ejection)?;
        let jitter_ms = u64::try_from(self.ejection_jitter.as_millis()).unwrap_or(u64::MAX);
        within("outlier_detection.ejection_jitter", jitter_ms, 0, YEAR_MS)?;
        let percent = u64::from(self.max_ejection_percent);
        within("outlier_detection.max_ejection_percent", percent, 0, 100)?;
        let enforced = [
            self.success_rate.map(|rate| rate.enforcement_percent),
            self.failure_percentage.map(|rate| rate.enforcement_percent),
        ];
        for percent in enforced.into_iter().flatten() {
            let field = "outlier_detection.enforcement_percent";
            within(field, u64::from(percent), 0, 100)?;
        }
        if let Some(rate) = self.failure_percentage {
            let field = "outlier_detection.failure_percentage.threshold_percent";
            within(field, u64::from(rate.threshold_percent), 0, 100)?;
        }
        Ok(())
    }
}
