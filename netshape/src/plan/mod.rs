//! Plans: what to do, in which order, what each step may cost, and how to take it back.

mod argv;
mod bytes;
mod diff;
#[cfg(feature = "serde")]
mod document;
mod explain;
mod front;
mod hook;
mod leaf;
mod leftover;
mod lines;
mod op;
mod origin;
mod ours;
mod pins;
mod readd;
mod redirect;
mod work;

pub use diff::{diff, diff_device, diff_touched};
#[cfg(feature = "serde")]
pub use document::{LeftDocument, OpDocument, PlanDocument, RefusedDocument};
pub use lines::BatchError;
pub use op::{Action, Before, Loss, Losses, Object, Op, Reason};
pub(crate) use ours::major;
pub use ours::{REDIRECT_NODES, REDIRECT_PRIO, RESERVED_MAJORS};
pub use redirect::Redirect;

use crate::device::DevName;
use crate::handle::Handle;
use crate::host::Host;
use crate::refusal::Refusal;
use crate::ticks::Era;
use crate::wire::TcMessage;
use alloc::string::String;
use alloc::vec::Vec;

/// Something on a device of ours that is not ours and was not touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// `qdisc`, `class` or `filter`.
    pub object: &'static str,
    /// The device.
    pub device: DevName,
    /// Its handle.
    pub handle: Handle,
    /// Why it was not touched.
    pub why: String,
}

/// Ordered steps from what was observed to what is wanted. Carried out up to any step and planned again, it ends in the
/// same tree; carried out whole and planned again, it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub(crate) devices: Vec<DevName>,
    pub(crate) ops: Vec<Op>,
    pub(crate) left_alone: Vec<LeftAlone>,
    pub(crate) needs: Vec<DevName>,
    pub(crate) refused: Vec<Refusal>,
    /// Names of devices that filters send to, by number.
    targets: readd::Targets,
    pub(crate) era: Era,
}

impl Plan {
    /// A plan of nothing, for a tc of this era.
    #[must_use]
    pub const fn new(era: Era) -> Self {
        Self {
            devices: Vec::new(),
            ops: Vec::new(),
            left_alone: Vec::new(),
            needs: Vec::new(),
            refused: Vec::new(),
            targets: Vec::new(),
            era,
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

    /// What of the policy can't be had on this kernel as it is, such as where a foreign filter takes the traffic before our class
    /// sees it. Nothing is planned for it: it keeps what it has.
    #[must_use]
    pub fn refused(&self) -> &[Refusal] {
        &self.refused
    }

    /// Drops all steps, and keeps what is said of the rest.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.needs.clear();
    }

    /// The device a step is about.
    #[must_use]
    pub fn device(&self, op: &Op) -> Option<&DevName> {
        self.devices.get(op.device as usize)
    }

    /// How many steps there are of each loss class.
    #[must_use]
    pub fn losses(&self) -> Losses {
        self.ops.iter().fold(Losses::default(), |mut sums, op| {
            sums.count(op.loss);
            sums
        })
    }

    /// The netlink message of a step, on the device with this number. Rate tables are left out.
    #[must_use]
    pub fn message(&self, op: &Op, ifindex: i32) -> TcMessage {
        bytes::message(op, ifindex)
    }

    /// The whole plan in words: what is left alone, which devices are needed first, every step with its reason, its cost, the
    /// formula of each number and where in the policy that comes from, and the sums of the costs.
    /// O(steps + containers · log n).
    #[must_use]
    pub fn explain(&self, host: &Host) -> String {
        explain::explain(self, host)
    }

    /// Devices that must exist before the first step: ifbs that were not observed.
    #[must_use]
    pub fn needs(&self) -> &[DevName] {
        &self.needs
    }

    /// Why a step is taken, with the figures.
    #[must_use]
    pub fn why(&self, op: &Op) -> String {
        op.why()
    }

    /// Takes in names of devices that filters send to.
    fn know(&mut self, targets: readd::Targets) {
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
