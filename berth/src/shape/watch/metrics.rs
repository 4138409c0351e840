//! What is counted of each container, for whoever scrapes.

use super::usage::Row;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Way {
    container: String,
    direction: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Metrics {
    sent: Family<Way, Gauge>,
    allowed: Family<Way, Gauge>,
    guarantee: Family<Way, Gauge>,
    backlog: Family<Way, Gauge>,
    throttled: Family<Way, Gauge>,
    dropped: Family<Way, Counter>,
    intervals: Counter,
    pub(super) failures: Counter,
}

impl Metrics {
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("berth_shape");
        let r = &mut registry;
        r.register(
            "sent_bits_per_second",
            "What a container sent in the last interval",
            self.sent.clone(),
        );
        r.register(
            "allowed_bits_per_second",
            "What it may send",
            self.allowed.clone(),
        );
        r.register(
            "guarantee_bits_per_second",
            "What it is guaranteed",
            self.guarantee.clone(),
        );
        r.register(
            "backlog_bytes",
            "Bytes that wait in its queue",
            self.backlog.clone(),
        );
        r.register(
            "throttled",
            "1 while it would send more than it may",
            self.throttled.clone(),
        );
        r.register(
            "dropped_packets",
            "Packets that its queue dropped",
            self.dropped.clone(),
        );
        r.register("intervals", "Intervals watched", self.intervals.clone());
        r.register(
            "failures",
            "Intervals in which the kernel did not do as told",
            self.failures.clone(),
        );
        registry
    }

    pub(super) fn note(&self, rows: &[Row]) {
        self.intervals.inc();
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        for row in rows {
            let way = Way {
                container: row.id.clone(),
                direction: row.direction,
            };
            self.sent
                .get_or_create_owned(&way)
                .set(number(row.sent_bits_per_second));
            self.allowed
                .get_or_create_owned(&way)
                .set(number(row.allowed_bits_per_second));
            self.guarantee
                .get_or_create_owned(&way)
                .set(number(row.guarantee_bits_per_second));
            self.backlog
                .get_or_create_owned(&way)
                .set(i64::from(row.backlog_bytes));
            self.throttled
                .get_or_create_owned(&way)
                .set(i64::from(row.throttled));
            self.dropped
                .get_or_create_owned(&way)
                .inc_by(row.dropped_packets);
        }
    }

    /// Those who are no longer in the policy are no longer told of.
    pub(super) fn forget(&self) {
        for family in [
            &self.sent,
            &self.allowed,
            &self.guarantee,
            &self.backlog,
            &self.throttled,
        ] {
            family.clear();
        }
        self.dropped.clear();
    }
}
