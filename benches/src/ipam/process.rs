//! One claim by the `berth` binary: a process that opens a file, reads what it needs, commits and ends.

use crate::Measured;
use crate::measure::children_cpu_seconds;
use crate::replay::binary;
use ipam::store::ready;
use ipam::{Ipam, PoolSpec, Replica, Request, Timestamp};
use ipam_redb::RedbStore;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// Claims in one commit while a store is filled. Each commit copies the allocator once.
const BATCH: u64 = 5_000;
/// Hosts of the claims in the store.
const HOSTS: u64 = 64;
/// Measured claims of each kind; the least counts, as whatever else runs only adds to one.
const CLAIMS: u64 = 10;

/// Milliseconds of CPU, by the number of claims in the store: a row's measurement serves the ratio's too.
static MEASURED: Mutex<BTreeMap<u64, f64>> = Mutex::new(BTreeMap::new());

/// CPU of one `berth ipam claim` beside so many claims: the worse of with and without a host.
pub(super) fn claim_process(claims: u64) -> Result<Measured, String> {
    measured(claims).map(Measured::alone)
}

/// The worst of these over the best.
pub(super) fn process_growth(sizes: &[u64]) -> Result<Measured, String> {
    let (mut best, mut worst) = (f64::INFINITY, 0.0_f64);
    for &claims in sizes {
        let spent = measured(claims)?;
        best = best.min(spent);
        worst = worst.max(spent);
    }
    Ok(Measured::alone(worst / best))
}

fn measured(claims: u64) -> Result<f64, String> {
    let mut known = MEASURED.lock().map_err(|e| e.to_string())?;
    if let Some(&spent) = known.get(&claims) {
        return Ok(spent);
    }
    let name = format!("berth-process-{}-{claims}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let outcome = measured_in(&folder.join("a.redb"), claims);
    std::fs::remove_dir_all(&folder).map_err(|e| e.to_string())?;
    let spent = outcome?;
    known.insert(claims, spent);
    Ok(spent)
}

fn measured_in(path: &Path, claims: u64) -> Result<f64, String> {
    fill(path, claims)?;
    let store = format!("redb:{}", path.display());
    let (mut with, mut without) = (f64::INFINITY, f64::INFINITY);
    for i in 0..CLAIMS {
        let host = format!("h{}", i * 7 % HOSTS);
        with = with.min(claim(&store, &format!("with-{i}"), &["--host", &host])?);
        without = without.min(claim(&store, &format!("without-{i}"), &[])?);
    }
    Ok(with.max(without))
}

/// Milliseconds of the child's CPU; a claim that is refused, or no new one, is an error.
fn claim(store: &str, owner: &str, more: &[&str]) -> Result<f64, String> {
    let mut command = Command::new(binary()?);
    command
        .args([
            "ipam", "--store", store, "--json", "claim", "--owner", owner,
        ])
        .args(more);
    let before = children_cpu_seconds()?;
    let out = command.output().map_err(|e| e.to_string())?;
    let spent = children_cpu_seconds()? - before;
    let answer: serde_json::Value =
        serde_json::from_slice(&out.stdout).map_err(|e| format!("{e}: {out:?}"))?;
    if !out.status.success() || answer["reused"] != false {
        return Err(format!("{}: {answer}", out.status));
    }
    Ok(spent * 1e3)
}

/// A store with so many claims of as many owners, committed batch by batch as a store grows.
fn fill(path: &Path, claims: u64) -> Result<(), String> {
    let now = Timestamp::from_secs(10);
    let wait = |_| std::future::ready(());
    let mut store = RedbStore::new(path, Duration::ZERO);
    store.hold().map_err(|e| e.to_string())?;
    let mut replica = ready(Replica::open(store, now, 7))
        .ok_or("pending")?
        .map_err(|e| e.to_string())?;
    let cidr = "10.0.0.0/8".parse().map_err(|e| format!("{e}"))?;
    ready(replica.add_pool(now, PoolSpec::new("p", cidr), wait))
        .ok_or("pending")?
        .map_err(|e| e.to_string())?;
    for first in (0..claims).step_by(BATCH as usize) {
        let until = claims.min(first + BATCH);
        ready(replica.transact(now, |ipam| batch(ipam, first..until), wait))
            .ok_or("pending")?
            .map_err(|e| e.to_string())?;
    }
    match replica.ipam().claim_count() as u64 == claims {
        true => Ok(()),
        false => Err("claims were lost".to_owned()),
    }
}

type Batch = Result<((), Vec<ipam::Change<'static>>), String>;

fn batch(ipam: &Ipam, numbers: std::ops::Range<u64>) -> Batch {
    let mut next = ipam.clone();
    let mut changes = Vec::new();
    for n in numbers {
        let (owner, host) = (format!("c{n}/eth0"), format!("h{}", n % HOSTS));
        let decision = next
            .decide_claim(&Request::new(&owner).host(&host))
            .map_err(|e| e.to_string())?;
        for change in decision.changes {
            let change = change.into_owned();
            next.apply(&change).map_err(|e| e.to_string())?;
            changes.push(change);
        }
    }
    Ok(((), changes))
}
