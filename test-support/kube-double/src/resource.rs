//! Which resources there are, and what a path names.

/// A resource that is served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resource {
    pub(crate) group: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
}

const RESOURCES: [Resource; 8] = [
    of("", "pods", "Pod"),
    of("", "nodes", "Node"),
    of("", "services", "Service"),
    of("apps", "deployments", "Deployment"),
    of("apps", "replicasets", "ReplicaSet"),
    of("apps", "statefulsets", "StatefulSet"),
    of("discovery.k8s.io", "endpointslices", "EndpointSlice"),
    of("coordination.k8s.io", "leases", "Lease"),
];

const fn of(group: &'static str, plural: &'static str, kind: &'static str) -> Resource {
    Resource {
        group,
        plural,
        kind,
    }
}

impl Resource {
    /// The resource of a plural name.
    pub(crate) fn named(plural: &str) -> Option<Self> {
        RESOURCES.into_iter().find(|r| r.plural == plural)
    }

    /// `v1`, or `GROUP/v1`.
    pub(crate) fn api_version(self) -> String {
        match self.group {
            "" => "v1".to_owned(),
            group => format!("{group}/v1"),
        }
    }
}

/// What a path names.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) resource: Resource,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
}

impl Target {
    /// Reads `/api/v1/...` and `/apis/GROUP/v1/...`.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, rest) = match &*parts {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", group, "v1", rest @ ..] => (*group, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => {
                (Some((*namespace).to_owned()), rest)
            }
            rest => (None, rest),
        };
        let (plural, name) = match rest {
            [plural] => (*plural, None),
            [plural, name] => (*plural, Some((*name).to_owned())),
            _ => return None,
        };
        let resource = Resource::named(plural).filter(|r| r.group == group)?;
        Some(Self {
            resource,
            namespace,
            name,
        })
    }
}
