//! Plans: what to do, in which order, what each step may cost, and how to take it back.

use super::disruption::Disruptions;
use super::left_alone::LeftAlone;
use super::op::Op;
use super::readd::Targets;
use crate::object::DevName;
use crate::policy::Refusal;
use crate::ticks::TickRounding;
use alloc::string::String;
use alloc::vec::Vec;

/// Ordered steps from the observed state to what is wanted. Carried out up to any step and planned again, it ends in the
/// same tree; carried out whole and planned again, it is empty.
///
/// ```
/// # use netshape::{Capabilities, Container, Direction, Host, ObservedState, Rate, Shape};
/// # let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
/// # let shape = Shape::new(Rate::mbit(50), Rate::mbit(200))?;
/// # host.insert(Container::new("web-1", "veth1")?.with_shape(Direction::Ingress, shape))?;
/// # let plan = netshape::plan::diff(&ObservedState::new(), &host);
/// assert_eq!(
///     plan.lines().lines().next(),
///     Some("tc qdisc add dev veth1 root handle be: htb default 10")
/// );
/// assert!(plan.batch()?.starts_with("# netns host\nqdisc add dev veth1"));
/// for op in plan.ops() {
///     let undo = op.inverse(); // what takes the step back
///     assert_eq!(plan.argv(&undo[0])[1], "delete");
/// }
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[doc(alias = "changeset")]
pub struct Plan {
    pub(crate) devices: Vec<DevName>,
    pub(crate) ops: Vec<Op>,
    pub(crate) left_alone: Vec<LeftAlone>,
    pub(crate) needs: Vec<DevName>,
    pub(crate) refused: Vec<Refusal>,
    /// Names of devices that filters send to, by number.
    pub(super) targets: Targets,
    pub(crate) rounding: TickRounding,
}

impl Plan {
    /// A plan without steps, for a tc that rounds so.
    #[must_use]
    pub const fn new(rounding: TickRounding) -> Self {
        Self {
            devices: Vec::new(),
            ops: Vec::new(),
            left_alone: Vec::new(),
            needs: Vec::new(),
            refused: Vec::new(),
            targets: Vec::new(),
            rounding,
        }
    }

    /// The steps, in order.
    #[must_use]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// How many steps.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// What is not ours and stays as it is.
    #[must_use]
    pub fn left_alone(&self) -> &[LeftAlone] {
        &self.left_alone
    }

    /// Parts of the policy that can't be carried out on this kernel as it is, such as a direction whose traffic a foreign filter takes
    /// before our class sees it. Nothing is planned for them: they keep what they have.
    #[must_use]
    pub fn refused(&self) -> &[Refusal] {
        &self.refused
    }

    /// Drops all steps; what was refused and left alone stays in the plan.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.needs.clear();
    }

    /// The device a step is about.
    #[must_use]
    pub fn device(&self, op: &Op) -> Option<&DevName> {
        self.devices.get(op.device as usize)
    }

    /// How many steps there are of each [`Disruption`](crate::plan::Disruption).
    #[must_use]
    pub fn disruptions(&self) -> Disruptions {
        self.ops
            .iter()
            .fold(Disruptions::default(), |mut sums, op| {
                sums.count(op.disruption);
                sums
            })
    }

    /// Devices that must exist before the first step: ifbs that were not observed.
    #[must_use]
    pub fn required_devices(&self) -> &[DevName] {
        &self.needs
    }

    /// Why a step is taken, with the figures.
    #[must_use]
    pub fn reason(&self, op: &Op) -> String {
        op.reason_text()
    }

    /// Takes in names of devices that filters send to.
    pub(super) fn know(&mut self, targets: Targets) {
        for target in targets {
            if !self.targets.contains(&target) {
                self.targets.push(target);
            }
        }
    }

    /// Number of a device in this plan.
    pub(crate) fn device_number(&mut self, name: &DevName) -> u32 {
        if self.devices.last() != Some(name) {
            self.devices.push(name.clone());
        }
        u32::try_from(self.devices.len())
            .unwrap_or(u32::MAX)
            .saturating_sub(1)
    }
}
