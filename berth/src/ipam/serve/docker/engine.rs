//! What an engine runs, asked of its API.

use super::Looked;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use ipam::Timestamp;
use ipam_docker::EngineView;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

/// How long an engine may take to answer: it may hold what it is asked about while it waits for this plugin.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes: an engine tells of a container in 1 to 3 KiB.
const LONGEST: usize = 64 << 20;

/// A look at the engine that is to be taken: when it was asked for, by the store's time, and after how many calls.
type Wish = (Timestamp, u64);

/// Looks at an engine whenever it is told to, beside whatever else goes on.
pub(in crate::ipam::serve) struct Viewer {
    wishes: Sender<Wish>,
}

impl Viewer {
    /// For the engine with a socket, which knows this plugin by a name.
    pub(in crate::ipam::serve) fn start(socket: PathBuf, name: String) -> (Self, Receiver<Looked>) {
        let (wishes, mut wished) = channel::<Wish>(1);
        let (tell, told) = channel(1);
        tokio::spawn(async move {
            while let Some((began, calls)) = wished.recv().await {
                let view = view(&socket, &name).await;
                let looked = Looked { began, calls, view };
                if tell.send(looked).await.is_err() {
                    return;
                }
            }
        });
        (Self { wishes }, told)
    }

    /// Asks for a look, unless one is under way.
    pub(in crate::ipam::serve) fn look(&self, began: Timestamp, calls: u64) {
        let _ = self.wishes.try_send((began, calls));
    }
}

async fn view(socket: &Path, name: &str) -> Result<EngineView, String> {
    let get = async |path| {
        let answer = timeout(PATIENCE, get(socket, path)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        answer.map_err(|e| format!("--docker-engine {}: {path}: {e}", socket.display()))
    };
    let networks = get("/networks").await?;
    let containers = get("/containers/json?all=1").await?;
    EngineView::read(name, &networks, &containers)
}

async fn get(socket: &Path, path: &str) -> Result<Bytes, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let stream = UnixStream::connect(socket).await.map_err(|e| text(&e))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| text(&e))?;
    let request = Request::get(path)
        .header(HOST, "docker")
        .body(Empty::<Bytes>::new());
    let request = request.map_err(|e| text(&e))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|e| text(&e))?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(format!("status {status}"));
        }
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|e| text(&e))
    };
    // The connection does the work; it ends with the exchange.
    let mut connection = std::pin::pin!(connection);
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => {
            ended.map_err(|e| text(&e))?;
            exchange.await
        }
    }
}
