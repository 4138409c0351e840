//! The driver's end of the socket.

use super::operator::{Asked, Operator};
use super::{LONGEST, Response};
use crate::answer::Failure;
use crate::service;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

/// Connections at a time; more wait.
const CONNECTIONS: usize = 16;
/// How long one may take.
const LIFE: Duration = Duration::from_secs(30);

/// The socket; removed when dropped.
pub(in crate::discover) struct Control {
    path: PathBuf,
}

impl Control {
    /// Listens, for an operator's commands to come.
    pub(in crate::discover) async fn open(path: &Path) -> Result<(Self, Operator), Failure> {
        let listener = service::listen(path, "--control").await?;
        let (asks, asked) = channel(CONNECTIONS);
        tokio::spawn(accept(listener, asks));
        let control = Self {
            path: path.to_owned(),
        };
        Ok((control, Operator::new(asked)))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Who finds none is told that no driver runs.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn accept(listener: UnixListener, asks: Sender<Asked>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, say: others may be closed by then.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let asks = asks.clone();
        tokio::spawn(async move {
            // What goes wrong on a connection is its client's.
            let _ = timeout(LIFE, serve(stream, asks)).await;
            drop(permit);
        });
    }
}

async fn serve(stream: UnixStream, asks: Sender<Asked>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut read = BufReader::new(read.take(LONGEST));
    read.read_until(b'\n', &mut line).await?;
    let response = match serde_json::from_slice(&line) {
        Err(error) => Response::No("bad_input".into(), error.to_string()),
        Ok(request) => {
            let (to, answered) = oneshot::channel();
            let ends = || Response::No("ends".into(), "the driver ends".into());
            match asks.send((request, to)).await {
                Ok(()) => answered.await.unwrap_or_else(|_| ends()),
                Err(_) => ends(),
            }
        }
    };
    let mut text = serde_json::to_vec(&response)?;
    text.push(b'\n');
    write.write_all(&text).await
}
