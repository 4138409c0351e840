//! Operations, decoded from bytes: every byte string is a list of operations.

use crate::endpoint::Conditions;
use crate::health::{CallOutcome, ProbeOutcome};

/// Bytes, taken from the front.
#[derive(Clone, Debug)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// All of these.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// The next byte below `bound`.
    pub(super) fn below(&mut self, bound: u8) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first % bound.max(1))
    }
}

/// One operation on an engine of three services, ten names, three nodes and two regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Add or change an endpoint.
    Upsert {
        /// Which name.
        name: u8,
        /// Which service.
        service: u8,
        /// Where.
        node: u8,
        /// Which region.
        region: u8,
        /// Base weight.
        weight: u32,
        /// Conditions.
        conditions: Conditions,
        /// Which start.
        started: u8,
    },
    /// Remove an endpoint.
    Remove {
        /// Which name.
        name: u8,
    },
    /// A service as a whole: the names whose bit is set, as they are now.
    Snapshot {
        /// Which service.
        service: u8,
        /// Which of the ten names, one bit each.
        names: u16,
    },
    /// Carry held losses out.
    Confirm {
        /// Which service.
        service: u8,
    },
    /// Answer the last probe of an endpoint.
    Answer {
        /// Which name.
        name: u8,
        /// With what.
        outcome: ProbeOutcome,
        /// With an old attempt.
        late: bool,
    },
    /// Report calls.
    Call {
        /// Which name.
        name: u8,
        /// How they ended.
        outcome: CallOutcome,
        /// How many.
        count: u8,
    },
    /// Drain an endpoint (0), a node (1) or a region (2).
    Drain {
        /// What kind.
        kind: u8,
        /// Which.
        which: u8,
        /// On or off.
        on: bool,
    },
    /// Let time pass (or, by 0, stand still).
    Wait {
        /// Milliseconds.
        ms: u32,
    },
    /// Tell an old time once.
    Back,
    /// Set the clock a day ahead or back.
    Jump {
        /// Ahead or back.
        ahead: bool,
    },
    /// Restart from a snapshot.
    Restart,
}

impl Op {
    /// The next operation, `None` at the end of the data.
    pub fn decode(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(match bytes.below(16)? {
            0..=3 => Self::Upsert {
                name: bytes.below(10)?,
                service: bytes.below(3)?,
                node: bytes.below(3)?,
                region: bytes.below(2)?,
                weight: [0, 1, 7, 100, 1_000_000, 1_000_001][bytes.below(6)? as usize],
                conditions: conditions(bytes.below(8)?),
                started: bytes.below(2)?,
            },
            4 => Self::Remove {
                name: bytes.below(10)?,
            },
            5 => Self::Snapshot {
                service: bytes.below(3)?,
                names: u16::from(bytes.below(255)?) | u16::from(bytes.below(4)?) << 8,
            },
            6 => Self::Confirm {
                service: bytes.below(3)?,
            },
            7..=9 => Self::Answer {
                name: bytes.below(10)?,
                outcome: [
                    ProbeOutcome::Pass,
                    ProbeOutcome::Fail,
                    ProbeOutcome::Degraded,
                    ProbeOutcome::FailAtOnce,
                    ProbeOutcome::Unprobed,
                ][bytes.below(5)? as usize],
                late: bytes.below(8)? == 0,
            },
            10 => Self::Call {
                name: bytes.below(10)?,
                outcome: [
                    CallOutcome::Ok,
                    CallOutcome::Error,
                    CallOutcome::Gateway,
                    CallOutcome::Local,
                ][bytes.below(4)? as usize],
                count: bytes.below(8)?,
            },
            11 => Self::Drain {
                kind: bytes.below(3)?,
                which: bytes.below(10)?,
                on: bytes.below(2)? == 0,
            },
            12 | 13 => Self::Wait {
                ms: [0, 1, 500, 1_000, 10_000, 61_000][bytes.below(6)? as usize],
            },
            14 => match bytes.below(4)? {
                0 => Self::Jump { ahead: true },
                1 => Self::Jump { ahead: false },
                _ => Self::Back,
            },
            _ => Self::Restart,
        })
    }
}

/// Mostly conditions that Kubernetes sends, now and then ones it does not.
fn conditions(pick: u8) -> Conditions {
    let of = |ready, serving, terminating| Conditions {
        ready,
        serving,
        terminating,
    };
    match pick {
        0..=3 => Conditions::READY,
        4 => Conditions::TERMINATING,
        5 => Conditions::STARTING,
        6 => of(false, false, true),
        _ => of(true, true, true),
    }
}
