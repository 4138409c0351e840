//! tower's balance beside ours: a pick with its counting, until the request is over, and how far the picks stray
//! from the shares.

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use discovery_core::pick::{P2c, PeakEwma, Request};
use discovery_core::{Picker, Timestamp};
use tower::Service;
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PeakEwma as TowerEwma};

use super::deviation::deviation;
use super::weights;
use crate::measure::ns_per_call;
use crate::{Figure, Judge, Limit, Measured};

const ENDPOINTS: usize = 1_000;

/// A service that answers at once and says which one it is: what is measured is the choice.
struct Instantly {
    slot: usize,
    last: Rc<Cell<usize>>,
}

impl Service<()> for Instantly {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.last.set(self.slot);
        ready(Ok(()))
    }
}

/// `poll_ready` and `call` a request; each future is dropped, and so the request over, after 4 requests an endpoint.
fn tower() -> impl FnMut() -> Option<usize> {
    let last = Rc::new(Cell::new(0));
    let named = Rc::clone(&last);
    let service = move |slot| {
        let (unknown, decay) = (Duration::from_millis(300), Duration::from_secs(10));
        TowerEwma::new(
            Instantly {
                slot,
                last: Rc::clone(&named),
            },
            unknown,
            decay.as_nanos() as f64,
            CompleteOnResponse::default(),
        )
    };
    let mut balance = Balance::new(ServiceList::new((0..ENDPOINTS).map(service)));
    let mut under_way = VecDeque::with_capacity(4 * ENDPOINTS + 1);
    move || {
        let mut context = Context::from_waker(Waker::noop());
        if !matches!(balance.poll_ready(&mut context), Poll::Ready(Ok(()))) {
            return None;
        }
        under_way.push_back(balance.call(()));
        if under_way.len() > 4 * ENDPOINTS {
            drop(under_way.pop_front());
        }
        Some(last.get())
    }
}

/// The same with ours; requests come each microsecond and all take as long.
fn ours(weights: &[u32]) -> impl FnMut() -> Option<usize> + use<> {
    let mut picker = P2c::new(weights, PeakEwma::default(), 1);
    let mut under_way = VecDeque::with_capacity(4 * ENDPOINTS + 1);
    let mut now = 0u64;
    move || {
        now += 1_000;
        let time = Timestamp::from_nanos(now);
        let slot = picker.pick(&Request::new(time))?;
        under_way.push_back(slot);
        if under_way.len() > 4 * ENDPOINTS {
            let ended = under_way.pop_front().unwrap_or(0);
            picker.done(ended, time, Duration::from_millis(4));
        }
        Some(slot)
    }
}

fn cost() -> Result<Measured, String> {
    let timed = |mut pick: Box<dyn FnMut() -> Option<usize>>, calls| {
        let mut missed = 0u32;
        let ns = ns_per_call(9, calls, |_| {
            let slot = pick();
            missed += u32::from(slot.is_none());
            slot
        })?;
        match missed {
            0 => Ok(ns),
            _ => Err(format!("{missed} requests found nobody")),
        }
    };
    let ours = timed(Box::new(ours(&weights(ENDPOINTS))), 2_000_000)?;
    Ok(Measured::beside(ours, timed(Box::new(tower()), 200_000)?))
}

/// Against these weights; tower's balance knows none and takes all endpoints for equal.
fn strays(weights: &[u32]) -> Measured {
    Measured::beside(
        deviation(weights, ours(weights)),
        deviation(weights, tower()),
    )
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    let row = |id, what, unit, run| Figure {
        id,
        what,
        unit,
        judge: Judge::Ratio,
        must: Limit::AtMost(1.0),
        aim: Limit::AtMost(0.5),
        long: false,
        run,
    };
    vec![
        row(
            "discovery/tower-balance",
            "two choices, a request's beginning and end, 1,000 endpoints; peer tower's balance with peak-EWMA",
            "ns",
            cost,
        ),
        row(
            "discovery/tower-deviation",
            "its largest deviation from the weights' shares over 10^6 picks; peer tower's balance, which has no weights",
            "picks",
            || Ok(strays(&weights(ENDPOINTS))),
        ),
        Figure {
            aim: Limit::AtMost(1.0),
            ..row(
                "discovery/tower-deviation-equal",
                "the same with all weights equal, tower's case",
                "picks",
                || Ok(strays(&vec![1; ENDPOINTS])),
            )
        },
    ]
}
