//! The plan as a document for scripts.

use super::{LeftAlone, Plan};
use crate::refusal::Refusal;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One step.
#[derive(Clone, Debug, serde::Serialize)]
pub struct OpDocument {
    /// `qdisc`, `class` or `filter`.
    pub object: &'static str,
    /// `add`, `change` or `delete`.
    pub action: &'static str,
    /// Name of the device's network namespace; the host's own where this and `pid` are `null`.
    pub netns: Option<String>,
    /// The process in whose network namespace the device is, where that is how it is known.
    pub pid: Option<u32>,
    /// The words that go before `tc` for it to work in that namespace: `ip netns exec NAME` or `nsenter --net=FILE`.
    pub enter: Vec<String>,
    /// The device.
    pub dev: String,
    /// Arguments of tc, as raw words: a shell needs them quoted.
    pub argv: Vec<String>,
    /// Loss class.
    pub loss: &'static str,
    /// Arguments of the tc that takes it back; the first of `undo`.
    pub inverse: Vec<String>,
    /// All that takes it back, in order.
    pub undo: Vec<Vec<String>>,
    /// Why.
    pub why: String,
}

/// Something refused.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RefusedDocument {
    /// The field.
    pub field: String,
    /// Why, with the figures.
    pub why: String,
}

/// Something left as it is.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LeftDocument {
    /// `qdisc`, `class` or `filter`.
    pub object: &'static str,
    /// Name of the network namespace; the host's own where this and `pid` are `null`.
    pub netns: Option<String>,
    /// The process in whose network namespace the device is.
    pub pid: Option<u32>,
    /// Device.
    pub dev: String,
    /// Handle.
    pub handle: String,
    /// Why.
    pub why: String,
}

/// The whole plan.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PlanDocument {
    /// The steps.
    pub ops: Vec<OpDocument>,
    /// What the policy asks for and can't have.
    pub refused: Vec<RefusedDocument>,
    /// What is not ours.
    pub left_alone: Vec<LeftDocument>,
    /// Devices that must be made first (`ip link add DEV type ifb`).
    pub devices_needed: Vec<String>,
    /// Steps by loss class.
    pub losses: super::Losses,
}

impl Plan {
    /// The plan as a document, with what was refused of the policy and what of it the plan refuses.
    #[must_use]
    pub fn document(&self, refused: &[Refusal]) -> PlanDocument {
        let left = |l: &LeftAlone| LeftDocument {
            object: l.object,
            netns: l.device.netns.name().map(ToString::to_string),
            pid: l.device.netns.pid(),
            dev: l.device.dev.to_string(),
            handle: l.handle.to_string(),
            why: l.why.clone(),
        };
        let refused = refused
            .iter()
            .chain(&self.refused)
            .map(|r| RefusedDocument {
                field: r.field.clone(),
                why: r.kind.to_string(),
            });
        PlanDocument {
            ops: self.ops.iter().map(|op| self.op_document(op)).collect(),
            refused: refused.collect(),
            left_alone: self.left_alone.iter().map(left).collect(),
            devices_needed: self.needs.iter().map(ToString::to_string).collect(),
            losses: self.losses(),
        }
    }

    fn op_document(&self, op: &super::Op) -> OpDocument {
        let device = self.device(op);
        let undo: Vec<Vec<String>> = op.inverse().iter().map(|o| self.argv(o)).collect();
        OpDocument {
            object: op.object.name(),
            action: op.action.word(),
            netns: device.and_then(|d| d.netns.name()).map(ToString::to_string),
            pid: device.and_then(|d| d.netns.pid()),
            enter: device.map(|d| d.netns.enter()).unwrap_or_default(),
            dev: device.map(|d| d.dev.to_string()).unwrap_or_default(),
            argv: self.argv(op),
            loss: op.loss.name(),
            inverse: undo.first().cloned().unwrap_or_default(),
            undo,
            why: self.why(op),
        }
    }
}
