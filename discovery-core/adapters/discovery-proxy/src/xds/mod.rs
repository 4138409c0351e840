//! Envoy's aggregated discovery (ADS) over gRPC: clusters and endpoints, in both dialects, state of the world and delta.

mod catalog;
mod counts;
mod proto;
mod service;
mod stream;
mod subscription;
#[cfg(test)]
mod tests;

pub use counts::{XdsCounted, XdsCounts};

use crate::assignment::Assignments;
use crate::sink::{Proxy, ProxyError, Synced};
use async_trait::async_trait;
use catalog::Catalog;
use service::Discovery;
use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;

/// How often a client is asked whether it is there, and how long it may take to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted, for want of descriptors say.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves Envoy and other clients of xDS from a socket: a cluster and its load assignment of each service, over one aggregated stream a
/// client (`AggregatedDiscoveryService` of the v3 API), delta or state of the world.
///
/// Versions are hashes of contents, so that a server that was restarted tells nobody what it knows. A service whose endpoints are gone, or that
/// is not known, has an empty assignment: a removal would leave Envoy with what it had. What a client rejects is not told again unless it
/// changes; rejected in a response with others, each is told once more alone, so that the good ones are taken. Nothing is told before the
/// first [`Proxy::sync`]. A client that reads slowly is told what is so when it has room; one response waits for it.
///
/// Plain text: for loopback, a network namespace, or behind a TLS proxy. Dropped, it ends all streams; clients keep what they have.
#[derive(Debug)]
pub struct XdsServer {
    address: SocketAddr,
    tell: watch::Sender<Option<Arc<Catalog>>>,
    counts: Arc<XdsCounts>,
    accepts: JoinHandle<()>,
}

impl XdsServer {
    /// Begins to listen, in the runtime of whoever calls; port 0 is one that is free.
    ///
    /// # Errors
    /// The address can't be bound.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn bind(address: SocketAddr) -> Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let (tell, told) = watch::channel(None);
        let counts = Arc::new(XdsCounts::default());
        let (pass, connections) = mpsc::channel(1);
        let accepts = tokio::spawn(accept(listener, pass));
        let discovery = Discovery {
            told,
            counts: Arc::clone(&counts),
        };
        let server = Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT));
        let incoming = ReceiverStream::new(connections);
        // It ends once nothing is accepted any more, and never fails: it makes nothing ready but connections that are there.
        tokio::spawn(server.serve_with_incoming(discovery, incoming));
        Ok(Self {
            address,
            tell,
            counts,
            accepts,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    #[must_use]
    pub fn counts(&self) -> Arc<XdsCounts> {
        Arc::clone(&self.counts)
    }
}

impl Drop for XdsServer {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

async fn accept(listener: TcpListener, pass: mpsc::Sender<Result<TcpStream>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it a change waits for the acknowledgement of the one before; no reason to refuse a client.
                let _ = stream.set_nodelay(true);
                if pass.send(Ok(stream)).await.is_err() {
                    return;
                }
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// How often it is looked whether a client has rejected something, to tell of it.
const LOOKS: Duration = Duration::from_secs(1);

#[async_trait]
impl Proxy for XdsServer {
    fn name(&self) -> String {
        format!("xds {}", self.address)
    }

    /// Clients are told at once; whether they take it is counted, and said here at the next attempt.
    async fn sync(&mut self, wanted: &Assignments) -> std::result::Result<Synced, ProxyError> {
        let before = self.tell.borrow().clone();
        let empty = Catalog::default();
        let known = before.as_deref().unwrap_or(&empty);
        let catalog = known.next(wanted);
        let changes = catalog.changes(known);
        if changes > 0 || before.is_none() {
            self.tell.send_replace(Some(Arc::new(catalog)));
        }
        match self.counts.take_rejection() {
            None => Ok(Synced::Done { changes }),
            Some(rejection) => Err(ProxyError(rejection)),
        }
    }

    fn interval(&self) -> Duration {
        LOOKS
    }
}
