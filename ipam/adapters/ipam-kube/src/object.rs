//! Pods and workloads as the API server tells of them.

use crate::field::{Malformed, Wrong, at, flag, name, text};
use crate::names::{PodId, WorkloadId, WorkloadKind};
use crate::policy::{LEASE, Policy};
use serde_json::Value;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Watched {
    /// Pods.
    Pods,
    /// Deployments.
    Deployments,
    /// ReplicaSets, through which Deployments have their pods.
    ReplicaSets,
    /// StatefulSets.
    StatefulSets,
}

impl Watched {
    /// All that is watched.
    pub const ALL: [Self; 4] = [
        Self::Pods,
        Self::Deployments,
        Self::ReplicaSets,
        Self::StatefulSets,
    ];

    /// The kind of its objects.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Pods => "Pod",
            Self::Deployments => "Deployment",
            Self::ReplicaSets => "ReplicaSet",
            Self::StatefulSets => "StatefulSet",
        }
    }

    /// As paths name it.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Deployments => "deployments",
            Self::ReplicaSets => "replicasets",
            Self::StatefulSets => "statefulsets",
        }
    }

    /// The API group; empty for the core's.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::Pods => "",
            _ => "apps",
        }
    }
}

impl From<WorkloadKind> for Watched {
    fn from(kind: WorkloadKind) -> Self {
        match kind {
            WorkloadKind::Deployment => Self::Deployments,
            WorkloadKind::ReplicaSet => Self::ReplicaSets,
            WorkloadKind::StatefulSet => Self::StatefulSets,
        }
    }
}

/// An object as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen(pub(crate) Result<Object, Box<Malformed>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Pod(Box<Pod>),
    Workload(Box<Workload>),
}

/// What a pod says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) id: PodId,
    pub(crate) version: String,
    /// The node that it was given.
    pub(crate) node: Option<String>,
    /// Whether it has ended, for good.
    pub(crate) over: bool,
    /// Whether it is being deleted.
    pub(crate) leaving: bool,
    /// Whether it uses its node's addresses.
    pub(crate) of_node: bool,
    pub(crate) controller: Option<Controlled>,
    pub(crate) policy: Result<Option<Policy>, Wrong>,
    /// What our annotation says at present.
    pub(crate) lease: Option<String>,
}

/// Whose pod, or whose ReplicaSet, something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Controlled {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// What a workload says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) id: WorkloadId,
    pub(crate) controller: Option<Controlled>,
    pub(crate) policy: Result<Option<Policy>, Wrong>,
}

impl Seen {
    /// Reads an object, which may hold anything.
    ///
    /// ```
    /// use ipam_kube::{Seen, Watched};
    /// use serde_json::json;
    ///
    /// let seen = Seen::read(Watched::Pods, &json!({"metadata": {"namespace": "shop", "name": 7, "uid": "6f1c"}}));
    /// assert_eq!(seen.malformed().unwrap().to_string(), "Pod shop/?: metadata.name: want a name, got 7");
    /// ```
    #[must_use]
    pub fn read(watched: Watched, object: &Value) -> Self {
        let read = match watched {
            Watched::Pods => pod(object).map(|pod| Object::Pod(Box::new(pod))),
            Watched::Deployments => workload(WorkloadKind::Deployment, object),
            Watched::ReplicaSets => workload(WorkloadKind::ReplicaSet, object),
            Watched::StatefulSets => workload(WorkloadKind::StatefulSet, object),
        };
        Self(read.map_err(|wrong| malformed(watched, object, wrong)))
    }

    /// What is wrong with it, if it cannot be read.
    #[must_use]
    pub fn malformed(&self) -> Option<&Malformed> {
        self.0.as_ref().err().map(|malformed| &**malformed)
    }

    /// The pod that it is, if it is one and can be read.
    #[must_use]
    pub fn pod(&self) -> Option<&PodId> {
        match &self.0 {
            Ok(Object::Pod(pod)) => Some(&pod.id),
            _ => None,
        }
    }
}

/// The identity of a pod of which only metadata are known.
pub(crate) fn pod_id(object: &Value) -> Result<PodId, Box<Malformed>> {
    id(object).map_err(|wrong| malformed(Watched::Pods, object, wrong))
}

fn malformed(watched: Watched, object: &Value, wrong: Wrong) -> Box<Malformed> {
    let part = |path| name(object, path).ok().map(str::to_owned);
    Box::new(Malformed {
        kind: watched.kind(),
        namespace: part("metadata.namespace"),
        name: part("metadata.name"),
        uid: part("metadata.uid"),
        field: wrong.field,
        problem: wrong.problem,
    })
}

fn id(object: &Value) -> Result<PodId, Wrong> {
    Ok(PodId {
        namespace: name(object, "metadata.namespace")?.to_owned(),
        name: name(object, "metadata.name")?.to_owned(),
        uid: name(object, "metadata.uid")?.to_owned(),
    })
}

fn pod(object: &Value) -> Result<Pod, Wrong> {
    let id = id(object)?;
    let node = match at(object, "spec.nodeName") {
        Value::Null => None,
        Value::String(none) if none.is_empty() => None,
        _ => Some(name(object, "spec.nodeName")?.to_owned()),
    };
    let annotations = at(object, "metadata.annotations");
    Ok(Pod {
        version: name(object, "metadata.resourceVersion")?.to_owned(),
        node,
        over: matches!(text(object, "status.phase")?, Some("Succeeded" | "Failed")),
        leaving: !at(object, "metadata.deletionTimestamp").is_null(),
        of_node: flag(object, "spec.hostNetwork")?,
        controller: controller(object)?,
        policy: Policy::read(annotations),
        // One that is no text is to be written over.
        lease: match &annotations[LEASE] {
            Value::Null => None,
            lease => Some(lease.as_str().unwrap_or_default().to_owned()),
        },
        id,
    })
}

fn workload(kind: WorkloadKind, object: &Value) -> Result<Object, Wrong> {
    let PodId {
        namespace,
        name,
        uid,
    } = id(object)?;
    // What the pods will say themselves comes first.
    let template = Policy::read(at(object, "spec.template.metadata.annotations"));
    let own = Policy::read(at(object, "metadata.annotations"));
    let policy = template.and_then(|template| Ok(merged(template, own?)));
    Ok(Object::Workload(Box::new(Workload {
        id: WorkloadId {
            kind,
            namespace,
            name,
            uid,
        },
        controller: controller(object)?,
        policy,
    })))
}

/// What two places ask for, the first before the second.
pub(crate) fn merged(one: Option<Policy>, other: Option<Policy>) -> Option<Policy> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.or(other)),
        (one, other) => one.or(other),
    }
}

/// The reference that is marked as the controller's.
fn controller(object: &Value) -> Result<Option<Controlled>, Wrong> {
    let path = "metadata.ownerReferences";
    let references = match at(object, path) {
        Value::Null => return Ok(None),
        Value::Array(references) => references,
        _ => return Err(Wrong::new(path, "want a list of references")),
    };
    let Some(reference) = references.iter().find(|r| r["controller"] == true) else {
        return Ok(None);
    };
    let part = |field| {
        let found = name(reference, field).map(str::to_owned);
        found.map_err(|wrong| Wrong::new(path, format!("{}: {}", wrong.field, wrong.problem)))
    };
    Ok(Some(Controlled {
        kind: part("kind")?,
        name: part("name")?,
        uid: part("uid")?,
    }))
}
