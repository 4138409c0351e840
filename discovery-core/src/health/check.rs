//! How a service's endpoints are checked.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::builder::builder;
use crate::error::ConfigError;
use crate::limits::{span, within};

/// What a probe does; carried out by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase", tag = "kind"))]
#[non_exhaustive]
pub enum CheckKind {
    /// GET this path; a 2xx status passes.
    Http {
        /// The path, `/` at first.
        path: String,
    },
    /// A connection that opens passes.
    Tcp,
    /// The gRPC health service answers `SERVING` for this service name.
    Grpc {
        /// The name asked for; empty asks for the server as a whole.
        service: String,
    },
    /// A program that ends with status 0 passes. It is started as it stands here, by no shell; the prober tells it the endpoint.
    Exec {
        /// The program and its arguments.
        command: Vec<String>,
    },
    /// The endpoint sends heartbeats ([`Input::Heartbeat`](crate::Input::Heartbeat)); without one for this long it fails at once.
    Ttl {
        /// How long a heartbeat counts.
        ttl: Duration,
    },
}

/// Flap damping: after this many consecutive passes one earlier failure no longer counts ([`HealthCheck::flap_damping`]).
/// Chosen so that at an interval of 1 s a flap no longer counts after 20 s.
pub const DAMPING_DECAY_PASSES: u8 = 20;

/// Active checks of one service. Durations are 1 ms to a year. Intervals that are `None` are `interval`.
///
/// ```
/// use core::time::Duration;
/// use discovery_core::health::{CheckKind, HealthCheck};
///
/// let check = HealthCheck::new(CheckKind::Http { path: "/healthz".into() })
///     .with_interval(Duration::from_secs(5))
///     .with_fast_interval(Duration::from_secs(1))
///     .with_flap_damping(3);
/// assert_eq!((check.rise, check.fall), (2, 3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HealthCheck {
    /// What a probe does.
    pub kind: CheckKind,
    /// From the end of one probe to the next.
    pub interval: Duration,
    /// A probe without an answer for this long has failed. Configured anew it holds for probes under way too: they have
    /// until their deadline or this long from then on, whichever is sooner.
    pub timeout: Duration,
    /// So many passes in a row make a failing endpoint pass (1 to 255); the very first result decides alone.
    #[doc(alias = "healthy_threshold")]
    pub rise: u8,
    /// So many failures in a row make a passing endpoint fail (1 to 255).
    #[doc(alias = "unhealthy_threshold")]
    pub fall: u8,
    /// While a change is in doubt: some but not enough results against the present status (`HAProxy`'s
    /// `fastinter`).
    pub fast_interval: Option<Duration>,
    /// While failing (Envoy's `unhealthy_interval`).
    pub unhealthy_interval: Option<Duration>,
    /// Once, right after it began to fail (Envoy's `unhealthy_edge_interval`).
    pub unhealthy_edge_interval: Option<Duration>,
    /// Once, right after it began to pass (Envoy's `healthy_edge_interval`).
    pub healthy_edge_interval: Option<Duration>,
    /// While passing, until the service has had its first call (Envoy's `no_traffic_interval`, 60 s there).
    pub no_traffic_interval: Option<Duration>,
    /// Flap damping: each fall doubles the rise that is needed next, up to so many doublings (0 to 7; 0 is
    /// none). [`DAMPING_DECAY_PASSES`] passes in a row take one doubling back.
    #[cfg_attr(feature = "serde", serde(alias = "damping"))]
    pub flap_damping: u8,
    /// Up to this percentage of the interval is added, from the seed (0 to 100).
    pub jitter_percent: u8,
}

builder!(HealthCheck {
    with_interval: interval: Duration,
    with_timeout: timeout: Duration,
    with_rise: rise: u8,
    with_fall: fall: u8,
    with_flap_damping: flap_damping: u8,
    with_jitter_percent: jitter_percent: u8,
} or {
    with_fast_interval: fast_interval: Duration,
    with_unhealthy_interval: unhealthy_interval: Duration,
    with_unhealthy_edge_interval: unhealthy_edge_interval: Duration,
    with_healthy_edge_interval: healthy_edge_interval: Duration,
    with_no_traffic_interval: no_traffic_interval: Duration,
});

impl HealthCheck {
    /// A check of this kind with `HAProxy`'s rise 2 and fall 3, each 10 s with a timeout of 1 s, no jitter.
    #[must_use]
    pub fn new(kind: CheckKind) -> Self {
        Self {
            kind,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            fast_interval: None,
            unhealthy_interval: None,
            unhealthy_edge_interval: None,
            healthy_edge_interval: None,
            no_traffic_interval: None,
            flap_damping: 0,
            jitter_percent: 0,
        }
    }

    /// The longest time between two probes, before jitter.
    pub(crate) fn longest_interval(&self) -> Duration {
        let others = [
            self.fast_interval,
            self.unhealthy_interval,
            self.unhealthy_edge_interval,
            self.healthy_edge_interval,
            self.no_traffic_interval,
        ];
        let longest = others.into_iter().flatten().max();
        longest.map_or(self.interval, |d| d.max(self.interval))
    }

    /// How long a heartbeat counts, if heartbeats are waited for rather than probes sent.
    pub(crate) fn ttl(&self) -> Option<Duration> {
        match self.kind {
            CheckKind::Ttl { ttl } => Some(ttl),
            _ => None,
        }
    }

    /// The longest wait for the next probe, jitter included.
    pub(crate) fn longest_wait(&self) -> Duration {
        let longest = self.longest_interval();
        longest.saturating_add(longest / 100 * u32::from(self.jitter_percent))
    }

    /// The shortest time after which a check may be due.
    pub(crate) fn shortest_interval(&self) -> Duration {
        if let CheckKind::Ttl { ttl } = self.kind {
            return ttl;
        }
        let others = [
            self.fast_interval,
            self.unhealthy_interval,
            self.unhealthy_edge_interval,
            self.healthy_edge_interval,
            self.no_traffic_interval,
        ];
        let shortest = others.into_iter().flatten().min();
        shortest.map_or(self.interval, |d| d.min(self.interval))
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        span("health.interval", self.interval)?;
        span("health.timeout", self.timeout)?;
        within("health.rise", u64::from(self.rise), 1, 255)?;
        within("health.fall", u64::from(self.fall), 1, 255)?;
        within(
            "health.jitter_percent",
            u64::from(self.jitter_percent),
            0,
            100,
        )?;
        within("health.flap_damping", u64::from(self.flap_damping), 0, 7)?;
        if let CheckKind::Ttl { ttl } = self.kind {
            span("health.ttl", ttl)?;
        }
        let spans = [
            ("health.fast_interval", self.fast_interval),
            ("health.unhealthy_interval", self.unhealthy_interval),
            (
                "health.unhealthy_edge_interval",
                self.unhealthy_edge_interval,
            ),
            ("health.healthy_edge_interval", self.healthy_edge_interval),
            ("health.no_traffic_interval", self.no_traffic_interval),
        ];
        for (field, given) in spans {
            given.map_or(Ok(()), |d| span(field, d))?;
        }
        Ok(())
    }
}
