//! By which names pods and workloads stand in the store.

use std::fmt;

/// A pod: one of its incarnations. Another of the same name has another `uid`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodId {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What tells it from all others, before and after.
    pub uid: String,
}

/// What a workload is, of those that addresses are retained for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WorkloadKind {
    /// A Deployment; it has its pods through ReplicaSets.
    Deployment,
    /// A ReplicaSet of its own.
    ReplicaSet,
    /// A StatefulSet.
    StatefulSet,
}

impl WorkloadKind {
    const ALL: [Self; 3] = [Self::Deployment, Self::ReplicaSet, Self::StatefulSet];

    /// As owner references name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::StatefulSet => "StatefulSet",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A workload: one of its incarnations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkloadId {
    /// What it is.
    pub kind: WorkloadKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What tells it from all others, before and after.
    pub uid: String,
}

impl PodId {
    /// The owner of its claim: `CLUSTER/NAMESPACE/POD/UID`.
    ///
    /// ```
    /// use ipam_kube::PodId;
    ///
    /// let pod = PodId { namespace: "shop".into(), name: "web-0".into(), uid: "6f1c".into() };
    /// assert_eq!(pod.owner("kube"), "kube/shop/web-0/6f1c");
    /// assert_eq!(PodId::of_owner("kube", "kube/shop/web-0/6f1c"), Some(pod));
    /// assert_eq!(PodId::of_owner("kube", "front/c1/eth0"), None);
    /// ```
    #[must_use]
    pub fn owner(&self, cluster: &str) -> String {
        format!("{cluster}/{}/{}/{}", self.namespace, self.name, self.uid)
    }

    /// The pod that an owner of this cluster is.
    #[must_use]
    pub fn of_owner(cluster: &str, owner: &str) -> Option<Self> {
        let mut parts = owner.strip_prefix(cluster)?.strip_prefix('/')?.split('/');
        let mut part = || parts.next().filter(|p| !p.is_empty()).map(str::to_owned);
        let pod = Self {
            namespace: part()?,
            name: part()?,
            uid: part()?,
        };
        parts.next().is_none().then_some(pod)
    }
}

impl WorkloadId {
    /// The workload by which the address of one of its slots is retained: `CLUSTER/NAMESPACE/KIND/NAME/UID/SLOT`. A slot is an
    /// ordinal of a StatefulSet; of others, a number that one pod at a time has.
    ///
    /// ```
    /// use ipam_kube::{WorkloadId, WorkloadKind};
    ///
    /// let kind = WorkloadKind::StatefulSet;
    /// let web = WorkloadId { kind, namespace: "shop".into(), name: "web".into(), uid: "a1".into() };
    /// assert_eq!(web.slot("kube", 2), "kube/shop/StatefulSet/web/a1/2");
    /// assert_eq!(WorkloadId::of_slot("kube", "kube/shop/StatefulSet/web/a1/2"), Some((web, 2)));
    /// ```
    #[must_use]
    pub fn slot(&self, cluster: &str, slot: u32) -> String {
        let Self {
            kind,
            namespace,
            name,
            uid,
        } = self;
        format!("{cluster}/{namespace}/{}/{name}/{uid}/{slot}", kind.name())
    }

    /// The workload and slot that a name of this cluster stands for.
    #[must_use]
    pub fn of_slot(cluster: &str, text: &str) -> Option<(Self, u32)> {
        let mut parts = text.strip_prefix(cluster)?.strip_prefix('/')?.split('/');
        let mut part = || parts.next().filter(|p| !p.is_empty());
        let namespace = part()?.to_owned();
        let kind = WorkloadKind::named(part()?)?;
        let (name, uid) = (part()?.to_owned(), part()?.to_owned());
        let slot = part()?.parse().ok()?;
        let workload = Self {
            kind,
            namespace,
            name,
            uid,
        };
        parts.next().is_none().then_some((workload, slot))
    }
}

impl fmt::Display for PodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pod {}/{} ({})", self.namespace, self.name, self.uid)
    }
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.name();
        write!(f, "{kind} {}/{} ({})", self.namespace, self.name, self.uid)
    }
}
