//! Writers are killed at any moment, a thousand times: nothing that was acknowledged is lost, nothing is held
//! twice.
//!
//! A parent starts children of this same test binary; each claims and releases and writes a line for every
//! transaction that was acknowledged; the parent kills it (SIGKILL) after a random time. What the lines say
//! must be what the file says, but for the one transaction under way.

use ipam::rng::{Xoshiro256PlusPlus, stream};
use ipam::{Change, Ipam, PoolSpec, Replica, Request, Timestamp, store::ready};
use ipam_redb::RedbStore;
use rand::RngExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Kills of one run: a thousand by `IPAM_KILLS=1000`; otherwise as many as an ordinary test run has time for.
fn kills() -> u64 {
    std::env::var("IPAM_KILLS")
        .ok()
        .and_then(|k| k.parse().ok())
        .unwrap_or(100)
}

const CHILD: &str = "IPAM_KILL_CHILD";
const AT: Timestamp = Timestamp::from_secs(1_000_000);

fn open(path: &Path) -> Replica<RedbStore> {
    let store = RedbStore::new(path, Duration::from_secs(30));
    ready(Replica::open(store, AT, 7))
        .expect("files never wait")
        .expect("the file opens")
}

/// The child: claims and releases for ever, telling of each that was acknowledged.
#[test]
fn child() {
    let Ok(path) = std::env::var(CHILD) else {
        return;
    };
    let seed: u64 = std::env::var("IPAM_KILL_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0);
    let mut store = RedbStore::new(&path, Duration::from_secs(30));
    store.hold().expect("the file opens");
    let mut replica = ready(Replica::open(store, AT, 7))
        .expect("at once")
        .expect("the file opens");
    let mut rng = stream(seed, "child");
    let mut out = std::io::stdout();
    // The harness begins a line of its own, which it does not end.
    out.write_all(b"\n").expect("a parent");
    loop {
        let owner = format!("c{}", rng.random_range(0..40));
        let held = replica
            .ipam()
            .claim_of(&owner)
            .map(ipam::claim::ClaimRef::sequence);
        let line = match held {
            None => {
                let host = format!("h{}", rng.random_range(0..3));
                let request = Request::new(&owner).host(&host);
                let claim = |ipam: &Ipam| {
                    let decision = ipam.decide_claim(&request).map_err(|e| e.to_string())?;
                    let changes = decision
                        .changes
                        .into_iter()
                        .map(Change::into_owned)
                        .collect();
                    Ok::<_, String>((decision.grant.address(), changes))
                };
                let outcome = ready(replica.transact(AT, claim, |_| std::future::ready(())));
                let address = outcome
                    .expect("at once")
                    .expect("an address")
                    .expect("an address");
                format!("+ {owner} {address}\n")
            }
            Some(sequence) => {
                let release = |ipam: &Ipam| {
                    let change = ipam
                        .decide_release(&owner, sequence)
                        .map_err(|e| e.to_string())?;
                    Ok::<_, String>(((), vec![change.into_owned()]))
                };
                let outcome = ready(replica.transact(AT, release, |_| std::future::ready(())));
                outcome.expect("at once").expect("a release");
                format!("- {owner}\n")
            }
        };
        // The parent is gone when it cannot be told.
        if out
            .write_all(line.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            return;
        }
    }
}

#[test]
fn killed_writers_lose_nothing_and_give_nothing_twice() {
    if std::env::var(CHILD).is_ok() {
        return;
    }
    let folder: PathBuf = std::env::temp_dir().join(format!("ipam-kill-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("s.redb");
    {
        let mut replica = open(&path);
        let spec = PoolSpec::new("p", "10.0.0.0/24".parse().expect("a prefix")).block_size(28);
        let spec = spec.quarantine(Duration::ZERO);
        let add = |ipam: &Ipam| {
            Ok::<_, ipam::pool::PoolError>(((), vec![ipam.decide_add_pool(spec.clone())?]))
        };
        ready(replica.transact(AT, add, |_| std::future::ready(())))
            .expect("at once")
            .expect("a pool");
    }
    let mut rng = stream(11, "kills");
    let (mut known, mut acknowledged): (BTreeMap<String, String>, u64) = (BTreeMap::new(), 0);
    for round in 0..kills() {
        acknowledged += one_kill(&path, round, &mut rng, &mut known);
    }
    assert!(
        acknowledged > kills(),
        "the children were killed before they did anything"
    );
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

/// Starts a child, kills it, and compares: how many transactions it told of.
fn one_kill(
    path: &Path,
    round: u64,
    rng: &mut Xoshiro256PlusPlus,
    known: &mut BTreeMap<String, String>,
) -> u64 {
    let program = std::env::current_exe().expect("this binary");
    let mut child = Command::new(program)
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, path)
        .env("IPAM_KILL_SEED", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("its output"));
    let mut told = Vec::new();
    // It is killed some transactions on, at any point of the next one.
    let after = 1 + rng.random_range(0..4);
    while told.len() < after as usize {
        let mut line = String::new();
        if lines.read_line(&mut line).expect("a line") == 0 {
            break;
        }
        told.extend(parsed(&line));
    }
    std::thread::sleep(Duration::from_micros(rng.random_range(0..3000)));
    child.kill().expect("a kill");
    child.wait().expect("its end");
    let mut rest = String::new();
    lines.read_to_string(&mut rest).expect("the rest");
    // The last line may be torn.
    let whole = rest.rfind('\n').map_or("", |end| &rest[..=end]);
    told.extend(whole.lines().flat_map(parsed));
    for (owner, address) in &told {
        match address {
            Some(address) => known.insert(owner.clone(), address.clone()),
            None => known.remove(owner),
        };
    }
    let replica = open(path);
    replica
        .ipam()
        .check_invariants()
        .expect("nothing is held twice");
    assert_eq!(replica.rejected(), [], "round {round}: torn records");
    let stored: BTreeMap<String, String> = replica
        .ipam()
        .claims()
        .map(|c| {
            (
                c.owner().to_owned(),
                c.addresses().map(|a| a.to_string()).collect(),
            )
        })
        .collect();
    let owners = known.keys().chain(stored.keys());
    let differ: BTreeSet<&String> = owners.filter(|k| known.get(*k) != stored.get(*k)).collect();
    assert!(
        differ.len() <= 1,
        "round {round}: told {known:?}, stored {stored:?}"
    );
    *known = stored;
    told.len() as u64
}

/// What a line tells: an owner, and the address it was given or none.
fn parsed(line: &str) -> Option<(String, Option<String>)> {
    let mut words = line.split_whitespace();
    match (words.next()?, words.next()?, words.next()) {
        ("+", owner, Some(address)) => Some((owner.to_owned(), Some(address.to_owned()))),
        ("-", owner, None) => Some((owner.to_owned(), None)),
        _ => None,
    }
}
