//! What the commands that serve have in common: they end when told to, tell over HTTP what they count, and say a matter once.

mod http;
mod socket;

pub(crate) use socket::listen;

use crate::answer::{Failure, escaped};
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A runtime on this thread.
pub(crate) fn runtime(place: &str) -> Result<Runtime, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| Failure::io(&e, place))
}

/// The signals that end a service: SIGTERM and SIGINT.
pub(crate) struct Ending {
    terminate: Signal,
    interrupt: Signal,
}

impl Ending {
    pub(crate) fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|e| Failure::io(&e, "signals"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for either; may be dropped and called again.
    pub(crate) async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves what is counted on `--metrics ADDR`, and says where, until the runtime ends; nothing without an address.
pub(crate) async fn metrics(address: Option<SocketAddr>, counts: Registry) -> Result<(), Failure> {
    let Some(address) = address else {
        return Ok(());
    };
    let failure = |e| Failure::io(&e, format!("--metrics {address}"));
    let listener = TcpListener::bind(address).await.map_err(failure)?;
    // Port 0 is any port: which one, somebody has to be told.
    let bound = listener.local_addr().map_err(failure)?;
    say(&format!("metrics on http://{bound}/metrics"));
    tokio::spawn(http::serve(listener, Arc::new(counts)));
    Ok(())
}

/// One line on standard error, whatever stands in it.
pub(crate) fn say(message: &str) {
    eprintln!("berth: {}", escaped(message).replace('\n', r"\u{a}"));
}

/// Says what is wrong, and not the same again and again.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    last: String,
}

impl Complaints {
    pub(crate) fn say(&mut self, why: &str) {
        if self.last != why {
            say(why);
            why.clone_into(&mut self.last);
        }
    }
}
