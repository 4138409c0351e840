//! Consul's blocking queries: a question that is answered when the answer is another one than at an index.

use crate::client::{Address, Client};
use discovery_proxy::ProxyError;
use serde::de::IgnoredAny;

/// How long Consul may keep a question (its own limit is ten minutes).
const WAIT: &str = "60s";

/// At which indexes what stands under a node was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) services: u64,
    pub(crate) checks: u64,
}

/// Waits until what stands at a path is of another index. An index that goes back is another one too: Consul was restored from a
/// snapshot.
pub(crate) async fn moved(address: &Address, path: &str, index: u64) -> Result<(), ProxyError> {
    // 0 does not block: a Consul that tells it would be asked without end.
    let index = index.max(1);
    let path = format!("{path}?index={index}&wait={WAIT}");
    let mut client = Client::connect(address).await?;
    loop {
        let (IgnoredAny, now) = client.get(&path).await?;
        if now.max(1) != index {
            return Ok(());
        }
    }
}
