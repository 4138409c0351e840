//! The wanted number of replicas from the metrics of one scrape.

use super::pods::{Groups, Load, PodMetric, group};
use super::sums::{ceil, fill, mean, positive, requests, serving, sum, utilization};
use alloc::string::{String, ToString};
use core::time::Duration;

/// Why no number could be computed. The workload stays as it is.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// A negative, infinite or not-a-number tolerance.
    #[error("the tolerance is {given}; it must be a finite number that is not negative")]
    Tolerance {
        /// What was given.
        given: f64,
    },
    /// A target of zero or less.
    #[error("the target must be above zero, got {given}")]
    Target {
        /// What was given.
        given: i64,
    },
    /// The scrape held nothing for a resource.
    #[error(
        "unable to get metrics for resource {resource}: no metrics returned from resource metrics API"
    )]
    NoResourceMetrics {
        /// The resource.
        resource: String,
    },
    /// The scrape held nothing for a metric of pods.
    #[error("unable to get metric: no metrics returned from custom metrics API")]
    NoPodMetrics,
    /// There are no values for an external metric.
    #[error("unable to get external metric: no metrics returned from external metrics API")]
    NoValues,
    /// The selector finds no pods.
    #[error("no pods returned by selector while calculating replica count")]
    NoPods,
    /// A container states no request, so that a share of it has no meaning.
    #[error("missing request for {resource} in a container of pod {pod}")]
    NoRequest {
        /// The resource.
        resource: String,
        /// The first pod without.
        pod: String,
    },
    /// All metrics belong to pods that do not count yet.
    #[error("did not receive metrics for any ready pods")]
    NoneReady,
    /// The metrics belong to unknown pods, or the requests are all zero.
    #[error("no metrics returned matched known pods")]
    NoMatch,
}

/// A wanted number of replicas and what it was computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Wanted {
    /// Replicas.
    pub replicas: u32,
    /// What was compared with the target: percent of the requests for [`ReplicaCalculator::resource`],
    /// milli-units for all else.
    pub usage: i64,
    /// Mean use of a pod, milli-units.
    pub mean: Option<i64>,
}

/// One number for several metrics, as upstream: the largest that any of them wants. Where one could not be computed and the
/// others want fewer replicas than there are, nothing is known that would allow it: the first error comes back, and the
/// workload stays as it is; more replicas are had all the same (`computeReplicasForMetrics`).
///
/// # Errors
/// The first metric's error where all failed, or where one did and the others want fewer; none at all is [`ReplicaError::NoValues`].
pub fn largest(
    current: u32,
    wanted: impl IntoIterator<Item = Result<Wanted, ReplicaError>>,
) -> Result<u32, ReplicaError> {
    let (mut most, mut first) = (None, None);
    for one in wanted {
        match one {
            Ok(one) => most = most.max(Some(one.replicas)),
            Err(error) => first = first.or(Some(error)),
        }
    }
    match (most, first) {
        (Some(most), None) => Ok(most),
        (Some(most), Some(_)) if most >= current => Ok(most),
        (_, first) => Err(first.unwrap_or(ReplicaError::NoValues)),
    }
}

/// The rules of the horizontal autoscaler: a tolerance within which nothing changes, and when a pod's CPU
/// begins to count.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReplicaCalculator {
    tolerance: f64,
    initialization: Duration,
    readiness_delay: Duration,
}

impl Default for ReplicaCalculator {
    /// Upstream's flags: 0.1, five minutes, thirty seconds.
    fn default() -> Self {
        Self {
            tolerance: 0.1,
            initialization: Duration::from_secs(300),
            readiness_delay: Duration::from_secs(30),
        }
    }
}

impl ReplicaCalculator {
    /// `tolerance`: relative distance of use and target that is let pass (0.1 = 10 %). `initialization`: for
    /// how long after its start a pod's CPU counts only if measured wholly while ready. `readiness_delay`: a
    /// pod that turned unready no later than this after its start was never ready.
    ///
    /// # Errors
    /// [`ReplicaError::Tolerance`].
    pub fn new(
        tolerance: f64,
        initialization: Duration,
        readiness_delay: Duration,
    ) -> Result<Self, ReplicaError> {
        if !tolerance.is_finite() || tolerance < 0.0 {
            return Err(ReplicaError::Tolerance { given: tolerance });
        }
        Ok(Self {
            tolerance,
            initialization,
            readiness_delay,
        })
    }

    /// Target: a percentage of what the pods request of `resource`. Readiness counts where it is `cpu`.
    /// O(pods log pods).
    ///
    /// # Errors
    /// Any of [`ReplicaError`].
    pub fn resource(
        &self,
        load: &Load<'_>,
        resource: &str,
        target_percent: u32,
        metrics: &[PodMetric<'_>],
    ) -> Result<Wanted, ReplicaError> {
        positive(i64::from(target_percent))?;
        if metrics.is_empty() {
            return Err(ReplicaError::NoResourceMetrics {
                resource: resource.to_string(),
            });
        }
        let mut groups = self.groups(load, metrics, resource == "cpu")?;
        let requests = requests(load.pods, resource)?;
        if groups.values.is_empty() {
            return Err(ReplicaError::NoneReady);
        }
        let (percent, mean) = utilization(&groups.values, &requests)?;
        let ratio = percent as f64 / f64::from(target_percent);
        let replicas = match self.direct(load, &groups, ratio) {
            Some(replicas) => replicas,
            None => {
                fill(&mut groups, ratio, |pod| {
                    requests.get(pod).copied().unwrap_or(0)
                });
                let (again, _) = utilization(&groups.values, &requests)?;
                self.settled(
                    load,
                    &groups,
                    ratio,
                    again as f64 / f64::from(target_percent),
                )
            }
        };
        Ok(Wanted {
            replicas,
            usage: percent,
            mean: Some(mean),
        })
    }

    /// Target: a mean of `resource` per pod, milli-units. O(pods log pods).
    ///
    /// # Errors
    /// Any of [`ReplicaError`].
    pub fn resource_mean(
        &self,
        load: &Load<'_>,
        resource: &str,
        target: i64,
        metrics: &[PodMetric<'_>],
    ) -> Result<Wanted, ReplicaError> {
        if metrics.is_empty() {
            return Err(ReplicaError::NoResourceMetrics {
                resource: resource.to_string(),
            });
        }
        self.plain(load, target, metrics, resource == "cpu")
    }

    /// Target: a mean per pod of a metric that pods expose, milli-units. O(pods log pods).
    ///
    /// # Errors
    /// Any of [`ReplicaError`].
    pub fn pods(
        &self,
        load: &Load<'_>,
        target: i64,
        metrics: &[PodMetric<'_>],
    ) -> Result<Wanted, ReplicaError> {
        if metrics.is_empty() {
            return Err(ReplicaError::NoPodMetrics);
        }
        self.plain(load, target, metrics, false)
    }

    /// Target: a value of one object outside, which the workload as a whole is to bring about. Without
    /// replicas, as many as `value / target`, rounded up.
    ///
    /// # Errors
    /// [`ReplicaError::Target`], [`ReplicaError::NoPods`].
    pub fn object(&self, load: &Load<'_>, target: i64, value: i64) -> Result<Wanted, ReplicaError> {
        positive(target)?;
        let ratio = value as f64 / target as f64;
        let replicas = if load.current == 0 {
            ceil(ratio)
        } else if self.close(ratio) {
            load.current
        } else {
            ceil(ratio * serving(load)? as f64)
        };
        Ok(Wanted {
            replicas,
            usage: value,
            mean: None,
        })
    }

    /// Target: `value / replicas` of one object outside. [`Wanted::usage`] is the share of a present replica.
    ///
    /// # Errors
    /// [`ReplicaError::Target`].
    pub fn object_per_pod(
        &self,
        load: &Load<'_>,
        target: i64,
        value: i64,
    ) -> Result<Wanted, ReplicaError> {
        positive(target)?;
        let (value, current) = (value as f64, f64::from(load.current));
        let ratio = value / (target as f64 * current);
        // 0 / 0 is not a number, so that nothing changes where there is nothing to do.
        let changed = libm::fabs(1.0 - ratio) > self.tolerance;
        let share = if load.current == 0 {
            value
        } else {
            value / current
        };
        Ok(Wanted {
            replicas: if changed {
                ceil(value / target as f64)
            } else {
                load.current
            },
            usage: libm::ceil(share) as i64,
            mean: None,
        })
    }

    /// As [`Self::object`], of the sum of an external metric's series.
    ///
    /// # Errors
    /// [`ReplicaError::Target`], [`ReplicaError::NoPods`], [`ReplicaError::NoValues`].
    pub fn external(
        &self,
        load: &Load<'_>,
        target: i64,
        values: &[i64],
    ) -> Result<Wanted, ReplicaError> {
        let total = sum(values)?;
        if load.current > 0 {
            serving(load)?;
        }
        self.object(load, target, total)
    }

    /// As [`Self::object_per_pod`], of the sum of an external metric's series.
    ///
    /// # Errors
    /// [`ReplicaError::Target`], [`ReplicaError::NoValues`].
    pub fn external_per_pod(
        &self,
        load: &Load<'_>,
        target: i64,
        values: &[i64],
    ) -> Result<Wanted, ReplicaError> {
        self.object_per_pod(load, target, sum(values)?)
    }

    fn plain(
        &self,
        load: &Load<'_>,
        target: i64,
        metrics: &[PodMetric<'_>],
        cpu: bool,
    ) -> Result<Wanted, ReplicaError> {
        positive(target)?;
        let mut groups = self.groups(load, metrics, cpu)?;
        let usage = mean(&groups.values).ok_or(ReplicaError::NoneReady)?;
        let ratio = usage as f64 / target as f64;
        let replicas = match self.direct(load, &groups, ratio) {
            Some(replicas) => replicas,
            None => {
                fill(&mut groups, ratio, |_| target);
                let again = mean(&groups.values).ok_or(ReplicaError::NoneReady)?;
                self.settled(load, &groups, ratio, again as f64 / target as f64)
            }
        };
        Ok(Wanted {
            replicas,
            usage,
            mean: Some(usage),
        })
    }

    fn groups<'a>(
        &self,
        load: &Load<'a>,
        metrics: &[PodMetric<'a>],
        cpu: bool,
    ) -> Result<Groups<'a>, ReplicaError> {
        if load.pods.is_empty() {
            return Err(ReplicaError::NoPods);
        }
        let judge = cpu.then_some((self.initialization, self.readiness_delay));
        Ok(group(load, metrics, judge))
    }

    fn close(&self, ratio: f64) -> bool {
        libm::fabs(1.0 - ratio) <= self.tolerance
    }

    /// The answer where every pod that matters was measured.
    fn direct(&self, load: &Load<'_>, groups: &Groups<'_>, ratio: f64) -> Option<u32> {
        if !groups.missing.is_empty() || (!groups.unready.is_empty() && ratio > 1.0) {
            return None;
        }
        Some(if self.close(ratio) {
            load.current
        } else {
            ceil(ratio * groups.ready as f64)
        })
    }

    /// The answer once gaps are filled: nothing changes if the guess turned the direction, or if the number of
    /// pods counted would.
    fn settled(&self, load: &Load<'_>, groups: &Groups<'_>, before: f64, after: f64) -> u32 {
        let turned = (before < 1.0 && after > 1.0) || (before > 1.0 && after < 1.0);
        if turned || self.close(after) {
            return load.current;
        }
        let replicas = ceil(after * groups.values.len() as f64);
        let against = if after < 1.0 {
            replicas > load.current
        } else {
            replicas < load.current
        };
        if against { load.current } else { replicas }
    }
}
