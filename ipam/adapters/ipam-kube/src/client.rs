//! The API server over HTTP, by the crate `kube`.

use crate::election::{Record, Wish, Written};
use crate::names::{PodId, WorkloadId};
use crate::object::{Seen, Watched, pod_id};
use crate::policy::LEASE;
use crate::raw::{Kind, LEASES, Raw};
use crate::seam::{Cluster, ClusterError, Patched};
use async_trait::async_trait;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Error};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Objects a page of a list, as Kubernetes' own clients ask for.
const PAGE: u32 = 500;
/// Most pages of a list: two million pods.
const PAGES: usize = 4000;
/// As whom fields are written.
const MANAGER: &str = "berth-ipam";

/// A cluster that is reached by a client of the crate `kube`.
#[derive(Clone)]
pub struct KubeCluster {
    client: Client,
    scope: Option<String>,
    lease: (String, String),
    /// The Lease object as it was read last: what others wrote to it stays.
    read: Value,
}

impl std::fmt::Debug for KubeCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeCluster")
            .field("scope", &self.scope)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

impl KubeCluster {
    /// A cluster, or one namespace of it, with the namespace and name of the leader's Lease object.
    #[must_use]
    pub fn new(client: Client, scope: Option<String>, lease: (String, String)) -> Self {
        Self {
            client,
            scope,
            lease,
            read: Value::Null,
        }
    }

    /// The same, with a client as the configuration in a file says; without one, as `$KUBECONFIG`, `~/.kube/config` or, in a pod, its
    /// service account say. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// There is no configuration, or it cannot be used.
    pub async fn connect(
        kubeconfig: Option<&Path>,
        scope: Option<String>,
        lease: (String, String),
    ) -> Result<Self, ClusterError> {
        let unusable = |error: &dyn std::error::Error| ClusterError(with_causes(error));
        let config = match kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(|e| unusable(&e))?;
                let options = KubeConfigOptions::default();
                let config = Config::from_custom_kubeconfig(file, &options);
                config.await.map_err(|e| unusable(&e))?
            }
            None => Config::infer().await.map_err(|e| unusable(&e))?,
        };
        let client = Client::try_from(config).map_err(|e| failed(&e))?;
        Ok(Self::new(client, scope, lease))
    }

    /// What watches the same.
    #[must_use]
    pub fn watches(&self) -> crate::KubeSource {
        crate::KubeSource::new(&self.client, self.scope.as_deref())
    }

    fn api<const METADATA: bool>(&self, namespace: &str, of: Watched) -> Api<Raw<METADATA>> {
        Api::namespaced_with(self.client.clone(), namespace, &Kind::from(of))
    }

    fn leases(&self) -> Api<Raw<false>> {
        Api::namespaced_with(self.client.clone(), &self.lease.0, &LEASES)
    }

    async fn uid(
        &self,
        of: Watched,
        namespace: &str,
        name: &str,
    ) -> Result<Option<String>, ClusterError> {
        let read = self.api::<true>(namespace, of).get_opt(name).await;
        let Some(object) = read.map_err(|e| failed(&e))? else {
            return Ok(None);
        };
        let uid = object.value["metadata"]["uid"].as_str().map(str::to_owned);
        let unreadable = || ClusterError(format!("{} {namespace}/{name} has no uid", of.kind()));
        uid.map(Some).ok_or_else(unreadable)
    }
}

/// A failure as a text that tells its causes.
pub(crate) fn failed(error: &Error) -> ClusterError {
    if let Error::Api(status) = error {
        return ClusterError(format!(
            "{} ({}): {}",
            status.reason, status.code, status.message
        ));
    }
    ClusterError(with_causes(error))
}

/// An error and what caused it.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Api(status) if matches!(status.code, 404 | 409))
}

#[async_trait]
impl Cluster for KubeCluster {
    async fn pod(&mut self, namespace: &str, name: &str) -> Result<Option<Seen>, ClusterError> {
        let read = self
            .api::<false>(namespace, Watched::Pods)
            .get_opt(name)
            .await;
        let object = read.map_err(|e| failed(&e))?;
        Ok(object.map(|object| Seen::read(Watched::Pods, &object.value)))
    }

    async fn pod_uid(&mut self, pod: &PodId) -> Result<Option<String>, ClusterError> {
        self.uid(Watched::Pods, &pod.namespace, &pod.name).await
    }

    async fn workload_uid(
        &mut self,
        workload: &WorkloadId,
    ) -> Result<Option<String>, ClusterError> {
        let WorkloadId {
            kind,
            namespace,
            name,
            ..
        } = workload;
        self.uid((*kind).into(), namespace, name).await
    }

    async fn pods(&mut self) -> Result<BTreeSet<PodId>, ClusterError> {
        let kind = Kind::from(Watched::Pods);
        let api: Api<Raw<true>> = match &self.scope {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &kind),
            None => Api::all_with(self.client.clone(), &kind),
        };
        let mut pods = BTreeSet::new();
        let mut params = ListParams::default().limit(PAGE);
        for _ in 0..PAGES {
            let page = api.list(&params).await.map_err(|e| failed(&e))?;
            for object in &page.items {
                let pod = pod_id(&object.value);
                pods.insert(pod.map_err(|malformed| ClusterError(malformed.to_string()))?);
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(pods),
            }
        }
        Err(ClusterError(format!("a list of more than {PAGES} pages")))
    }

    async fn annotate(
        &mut self,
        pod: &PodId,
        version: &str,
        lease: &str,
    ) -> Result<Patched, ClusterError> {
        let patch = json!({"metadata": {
            "uid": pod.uid, "resourceVersion": version, "annotations": {LEASE: lease},
        }});
        let api = self.api::<false>(&pod.namespace, Watched::Pods);
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match api.patch(&pod.name, &params, &Patch::Merge(patch)).await {
            Ok(object) => {
                let seen = Seen::read(Watched::Pods, &object.value);
                Ok(Patched::Done(Box::new(seen)))
            }
            Err(error) if is_conflict(&error) => Ok(Patched::Conflict),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn lease(&mut self) -> Result<Option<Record>, ClusterError> {
        let read = self.leases().get_opt(&self.lease.1).await;
        let object = read.map_err(|e| failed(&e))?;
        self.read = object.map_or(Value::Null, |object| object.value);
        Ok((!self.read.is_null()).then(|| record(&self.read)))
    }

    async fn write_lease(&mut self, wish: &Wish) -> Result<Written, ClusterError> {
        let object = Raw::from(lease(&self.read, &self.lease, wish, Timestamp::now()));
        let (api, params) = (self.leases(), PostParams::default());
        let written = match &wish.version {
            None => api.create(&params, &object).await,
            Some(_) => api.replace(&self.lease.1, &params, &object).await,
        };
        match written {
            Ok(object) => {
                self.read = object.value;
                Ok(Written::Done(record(&self.read)))
            }
            Err(error) if is_conflict(&error) => Ok(Written::Conflict),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// What a Lease object says. What it does not say, or not rightly, counts as not said.
fn record(object: &Value) -> Record {
    let spec = &object["spec"];
    Record {
        version: object["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        holder: spec["holderIdentity"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        duration: spec["leaseDurationSeconds"]
            .as_u64()
            .map(Duration::from_secs),
        transitions: spec["leaseTransitions"].as_u64().unwrap_or(0),
    }
}

/// A Lease object as it is wished, with all that it says besides.
fn lease(read: &Value, (namespace, name): &(String, String), wish: &Wish, now: Timestamp) -> Value {
    let mut object = match &wish.version {
        Some(_) if read["metadata"].is_object() => read.clone(),
        _ => json!({"metadata": {}}),
    };
    object["apiVersion"] = "coordination.k8s.io/v1".into();
    object["kind"] = "Lease".into();
    object["metadata"]["namespace"] = namespace.as_str().into();
    object["metadata"]["name"] = name.as_str().into();
    if let Some(version) = &wish.version {
        object["metadata"]["resourceVersion"] = version.as_str().into();
    }
    if !object["spec"].is_object() {
        object["spec"] = json!({});
    }
    // `MicroTime`, as the API writes it.
    let now = format!("{now:.6}");
    let spec = &mut object["spec"];
    spec["holderIdentity"] = wish.holder.as_str().into();
    spec["leaseDurationSeconds"] = wish.duration.as_secs().max(1).into();
    spec["leaseTransitions"] = wish.transitions.into();
    spec["renewTime"] = now.as_str().into();
    if wish.taken {
        spec["acquireTime"] = now.into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_objects_keep_what_others_wrote() {
        let read = json!({
            "metadata": {"name": "l", "labels": {"a": "b"}, "resourceVersion": "4"},
            "spec": {"holderIdentity": "other", "acquireTime": "then", "strategy": "x"},
        });
        let wish = Wish {
            version: Some("4".into()),
            holder: "me".into(),
            duration: Duration::from_secs(15),
            transitions: 2,
            taken: false,
        };
        let now = Timestamp::from_second(1_796_000_000).unwrap();
        let object = lease(&read, &("ns".into(), "l".into()), &wish, now);
        assert_eq!(object["metadata"]["labels"]["a"], "b");
        let right = json!({
            "holderIdentity": "me", "leaseDurationSeconds": 15, "leaseTransitions": 2, "strategy": "x",
            "acquireTime": "then", "renewTime": "2026-11-30T00:53:20.000000Z",
        });
        assert_eq!(object["spec"], right);
        let said = record(&object);
        assert_eq!(
            (&*said.holder, said.transitions, &*said.version),
            ("me", 2, "4")
        );
    }

    #[test]
    fn absurd_lease_objects_are_held_by_nobody() {
        for odd in [
            json!(7),
            json!({}),
            json!({"spec": {"holderIdentity": 7, "leaseDurationSeconds": -1}}),
        ] {
            let said = record(&odd);
            assert_eq!((&*said.holder, said.duration), ("", None));
        }
    }
}
