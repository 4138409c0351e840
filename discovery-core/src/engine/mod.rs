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

mod bulk;
#[cfg(feature = "testing")]
mod check;
mod class;
mod clock;
mod configure;
mod division;
mod drain;
mod fire;
mod health;
mod hints;
mod losses;
mod members;
mod names;
mod passive;
mod places;
mod query;
mod reconcile;
mod record;
mod restore;
mod retime;
mod snapshot;
mod source;
mod timers;
mod together;
mod usable;
mod view;
mod weigh;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

pub use crate::config::ServiceConfig;
pub use crate::effect::{Effect, Mode, Reason};
use crate::endpoint::MAX_NAME;
pub use crate::error::{ConfigError, InputError, RestoreError};
use crate::id::{EndpointId, Names, ServiceId};
pub use crate::input::{DrainTarget, Input};
use crate::time::Timestamp;

use bulk::Bulk;
use clock::{Clock, LATEST};
use hints::Hints;
use members::{Service, Services};
use places::Places;
pub use reconcile::Reconciled;
use record::Records;
pub use snapshot::Snapshot;
use timers::Timers;

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
    service_names: Names,
    services: Services,
    zones: Names,
    places: Places,
    records: Records,
    timers: Timers,
    hints: Hints,
    /// Names of endpoints that an operator drained, known now or not.
    drains: BTreeSet<Box<str>>,
    /// While changes that count as one are taken in.
    bulk: Option<Bulk>,
}

impl Engine {
    /// An engine without services. The seed decides every jitter and draw.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            clock: Clock::NEW,
            service_names: Names::default(),
            services: Services::new(),
            zones: Names::default(),
            places: Places::default(),
            records: Records::default(),
            timers: Timers::default(),
            hints: Hints::default(),
            drains: BTreeSet::new(),
            bulk: None,
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
        self.clock.begin(told, || Self::patience(&self.services));
        if let Err(refused) = self.take_in(told.max(self.clock.now()), input, out) {
            self.clock.cancel();
            return Err(refused);
        }
        let moved = self.clock.tick(told, || Self::patience(&self.services));
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
        let doubt = self.clock.doubt_ends(|| Self::patience(&self.services));
        due.into_iter().chain(doubt).min()
    }

    fn service_of(&self, id: ServiceId) -> Result<&Service, InputError> {
        let known = self.services.iter().count();
        let unknown = InputError::UnknownService { given: id, known };
        let named = self.service_names.name(id.0).and(self.services.get(id));
        named.ok_or(unknown)
    }

    /// The dense index of a living endpoint.
    fn living(&self, id: EndpointId) -> Result<u32, InputError> {
        let unknown = InputError::UnknownEndpoint { given: id };
        self.records.living(id).ok_or(unknown)
    }
}

fn named(name: &str) -> Result<(), InputError> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(InputError::Name { given: name.len() });
    }
    Ok(())
}
