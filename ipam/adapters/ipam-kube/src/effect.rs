//! What is to be done, and what came of it.

use crate::field::Malformed;
use crate::names::{PodId, WorkloadId};
use crate::object::Seen;
use crate::policy::Retain;
use ipam::claim::Families;
use std::fmt;
use std::net::IpAddr;

/// A claim to be made for a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub(crate) owner: String,
    /// The slot of its workload, where something is retained.
    pub(crate) workload: Option<String>,
    pub(crate) host: String,
    pub(crate) retain: Retain,
    pub(crate) families: Families,
    pub(crate) pools: Vec<String>,
    pub(crate) addresses: Vec<IpAddr>,
}

impl Asked {
    /// Whose claim it will be.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }
}

/// One thing to do. Each can be done again, or left undone by a process that ends: what is left is decided anew.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Claim addresses for a pod.
    Claim {
        /// The pod.
        pod: PodId,
        /// What for.
        asked: Asked,
    },
    /// Release a claim of a pod that has ended.
    Release {
        /// The pod.
        pod: PodId,
        /// The claim's owner.
        owner: String,
        /// The claim's sequence: a later claim is left alone.
        sequence: u64,
        /// Whether the API server is to be asked first: what is known was concluded, not told.
        ask: bool,
    },
    /// End what is reserved for a workload that is gone, or asks for it no longer. The API server is asked first where it is gone.
    Unreserve {
        /// The workload.
        workload: WorkloadId,
        /// By which name its slot's reservation stands in the store.
        slot: String,
        /// Whether it is there, and asks for something else.
        unwanted: bool,
    },
    /// Write to a pod what it was given.
    Annotate {
        /// The pod.
        pod: PodId,
        /// The version that is known of it: where it has another, nothing is written.
        version: String,
        /// What to write.
        lease: String,
    },
    /// A pass of collection.
    Collect,
}

impl Effect {
    /// Its name, for counting.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "claim",
            Self::Release { .. } => "release",
            Self::Unreserve { .. } => "unreserve",
            Self::Annotate { .. } => "annotate",
            Self::Collect => "collect",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim { pod, .. } => write!(f, "claim for {pod}"),
            Self::Release { pod, .. } => write!(f, "release of {pod}"),
            Self::Unreserve { slot, .. } => write!(f, "end of the reservation {slot}"),
            Self::Annotate { pod, .. } => write!(f, "annotation of {pod}"),
            Self::Collect => write!(f, "collection"),
        }
    }
}

/// What came of an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was done, or there was nothing left to do.
    Done,
    /// The pod was written to, and is this now.
    Written(Box<Seen>),
    /// It was not done: the pod has changed, and is this now.
    Fresh(Box<Seen>),
    /// It is not to be done: what it was decided for is there all the same.
    Wrong,
    /// It failed, and is tried again after a pause.
    Failed(String),
}

/// What somebody may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// An object cannot be read; it is passed over, and what it has is left alone.
    Malformed(Malformed),
    /// A pod asks for what cannot be.
    Refused(PodId, String),
    /// An effect was done.
    Done(Effect),
    /// An effect failed, and is tried again.
    Failed(Effect, String),
    /// A pass of collection: suspects, and owners whose claims were released.
    Collected {
        /// How many owners are missing.
        suspects: usize,
        /// Whose claims ended.
        released: Vec<String>,
        /// How many blocks were given up.
        blocks: usize,
    },
    /// A list or watch failed.
    Watch(String),
    /// The lease of the leader could not be read or written.
    Election(String),
    /// This process leads from now on.
    Leads,
    /// This process leads no longer.
    Follows,
    /// The store could not be read.
    Store(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => write!(f, "passed over: {malformed}"),
            Self::Refused(pod, why) => write!(f, "{pod} is given nothing: {why}"),
            Self::Done(effect) => write!(f, "{effect}: done"),
            Self::Failed(effect, why) => write!(f, "{effect}: {why}"),
            Self::Collected {
                suspects,
                released,
                blocks,
            } => {
                let released = released.len();
                write!(
                    f,
                    "collection: {suspects} missing, {released} released, {blocks} blocks given up"
                )
            }
            Self::Watch(why) => write!(f, "watch: {why}"),
            Self::Election(why) => write!(f, "election: {why}"),
            Self::Leads => write!(f, "leads"),
            Self::Follows => write!(f, "leads no longer"),
            Self::Store(why) => write!(f, "store: {why}"),
        }
    }
}
