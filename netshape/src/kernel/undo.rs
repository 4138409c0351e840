//! A plan carried out whole or not at all.

use super::driver::{request, requests};
use super::seam::{Applied, Kernel, Request};
use crate::netlink::ObjectKind;
use crate::object::DevName;
use crate::observe::ObservedState;
use crate::plan::{Action, Op, Plan};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// What came of a plan that is to be carried out whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transaction<E> {
    /// Steps that were carried out and stand: all but those for devices that had gone, or none.
    pub done: usize,
    /// Devices that went while the plan was carried out. Their steps are void, and no failure.
    pub gone: Vec<DevName>,
    /// Why the plan was taken back; `None` where it was carried out.
    pub failure: Option<Failure<E>>,
}

/// Why a plan was taken back, and how that went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure<E> {
    /// The number of the step in the plan that failed, from 0.
    pub step: usize,
    /// Why it did.
    pub error: E,
    /// Steps that could not be taken back, with why: what they made is still there. Empty as a rule; plan again.
    pub left: Vec<(usize, E)>,
}

/// Carries a plan out, and takes it back, last step first, where a step fails. A device that goes meanwhile
/// ([`Kernel::is_gone`]) fails nothing: its steps are skipped.
///
/// `observed` is what the plan was made from. Devices that the plan needs ([`Plan::required_devices`]) must have been made before it was:
/// what redirects to them says their numbers.
///
/// What is taken back is what the plan knows: a qdisc comes back as it was, empty; packets that waited in one that was deleted are lost.
///
/// ```
/// # fn block_on<F: Future>(future: F) -> F::Output {
/// #     let mut future = std::pin::pin!(future);
/// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// #     loop {
/// #         if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) { return value; }
/// #     }
/// # }
/// # use netshape::{Capabilities, Container, DevName, Device, Direction, Host, Rate, Shape};
/// use netshape::kernel::{Kernel, KernelModel, apply_or_undo};
/// use netshape::plan::diff;
///
/// # let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
/// # let shape = Shape::new(Rate::ZERO, Rate::mbit(50))?;
/// # host.insert(Container::new("web-1", "veth1")?.with_shape(Direction::Ingress, shape))?;
/// let mut kernel = KernelModel::new(); // or one with sockets
/// kernel.put_device(DevName::host("veth1"), Device::new());
/// let observed = kernel.state().clone();
/// let plan = diff(&observed, &host);
/// let outcome = block_on(apply_or_undo(&mut kernel, &plan, &observed));
/// assert_eq!((outcome.done, outcome.failure), (plan.len(), None));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[doc(alias = "rollback")]
pub async fn apply_or_undo<K: Kernel + ?Sized>(
    kernel: &mut K,
    plan: &Plan,
    observed: &ObservedState,
) -> Transaction<K::Error> {
    let wanted = requests(plan, observed);
    let mut gone = BTreeSet::new();
    let mut done = Vec::new();
    let mut next = 0;
    while let Some(rest) = wanted.get(next..).filter(|r| !r.is_empty()) {
        let run = rest
            .iter()
            .take_while(|r| !gone.contains(&r.device))
            .count();
        if run == 0 {
            next += 1;
            continue;
        }
        let sent = rest.get(..run).unwrap_or(rest);
        let Applied { done: count, error } = kernel.apply(sent).await;
        done.extend(next..next + count.min(run));
        next += count.min(run);
        let Some(error) = error else { continue };
        match wanted.get(next).filter(|_| kernel.is_gone(&error)) {
            Some(failed) => {
                gone.insert(failed.device.clone());
            }
            None => {
                let left = undo(kernel, plan, observed, &done, &mut gone).await;
                let failure = Failure {
                    step: next,
                    error,
                    left,
                };
                return ended(0, gone, Some(failure));
            }
        }
    }
    let stand = |step: &&usize| {
        wanted
            .get(**step)
            .is_some_and(|r| !gone.contains(&r.device))
    };
    let done = done.iter().filter(stand).count();
    ended(done, gone, None)
}

/// Takes a whole plan back that was carried out, last step first. `observed` is what the plan was made from. Returns the steps that could
/// not be taken back, with why.
pub async fn take_back<K: Kernel + ?Sized>(
    kernel: &mut K,
    plan: &Plan,
    observed: &ObservedState,
) -> Vec<(usize, K::Error)> {
    let all: Vec<usize> = (0..plan.len()).collect();
    undo(kernel, plan, observed, &all, &mut BTreeSet::new()).await
}

fn ended<E>(done: usize, gone: BTreeSet<DevName>, failure: Option<Failure<E>>) -> Transaction<E> {
    Transaction {
        done,
        gone: gone.into_iter().collect(),
        failure,
    }
}

/// Takes steps back, the last first; what could not be.
async fn undo<K: Kernel + ?Sized>(
    kernel: &mut K,
    plan: &Plan,
    observed: &ObservedState,
    done: &[usize],
    gone: &mut BTreeSet<DevName>,
) -> Vec<(usize, K::Error)> {
    // Tables of new priorities have numbers that only the kernel can say.
    let filters = |step: &usize| {
        let op = plan.ops().get(*step);
        op.is_some_and(|op| op.object.kind() == ObjectKind::Filter)
    };
    let now = match done.iter().any(filters) {
        true => kernel.observe(&plan.namespaces()).await.ok(),
        false => None,
    };
    let now = now.as_ref().unwrap_or(observed);
    let mut left = Vec::new();
    for step in done.iter().rev() {
        let Some(op) = plan.ops().get(*step) else {
            continue;
        };
        let back = inverse(plan, op, observed, now);
        if back.iter().any(|r| gone.contains(&r.device)) {
            continue;
        }
        let Some(error) = kernel.apply(&back).await.error else {
            continue;
        };
        match (kernel.is_gone(&error), plan.device(op)) {
            (true, Some(device)) => {
                gone.insert(device.clone());
            }
            _ if op.action == Action::Add && kernel.is_absent(&error) => {}
            _ => left.push((*step, error)),
        }
    }
    left
}

fn inverse(plan: &Plan, op: &Op, observed: &ObservedState, now: &ObservedState) -> Vec<Request> {
    let seen = plan.device(op).and_then(|name| now.device(name));
    let steps = op.inverse().into_iter().map(|op| match (op.action, seen) {
        (Action::Delete, Some(seen)) => op.numbered(seen),
        _ => op,
    });
    steps
        .filter_map(|op| request(plan, &op, observed))
        .collect()
}
