//! The plan as a document for scripts.

use super::disruption::Disruptions;
use super::left_alone::LeftAlone;
use super::op::Op;
use super::steps::Plan;
use crate::policy::Refusal;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// One step.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
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
    /// Disruption class.
    #[serde(rename = "loss")]
    pub disruption: &'static str,
    /// Arguments of the tc that takes it back; the first of `undo`.
    pub inverse: Vec<String>,
    /// All that takes it back, in order.
    pub undo: Vec<Vec<String>>,
    /// Why.
    #[serde(rename = "why")]
    pub reason: String,
}

/// Something refused.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct RefusedDocument {
    /// The field.
    pub field: String,
    /// Why, with the figures.
    #[serde(rename = "why")]
    pub reason: String,
}

/// Something left as it is.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct LeftAloneDocument {
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
    #[serde(rename = "why")]
    pub reason: String,
}

/// The whole plan.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct PlanDocument {
    /// The steps.
    pub ops: Vec<OpDocument>,
    /// What the policy asks for and can't have.
    pub refused: Vec<RefusedDocument>,
    /// What is not ours.
    pub left_alone: Vec<LeftAloneDocument>,
    /// Devices that must be made first (`ip link add DEV type ifb`).
    pub devices_needed: Vec<String>,
    /// Steps by loss class.
    #[serde(rename = "losses")]
    pub disruptions: Disruptions,
}

impl Plan {
    /// The plan as a document, with what was refused of the policy and what of it the plan refuses.
    #[must_use]
    pub fn document(&self, refused: &[Refusal]) -> PlanDocument {
        let left = |l: &LeftAlone| LeftAloneDocument {
            object: l.object.name(),
            netns: l.device.netns.name().map(ToString::to_string),
            pid: l.device.netns.pid(),
            dev: l.device.dev.to_string(),
            handle: l.handle.to_string(),
            reason: l.reason.clone(),
        };
        let refused = refused
            .iter()
            .chain(&self.refused)
            .map(|r| RefusedDocument {
                field: r.field.clone(),
                reason: r.kind.to_string(),
            });
        PlanDocument {
            ops: self.ops.iter().map(|op| self.op_document(op)).collect(),
            refused: refused.collect(),
            left_alone: self.left_alone.iter().map(left).collect(),
            devices_needed: self.needs.iter().map(ToString::to_string).collect(),
            disruptions: self.disruptions(),
        }
    }

    fn op_document(&self, op: &Op) -> OpDocument {
        let device = self.device(op);
        let undo: Vec<Vec<String>> = op.inverse().iter().map(|o| self.argv(o)).collect();
        OpDocument {
            object: op.object.kind().name(),
            action: op.action.word(),
            netns: device.and_then(|d| d.netns.name()).map(ToString::to_string),
            pid: device.and_then(|d| d.netns.pid()),
            enter: device.map(|d| d.netns.enter()).unwrap_or_default(),
            dev: device.map(|d| d.dev.to_string()).unwrap_or_default(),
            argv: self.argv(op),
            disruption: op.disruption.name(),
            inverse: undo.first().cloned().unwrap_or_default(),
            undo,
            reason: self.reason(op),
        }
    }
}
