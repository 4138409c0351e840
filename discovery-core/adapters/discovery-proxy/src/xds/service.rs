//! The service as gRPC calls it.

use super::catalog::Catalog;
use super::counts::XdsCounts;
use super::proto::{DeltaDiscoveryRequest, DiscoveryRequest, path};
use super::stream::{Client, Dialect};
use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower_service::Service;

/// The longest request. One names all that a client subscribes to.
const LONGEST_REQUEST: usize = 16 << 20;
/// The most streams at once.
const MOST_STREAMS: u64 = 10_000;

/// What is served, once it is known.
pub(super) type Told = watch::Receiver<Option<Arc<Catalog>>>;

#[derive(Clone, Debug)]
pub(super) struct Discovery {
    pub(super) told: Told,
    pub(super) counts: Arc<XdsCounts>,
}

impl Service<http::Request<Body>> for Discovery {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let discovery = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path() {
                path::DELTA => answer::<DeltaDiscoveryRequest>(discovery, request).await,
                path::STATE_OF_THE_WORLD => answer::<DiscoveryRequest>(discovery, request).await,
                other => Status::unimplemented(format!("no method {other}")).into_http(),
            })
        })
    }
}

async fn answer<D: Dialect + prost::Message + Default>(
    discovery: Discovery,
    request: http::Request<Body>,
) -> http::Response<Body> {
    let codec = ProstCodec::<D::Response, D>::default();
    let mut grpc = Grpc::new(codec).max_decoding_message_size(LONGEST_REQUEST);
    let streams = Streams {
        discovery,
        dialect: PhantomData,
    };
    grpc.streaming(streams, request).await
}

/// Begins a stream of responses to one of requests.
struct Streams<D> {
    discovery: Discovery,
    dialect: PhantomData<fn(D)>,
}

impl<D: Dialect + prost::Message + Default> StreamingService<D> for Streams<D> {
    type Response = D::Response;
    type ResponseStream = ReceiverStream<Result<D::Response, Status>>;
    type Future =
        Pin<Box<dyn Future<Output = Result<Response<Self::ResponseStream>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<D>>) -> Self::Future {
        let Discovery { told, counts } = self.discovery.clone();
        Box::pin(async move {
            let open = Open::new(counts)?;
            // One response waits for a slow reader, and what comes after is made of what is so by then.
            let (tell, responses) = mpsc::channel(1);
            tokio::spawn(serve(request.into_inner(), told, tell, open));
            Ok(Response::new(ReceiverStream::new(responses)))
        })
    }
}

/// Counts a stream as long as it is open.
struct Open(Arc<XdsCounts>);

impl Open {
    fn new(counts: Arc<XdsCounts>) -> Result<Self, Status> {
        counts.opened();
        let open = Self(counts);
        match open.0.now().streams > MOST_STREAMS {
            true => {
                let message = format!("over {MOST_STREAMS} streams");
                Err(Status::resource_exhausted(message))
            }
            false => Ok(open),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed();
    }
}

async fn serve<D: Dialect>(
    mut requests: Streaming<D>,
    mut told: Told,
    tell: mpsc::Sender<Result<D::Response, Status>>,
    open: Open,
) {
    let mut client = Client::new(Arc::clone(&open.0));
    told.mark_changed();
    let ended = loop {
        tokio::select! {
            biased;
            request = requests.message() => match request {
                Ok(Some(request)) => if let Err(refused) = request.take(&mut client) {
                    break refused;
                },
                // It has ended the stream, or is gone.
                Ok(None) | Err(_) => return,
            },
            changed = told.changed() => match changed {
                Ok(()) => {
                    let catalog = told.borrow_and_update().clone();
                    catalog.into_iter().for_each(|c| client.look(c));
                }
                Err(_) => break Status::unavailable("the server ends"),
            },
            room = tell.reserve(), if client.is_due() => match room {
                Ok(room) => if let Some(response) = client.next::<D>() {
                    room.send(Ok(response));
                },
                Err(_) => return,
            },
        }
    };
    // Who does not read will see that the connection is gone.
    let _ = tell.try_send(Err(ended));
}
