//! What stands in Consul's catalog, and the operations of its transactions.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `/v1/catalog/node-services/NODE`; both are null where there is no such node.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NodeServices {
    pub(crate) node: Option<serde_json::Value>,
    pub(crate) services: Option<Vec<Service>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Service {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) weights: Option<Weights>,
    pub(crate) meta: Option<BTreeMap<String, String>>,
    pub(crate) modify_index: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Weights {
    pub(crate) passing: u32,
    pub(crate) warning: u32,
}

/// Of `/v1/health/node/NODE`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Check {
    pub(crate) node: String,
    #[serde(rename = "CheckID")]
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) output: String,
    #[serde(rename = "ServiceID")]
    pub(crate) service_id: String,
    pub(crate) modify_index: u64,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) enum Op {
    Node(NodeOp),
    Service(ServiceOp),
    Check(CheckOp),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct NodeOp {
    pub(crate) verb: &'static str,
    pub(crate) node: Node,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Node {
    pub(crate) node: String,
    pub(crate) address: String,
    pub(crate) meta: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ServiceOp {
    pub(crate) verb: &'static str,
    pub(crate) node: String,
    pub(crate) service: Service,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CheckOp {
    pub(crate) verb: &'static str,
    pub(crate) check: Check,
}
