//! tower's balance beside ours: a pick with its counting, until the request is over.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use discovery_core::{Choices, PeakEwma, Picker, Request, Timestamp};
use tower::Service;
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PeakEwma as TowerEwma};

use super::weights;
use crate::measure::ns_per_call;
use crate::{Figure, Judge, Limit, Measured};

const ENDPOINTS: usize = 1_000;

/// A service that answers at once: what is measured is the choice.
struct Instantly;

impl Service<()> for Instantly {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

/// Thread CPU time of poll_ready and call; each future is dropped, and so the request over, after 4 requests
/// an endpoint.
fn tower() -> Result<f64, String> {
    let service = || {
        let (unknown, decay) = (Duration::from_millis(300), Duration::from_secs(10));
        TowerEwma::new(Instantly, unknown, decay.as_nanos() as f64, CompleteOnResponse::default())
    };
    let list = ServiceList::new((0..ENDPOINTS).map(|_| service()));
    let mut balance = Balance::new(list);
    let mut context = Context::from_waker(Waker::noop());
    let mut under_way = VecDeque::with_capacity(4 * ENDPOINTS + 1);
    let mut failed = false;
    let ns = ns_per_call(5, 400_000, |_| {
        failed |= !matches!(balance.poll_ready(&mut context), Poll::Ready(Ok(())));
        under_way.push_back(balance.call(()));
        if under_way.len() > 4 * ENDPOINTS {
            drop(under_way.pop_front());
        }
    })?;
    if failed { Err("tower's balance was not ready".into()) } else { Ok(ns) }
}

fn ours() -> Result<f64, String> {
    let mut picker = Choices::new(&weights(ENDPOINTS), PeakEwma::default(), 1);
    let mut under_way = VecDeque::with_capacity(4 * ENDPOINTS + 1);
    let mut now = 0u64;
    ns_per_call(5, 4_000_000, |_| {
        now += 1_000;
        let time = Timestamp::from_nanos(now);
        let slot = picker.pick(&Request { key: 0, now: time });
        under_way.push_back(slot.unwrap_or(0));
        if under_way.len() > 4 * ENDPOINTS {
            let ended = under_way.pop_front().unwrap_or(0);
            picker.done(ended, time, Duration::from_micros(4));
        }
        slot
    })
}

fn beside() -> Result<Measured, String> {
    Ok(Measured::beside(ours()?, tower()?))
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    vec![Figure {
        id: "discovery/tower-balance",
        what: "two choices, a request's beginning and end, 1,000 endpoints; peer tower's balance with peak-EWMA",
        unit: "ns",
        judge: Judge::Ratio,
        must: Limit::AtMost(1.0),
        aim: Limit::AtMost(0.5),
        long: false,
        run: beside,
    }]
}
