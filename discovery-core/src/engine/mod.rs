//! The engine: inputs go in with the time, effects come out.
//!
//! **Using it.** Names are looked up once: [`Engine::service`], [`Engine::node`], [`Engine::zone`] and [`Engine::region`] give
//! dense ids; an [`Input::Upsert`] names its endpoint, everything else goes by ids. Call [`Engine::handle`] with each
//! input, carry the [`Effect`]s out, and call it with [`Input::Time`] at [`Engine::next_deadline`]. Weights change only with an
//! [`Effect::SetWeight`]: keep pickers up to date by `picker.set_weight(slot, weight)` on each of these, and by
//! `picker.free(slot, now)` on an [`Effect::Deregister`].
//!
//! **Who takes traffic.** An endpoint that is ready, not terminating, not drained, not ejected and passes its checks. A new one
//! is checked at once and its first result decides; until then it neither counts nor takes traffic. When more than 16 of a
//! service come within an interval, the others' first checks are spread over it. One of base weight 0 never takes any.
//!
//! **Drains.** A drained endpoint gets nothing at once, even if its service is left empty. The drain belongs to its name: it
//! outlasts restarts, removal and return until it is ended. Endpoints of a drained node or region, and terminating ones that
//! still serve, are the last resort of a service that has nothing else. A region drains, and returns, over a chosen time.
//!
//! **Too few healthy ones.** One rule, Envoy's, for the engine and for a [`Balancer`](crate::locality::Balancer), and it counts
//! hosts: warm-up and drains never look like ill health. A region can carry 1.4 times its healthy share. Degraded hosts get
//! what the healthy ones of all regions cannot carry. If both do not suffice, regions with less than
//! [`ServiceConfig::panic_percent`] of their hosts available panic: what they carry is spread over all of their hosts. With
//! panic off one healthy host serves alone, and without any nobody does ([`Mode::Empty`]).
//!
//! **The source.** Each record of an [`Input::Snapshot`] is taken by itself; bad ones are reported ([`Effect::Rejected`]) and
//! leave what is known of their endpoint as it is. Changes that come together count as one: no mode in between is announced.
//! Self-preservation: when more than [`ServiceConfig::hold_percent`] of a service vanish at once, unannounced, they are
//! held ([`Effect::Hold`]) until they are seen again, until [`Input::Confirm`], until their own check fails, or for
//! [`ServiceConfig::hold_limit`].
//!
//! **Time.** A time before the latest counts as the latest. A clock that was set back is followed once it has been seen to run
//! on: all times move with it, and no check is later than one interval. Sleep until a deadline by a monotonic clock: a sleep
//! until a time of day may last as long as the clock was set back by.
//!
//! **Restart.** [`Engine::snapshot`] and [`Engine::restore`]: nothing that did not change is announced again; warm-ups, ejections,
//! drains and holds go on, slots stay. An engine made anew without a snapshot leaves a registry's entry of an endpoint as it
//! is until it has checked it, and [`Engine::reconcile`] removes none that it never heard of.

mod batch;
#[cfg(feature = "testing")]
mod check;
mod checks;
mod class;
mod clock;
mod drains;
mod endpoints;
mod hints;
mod names;
mod places;
mod query;
mod reconcile;
mod record;
mod saved;
mod service;
mod snapshot;
mod timers;
mod view;
mod weights;

use alloc::vec::Vec;
use core::time::Duration;

pub use crate::config::ServiceConfig;
pub use crate::effect::{Effect, Mode, Reason};
pub use crate::error::{ConfigError, InputError, RestoreError};
use crate::id::{EndpointId, ZoneId};
pub use crate::input::{DrainTarget, Input};
use crate::time::Timestamp;

use batch::Batch;
use clock::{Clock, LATEST, Moved, patience};
use drains::Drains;
use hints::Hints;
use places::Places;
pub use reconcile::Reconciled;
use record::{Record, Records};
pub use saved::Snapshot;
use service::Services;
use timers::{Owner, Timers};

/// The engine of one set of services. See the crate page for the model and the costs.
///
/// ```
/// use discovery_core::{Effect, EndpointSpec, Engine, Input, ServiceConfig, Timestamp};
///
/// let (mut engine, mut effects, now) = (Engine::new(7), Vec::new(), Timestamp::ZERO);
/// let service = engine.service("web", ServiceConfig::default())?;
/// let (node, zone, region) = (engine.node("n1")?, engine.zone("a")?, engine.region("north")?);
/// let spec = EndpointSpec::new(service, node, zone, region, ([10, 0, 0, 1], 80).into());
/// engine.handle(now, Input::Upsert { name: "web-1", spec }, &mut effects)?;
/// assert!(matches!(effects.first(), Some(Effect::Register { .. })));
/// let endpoint = engine.find("web-1").expect("just added");
/// assert_eq!(engine.weight(endpoint), 100_000);
/// # Ok::<(), discovery_core::InputError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    seed: u64,
    clock: Clock,
    services: Services,
    places: Places,
    records: Records,
    timers: Timers,
    hints: Hints,
    drains: Drains,
    /// While changes that count as one are taken in.
    batch: Option<Batch>,
}

/// Each part owns its fields; what follows, here and in the files for endpoints, checks, weights, questions and snapshots,
/// combines them.
impl Engine {
    /// An engine without services. The seed decides every jitter and draw.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            clock: Clock::NEW,
            services: Services::new(),
            places: Places::default(),
            records: Records::default(),
            timers: Timers::default(),
            hints: Hints::default(),
            drains: Drains::default(),
            batch: None,
        }
    }

    /// Takes one input, fires everything due by `now`, and appends what is to be done to `out`.
    ///
    /// A time before the latest told counts as the latest. A clock that was set back, by more than a second (or half of
    /// the shortest interval of any check, if that is less), is followed as soon as it has been seen to run on for as
    /// long: every time that the engine remembers moves with it, and no probe leaves later than one interval (jitter
    /// included) after the first telling by the clock as it reads now. Of a clock that had leapt ahead and came back, what
    /// was told before the leap stays as it was.
    ///
    /// Cost: O(log n) for one endpoint, O(members) when a service's mode changes or a snapshot comes, O(endpoints) for
    /// the drain of a node or region, or a clock that was set back.
    ///
    /// # Errors
    /// What was wrong with the input; the engine is then as before, nothing fired and nothing appended.
    pub fn handle(
        &mut self,
        now: Timestamp,
        input: Input<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        let told = now.min(LATEST);
        self.clock.begin(told, || longest_lag(&self.services));
        if let Err(refused) = self.take_in(told.max(self.clock.now()), input, out) {
            self.clock.cancel();
            return Err(refused);
        }
        let moved = self.clock.tick(told, || longest_lag(&self.services));
        if let Some(moved) = moved {
            self.retime(&moved);
        }
        self.fire(self.clock.now(), out);
        Ok(())
    }

    fn take_in(
        &mut self,
        now: Timestamp,
        input: Input<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), InputError> {
        match input {
            Input::Time => Ok(()),
            Input::Configure { service, config } => self.configure(now, service, config, out),
            Input::Upsert { name, spec } => self.upsert(now, name, spec, out),
            Input::Remove { name } => self.remove(now, name, out),
            Input::Snapshot { service, endpoints } => {
                self.snapshot_of(now, service, endpoints, out)
            }
            Input::Confirm { service } => self.confirm(now, service, out),
            Input::Probed {
                endpoint,
                attempt,
                outcome,
            } => self.probed(now, endpoint, attempt, outcome, out),
            Input::Heartbeat { endpoint, passing } => self.heartbeat(now, endpoint, passing, out),
            Input::CallsEnded {
                endpoint,
                outcome,
                count,
            } => self.calls_ended(now, endpoint, outcome, count, out),
            Input::Hints { endpoint, zones } => self.hint(endpoint, zones),
            Input::Drain { target, on, over } => match target {
                DrainTarget::Endpoint(endpoint) => self.drain_endpoint(now, endpoint, on, out),
                DrainTarget::Node(node) => self.drain_node(now, node, on, out),
                DrainTarget::Region(region) => self.drain_region(now, region, on, over, out),
            },
            Input::DrainName { name, on } => self.drain_name(now, name, on, out),
        }
    }

    /// When the engine next wants to be handed [`Input::Time`]. Never later than something is due; now and
    /// then earlier, and then nothing comes of it.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let due = self.timers.next();
        let doubt = self.clock.doubt_ends(|| longest_lag(&self.services));
        due.into_iter().chain(doubt).min()
    }

    /// Fires everything due by `now`. Ends, since whatever fires is next due later than `now`.
    fn fire(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        while let Some((at, owner)) = self.timers.pop_due(now) {
            match owner {
                Owner::Endpoint(index) => self.fire_endpoint(now, at, index, out),
                Owner::Service(id) => self.judge(now, at, id, out),
                Owner::Hold(id) => self.end_holds(now, at, id, out),
                Owner::Region(id) => self.step_region(now, id, out),
            }
        }
    }

    fn fire_endpoint(&mut self, now: Timestamp, at: Timestamp, index: u32, out: &mut Vec<Effect>) {
        // A timer outlives its endpoint, and is passed over.
        let record = self.records.get_mut(index);
        let Some((check, warm)) = record.and_then(|r| r.fire(at, now)) else {
            return;
        };
        if check {
            self.check_fell_due(now, index, out);
            if self.records.get(index).is_none() {
                // It was held, and its check says that it is gone.
                return;
            }
        }
        if warm {
            self.weigh(now, index, Reason::WarmUp, out);
        }
        self.queue(index);
    }

    /// Moves every time that is remembered, and arms every timer anew: no check is later than one interval after the
    /// first telling by the clock that reads otherwise.
    fn retime(&mut self, moved: &Moved) {
        self.timers = Timers::default();
        self.places.retime(moved, &mut self.timers);
        for (id, service) in self.services.iter_mut() {
            service.retime(id, moved, &mut self.timers);
        }
        for index in self.records.indices(|_| true) {
            let Some(record) = self.records.get_mut(index) else {
                debug_assert!(false, "indices are those of living records");
                continue;
            };
            let config = self.services.of(record.service()).config();
            if record.retime(moved, config.health.as_ref()) {
                // Overdue ones do not all go at once.
                let due = self.first_check(moved.now, index, moved.doubt);
                if let Some(record) = self.records.get_mut(index) {
                    record.set_check_due(due);
                }
            }
            self.remeasure(moved.now, index);
        }
    }

    fn hint(&mut self, id: EndpointId, zones: &[ZoneId]) -> Result<(), InputError> {
        let index = self.records.living(id)?;
        zones
            .iter()
            .try_for_each(|zone| self.places.known_zone(*zone))?;
        self.hints.set(index, zones)
    }
}

/// How late a time told may be; see [`patience`]. O(services): asked only about one that is behind.
fn longest_lag(services: &Services) -> Duration {
    patience(
        services
            .iter()
            .filter_map(|(_, s)| s.config().health.as_ref()),
    )
}
