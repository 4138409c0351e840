//! gRPC's health protocol (`grpc.health.v1`): one unary call on a connection of its own.

use crate::probe::Trouble;
use discovery_core::health::ProbeOutcome;
use http::Request;
use prost::Message;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// The call's path, of `grpc/health/v1/health.proto`.
const PATH: &str = "/grpc.health.v1.Health/Check";
/// The longest answer that is read, in bytes: one number takes seven.
const LONGEST: usize = 1024;
/// `HealthCheckResponse.ServingStatus.SERVING`.
const SERVING: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

pub(crate) async fn check(
    stream: TcpStream,
    address: SocketAddr,
    service: &str,
) -> Result<ProbeOutcome, Trouble> {
    let call = call(stream, address, service).await;
    Ok(match call.map_err(|_| Trouble::Endpoint)? {
        Some(SERVING) => ProbeOutcome::Pass,
        _ => ProbeOutcome::Fail,
    })
}

/// The status, if one is answered.
async fn call(
    stream: TcpStream,
    address: SocketAddr,
    service: &str,
) -> Result<Option<i32>, h2::Error> {
    let (client, connection) = h2::client::handshake(stream).await?;
    // The connection moves while the call waits, and goes with it.
    let mut connection = std::pin::pin!(connection);
    let call = async {
        let request = Request::post(format!("http://{address}{PATH}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", "berth")
            .body(());
        let Ok(request) = request else {
            return Ok(None);
        };
        let mut client = client.ready().await?;
        let (answer, mut body) = client.send_request(request, false)?;
        body.send_data(framed(service).into(), true)?;
        let answer = answer.await?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        let mut body = answer.into_body();
        let mut bytes = Vec::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            if bytes.len() + chunk.len() > LONGEST {
                return Ok(None);
            }
            bytes.extend_from_slice(&chunk);
        }
        // A call that failed ends with another status than 0 and has no message.
        let trailers = body.trailers().await?.unwrap_or_default();
        let well = trailers.get("grpc-status").is_some_and(|s| s == "0");
        Ok(if well { status(&bytes) } else { None })
    };
    tokio::select! {
        status = call => status,
        ended = &mut connection => ended.map(|()| None),
    }
}

/// A message with its prefix: not compressed, its length.
fn framed(service: &str) -> Vec<u8> {
    let request = HealthCheckRequest {
        service: service.into(),
    };
    let mut bytes = vec![0];
    let length = u32::try_from(request.encoded_len()).unwrap_or(u32::MAX);
    bytes.extend(length.to_be_bytes());
    bytes.extend(request.encode_to_vec());
    bytes
}

fn status(bytes: &[u8]) -> Option<i32> {
    let (prefix, message) = bytes.split_at_checked(5)?;
    let [0, length @ ..] = prefix else {
        return None;
    };
    let length: [u8; 4] = length.try_into().ok()?;
    let message = message.get(..u32::from_be_bytes(length) as usize)?;
    Some(HealthCheckResponse::decode(message).ok()?.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_and_broken_ones_are_none() {
        assert_eq!(framed("a"), [0, 0, 0, 0, 3, 0x0a, 1, b'a']);
        assert_eq!(status(&[0, 0, 0, 0, 2, 8, 1]), Some(SERVING));
        assert_eq!(status(&[0, 0, 0, 0, 0]), Some(0));
        for broken in [
            &[][..],
            &[0, 0, 0, 0],
            &[1, 0, 0, 0, 2, 8, 1],
            &[0, 255, 255, 255, 255, 8, 1],
            &[0, 0, 0, 0, 2, 8],
            &[0, 0, 0, 0, 1, 8],
        ] {
            assert_eq!(status(broken), None, "{broken:?}");
        }
    }
}
