//! The least xDS server that tells one Envoy of one cluster: what ours is measured beside.

use prost::Message;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{Grpc, StreamingService};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

#[derive(Clone, PartialEq, Message)]
struct Ask {
    #[prost(string, tag = "2")]
    type_url: String,
    #[prost(string, repeated, tag = "3")]
    subscribe: Vec<String>,
    #[prost(string, tag = "6")]
    nonce: String,
}

#[derive(Clone, PartialEq, Message)]
struct Tell {
    #[prost(message, repeated, tag = "2")]
    resources: Vec<Resource>,
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    nonce: String,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(string, tag = "1")]
    version: String,
    #[prost(message, optional, tag = "2")]
    resource: Option<Any>,
    #[prost(string, tag = "3")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// A field of bytes: what protobuf makes of a message in a message.
fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![tag << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

/// A field of a number.
fn number(tag: u8, value: u64) -> Vec<u8> {
    let mut out = vec![tag << 3];
    prost::encoding::encode_varint(value, &mut out);
    out
}

/// `web`, whose endpoints come by the same stream.
fn cluster() -> Vec<u8> {
    let source = [field(3, &[]), number(6, 2)].concat();
    let timeout = number(1, 1);
    [
        field(1, b"web"),
        number(2, 3),
        field(3, &field(1, &source)),
        field(4, &timeout),
    ]
    .concat()
}

/// Endpoints of this weight each.
fn endpoints(addresses: &[SocketAddr], weight: u32) -> Vec<u8> {
    let endpoint = |address: &SocketAddr| {
        let ip = address.ip().to_string();
        let socket = [field(2, ip.as_bytes()), number(3, address.port().into())].concat();
        let endpoint = field(1, &field(1, &socket));
        let host = [field(1, &endpoint), field(4, &number(1, weight.into()))].concat();
        field(2, &host)
    };
    let hosts: Vec<u8> = addresses.iter().flat_map(endpoint).collect();
    [field(1, b"web"), field(2, &hosts)].concat()
}

/// Serves from a thread of its own until the process ends; the weight of all endpoints is what was sent last.
pub(super) fn serve(
    addresses: Vec<SocketAddr>,
) -> Result<(SocketAddr, watch::Sender<u32>), String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    listener.set_nonblocking(true).map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let (tell, weight) = watch::channel(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| e.to_string())?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let incoming = tokio::net::TcpListener::from_std(listener)?;
            let incoming = tonic::transport::server::TcpIncoming::from(incoming);
            let incoming = incoming.with_nodelay(Some(true));
            let bare = Bare { addresses, weight };
            let served = Server::builder().serve_with_incoming(bare, incoming).await;
            served.map_err(std::io::Error::other)
        })
    });
    Ok((address, tell))
}

#[derive(Clone)]
struct Bare {
    addresses: Vec<SocketAddr>,
    weight: watch::Receiver<u32>,
}

type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl tower::Service<http::Request<Body>> for Bare {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let bare = self.clone();
        let mut grpc = Grpc::new(tonic_prost::ProstCodec::<Tell, Ask>::default());
        Box::pin(async move { Ok(grpc.streaming(bare, request).await) })
    }
}

impl StreamingService<Ask> for Bare {
    type Response = Tell;
    type ResponseStream = ReceiverStream<Result<Tell, Status>>;
    type Future = Answer<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Ask>>) -> Self::Future {
        let (bare, (tell, told)) = (self.clone(), mpsc::channel(8));
        tokio::spawn(async move { bare.stream(request.into_inner(), tell).await });
        Box::pin(async move { Ok(Response::new(ReceiverStream::new(told))) })
    }
}

impl Bare {
    async fn stream(mut self, mut asks: Streaming<Ask>, tell: mpsc::Sender<Result<Tell, Status>>) {
        let (mut nonce, mut follows) = (0, false);
        loop {
            let (type_url, value) = tokio::select! {
                ask = asks.message() => match ask {
                    Ok(Some(ask)) if !ask.nonce.is_empty() && ask.subscribe.is_empty() => continue,
                    Ok(Some(ask)) if ask.type_url == CLUSTER => (CLUSTER, cluster()),
                    Ok(Some(_)) => {
                        follows = true;
                        (ENDPOINTS, endpoints(&self.addresses, *self.weight.borrow_and_update()))
                    }
                    _ => return,
                },
                changed = self.weight.changed(), if follows => match changed {
                    Ok(()) => (ENDPOINTS, endpoints(&self.addresses, *self.weight.borrow_and_update())),
                    Err(_) => return,
                },
            };
            nonce += 1;
            let any = Any {
                type_url: type_url.into(),
                value,
            };
            let resource = Resource {
                version: nonce.to_string(),
                resource: Some(any),
                name: "web".into(),
            };
            let response = Tell {
                resources: vec![resource],
                type_url: type_url.into(),
                nonce: nonce.to_string(),
            };
            if tell.send(Ok(response)).await.is_err() {
                return;
            }
        }
    }
}
