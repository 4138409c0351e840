//! Objects as the client reads them: anything at all, so that one that is malformed does not stop the rest of a list.

use crate::object::Watched;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DynamicResourceScope;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;

/// A resource by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
}

/// The Lease objects of leaders.
pub(crate) const LEASES: Kind = Kind {
    group: "coordination.k8s.io",
    kind: "Lease",
    plural: "leases",
};

impl From<Watched> for Kind {
    fn from(watched: Watched) -> Self {
        Self {
            group: watched.group(),
            kind: watched.kind(),
            plural: watched.plural(),
        }
    }
}

/// An object; with `METADATA`, only its metadata are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Raw<const METADATA: bool> {
    /// Of which the client looks at the version alone.
    meta: ObjectMeta,
    pub(crate) value: Value,
}

impl<const METADATA: bool> From<Value> for Raw<METADATA> {
    fn from(value: Value) -> Self {
        let version = value["metadata"]["resourceVersion"].as_str();
        let meta = ObjectMeta {
            resource_version: version.map(str::to_owned),
            ..ObjectMeta::default()
        };
        Self { meta, value }
    }
}

impl<'de, const METADATA: bool> Deserialize<'de> for Raw<METADATA> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(Self::from)
    }
}

impl<const METADATA: bool> Serialize for Raw<METADATA> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(to)
    }
}

impl<const METADATA: bool> Resource for Raw<METADATA> {
    type DynamicType = Kind;
    type Scope = DynamicResourceScope;

    fn kind(of: &Kind) -> Cow<'_, str> {
        of.kind.into()
    }

    fn group(of: &Kind) -> Cow<'_, str> {
        of.group.into()
    }

    fn version(_: &Kind) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural(of: &Kind) -> Cow<'_, str> {
        of.plural.into()
    }

    fn metadata_api() -> bool {
        METADATA
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}
