//! From an event in the source to the weight in Envoy, beside the same change told to Envoy without all that is between.

use super::bare;
use super::world::{World, source, until_in_envoy};
use crate::measure::median;
use crate::{Figure, Judge, Limit, Measured};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Instant;
use test_support::proxies::{free_port, start_envoy, start_envoy_xds};

/// Changes of which the median is taken.
const CHANGES: u32 = 40;

fn addresses(count: usize) -> Vec<SocketAddr> {
    let address = |i: usize| ([127, 0, 1 + (i / 250) as u8, 1 + (i % 250) as u8], 9_000).into();
    (0..count).map(address).collect()
}

/// All endpoints with this weight.
fn of(addresses: &[SocketAddr], weight: u32) -> String {
    let endpoint = |(i, address): (usize, &SocketAddr)| -> Value {
        json!({"id": format!("web-{i}"), "address": address.to_string(), "node": format!("n{i}"),
            "zone": "a", "region": "north", "weight": weight})
    };
    let endpoints: Vec<Value> = addresses.iter().enumerate().map(endpoint).collect();
    source(&endpoints, 0.0, false)
}

/// The median of the milliseconds from a change of all weights until Envoy shows it, at the last address.
fn measured(
    admin: &str,
    last: SocketAddr,
    scale: u32,
    mut change: impl FnMut(u32) -> Result<Instant, String>,
) -> Result<f64, String> {
    let mut taken = Vec::new();
    for weight in 2..2 + CHANGES {
        let begun = change(weight)?;
        let seen = until_in_envoy(admin, &last.to_string(), weight * scale)?;
        taken.push(seen.duration_since(begun).as_secs_f64() * 1e3);
    }
    Ok(median(taken))
}

/// What `berth discover` gives for a unit of base weight.
const THOUSANDTHS: u32 = 1_000;

fn file() -> Result<Measured, String> {
    test_support::proxies::envoy()?;
    let (world, addresses) = (World::new()?, addresses(1));
    world.replace("source.json", &of(&addresses, 1))?;
    let eds = world.folder.join("eds.json");
    let driver = world.drive(&format!("envoy-file:{}", eds.display()))?;
    super::world::until("the file is there", || eds.exists())?;
    let envoy = start_envoy(&world.folder, &eds);
    let admin = envoy.admin.clone().unwrap_or_default();
    until_in_envoy(&admin, &addresses[0].to_string(), THOUSANDTHS)?;
    let ours = measured(&admin, addresses[0], THOUSANDTHS, |weight| {
        world.replace("source.json", &of(&addresses, weight))
    })?;
    drop(driver);
    let text = std::fs::read_to_string(&eds).map_err(|e| e.to_string())?;
    // The last weight that it wrote.
    let last = format!(":{}", (1 + CHANGES) * THOUSANDTHS);
    let bare = measured(&admin, addresses[0], 1, |weight| {
        world.replace("eds.json", &text.replace(&last, &format!(":{weight}")))
    })?;
    Ok(Measured::beside(ours, bare))
}

/// How much longer ours takes than the bare rename.
fn more_than_a_rename() -> Result<Measured, String> {
    let Measured { ours, peer } = file()?;
    let bare = peer.unwrap_or(f64::NAN);
    Ok(Measured::beside(ours - bare, bare))
}

fn xds(count: usize) -> Result<Measured, String> {
    test_support::proxies::envoy()?;
    let addresses = addresses(count);
    let last = *addresses.last().ok_or("no endpoint")?;
    let bare = {
        let world = World::new()?;
        let (server, tell) = bare::serve(addresses.clone())?;
        let envoy = start_envoy_xds(&world.folder, server, "DELTA_GRPC");
        let admin = envoy.admin.clone().unwrap_or_default();
        until_in_envoy(&admin, &last.to_string(), 1)?;
        measured(&admin, last, 1, |weight| {
            let begun = Instant::now();
            tell.send_replace(weight);
            Ok(begun)
        })?
    };
    let world = World::new()?;
    world.replace("source.json", &of(&addresses, 1))?;
    let server: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let _driver = world.drive(&format!("xds:{server}"))?;
    let envoy = start_envoy_xds(&world.folder, server, "DELTA_GRPC");
    let admin = envoy.admin.clone().unwrap_or_default();
    until_in_envoy(&admin, &last.to_string(), THOUSANDTHS)?;
    let ours = measured(&admin, last, THOUSANDTHS, |weight| {
        world.replace("source.json", &of(&addresses, weight))
    })?;
    Ok(Measured::beside(ours, bare))
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    let base = Figure {
        id: "discovery/event-to-envoy-file",
        what: "from a renamed source to the weight in Envoy by file, median, less what a bare rename of Envoy's file takes (peer: that, by itself); state in memory",
        unit: "ms",
        judge: Judge::Ours,
        must: Limit::AtMost(20.0),
        aim: Limit::AtMost(5.0),
        long: false,
        run: more_than_a_rename,
    };
    let xds = |id, what, run| Figure {
        id,
        what,
        judge: Judge::Ratio,
        must: Limit::AtMost(2.0),
        aim: Limit::AtMost(1.2),
        run,
        ..base
    };
    vec![
        base,
        xds(
            "discovery/event-to-envoy-xds-1",
            "from a renamed source to the weight in Envoy by xDS, median, 1 endpoint; peer a server of a hundred lines that is told the weight in its own process; state in memory",
            || self::xds(1),
        ),
        xds(
            "discovery/event-to-envoy-xds-1000",
            "the same, 1,000 endpoints of which all change",
            || self::xds(1_000),
        ),
    ]
}
