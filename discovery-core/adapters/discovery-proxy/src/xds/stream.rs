//! One client's stream, in either dialect: requests in, responses out. Knows no transport.

use super::catalog::{Catalog, Kind, version};
use super::counts::XdsCounts;
use super::proto::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    ErrorDetail, Node, Versioned,
};
use super::subscription::{Batch, Subscription};
use crate::load::hash;
use std::collections::BTreeMap;
use std::sync::Arc;
use tonic::Status;

/// The most types that one stream may ask for.
const MOST_TYPES: usize = 32;
/// The most bytes of names that are remembered of one type.
const MOST_NAME_BYTES: usize = 16 << 20;

/// What one client wants and was told.
#[derive(Debug)]
pub(super) struct Client {
    types: BTreeMap<Kind, Subscription>,
    catalog: Option<Arc<Catalog>>,
    nonce: u64,
    /// From its first request: later ones need not say it.
    node: Option<String>,
    counts: Arc<XdsCounts>,
}

/// How requests and responses are put.
pub(super) trait Dialect: Sized + Send + 'static {
    type Response: prost::Message + Default + Send + 'static;

    /// Takes a request.
    fn take(self, client: &mut Client) -> Result<(), Status>;

    /// What is due of a type.
    fn next(
        subscription: &mut Subscription,
        kind: &Kind,
        catalog: &Catalog,
        nonce: u64,
    ) -> Option<Batch>;

    fn response(kind: &Kind, batch: Batch, nonce: u64) -> Self::Response;
}

impl Client {
    pub(super) fn new(counts: Arc<XdsCounts>) -> Self {
        Self {
            types: BTreeMap::new(),
            catalog: None,
            nonce: 0,
            node: None,
            counts,
        }
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> super::XdsCounted {
        self.counts.now()
    }

    #[cfg(test)]
    pub(super) fn rejection(&self) -> Option<String> {
        self.counts.take_rejection()
    }

    /// What is served from now on.
    pub(super) fn look(&mut self, catalog: Arc<Catalog>) {
        for (kind, subscription) in &mut self.types {
            subscription.look(kind, &catalog);
        }
        self.catalog = Some(catalog);
    }

    /// Whether something may be due.
    pub(super) fn is_due(&self) -> bool {
        self.catalog.is_some() && self.types.values().any(Subscription::is_due)
    }

    /// What is due first: clusters before their endpoints, which do not wait until the clusters are acknowledged.
    pub(super) fn next<D: Dialect>(&mut self) -> Option<D::Response> {
        let catalog = self.catalog.as_ref()?;
        let nonce = self.nonce + 1;
        for (kind, subscription) in &mut self.types {
            if !subscription.is_due() {
                continue;
            }
            if let Some(batch) = D::next(subscription, kind, catalog, nonce) {
                self.nonce = nonce;
                self.counts.responded();
                return Some(D::response(kind, batch, nonce));
            }
        }
        None
    }

    /// The subscription of a type, and whether this is its first request.
    fn of(&mut self, type_url: &str, node: Option<Node>) -> Result<(bool, Kind), Status> {
        if type_url.is_empty() {
            let message = "type URL is required for aggregated discovery";
            return Err(Status::invalid_argument(message));
        }
        self.node = self.node.take().or(node.map(|node| node.id));
        let kind = Kind::of(type_url);
        let first = !self.types.contains_key(&kind);
        if first && self.types.len() >= MOST_TYPES {
            let message = format!("over {MOST_TYPES} types in one stream");
            return Err(Status::resource_exhausted(message));
        }
        Ok((first, kind))
    }

    /// Changes a subscription, and sees what is due to it.
    fn change(
        &mut self,
        kind: &Kind,
        change: impl FnOnce(&mut Subscription),
    ) -> Result<(), Status> {
        let subscription = self.types.entry(kind.clone()).or_default();
        change(subscription);
        if subscription.size() > MOST_NAME_BYTES {
            let message = format!(
                "over {MOST_NAME_BYTES} bytes of names of {}",
                kind.type_url()
            );
            return Err(Status::resource_exhausted(message));
        }
        if let Some(catalog) = &self.catalog {
            subscription.look(kind, catalog);
        }
        Ok(())
    }

    /// An acknowledgement, or a rejection, if it is one; whether the request is of the latest response or of none.
    fn acknowledged(&mut self, kind: &Kind, nonce: &str, error: Option<ErrorDetail>) -> bool {
        let Some(subscription) = self.types.get_mut(kind).filter(|_| !nonce.is_empty()) else {
            return true;
        };
        // One that is no number is none of ours.
        let Ok(nonce) = nonce.parse() else {
            return false;
        };
        let is_latest = subscription.is_latest(nonce);
        if subscription.acknowledged(nonce, error.is_some()) {
            match error {
                None => self.counts.accepted(),
                Some(error) => {
                    let node = self.node.as_deref().unwrap_or_default();
                    self.counts.rejected(node, kind.type_url(), &error.message);
                }
            }
        }
        is_latest
    }
}

impl Dialect for DiscoveryRequest {
    type Response = DiscoveryResponse;

    fn take(self, client: &mut Client) -> Result<(), Status> {
        let (first, kind) = client.of(&self.type_url, self.node)?;
        // A request that does not know of the latest response is followed by one that does.
        if !first && !client.acknowledged(&kind, &self.response_nonce, self.error_detail) {
            return Ok(());
        }
        client.change(&kind, |s| s.replace(self.resource_names, first))
    }

    /// Clusters, and whatever else may be gone, are told of as a whole: what a response lacks is removed. Assignments are not.
    fn next(
        subscription: &mut Subscription,
        kind: &Kind,
        catalog: &Catalog,
        nonce: u64,
    ) -> Option<Batch> {
        match kind {
            Kind::Endpoints => subscription.next(kind, catalog, nonce),
            _ => subscription.next_whole(kind, catalog, nonce),
        }
    }

    fn response(kind: &Kind, batch: Batch, nonce: u64) -> DiscoveryResponse {
        let versions = batch.present.iter();
        let versions = versions.flat_map(|(name, r)| name.bytes().chain(r.version.to_be_bytes()));
        DiscoveryResponse {
            version_info: version(hash(versions)),
            resources: batch.present.iter().map(|(_, r)| r.any(kind)).collect(),
            type_url: kind.type_url().to_owned(),
            nonce: nonce.to_string(),
        }
    }
}

impl Dialect for DeltaDiscoveryRequest {
    type Response = DeltaDiscoveryResponse;

    fn take(self, client: &mut Client) -> Result<(), Status> {
        let (first, kind) = client.of(&self.type_url, self.node)?;
        client.acknowledged(&kind, &self.response_nonce, self.error_detail);
        let (subscribe, unsubscribe) = (
            self.resource_names_subscribe,
            self.resource_names_unsubscribe,
        );
        if !first && subscribe.is_empty() && unsubscribe.is_empty() {
            return Ok(());
        }
        client.change(&kind, |subscription| {
            if first {
                subscription.begin(self.initial_resource_versions);
            }
            subscription.change(subscribe, unsubscribe, first);
        })
    }

    fn next(
        subscription: &mut Subscription,
        kind: &Kind,
        catalog: &Catalog,
        nonce: u64,
    ) -> Option<Batch> {
        subscription.next(kind, catalog, nonce)
    }

    fn response(kind: &Kind, batch: Batch, nonce: u64) -> DeltaDiscoveryResponse {
        let present = batch.present.into_iter().map(|(name, resource)| Versioned {
            version: version(resource.version),
            resource: Some(resource.any(kind)),
            name: name.into(),
        });
        DeltaDiscoveryResponse {
            resources: present.collect(),
            type_url: kind.type_url().to_owned(),
            nonce: nonce.to_string(),
            removed_resources: batch.absent.into_iter().map(Into::into).collect(),
        }
    }
}
