//! HAProxy by its runtime socket: what its servers are is read, and what differs is changed.

mod plan;
mod state;

use crate::assignment::Assignments;
use crate::sink::{Proxy, ProxyError, Synced};
use async_trait::async_trait;
use state::Backends;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// The longest line of commands; HAProxy reads 16 KiB at once (`tune.bufsize`).
const LINE: usize = 8 << 10;
/// The longest answer that is read.
const ANSWER: u64 = 64 << 20;

/// Follows services in the backends of their names: their servers are added, weighted and removed at run time.
///
/// Servers that it adds carry an id of 1,000,000,000 or more, by which it knows them again; of others it changes addresses and weights
/// where they bear an endpoint's name, and nothing else. A backend must be in HAProxy's configuration, with a dynamic
/// algorithm (`roundrobin`, `leastconn`, `random`).
#[derive(Debug)]
pub struct Haproxy {
    socket: PathBuf,
}

impl Haproxy {
    /// By the socket at this path (`stats socket PATH level admin`).
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    async fn ask(&self, line: &str) -> Result<String, ProxyError> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(line.as_bytes()).await?;
        stream.write_all(b"\n").await?;
        let mut answer = Vec::new();
        stream.take(ANSWER).read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    async fn backends(&self) -> Result<Backends, ProxyError> {
        let answer = self.ask("show servers state").await?;
        Backends::read(&answer).map_err(ProxyError)
    }
}

#[async_trait]
impl Proxy for Haproxy {
    fn name(&self) -> String {
        format!("haproxy {}", self.socket.display())
    }

    /// A restarted HAProxy has lost its servers.
    fn interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn sync(&mut self, wanted: &Assignments) -> Result<Synced, ProxyError> {
        let plan = plan::plan(wanted, &self.backends().await?);
        let mut said = String::new();
        for line in lines(&plan.commands) {
            said.push_str(&self.ask(&line).await?);
        }
        if plan.commands.is_empty() {
            return match plan.problem {
                None => Ok(Synced::Done { changes: 0 }),
                Some(problem) => Err(ProxyError(problem)),
            };
        }
        // Some answers are notices; whether it was done shows in what is there.
        let after = plan::plan(wanted, &self.backends().await?);
        if after.commands.iter().any(|c| !c.may_wait) {
            let said: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
            return Err(ProxyError(format!("not done: {}", said.join("; "))));
        }
        match after.problem {
            None => Ok(Synced::Done {
                changes: plan.commands.len(),
            }),
            Some(problem) => Err(ProxyError(problem)),
        }
    }
}

/// Commands, several on a line.
fn lines(commands: &[plan::Command]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for command in commands {
        match lines.last_mut() {
            Some(line) if line.len() + command.text.len() < LINE => {
                line.push(';');
                line.push_str(&command.text);
            }
            _ => lines.push(command.text.clone()),
        }
    }
    lines
}
