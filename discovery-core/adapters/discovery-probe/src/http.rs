//! GET over HTTP/1.1: as much of the answer as decides.

use crate::counts::Local;
use crate::probe::Trouble;
use discovery_core::health::ProbeOutcome;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest head of an answer that is read, in bytes, and the most fields in it.
const HEAD: usize = 16 << 10;
const FIELDS: usize = 128;
/// How long the rest of an answer is waited for, from servers that do not close.
const REST: Duration = Duration::from_millis(20);

pub(crate) async fn get(
    mut stream: TcpStream,
    address: SocketAddr,
    path: &str,
) -> Result<ProbeOutcome, Trouble> {
    // What stands in a request's first line ends at a space.
    if !path.starts_with('/') || path.bytes().any(|b| !b.is_ascii_graphic()) {
        let text = format!("a path begins with `/` and has no spaces: {path:?}");
        return Err(Trouble::Local(Local::Check, text));
    }
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: berth\r\naccept: */*\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::with_capacity(512);
    loop {
        let read = (&mut stream)
            .take((HEAD - head.len()) as u64)
            .read_buf(&mut head)
            .await?;
        if read == 0 {
            // The end, or a head that has none.
            return Err(Trouble::Endpoint);
        }
        if let Some(outcome) = outcome(&head)? {
            // Hung up on in the middle of its answer, a server would complain.
            let _ = timeout(REST, drained(&mut stream)).await;
            return Ok(outcome);
        }
    }
}

/// Passes over what is left of an answer, to a bound.
async fn drained(stream: &mut TcpStream) {
    let mut rest = [0; 4096];
    for _ in 0..16 {
        match stream.read(&mut rest).await {
            Ok(1..) => {}
            _ => return,
        }
    }
}

/// What an answer says, once its head is whole; interim answers (1xx) are passed over.
fn outcome(mut bytes: &[u8]) -> Result<Option<ProbeOutcome>, Trouble> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        let parsed = answer.parse(bytes).map_err(|_| Trouble::Endpoint)?;
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        let degraded = |f: &httparse::Header<'_>| f.name.eq_ignore_ascii_case("x-envoy-degraded");
        return Ok(Some(match answer.code {
            Some(100..=199) => {
                bytes = bytes.get(length..).unwrap_or_default();
                continue;
            }
            Some(200..=299) if answer.headers.iter().any(degraded) => ProbeOutcome::Degraded,
            Some(200..=299) => ProbeOutcome::Pass,
            _ => ProbeOutcome::Fail,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(answer: &str) -> Option<Option<ProbeOutcome>> {
        outcome(answer.as_bytes()).ok()
    }

    #[test]
    fn heads_are_read() {
        let of = |status| said(&format!("HTTP/1.1 {status} X\r\na: b\r\n\r\nbody"));
        assert_eq!(of("200"), Some(Some(ProbeOutcome::Pass)));
        assert_eq!(of("204"), Some(Some(ProbeOutcome::Pass)));
        for other in ["301", "404", "500", "503"] {
            assert_eq!(of(other), Some(Some(ProbeOutcome::Fail)), "{other}");
        }
        let degraded = "HTTP/1.0 200 OK\r\nX-Envoy-Degraded:\r\n\r\n";
        assert_eq!(said(degraded), Some(Some(ProbeOutcome::Degraded)));
        let interim = "HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
        assert_eq!(said(interim), Some(Some(ProbeOutcome::Pass)));
        // All of the head counts, not its first line.
        assert_eq!(said("HTTP/1.1 200 OK\r\na: b\r\n"), Some(None));
        assert_eq!(said("HTTP/1.1 100 C\r\n\r\n"), Some(None));
        assert_eq!(said("SSH-2.0-OpenSSH\r\n"), None);
        assert_eq!(said("HTTP/1.1 999999 X\r\n\r\n"), None);
    }
}
