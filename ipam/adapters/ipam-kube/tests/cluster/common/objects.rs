//! Pods and workloads as Kubernetes' own controllers make them.

use super::Rig;
use ipam_kube::{ADDRESSES, RETENTION};
use kube_double::Value;
use serde_json::json;

/// The reference of a pod or ReplicaSet to what controls it.
pub(crate) fn controlled_by(kind: &str, owner: &Value) -> Value {
    json!([{
        "apiVersion": "apps/v1", "kind": kind, "controller": true,
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
    }])
}

/// Annotations that ask for a retention, if any.
pub(crate) fn retention(retention: &str) -> Value {
    match retention {
        "" => json!({}),
        retention => json!({RETENTION: retention}),
    }
}

/// A pod on a node.
pub(crate) fn pod(name: &str, node: &str) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": name, "annotations": {}},
        "spec": {"nodeName": node}, "status": {"phase": "Running"},
    })
}

impl Rig {
    /// A StatefulSet with its pods.
    pub(crate) fn stateful_set(&self, name: &str, annotations: Value, replicas: u32) -> Value {
        let mut set = json!({
            "metadata": {"namespace": "shop", "name": name}, "spec": {"replicas": replicas},
        });
        set["metadata"]["annotations"] = annotations;
        let set = self.double.apply("statefulsets", set);
        for ordinal in 0..replicas {
            self.set_pod(name, ordinal, "h1");
        }
        set
    }

    /// A pod of a StatefulSet.
    pub(crate) fn set_pod(&self, set: &str, ordinal: u32, node: &str) -> Value {
        let set = self.double.get("statefulsets", "shop", set).unwrap();
        let name = format!("{}-{ordinal}", set["metadata"]["name"].as_str().unwrap());
        let mut object = pod(&name, node);
        object["metadata"]["ownerReferences"] = controlled_by("StatefulSet", &set);
        self.double.apply("pods", object)
    }

    /// A Deployment with a ReplicaSet and its pods.
    pub(crate) fn deployment(&self, name: &str, annotations: Value, pods: &[&str]) -> Value {
        let mut deployment = json!({"metadata": {"namespace": "shop", "name": name}});
        deployment["metadata"]["annotations"] = annotations;
        let deployment = self.double.apply("deployments", deployment);
        self.double.apply("replicasets", json!({"metadata": {
            "namespace": "shop", "name": format!("{name}-1"), "ownerReferences": controlled_by("Deployment", &deployment),
        }}));
        for pod in pods {
            self.replica(&format!("{name}-1"), pod, "h1");
        }
        deployment
    }

    /// A pod of a ReplicaSet.
    pub(crate) fn replica(&self, set: &str, name: &str, node: &str) -> Value {
        let set = self.double.get("replicasets", "shop", set).unwrap();
        let mut object = pod(name, node);
        object["metadata"]["ownerReferences"] = controlled_by("ReplicaSet", &set);
        self.double.apply("pods", object)
    }

    /// A pod of nobody.
    pub(crate) fn pod(&self, name: &str) -> Value {
        self.double.apply("pods", pod(name, "h1"))
    }

    pub(crate) fn delete_pod(&self, name: &str) {
        assert!(
            self.double.delete("pods", "shop", name),
            "there is no pod {name}"
        );
    }
}

/// Annotations that fix addresses of a list.
pub(crate) fn fixed_to(addresses: &str) -> Value {
    json!({RETENTION: "fixed", ADDRESSES: addresses})
}
