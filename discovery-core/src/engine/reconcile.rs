//! A registry brought in line with more care than [`crate::registry::diff`] can take: an engine that lost its memory must not take
//! what it never heard of for what is gone.

use alloc::vec::Vec;

use super::service::Service;
use crate::registry::{Op, Registration, Registry, diff};
use crate::time::Timestamp;

/// What [`Engine::reconcile`](super::Engine::reconcile) found to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Operations in their order; see [`crate::registry::diff`].
    pub ops: Vec<Op>,
    /// How many entries of ours that the engine does not know stay where they are for now: say it aloud.
    pub withheld: usize,
}

/// What there is to do for one service, whose registrations these are.
pub(super) fn reconcile<'a>(
    name: &str,
    service: &Service,
    registrations: impl Iterator<Item = Registration<'a>>,
    registry: &Registry,
    owner: &str,
    now: Timestamp,
) -> Reconciled {
    let mut ops = diff(name, registrations, registry, owner);
    let goes = |op: &&Op| matches!(op, Op::Deregister { .. });
    let surplus = ops.iter().filter(goes).count() as u64;
    let ours = registry.service(name).filter(|(_, e)| e.owner == owner);
    let strange = service.settling.unexplained(surplus);
    let percent = u64::from(service.config().hold_percent);
    let many = strange * 100 > ours.count() as u64 * percent;
    let withheld = strange > 0 && (many || !service.settling.settled(now));
    if withheld {
        ops.retain(|op| !goes(&op));
    }
    Reconciled {
        ops,
        withheld: if withheld { surplus as usize } else { 0 },
    }
}
