//! What containers used in an interval, from the counters of their queues.

use netshape::elastic::Usage;
use netshape::netlink::{Counters, ObjectKind};
use netshape::policy::Slot;
use netshape::{Direction, Host, Netns, ObservedState, Rate};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One direction of a container in one interval.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) direction: &'static str,
    pub(super) sent_bits_per_second: u64,
    pub(super) allowed_bits_per_second: u64,
    pub(super) guarantee_bits_per_second: u64,
    pub(super) ceiling_bits_per_second: u64,
    pub(super) backlog_bytes: u32,
    pub(super) dropped_packets: u64,
    /// It would send more than it may.
    pub(super) throttled: bool,
    /// It sends more than its guarantee.
    pub(super) borrows: bool,
    /// Whether it shares the uplink in this direction.
    pub(super) shared: bool,
}

/// One reading of a queue: bytes sent and packets dropped so far, bytes that wait.
#[derive(Clone, Copy, Debug)]
struct Reading {
    bytes: u64,
    drops: u32,
    backlog: u32,
}

/// The counters as they were read last.
#[derive(Debug, Default)]
pub(super) struct Counted {
    at: Option<Instant>,
    queues: BTreeMap<(Slot, bool), Reading>,
}

/// What was used, by slot, to divide by; and what is shown.
pub(super) struct Interval {
    pub(super) length: Duration,
    pub(super) usage: [Vec<Usage>; 2],
    pub(super) rows: Vec<Row>,
}

pub(super) const BOTH: [Direction; 2] = [Direction::Ingress, Direction::Egress];

impl Counted {
    /// Takes in what is counted now, and says what was used since the last time. A queue that is new has used nothing.
    pub(super) fn take(
        &mut self,
        counters: &Counters,
        host: &Host,
        state: &ObservedState,
    ) -> Interval {
        let now = Instant::now();
        let length = self.at.map_or(Duration::ZERO, |at| now - at);
        let mut interval = Interval {
            length,
            usage: [Vec::new(), Vec::new()],
            rows: Vec::new(),
        };
        let mut queues = BTreeMap::new();
        for (slot, container) in host.containers() {
            for direction in BOTH {
                let Some(reading) = reading(counters, host, state, slot, direction) else {
                    continue;
                };
                let key = (slot, direction == Direction::Egress);
                let before = self.queues.get(&key).copied().unwrap_or(reading);
                queues.insert(key, reading);
                // Counters go back where a queue was made anew.
                let sent = rate(reading.bytes.saturating_sub(before.bytes), length);
                let usage = Usage::sent(sent).with_backlog(reading.backlog);
                let Some(usages) = interval.usage.get_mut(direction as usize) else {
                    continue;
                };
                if usages.len() <= slot.index() {
                    usages.resize(slot.index() + 1, Usage::default());
                }
                if let Some(place) = usages.get_mut(slot.index()) {
                    *place = usage;
                }
                let drops = reading.drops.wrapping_sub(before.drops);
                let row = row(
                    host,
                    slot,
                    container.id(),
                    direction,
                    (sent, reading.backlog, drops),
                );
                interval.rows.extend(row);
            }
        }
        (self.at, self.queues) = (Some(now), queues);
        interval
    }
}

fn reading(
    counters: &Counters,
    host: &Host,
    state: &ObservedState,
    slot: Slot,
    direction: Direction,
) -> Option<Reading> {
    let (device, queue) = host.queue_of(slot, direction)?;
    let ifindex = state
        .device(&device)
        .filter(|_| device.netns == Netns::Host)?
        .ifindex?;
    let stats = counters.get(ifindex, ObjectKind::Qdisc, queue)?;
    Some(Reading {
        bytes: stats.sent_bytes,
        drops: stats.drops,
        backlog: stats.backlog_bytes,
    })
}

fn rate(bytes: u64, length: Duration) -> Rate {
    let nanos = length.as_nanos();
    let bits = u128::from(bytes) * 8 * 1_000_000_000;
    let bits = bits.checked_div(nanos).unwrap_or(0);
    Rate::from_bits(u64::try_from(bits).unwrap_or(u64::MAX))
}

fn row(
    host: &Host,
    slot: Slot,
    id: &str,
    direction: Direction,
    (sent, backlog, drops): (Rate, u32, u32),
) -> Option<Row> {
    let terms = host.entitlement(slot, direction)?;
    let allowed = host.allocated(slot, direction).unwrap_or(terms.ceiling);
    let (sent, most) = (sent.bits(), allowed.bits());
    // Within a sixteenth of what it may send, or a queue of a sixteenth of a second: as the division sees it.
    let near = sent > 0 && sent.saturating_add(most >> 4) >= most;
    let queued = u64::from(backlog).saturating_mul(128) > most;
    Some(Row {
        id: id.to_owned(),
        direction: direction.name(),
        sent_bits_per_second: sent,
        allowed_bits_per_second: most,
        guarantee_bits_per_second: terms.guarantee.bits(),
        ceiling_bits_per_second: terms.ceiling.bits(),
        backlog_bytes: backlog,
        dropped_packets: u64::from(drops),
        throttled: near || queued,
        borrows: sent > terms.guarantee.bits(),
        shared: host.shares_uplink(slot, direction),
    })
}
