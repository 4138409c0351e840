//! The socket that an engine calls.

use super::super::metrics::Metrics;
use super::{Asked, count};
use crate::answer::Failure;
use crate::service;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipam_docker::{Call, LONGEST_BODY, Refusal, Reply};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::mpsc::Sender;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// Connections at a time; more wait. An engine opens one a call.
const CONNECTIONS: u32 = 64;
/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);
/// How long answers that are on their way may take when the service ends.
const LAST: Duration = Duration::from_secs(2);
/// The content type of answers, the newest of the protocol (moby's `pkg/plugins/transport`).
const TYPE: HeaderValue = HeaderValue::from_static("application/vnd.docker.plugins.v1.2+json");

/// The socket, until it is closed.
pub(in crate::ipam::serve) struct Socket {
    path: PathBuf,
    permits: Arc<Semaphore>,
    accepts: tokio::task::JoinHandle<()>,
}

fn failed(path: &Path, option: &str) -> impl Fn(std::io::Error) -> Failure + use<> {
    let place = format!("{option} {}", path.display());
    move |error| Failure::io(&error, &*place)
}

impl Socket {
    /// Listens.
    pub(in crate::ipam::serve) async fn open(
        path: &Path,
        asks: Sender<Asked>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, Failure> {
        let listener = service::listen(path, "--docker").await?;
        let permits = Arc::new(Semaphore::new(CONNECTIONS as usize));
        let accepts = tokio::spawn(accept(
            listener,
            Arc::clone(&permits),
            asks,
            Arc::clone(metrics),
        ));
        let path = path.to_owned();
        Ok(Self {
            path,
            permits,
            accepts,
        })
    }

    /// Takes no more calls; answers that are under way are sent.
    pub(in crate::ipam::serve) async fn close(self) {
        let _ = std::fs::remove_file(&self.path);
        self.accepts.abort();
        let _ = timeout(LAST, self.permits.acquire_many(CONNECTIONS)).await;
    }
}

/// Writes a specification that leads engines to a socket: whole, or not at all.
pub(in crate::ipam::serve) fn write_spec(spec: &Path, socket: &Path) -> Result<(), Failure> {
    let failed = failed(spec, "--docker-spec");
    let socket = std::path::absolute(socket).map_err(&failed)?;
    if let Some(folder) = spec
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(&failed)?;
    }
    let text = format!("unix://{}\n", socket.display());
    if std::fs::read_to_string(spec).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let mut made = spec.as_os_str().to_owned();
    made.push(format!(".{}", std::process::id()));
    let made = PathBuf::from(made);
    let written = std::fs::write(&made, text).and_then(|()| std::fs::rename(&made, spec));
    written.map_err(|e| {
        let _ = std::fs::remove_file(&made);
        failed(e)
    })
}

async fn accept(
    listener: UnixListener,
    permits: Arc<Semaphore>,
    asks: Sender<Asked>,
    metrics: Arc<Metrics>,
) {
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, say: others may be closed by then.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (asks, metrics) = (asks.clone(), Arc::clone(&metrics));
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(request, asks.clone(), Arc::clone(&metrics)));
            let mut server = http1::Builder::new();
            // A connection that is closed while a request is on its way costs the request its body: one a connection.
            server
                .keep_alive(false)
                .timer(TokioTimer::new())
                .header_read_timeout(ARRIVAL);
            // What goes wrong on a connection is its client's.
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
            drop(permit);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    asks: Sender<Asked>,
    metrics: Arc<Metrics>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (kind, answer) = match read(request).await {
        Err(refusal) => ("unreadable", Err(refusal)),
        Ok(call) => (call.kind(), ask(call, &asks).await),
    };
    count(&metrics, kind, &answer);
    let (status, json) = match answer {
        Ok(reply) => (StatusCode::OK, reply.to_json()),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.kind.status());
            (
                status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                refusal.to_json(),
            )
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(json.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TYPE);
    Ok(response)
}

async fn read(request: Request<Incoming>) -> Result<Call, Refusal> {
    if request.method() != Method::POST {
        return Err(Refusal::bad(format!("{} is not POST", request.method())));
    }
    let path = request.uri().path().to_owned();
    let long = || Refusal::bad(format!("a body of more than {LONGEST_BODY} bytes"));
    if request.body().size_hint().lower() > LONGEST_BODY as u64 {
        return Err(long());
    }
    let body = Limited::new(request.into_body(), LONGEST_BODY).collect();
    let body = timeout(ARRIVAL, body)
        .await
        .map_err(|_| Refusal::bad(format!("no whole body within {ARRIVAL:?}")))?;
    let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => long(),
        None => Refusal::bad(format!("the body: {error}")),
    })?;
    Call::read(&path, &body.to_bytes())
}

/// Asks whoever has the store, in turn.
async fn ask(call: Call, asks: &Sender<Asked>) -> Result<Reply, Refusal> {
    let ending = || Refusal::failed("the plugin is ending");
    let (answer, answered) = oneshot::channel();
    asks.send(Asked { call, answer })
        .await
        .map_err(|_| ending())?;
    answered.await.map_err(|_| ending())?
}
