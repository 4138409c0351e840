//! One host's bandwidth: `netshape` plans both ends of each veth and the uplink's tree, a model of the kernel
//! carries the plans out, and every second the uplink is divided anew from what each container sent.

use super::broken;
use crate::error::Error;
use crate::events::Events;
use crate::figures::Figures;
use crate::load::BITS_PER_CORE;
use netshape::elastic::{Elastic, ElasticConfig, Entitlement, Usage};
use netshape::kernel::KernelModel;
use netshape::plan::{Object, Op, Plan, diff, diff_touched};
use netshape::policy::{EgressPoint, Slot};
use netshape::{Capabilities, Container, DevName, Device, Direction, Host, Rate, Shape, Uplink};
use serde_json::{Value, json};
use std::fmt::Display;
use std::time::Duration;

/// Capacity of a host's uplink.
const UPLINK: Rate = Rate::gbit(10);
/// What the host keeps of it for itself.
const RESERVE: Rate = Rate::mbit(200);
/// What each container has by right, in each direction.
const GUARANTEE: Rate = Rate::mbit(50);
/// What a container may reach, in each direction.
const CEILING: Rate = Rate::gbit(2);
/// A share stays while the new one differs by less than a 2^-2 part of it: demand here jitters by 15 % a second.
const DEADBAND: u32 = 2;
/// Seconds between two looks at a host's whole shaping, besides those when a container comes or goes.
const WHOLE: u64 = 60;
/// The uplink's name on every host.
const DEV: &str = "eth0";

/// A host's shaping, wanted and carried out.
pub(super) struct Shaping {
    host: Host,
    kernel: KernelModel,
    elastic: Elastic,
    /// What each slot's container wants to send, in bit/s.
    wants: Vec<u64>,
    usage: Vec<Usage>,
    /// What the last division changed.
    changed: Vec<(Slot, Rate)>,
    /// Slot of each container, where it is here.
    slots: Vec<Option<Slot>>,
    /// The slots in use.
    present: Vec<Slot>,
    used: bool,
}

const fn entitlement() -> Entitlement {
    Entitlement::new(GUARANTEE, CEILING)
}

/// The container's name may be longer than a device's may be: its number names the veth.
fn veth(container: usize) -> String {
    format!("veth{container}")
}

impl Shaping {
    /// A host without containers; its uplink has no shaping yet.
    pub(super) fn new() -> Result<Self, Error> {
        let uplink = Uplink::new(DEV, UPLINK, RESERVE).map_err(|e| broken(0, "netshape", &e))?;
        // The sim's senders are in their classes: it has no packets to classify.
        let uplink = uplink.classified_by(netshape::policy::Classifier::Priority);
        let capacity = uplink.for_containers();
        let host = Host::new(Some(uplink), Vec::new(), Capabilities::default());
        let mut kernel = KernelModel::new();
        kernel.put_device(DevName::host(DEV), Device::new());
        Ok(Self {
            host: host.map_err(|e| broken(0, "netshape", &e))?,
            kernel,
            elastic: Elastic::new(
                capacity,
                ElasticConfig::default().with_deadband_shift(DEADBAND),
            ),
            wants: Vec::new(),
            usage: Vec::new(),
            changed: Vec::new(),
            slots: Vec::new(),
            present: Vec::new(),
            used: false,
        })
    }

    /// Whether a container was ever here.
    pub(super) fn ever_used(&self) -> bool {
        self.used
    }

    /// Shapes a container that comes: both ends of its veth, and its class on the uplink.
    pub(super) fn add(
        &mut self,
        second: u64,
        host: usize,
        container: usize,
        name: &str,
        figures: &mut Figures,
        events: &mut Events,
    ) -> Result<(), Error> {
        let fault = |e: &dyn Display| broken(second, "netshape", &format!("host-{host:03}: {e}"));
        let shape = Shape::new(GUARANTEE, CEILING).map_err(|e| fault(&e))?;
        let veth = veth(container);
        let wanted = Container::new(&veth, &veth)
            .and_then(|c| c.with_egress_point(EgressPoint::Netns(veth.as_str().into()), "eth0"))
            .map_err(|e| fault(&e))?
            .with_shape(Direction::Ingress, shape)
            .with_shape(Direction::Egress, shape);
        let slot = self.host.insert(wanted).map_err(|e| fault(&e))?;
        for direction in [Direction::Ingress, Direction::Egress] {
            if let Some(device) = self.host.device(slot, direction) {
                self.kernel.put_device(device, Device::new());
            }
        }
        self.elastic.set(slot, Some(entitlement()));
        if self.slots.len() <= container {
            self.slots.resize(container + 1, None);
        }
        self.slots[container] = Some(slot);
        self.present.push(slot);
        let most = self.wants.len().max(slot.index() + 1);
        self.wants.resize(most, 0);
        self.usage.resize(most, Usage::default());
        self.used = true;
        let reason =
            format!("{name} comes: guarantee {GUARANTEE}, ceiling {CEILING}, both directions");
        self.carry_out(second, host, &reason, figures, events)
    }

    /// Takes a container's shaping away; its devices go with it.
    pub(super) fn remove(
        &mut self,
        second: u64,
        host: usize,
        container: usize,
        name: &str,
        figures: &mut Figures,
        events: &mut Events,
    ) -> Result<(), Error> {
        let Some(slot) = self.slots.get_mut(container).and_then(Option::take) else {
            return Ok(());
        };
        let devices = [Direction::Ingress, Direction::Egress].map(|d| self.host.device(slot, d));
        self.elastic.set(slot, None);
        self.present.retain(|s| *s != slot);
        self.wants[slot.index()] = 0;
        self.host.remove(&veth(container));
        // The namespace goes with the container, and its devices' trees with it: nothing to take down.
        for device in devices.into_iter().flatten() {
            self.kernel.remove_device(&device);
        }
        self.carry_out(second, host, &format!("{name} goes"), figures, events)
    }

    /// Nobody wants to send anything yet in this second.
    pub(super) fn clear_demand(&mut self) {
        self.wants.fill(0);
    }

    /// Adds what a container's requests of this second, in cores, want to send.
    pub(super) fn demand(&mut self, container: usize, cores: f32) {
        if let Some(slot) = self.slots.get(container).copied().flatten() {
            self.wants[slot.index()] += (cores * BITS_PER_CORE) as u64;
        }
    }

    /// Divides the uplink from what was sent, and carries the changed classes out.
    pub(super) fn divide(
        &mut self,
        second: u64,
        host: usize,
        figures: &mut Figures,
        events: &mut Events,
    ) -> Result<(), Error> {
        let mut limited = false;
        for slot in &self.present {
            let wants = self.wants[slot.index()];
            let has = self.elastic.allocation(*slot).unwrap_or(CEILING).bits();
            let over = wants.saturating_sub(has);
            limited |= over > 0;
            self.usage[slot.index()] = Usage {
                sent: Rate::from_bits(wants.min(has)),
                // A queue holds 25 ms of the ceiling; more is dropped.
                backlog: (over / 8).min(CEILING.bytes_in_ms(25)) as u32,
                overlimits: u32::from(over > 0),
            };
        }
        figures.network_limited_host_seconds += u64::from(limited);
        let changes = self.elastic.step(Duration::from_secs(1), &self.usage);
        self.changed.clear();
        self.changed.extend(changes.iter().map(|c| (c.slot, c.to)));
        if self.changed.is_empty() {
            return Ok(());
        }
        self.elastic.apply_to(&mut self.host, Direction::Egress);
        let plan = self.plan(second, host, figures)?;
        if events.wants("netshape") {
            let subject = format!("host-{host:03}");
            let reason =
                "somebody wants more than their share, or less, so the spare is divided anew";
            events.say(
                second,
                "netshape",
                "divide",
                &subject,
                reason,
                ceilings(&plan),
            );
        }
        // Planning the whole host anew each time would be most of the replay: what has just been planned is
        // marked as changed again, and once a minute the whole is looked at.
        if second.is_multiple_of(WHOLE) {
            return self.nothing_left(second, host, diff(self.kernel.state(), &self.host).len());
        }
        for &(slot, rate) in &self.changed {
            self.host.allocate(slot, Direction::Egress, None);
            self.host.allocate(slot, Direction::Egress, Some(rate));
        }
        let left = diff_touched(self.kernel.state(), &mut self.host).len();
        self.nothing_left(second, host, left)
    }

    /// Plans what changed, carries it out, and plans the whole host anew: nothing may be left.
    fn carry_out(
        &mut self,
        second: u64,
        host: usize,
        reason: &str,
        figures: &mut Figures,
        events: &mut Events,
    ) -> Result<(), Error> {
        let plan = self.plan(second, host, figures)?;
        if events.wants("netshape") {
            events.say(
                second,
                "netshape",
                "plan",
                &format!("host-{host:03}"),
                reason,
                steps(&plan),
            );
        }
        self.nothing_left(second, host, diff(self.kernel.state(), &self.host).len())
    }

    /// A plan that was carried out leaves nothing to plan.
    fn nothing_left(&self, second: u64, host: usize, left: usize) -> Result<(), Error> {
        if left == 0 {
            return Ok(());
        }
        let what = format!(
            "host-{host:03}: planned again after it was carried out, the plan has {left} steps"
        );
        Err(broken(second, "netshape", &what))
    }

    /// Plans what changed and carries it out on the kernel's model.
    fn plan(&mut self, second: u64, host: usize, figures: &mut Figures) -> Result<Plan, Error> {
        let fault = |e: &dyn Display| broken(second, "netshape", &format!("host-{host:03}: {e}"));
        let plan = diff_touched(self.kernel.state(), &mut self.host);
        self.kernel
            .apply_all(&plan)
            .map_err(|(step, e)| fault(&format!("step {step} of the plan: {e}")))?;
        let losses = plan.disruptions();
        let ops = &mut figures.tc_ops;
        ops.free += losses.free;
        ops.refills += losses.refills;
        ops.loses_leaf += losses.loses_leaf;
        ops.loses_all += losses.loses_all;
        ops.unshaped += losses.unshaped;
        Ok(plan)
    }

    /// What shapes somebody's ingress vanishes from the kernel.
    #[cfg(test)]
    pub(super) fn forget_for_test(&mut self) {
        let device = self
            .present
            .first()
            .and_then(|s| self.host.device(*s, Direction::Ingress));
        if let Some(device) = device {
            self.kernel.put_device(device, Device::new());
        }
    }

    /// No sum over capacity: neither what is promised nor what is divided.
    pub(super) fn check(&self, second: u64, host: usize) -> Result<(), Error> {
        let capacity = UPLINK.saturating_sub(RESERVE);
        let (promised, divided) = (
            self.host.promised(Direction::Egress),
            self.elastic.allocated(),
        );
        if promised <= capacity && divided <= capacity {
            return Ok(());
        }
        let what =
            format!("host-{host:03}: {promised} promised and {divided} divided of {capacity}");
        Err(broken(second, "netshape", &what))
    }
}

/// A plan's steps as tc would be called.
fn steps(plan: &Plan) -> Value {
    let step = |op| json!({"tc": plan.argv(op).join(" "), "why": plan.reason(op)});
    json!({"steps": plan.ops().iter().map(step).collect::<Vec<_>>()})
}

/// The ceilings that a division's plan sets, by class, in bit/s: one `class change` each.
fn ceilings(plan: &Plan) -> Value {
    let ceiling = |op: &Op| match &op.object {
        Object::Class(class) => Some((
            class.id.to_string(),
            json!(class.htb.ceil.bytes_per_second.saturating_mul(8)),
        )),
        _ => None,
    };
    Value::Object(plan.ops().iter().filter_map(ceiling).collect())
}
