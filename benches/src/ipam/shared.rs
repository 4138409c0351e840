//! Many hosts on one etcd: claims beside bare compare-and-swap of the same bytes by the same client code, in one run.

use crate::Measured;
use ipam::store::{
    Guard, HostReplica, MemoryStore, Page, Revision, StoreError, Txn, Watched, ready,
};
use ipam::{PoolSpec, Replica, Request, Store, Timestamp};
use ipam_etcd::{EtcdConfig, EtcdStore};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use test_support::etcd::{ETCD, Etcd};

/// Hosts that claim at once, each one claim after another.
const HOSTS: usize = 64;
/// Claims that are counted, after the hosts have their blocks.
const CLAIMS: usize = 20_480;
/// Claims and bare transactions take turns, as whatever else runs slows both.
const TURNS: usize = 8;
/// Claims of a host alone.
const ALONE: usize = 2_000;

/// What one run gave.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    /// A second.
    claims: f64,
    bare: f64,
    conflicts: f64,
    /// Medians, in nanoseconds.
    one_claim: f64,
    one_bare: f64,
}

/// Which part of it is asked for.
pub(super) enum Row {
    /// Claims a second as percent of bare transactions a second.
    Claims,
    /// Conflicts in percent of claims.
    Conflicts,
    /// Median latency of one claim over that of one bare transaction.
    Latency,
}

/// One run serves all rows.
static MEASURED: Mutex<Option<Outcome>> = Mutex::new(None);

pub(super) fn etcd(row: &Row) -> Result<Measured, String> {
    let mut known = MEASURED.lock().map_err(|e| e.to_string())?;
    let outcome = match *known {
        Some(outcome) => outcome,
        None => *known.insert(measure()?),
    };
    Ok(match row {
        Row::Claims => Measured::beside(outcome.claims, outcome.bare),
        Row::Conflicts => Measured::alone(outcome.conflicts),
        Row::Latency => Measured::beside(outcome.one_claim, outcome.one_bare),
    })
}

fn measure() -> Result<Outcome, String> {
    ETCD.met()?;
    let server = Etcd::start(&["--quota-backend-bytes", "8589934592"]);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(measure_on(&server))
}

async fn measure_on(server: &Etcd) -> Result<Outcome, String> {
    let mut setup = open(server, "claims/")?;
    let spec = PoolSpec::new("p", "10.0.0.0/12".parse().map_err(text)?);
    Replica::open(&mut setup, now(), 7)
        .await
        .map_err(text)?
        .add_pool(now(), spec, tokio::time::sleep)
        .await
        .map_err(text)?;
    let mut hosts = Vec::new();
    for number in 0..=HOSTS {
        hosts.push(Host::new(server, number)?);
    }
    let mut alone = hosts.pop().ok_or("no host")?;
    let mut totals = (Duration::ZERO, Duration::ZERO);
    // Affinities settle, and the bare side knows its keys.
    hosts = every(hosts, |mut host| async move {
        host.claims(8).await.map(|()| host)
    })
    .await?;
    hosts = every(
        hosts,
        |mut host| async move { host.bare().await.map(|()| host) },
    )
    .await?;
    let before: u64 = hosts.iter().map(Host::conflicts).sum();
    for _ in 0..TURNS {
        let start = Instant::now();
        let each = CLAIMS / HOSTS / TURNS;
        hosts = every(hosts, move |mut host| async move {
            host.claims(each).await.map(|()| host)
        })
        .await?;
        totals.0 += start.elapsed();
        let start = Instant::now();
        hosts = every(
            hosts,
            |mut host| async move { host.bare().await.map(|()| host) },
        )
        .await?;
        totals.1 += start.elapsed();
    }
    let conflicts = hosts.iter().map(Host::conflicts).sum::<u64>() - before;
    let (one_claim, one_bare) = alone.medians().await?;
    let rate = |took: Duration| CLAIMS as f64 / took.as_secs_f64();
    Ok(Outcome {
        claims: rate(totals.0),
        bare: rate(totals.1),
        conflicts: 100.0 * conflicts as f64 / CLAIMS as f64,
        one_claim,
        one_bare,
    })
}

/// Has every host do the same at once.
async fn every<F>(hosts: Vec<Host>, work: impl Fn(Host) -> F) -> Result<Vec<Host>, String>
where
    F: Future<Output = Result<Host, String>> + Send + 'static,
{
    let tasks: Vec<_> = hosts.into_iter().map(|h| tokio::spawn(work(h))).collect();
    let mut hosts = Vec::new();
    for task in tasks {
        hosts.push(task.await.map_err(text)??);
    }
    Ok(hosts)
}

/// A host with its allocator, and a handle beside it for bare transactions of what the allocator wrote.
struct Host {
    allocator: HostReplica<Recorder>,
    written: Arc<Mutex<Written>>,
    beside: EtcdStore,
    /// The revisions at which the keys beside stand.
    revisions: BTreeMap<String, Revision>,
    number: usize,
    claims: usize,
}

/// What an allocator wrote since it was last looked at.
#[derive(Default)]
struct Written {
    txns: Vec<Vec<(String, Vec<u8>)>>,
    conflicts: u64,
}

impl Host {
    fn new(server: &Etcd, number: usize) -> Result<Self, String> {
        let written = Arc::new(Mutex::new(Written::default()));
        let recorder = Recorder {
            store: open(server, "claims/")?,
            written: Arc::clone(&written),
        };
        Ok(Self {
            allocator: HostReplica::new(recorder, &format!("node-{number}"), 7),
            written,
            beside: open(server, &format!("bare/{number}/"))?,
            revisions: BTreeMap::new(),
            number,
            claims: 0,
        })
    }

    fn conflicts(&self) -> u64 {
        self.written.lock().map_or(0, |w| w.conflicts)
    }

    async fn claims(&mut self, count: usize) -> Result<(), String> {
        for _ in 0..count {
            let (owner, workload) = names(self.number, self.claims);
            self.claims += 1;
            let request = Request::new(&owner).workload(&workload);
            let claim = self.allocator.claim(now(), &request, tokio::time::sleep);
            claim.await.map_err(text)?;
        }
        Ok(())
    }

    /// Writes beside what the allocator wrote, each key guarded at the revision at which it stands there.
    async fn bare(&mut self) -> Result<(), String> {
        let txns = std::mem::take(&mut self.written.lock().map_err(text)?.txns);
        for put in txns {
            let known =
                |key: &String| Guard::unchanged(&**key, *self.revisions.get(key).unwrap_or(&0));
            let guards = put.iter().map(|(key, _)| known(key)).collect();
            let keys: Vec<String> = put.iter().map(|(key, _)| key.clone()).collect();
            let txn = Txn {
                guards,
                put,
                ..Txn::default()
            };
            let revision = self.beside.commit(txn).await.map_err(text)?;
            let written = keys.into_iter().map(|key| (key, revision));
            self.revisions.extend(written);
        }
        Ok(())
    }

    /// The median time of one claim, and of one bare transaction, which take turns.
    async fn medians(&mut self) -> Result<(f64, f64), String> {
        let (mut claims, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..ALONE {
            let start = Instant::now();
            self.claims(1).await?;
            claims.push(start.elapsed().as_nanos());
            let start = Instant::now();
            self.bare().await?;
            bare.push(start.elapsed().as_nanos());
        }
        let median = |mut times: Vec<u128>| {
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or(0) as f64
        };
        Ok((median(claims), median(bare)))
    }
}

/// A container's id with its interface, as runtimes name what asks for an address, and the workload behind it.
fn names(host: usize, claim: usize) -> (String, String) {
    let mixed = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (n >> 7);
    let base = (host as u64) << 32 | claim as u64;
    let words = [1, 2, 3, 4].map(|i| mixed(base.wrapping_mul(i) ^ i << 60));
    let id: String = words.iter().map(|word| format!("{word:016x}")).collect();
    let workload = format!("shop/web-{host}-{claim}");
    (format!("{id}/eth0"), workload)
}

fn open(server: &Etcd, prefix: &str) -> Result<EtcdStore, String> {
    EtcdStore::new(EtcdConfig::new([server.url()]).prefix(prefix)).map_err(text)
}

fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed();
    since.map_or(Timestamp::ZERO, Timestamp::from)
}

#[allow(clippy::needless_pass_by_value)]
fn text(error: impl ToString) -> String {
    error.to_string()
}

/// A store that notes what is written to it.
struct Recorder {
    store: EtcdStore,
    written: Arc<Mutex<Written>>,
}

#[async_trait::async_trait]
impl Store for Recorder {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        self.store.get(keys).await
    }

    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.store.list(prefix, after, limit).await
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        let put = txn.put.clone();
        let outcome = self.store.commit(txn).await;
        if let Ok(mut written) = self.written.lock() {
            match &outcome {
                Ok(_) => written.txns.push(put),
                Err(StoreError::Conflict { .. }) => written.conflicts += 1,
                Err(_) => {}
            }
        }
        outcome
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        self.store.watch(prefix, from).await
    }
}

/// Claims of the figure of bytes.
const STORED: usize = 100_000;

/// Keys and values in the store, per claim.
pub(super) fn bytes_per_claim() -> Result<Measured, String> {
    ready(bytes())
        .ok_or("a store in memory never waits")?
        .map(Measured::alone)
}

async fn bytes() -> Result<f64, String> {
    let wait = |_| std::future::ready(());
    let mut store = MemoryStore::default();
    let spec = PoolSpec::new("p", "10.0.0.0/12".parse().map_err(text)?);
    let mut setup = Replica::open(&mut store, now(), 7).await.map_err(text)?;
    setup.add_pool(now(), spec, wait).await.map_err(text)?;
    drop(setup);
    for number in 0..HOSTS {
        let mut host = HostReplica::new(&mut store, &format!("node-{number}"), 7);
        for claim in (number..STORED).step_by(HOSTS) {
            let (owner, workload) = names(number, claim);
            let request = Request::new(&owner).workload(&workload);
            host.claim(now(), &request, wait).await.map_err(text)?;
        }
    }
    let page = store.list("", None, usize::MAX).await.map_err(text)?;
    let sizes = page
        .entries
        .iter()
        .map(|(key, value)| key.len() + value.len());
    let bytes: usize = sizes.sum();
    Ok(bytes as f64 / STORED as f64)
}
