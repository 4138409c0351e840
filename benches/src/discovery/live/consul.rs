//! Many endpoints into Consul at once, beside bare transactions.

use crate::{Figure, Judge, Limit, Measured};
use discovery_consul::Consul;
use discovery_core::{EndpointSpec, Engine, Input, InputError, ServiceConfig, Timestamp};
use discovery_proxy::{Assignments, Proxy as _};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;
use test_support::proxies::start_consul;

const ENDPOINTS: usize = 10_000;
/// Consul's most operations a transaction.
const OPERATIONS: usize = 64;
const ROUNDS: u32 = 3;

fn assignments(weight: u32) -> Result<Assignments, InputError> {
    let mut engine = Engine::new(7);
    let service = engine.service("web", ServiceConfig::default())?;
    let (node, zone, region) = (engine.node("n")?, engine.zone("a")?, engine.region("r")?);
    for i in 0..ENDPOINTS {
        let address = [10, 1, (i / 250) as u8, 1 + (i % 250) as u8];
        let spec = EndpointSpec::new(service, node, zone, region, (address, 80).into());
        let spec = spec.with_base_weight(weight);
        let name = &format!("web-{i:05}");
        engine.handle(
            Timestamp::ZERO,
            Input::Upsert { name, spec },
            &mut Vec::new(),
        )?;
    }
    Ok(Assignments::of(&engine))
}

/// The same entries, of another name, as ours writes them.
fn transactions(weight: u32) -> Vec<String> {
    let operation = |i: usize| -> Value {
        json!({"Service": {"Verb": "set", "Node": "bare", "Service": {
            "ID": format!("bare-{i:05}"), "Service": "bare", "Address": format!("10.1.{}.{}", i / 250, 1 + i % 250),
            "Port": 80, "Weights": {"Passing": weight, "Warning": 1}, "Meta": {"berth-owner": "bare",
            "berth-zone": "a", "berth-region": "r", "berth-weight": (weight * 1_000).to_string()}}}})
    };
    let all: Vec<Value> = (0..ENDPOINTS).map(operation).collect();
    all.chunks(OPERATIONS)
        .map(|c| json!(c).to_string())
        .collect()
}

/// One request after another over one connection.
struct Bare(TcpStream);

impl Bare {
    fn put(&mut self, path: &str, body: &str) -> Result<(), String> {
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: c\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let text = |e: std::io::Error| e.to_string();
        self.0
            .write_all([head.as_bytes(), body.as_bytes()].concat().as_slice())
            .map_err(text)?;
        let mut answer = Vec::new();
        let mut bytes = [0; 65_536];
        while !whole(&answer) {
            match self.0.read(&mut bytes).map_err(text)? {
                0 => return Err("Consul hung up".into()),
                read => answer.extend_from_slice(&bytes[..read]),
            }
        }
        match answer.starts_with(b"HTTP/1.1 200") {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&answer[..answer.len().min(300)]).into()),
        }
    }
}

/// Whether an answer is complete: by its length, or by its last chunk.
fn whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
    match length {
        Some(length) => answer.len() >= end + 4 + length,
        None => answer.ends_with(b"0\r\n\r\n"),
    }
}

fn measured() -> Result<Measured, String> {
    test_support::proxies::CONSUL.met()?;
    let consul = start_consul();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| e.to_string())?;
    let mut ours = Consul::new(&format!("http://{}", consul.address)).map_err(|e| e.to_string())?;
    let mut bare = Bare(TcpStream::connect(&consul.address).map_err(|e| e.to_string())?);
    let node = json!([{"Node": {"Verb": "set", "Node": {"Node": "bare", "Address": "127.0.0.1"}}}]);
    bare.put("/v1/txn", &node.to_string())?;
    let mut times = [Vec::new(), Vec::new()];
    // The first round registers; what counts is that all change.
    for round in 0..=ROUNDS {
        let wanted = assignments(1 + round).map_err(|e| e.to_string())?;
        let begun = Instant::now();
        let synced = runtime.block_on(ours.sync(&wanted));
        let taken = begun.elapsed();
        synced.map_err(|e| e.to_string())?;
        let all = transactions(1 + round);
        let begun = Instant::now();
        for body in &all {
            bare.put("/v1/txn", body)?;
        }
        if round > 0 {
            times[0].push(taken.as_secs_f64());
            times[1].push(begun.elapsed().as_secs_f64());
        }
    }
    let [ours, bare] = times.map(crate::measure::median);
    Ok(Measured::beside(ours, bare))
}

/// The row.
pub(super) fn figures() -> Vec<Figure> {
    vec![Figure {
        id: "discovery/consul-10000",
        what: "10,000 endpoints that change at once into Consul, what stands there read before; peer bare transactions of the same entries, unguarded, nothing read",
        unit: "s",
        judge: Judge::Ratio,
        must: Limit::AtMost(1.3),
        aim: Limit::AtMost(1.1),
        long: false,
        run: measured,
    }]
}
