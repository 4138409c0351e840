//! What a container's labels ask for.

use discovery_core::ServiceConfig;
use discovery_core::endpoint::MAX_WEIGHT;
use discovery_core::health::{CheckKind, HealthCheck};
use discovery_core::warm_up::WarmUp;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// The label that names a container's service.
pub(crate) const SERVICE: &str = "berth.service";
/// Envoy's least weight in a warm-up, in percent (`slow_start_config.min_weight_percent`).
const LEAST_PERCENT: u8 = 10;

pub(crate) type Labels = BTreeMap<String, String>;

/// What labels say, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wishes {
    pub(crate) service: String,
    pub(crate) port: Option<u16>,
    pub(crate) network: Option<String>,
    pub(crate) weight: u32,
    pub(crate) zone: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) config: ServiceConfig,
}

/// The value of a label; an empty one is none.
fn told<'l>(labels: &'l Labels, label: &str) -> Option<&'l str> {
    let value = labels.get(label).map(|value| value.trim());
    value.filter(|value| !value.is_empty())
}

fn number<T: FromStr>(labels: &Labels, label: &str, right: &str) -> Result<Option<T>, String> {
    let Some(text) = told(labels, label) else {
        return Ok(None);
    };
    let parsed = text.parse();
    parsed
        .map(Some)
        .map_err(|_| format!("{label}={text:?}: want {right}"))
}

fn seconds(labels: &Labels, label: &str) -> Result<Option<Duration>, String> {
    let right = "a number of seconds such as 30";
    let Some(seconds) = number::<f64>(labels, label, right)? else {
        return Ok(None);
    };
    let time = Duration::try_from_secs_f64(seconds);
    time.map(Some)
        .map_err(|_| format!("{label}={seconds}: want {right}"))
}

impl Wishes {
    /// Reads the labels of a container that has a service.
    pub(crate) fn read(labels: &Labels) -> Result<Self, String> {
        let service = told(labels, SERVICE).ok_or_else(|| format!("{SERVICE}: want a name"))?;
        let weight = number(labels, "berth.weight", "a weight up to 1000000")?.unwrap_or(100);
        if weight > MAX_WEIGHT {
            return Err(format!(
                "berth.weight={weight}: want a weight up to {MAX_WEIGHT}"
            ));
        }
        let port: Option<u16> = number(labels, "berth.port", "a port, 1 to 65535")?;
        if port == Some(0) {
            return Err("berth.port=0: want a port, 1 to 65535".into());
        }
        Ok(Self {
            service: service.to_owned(),
            port,
            network: told(labels, "berth.network").map(str::to_owned),
            weight,
            zone: told(labels, "berth.zone").map(str::to_owned),
            region: told(labels, "berth.region").map(str::to_owned),
            config: config(labels)?,
        })
    }
}

fn config(labels: &Labels) -> Result<ServiceConfig, String> {
    // An engine knows of its own containers which have ended: there is nothing to doubt, and nothing to hold.
    let mut config = ServiceConfig::default().with_hold_percent(100);
    if let Some(window) = seconds(labels, "berth.warmup-s")?.filter(|window| !window.is_zero()) {
        config = config.with_warm_up(WarmUp::Envoy {
            window,
            aggression: 1.0,
            least_percent: LEAST_PERCENT,
        });
    }
    if let Some(kind) = told(labels, "berth.health") {
        let mut check = HealthCheck::new(check(kind)?);
        if let Some(interval) = seconds(labels, "berth.health-interval-s")? {
            check = check.with_interval(interval);
        }
        if let Some(timeout) = seconds(labels, "berth.health-timeout-s")? {
            check = check.with_timeout(timeout);
        }
        config = config.with_health(check);
    }
    Ok(config)
}

fn check(text: &str) -> Result<CheckKind, String> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let path = if rest.is_empty() { "/" } else { rest };
    let good = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
    match kind {
        "http" if good => Ok(CheckKind::Http { path: path.into() }),
        "tcp" if rest.is_empty() => Ok(CheckKind::Tcp),
        "grpc" => Ok(CheckKind::Grpc {
            service: rest.into(),
        }),
        _ => Err(format!(
            "berth.health={text:?}: want http:/PATH, tcp, grpc or grpc:SERVICE"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(all: &[(&str, &str)]) -> Labels {
        let pairs = all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        pairs
            .chain([(SERVICE.to_owned(), "web".to_owned())])
            .collect()
    }

    #[test]
    fn labels_are_read() {
        let wishes = Wishes::read(&labels(&[
            ("berth.port", "8080"),
            ("berth.health", "http:/healthz"),
            ("berth.health-interval-s", "0.5"),
            ("berth.warmup-s", "30"),
            ("berth.weight", "0"),
            ("berth.zone", " a "),
            ("berth.region", ""),
        ]));
        let wishes = wishes.expect("good labels");
        assert_eq!((wishes.port, wishes.weight), (Some(8080), 0));
        assert_eq!((wishes.zone.as_deref(), wishes.region), (Some("a"), None));
        let health = wishes.config.health.expect("a check");
        assert_eq!(health.interval, Duration::from_millis(500));
        assert_eq!(
            health.kind,
            CheckKind::Http {
                path: "/healthz".into()
            }
        );
        assert!(
            matches!(wishes.config.warm_up, WarmUp::Envoy { window, .. } if window.as_secs() == 30)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (label, value) in [
            ("berth.port", "0"),
            ("berth.port", "65536"),
            ("berth.port", "http"),
            ("berth.weight", "-1"),
            ("berth.weight", "1000001"),
            ("berth.health", "https:/"),
            ("berth.health", "http:healthz"),
            ("berth.health", "http:/a b"),
            ("berth.health", "tcp:80"),
            ("berth.warmup-s", "30s"),
            ("berth.warmup-s", "-1"),
            ("berth.warmup-s", "NaN"),
            ("berth.warmup-s", "1e300"),
        ] {
            let problem = Wishes::read(&labels(&[(label, value)])).expect_err(value);
            assert!(problem.starts_with(label), "{problem}");
        }
        assert!(Wishes::read(&[(SERVICE.to_owned(), " ".to_owned())].into()).is_err());
    }
}
