//! Passive checks: what callers see of an endpoint, and when that is reason to leave it out for a while.

use core::time::Duration;

use crate::error::ConfigError;
use crate::limits::{YEAR_MS, span, within};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Outcome {
    /// Well.
    Ok,
    /// With a server's error (HTTP 5xx, or gRPC's like).
    Error,
    /// With a gateway's error (HTTP 502, 503, 504); counts as [`Outcome::Error`] too.
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

/// A check of rates over one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rate {
    /// For success rates: how many population standard deviations below the mean are an outlier, in
    /// thousandths (Envoy: 1900). For failure percentages: the threshold in percent (85).
    pub limit: u32,
    /// Endpoints with enough calls that it takes to judge at all.
    pub minimum_hosts: u32,
    /// Calls in the interval that make an endpoint count.
    pub request_volume: u32,
    /// Outliers are ejected with this probability, in percent.
    pub enforcement_percent: u8,
}

/// Passive checks of one service, judged within each of its priorities (centres) apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Outliers {
    /// Whose reading.
    pub flavour: Flavour,
    /// How often rates are judged and ejections end.
    pub interval: Duration,
    /// The first ejection's length; the n-th in a row lasts n times as long. Each interval without an ejection
    /// takes one back.
    pub base_ejection: Duration,
    /// The longest ejection (at least `base_ejection`).
    pub max_ejection: Duration,
    /// Up to this much is added to an ejection, from the seed.
    pub ejection_jitter: Duration,
    /// The largest share of a priority's endpoints that may be ejected, in percent.
    pub max_ejection_percent: u8,
    /// One may be ejected whatever the share.
    pub always_one: bool,
    /// A pass of the active check ends an ejection.
    pub pass_returns: bool,
    /// So many errors in a row eject (gateway errors among them); `None` never.
    pub consecutive_errors: Option<u32>,
    /// So many gateway errors in a row eject.
    pub consecutive_gateway: Option<u32>,
    /// So many local errors in a row eject.
    pub consecutive_local: Option<u32>,
    /// Outliers by success rate.
    pub success_rate: Option<Rate>,
    /// Outliers by failure percentage.
    pub failure_percentage: Option<Rate>,
}

impl Default for Outliers {
    /// Envoy's defaults, its jitter of 0 and its failure percentage (not enforced there) left out.
    fn default() -> Self {
        let limit = 1900;
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
            success_rate: Some(Rate {
                limit,
                minimum_hosts: 5,
                request_volume: 100,
                enforcement_percent: 100,
            }),
            failure_percentage: None,
        }
    }
}

impl Outliers {
    /// No ejection is longer than this, jitter included.
    pub(crate) fn longest_ejection(&self) -> Duration {
        let longest = self.max_ejection.max(self.base_ejection);
        longest.saturating_add(self.ejection_jitter)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        span("outliers.interval", self.interval)?;
        span("outliers.base_ejection", self.base_ejection)?;
        span("outliers.max_ejection", self.max_ejection)?;
        let jitter_ms = u64::try_from(self.ejection_jitter.as_millis()).unwrap_or(u64::MAX);
        within("outliers.ejection_jitter", jitter_ms, 0, YEAR_MS)?;
        let percent = u64::from(self.max_ejection_percent);
        within("outliers.max_ejection_percent", percent, 0, 100)?;
        for rate in [self.success_rate, self.failure_percentage]
            .into_iter()
            .flatten()
        {
            let enforced = u64::from(rate.enforcement_percent);
            within("outliers.enforcement_percent", enforced, 0, 100)?;
        }
        if let Some(rate) = self.failure_percentage {
            within(
                "outliers.failure_percentage.limit",
                u64::from(rate.limit),
                0,
                100,
            )?;
        }
        Ok(())
    }
}
