//! What xDS servers count, read when it is asked for.

use super::Kind;
use discovery_proxy::{XdsCounted, XdsCounts};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::{Arc, Mutex};

/// All servers of the process; clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Servers(Arc<Mutex<Vec<Arc<XdsCounts>>>>);

impl Servers {
    pub(super) fn add(&self, counts: Arc<XdsCounts>) {
        if let Ok(mut all) = self.0.lock() {
            all.push(counts);
        }
    }

    fn now(&self) -> Vec<XdsCounted> {
        let all = self.0.lock();
        all.map_or_else(|_| Vec::new(), |all| all.iter().map(|c| c.now()).collect())
    }
}

impl Collector for Servers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let all = self.now();
        if all.is_empty() {
            return Ok(());
        }
        let sum = |of: fn(&XdsCounted) -> u64| all.iter().map(of).sum::<u64>();
        let help = "Streams of xDS that are open";
        let streams = i64::try_from(sum(|c| c.streams)).unwrap_or(i64::MAX);
        let gauge = encoder.encode_descriptor("xds_streams", help, None, MetricType::Gauge)?;
        ConstGauge::new(streams).encode(gauge)?;
        let help = "Responses of xDS: sent, accepted by clients, rejected by clients, who keep what they had";
        let kinds = [
            ("sent", sum(|c| c.responses)),
            ("accepted", sum(|c| c.accepted)),
            ("rejected", sum(|c| c.rejected)),
        ];
        let mut family =
            encoder.encode_descriptor("xds_responses", help, None, MetricType::Counter)?;
        for (kind, count) in kinds {
            ConstCounter::new(count).encode(family.encode_family(&Kind { kind })?)?;
        }
        Ok(())
    }
}
