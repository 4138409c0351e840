//! A registry brought in line with more care than [`crate::registry::diff`] can take: an engine that lost its memory must not take
//! what it never heard of for what is gone.

use alloc::vec::Vec;

use super::Engine;
use super::members::Service;
use crate::hash::hash;
use crate::id::ServiceId;
use crate::registry::{Op, Registry, diff};
use crate::time::Timestamp;

/// The most departures that a service remembers while it settles; with more it has settled.
const MOST_GONE: usize = 4_096;

/// What [`Engine::reconcile`] found to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Operations in their order; see [`crate::registry::diff`].
    pub ops: Vec<Op>,
    /// How many entries of ours that the engine does not know stay where they are for now: say it aloud.
    pub withheld: usize,
}

impl Engine {
    /// Whether the engine has heard of all endpoints of a service: from a snapshot, by being restored, or, with
    /// a source that only tells of changes, [`crate::ServiceConfig::hold_window`] after the first of them.
    #[must_use]
    pub fn settled(&self, service: ServiceId) -> bool {
        let service = self.services.get(service);
        service.is_some_and(|s| s.settled(self.clock.now()))
    }

    /// [`crate::registry::diff`] of a service, save that entries which the engine never knew are not taken away blindly: none
    /// before the service has [settled](Engine::settled), and afterwards not if they are more than
    /// [`crate::ServiceConfig::hold_percent`] of ours. They go with [`crate::Input::Confirm`], or once the source
    /// has told of enough of them. O(n log n).
    ///
    /// With a snapshot to restore an engine knows what it registered, and this is [`crate::registry::diff`]; without one, an
    /// empty or half-filled first view of the source deregisters nobody.
    ///
    /// ```
    /// use discovery_core::{Engine, Registry, ServiceConfig};
    ///
    /// let mut engine = Engine::new(7);
    /// let web = engine.service("web", ServiceConfig::default())?;
    /// let found = engine.reconcile(web, &Registry::new(), "berth");
    /// assert!(found.ops.is_empty() && found.withheld == 0);
    /// # Ok::<(), discovery_core::InputError>(())
    /// ```
    #[must_use]
    pub fn reconcile(&self, service: ServiceId, registry: &Registry, owner: &str) -> Reconciled {
        let (Some(name), Some(s)) = (self.service_name(service), self.services.get(service)) else {
            return Reconciled::default();
        };
        let mut ops = diff(name, self.registrations(service), registry, owner);
        let goes = |op: &&Op| matches!(op, Op::Deregister { .. });
        let surplus = ops.iter().filter(goes).count() as u64;
        let ours = registry.service(name).filter(|(_, e)| e.owner == owner);
        // What the engine itself let go explains as many.
        let strange = surplus.saturating_sub(s.dropped);
        let many = strange * 100 > ours.count() as u64 * u64::from(s.config.hold_percent);
        let withheld = strange > 0 && (many || !s.settled(self.clock.now()));
        if withheld {
            ops.retain(|op| !goes(&op));
        }
        Reconciled {
            ops,
            withheld: if withheld { surplus as usize } else { 0 },
        }
    }
}

impl Service {
    pub(super) fn settled(&self, now: Timestamp) -> bool {
        self.settled_at <= now
    }

    /// An endpoint comes: whether a registry may know it from a predecessor of this engine.
    pub(super) fn meet(&mut self, now: Timestamp, name: &str) -> bool {
        if self.settled_at == Timestamp::MAX {
            self.settled_at = now.after(self.config.hold_window);
        }
        if self.settled(now) {
            self.gone.clear();
            return false;
        }
        !self.gone.contains(&hash(name.as_bytes()))
    }

    /// An endpoint went: should it come again, the registry's word on it is this engine's own.
    pub(super) fn part(&mut self, now: Timestamp, name: &str) {
        self.dropped = self.dropped.saturating_add(1);
        if self.settled(now) {
            self.gone.clear();
            return;
        }
        self.gone.insert(hash(name.as_bytes()));
        if self.gone.len() > MOST_GONE {
            (self.settled_at, self.gone) = (now, Default::default());
        }
    }
}
