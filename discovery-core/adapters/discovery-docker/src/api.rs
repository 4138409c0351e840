//! The engine's HTTP interface over its socket.

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes: an engine tells of a container in a list in 1 to 3 KiB.
const LONGEST: usize = 64 << 20;

/// What an engine answers.
pub(crate) enum Answer {
    Told(Bytes),
    NotFound,
    /// It can't tell.
    Failed(StatusCode),
}

/// A path without what is asked of it.
pub(crate) fn shown(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

/// A connection to an engine.
pub(crate) struct Client {
    sender: SendRequest<Empty<Bytes>>,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Client {
    pub(crate) async fn connect(socket: &Path) -> Result<Self, String> {
        let stream = UnixStream::connect(socket).await.map_err(text)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(text)?;
        // It ends with the sender, or with the body that is read last; what goes wrong on it, these are told.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    async fn send(&mut self, path: &str) -> Result<Response<Incoming>, String> {
        let request = Request::get(path)
            .header(HOST, "docker")
            .body(Empty::<Bytes>::new());
        let request = request.map_err(text)?;
        self.sender.ready().await.map_err(text)?;
        self.sender.send_request(request).await.map_err(text)
    }

    /// What a request is answered with.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, String> {
        let exchange = async {
            let response = self.send(path).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LONGEST).collect().await;
            let body = body.map_err(text)?.to_bytes();
            match status {
                StatusCode::OK => Ok(Answer::Told(body)),
                StatusCode::NOT_FOUND => Ok(Answer::NotFound),
                status => Ok(Answer::Failed(status)),
            }
        };
        let answer = timeout(PATIENCE, exchange).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        answer.map_err(|e| format!("{}: {e}", shown(path)))
    }

    /// An answer that there must be.
    pub(crate) async fn needed(&mut self, path: &str) -> Result<Bytes, String> {
        match self.get(path).await? {
            Answer::Told(body) => Ok(body),
            Answer::NotFound => Err(format!("{}: there is none", shown(path))),
            Answer::Failed(status) => Err(format!("{}: status {status}", shown(path))),
        }
    }

    /// An answer that goes on for as long as the engine has something to tell.
    pub(crate) async fn stream(&mut self, path: &str) -> Result<Incoming, String> {
        let answer = timeout(PATIENCE, self.send(path)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
        let response = answer.map_err(|e| format!("{}: {e}", shown(path)))?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status => Err(format!("{}: status {status}", shown(path))),
        }
    }
}
