//! Any byte of a small store is flipped, then addresses are claimed: none is given twice, ever, nothing panics,
//! and what was acknowledged is either there or told of as damaged.
//!
//! An ordinary run flips some bytes of every page that is in use and all of the header; `IPAM_FLIPS=all` flips
//! every byte of every page that is in use. Where redb panics as it cleans up after a panic, which nobody can catch, the
//! process aborts: the flips are made in children of this test, and few may end so.

use ipam::{
    Change, Ipam, PoolSpec, Replica, Request, Timestamp,
    claim::ClaimError,
    store::{TransactError, ready},
};
use ipam_redb::RedbStore;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const PAGE: usize = 4096;

/// In memory where there is such a file system: what is synced here need not outlive the test.
fn folder(name: &str) -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let base = Some(memory)
        .filter(|p| p.is_dir())
        .unwrap_or(std::env::temp_dir());
    let path = base.join(format!("ipam-redb-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

fn open(path: &Path) -> Result<Replica<RedbStore>, ipam::store::StoreError> {
    let mut store = RedbStore::new(path, Duration::ZERO);
    store.hold()?;
    ready(Replica::open(store, NOW, 7)).expect("files never wait")
}

fn claim(
    replica: &mut Replica<RedbStore>,
    request: &Request<'_>,
) -> Result<IpAddr, TransactError<ClaimError>> {
    let decide = |ipam: &Ipam| {
        let decision = ipam.decide_claim(request)?;
        let changes = decision.changes.into_iter().map(Change::into_owned);
        let address = decision.grant.address().expect("an address");
        Ok((address, changes.collect()))
    };
    ready(replica.transact(NOW, decide, |_| std::future::ready(()))).expect("files never wait")
}

/// A store of two pools with claims of all kinds: who holds or keeps what.
fn build(path: &Path) -> BTreeMap<IpAddr, String> {
    let mut replica = open(path).expect("a new store");
    for (name, cidr) in [("p", "10.0.0.0/27"), ("q", "10.0.1.0/28")] {
        let spec = PoolSpec::new(name, cidr.parse().expect("a prefix")).block_size(29);
        let add = |ipam: &Ipam| {
            Ok::<_, ipam::pool::PoolError>(((), vec![ipam.decide_add_pool(spec.clone())?]))
        };
        ready(replica.transact(NOW, add, |_| std::future::ready(())))
            .expect("at once")
            .expect("a pool");
    }
    for i in 0..12 {
        let (owner, workload, host) = (
            format!("c{i}"),
            format!("w{}", i % 4),
            format!("h{}", i % 2),
        );
        let request = Request::new(&owner).host(&host);
        let request = match i % 4 {
            0 => request.workload(&workload).fixed(&[]),
            1 => request.workload(&workload).sticky(Duration::from_secs(60)),
            _ => request,
        };
        // A second fixed claim of a workload is refused.
        let _ = claim(&mut replica, &request);
    }
    let mut taken = BTreeMap::new();
    for claim in replica.ipam().claims() {
        taken.extend(claim.addresses().map(|a| (a, claim.owner().to_owned())));
    }
    assert!(taken.len() >= 9, "{taken:?}");
    taken
}

/// How it went after one flip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Nothing was noticed.
    Unnoticed,
    /// Some records are damaged, others are given out.
    InPart,
    /// Nothing is given.
    Refused,
    /// It does not open.
    Closed,
}

/// Claims what can be claimed from a damaged store, in two sessions.
fn try_claims(path: &Path, taken: &BTreeMap<IpAddr, String>, at: &str) -> Outcome {
    let (mut given, mut noticed, mut closed) = (BTreeMap::new(), false, false);
    for session in 0..2 {
        let Ok(mut replica) = open(path) else {
            closed = true;
            continue;
        };
        noticed |= !replica.rejected().is_empty();
        if session == 0 && replica.rejected().is_empty() {
            let held = replica
                .ipam()
                .claims()
                .flat_map(ipam::claim::ClaimRef::addresses)
                .count();
            assert_eq!(held, taken.len(), "{at}: claims are lost without a word");
        }
        for i in 0..4 {
            let (owner, host) = (format!("new-{session}-{i}"), format!("h{i}"));
            let request = Request::new(&owner);
            let request = if i > 0 { request.host(&host) } else { request };
            match claim(&mut replica, &request) {
                Ok(address) => {
                    assert_eq!(taken.get(&address), None, "{at}: {address} was given twice");
                    let before = given.insert(address, owner);
                    assert_eq!(before, None, "{at}: {address} was given twice");
                }
                Err(_) => noticed = true,
            }
        }
        for i in 0..12 {
            // Who has an address is given it again, or nothing.
            let owner = format!("c{i}");
            if let Ok(address) = claim(&mut replica, &Request::new(&owner)) {
                let holder = taken.get(&address).or_else(|| given.get(&address));
                let mine = holder.is_none_or(|o| *o == owner);
                assert!(mine, "{at}: {address} was given twice");
                given.insert(address, owner);
            }
        }
    }
    match (given.is_empty(), noticed, closed) {
        (_, _, true) => Outcome::Closed,
        (true, ..) => Outcome::Refused,
        (_, true, _) => Outcome::InPart,
        _ => Outcome::Unnoticed,
    }
}

/// Which bytes of a file to flip.
fn places(bytes: &[u8], every: bool) -> Vec<usize> {
    if every {
        // Of a page that is nothing but zeros one byte stands for all.
        let pages = bytes.chunks(PAGE).enumerate();
        let each = pages.flat_map(|(page, content)| {
            let used = content.iter().any(|&b| b != 0);
            page * PAGE..page * PAGE + if used { content.len() } else { 1 }
        });
        return each.collect();
    }
    let mut places: Vec<usize> = (0..320.min(bytes.len())).step_by(3).collect();
    for (page, content) in bytes.chunks(PAGE).enumerate().skip(1) {
        // Most of a page's bytes are nothing: those that are something matter.
        let used: Vec<usize> = (0..content.len()).filter(|&i| content[i] != 0).collect();
        let step = used.len().div_ceil(60).max(1);
        places.extend(used.iter().step_by(step).map(|i| page * PAGE + i));
    }
    places
}

/// The most flips in a thousand that may abort the process.
const ABORTS_PERMILLE: usize = 20;

/// Runs a test's flips in children, from the flip after the one that aborted on: what was told of each, and how many
/// aborted. `None` in a child, which is done then.
fn in_children(
    test: &str,
    run: impl Fn(usize, &mut dyn FnMut(usize, &str)),
) -> Option<(Vec<String>, usize)> {
    if let Ok(from) = std::env::var("IPAM_FLIPS_FROM") {
        let log = std::env::var_os("IPAM_FLIPS_LOG").expect("the parent's log");
        let mut log = std::fs::OpenOptions::new()
            .append(true)
            .open(log)
            .expect("the parent's log");
        run(from.parse().expect("a number"), &mut |at, told| {
            writeln!(log, "{at} {told}").expect("the log is written");
        });
        return None;
    }
    let folder = folder(test);
    let log = folder.join("log");
    std::fs::write(&log, "").expect("a file");
    let (mut from, mut aborts) = (0, 0);
    loop {
        let child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", test, "--nocapture"])
            .env("IPAM_FLIPS_FROM", from.to_string())
            .env("IPAM_FLIPS_LOG", &log)
            .output()
            .expect("a child");
        if child.status.success() {
            break;
        }
        assert_eq!(child.status.code(), None, "{child:?}");
        let told = std::fs::read_to_string(&log).expect("the log");
        let last = told.lines().last().expect("a flip was begun");
        assert!(last.ends_with(BEGUN), "{last}: {child:?}");
        let (at, _) = last.split_once(' ').expect("a number comes first");
        (from, aborts) = (at.parse::<usize>().expect("a number") + 1, aborts + 1);
    }
    let told = std::fs::read_to_string(&log).expect("the log");
    let told: Vec<String> = told
        .lines()
        .filter(|line| !line.ends_with(BEGUN))
        .filter_map(|line| Some(line.split_once(' ')?.1.to_owned()))
        .collect();
    std::fs::remove_dir_all(folder).expect("cleaned up");
    println!("{} flips, {aborts} aborts of redb", told.len() + aborts);
    assert!(
        aborts * 1000 <= (told.len() + aborts) * ABORTS_PERMILLE,
        "{aborts}"
    );
    Some((told, aborts))
}

/// What is told when a flip begins.
const BEGUN: &str = "begun";

/// How often something was told.
fn count(told: &[String], what: &str) -> usize {
    told.iter().filter(|t| *t == what).count()
}

#[test]
fn whatever_byte_is_flipped_no_address_is_given_twice() {
    let test = "whatever_byte_is_flipped_no_address_is_given_twice";
    let Some((told, _)) = in_children(test, flip_and_claim) else {
        return;
    };
    assert!(told.len() > 300, "{}", told.len());
    assert!(count(&told, &format!("{:?}", Outcome::InPart)) > 0);
}

/// Flips one byte after another from this one on, first of the file, then of the one beside it.
fn flip_and_claim(from: usize, tell: &mut dyn FnMut(usize, &str)) {
    let folder = folder("flips");
    let (path, ack) = (folder.join("s.redb"), folder.join("s.redb.ack"));
    let taken = build(&path);
    let every = std::env::var("IPAM_FLIPS").is_ok_and(|all| all == "all");
    let (whole, side) = (
        std::fs::read(&path).expect("the file"),
        std::fs::read(&ack).expect("the file beside it"),
    );
    let beside = (0..side.len()).filter(|&i| side[i] != 0);
    let all = places(&whole, every)
        .into_iter()
        .chain(beside.map(|i| whole.len() + i));
    for at in all.filter(|&at| at >= from) {
        tell(at, BEGUN);
        let (mut bytes, mut beside) = (whole.clone(), side.clone());
        match bytes.get_mut(at) {
            Some(byte) => *byte ^= 0x81,
            None => beside[at - whole.len()] ^= 0x81,
        }
        std::fs::write(&path, &bytes).expect("a file");
        std::fs::write(&ack, &beside).expect("a file");
        let outcome = try_claims(&path, &taken, &format!("byte {at}"));
        tell(at, &format!("{outcome:?}"));
    }
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

/// What one claim comes to in a store that is opened anew.
fn one_claim(path: &Path, owner: &str) -> Result<IpAddr, String> {
    let mut replica = open(path).map_err(|e| e.to_string())?;
    claim(&mut replica, &Request::new(owner)).map_err(|e| e.to_string())
}

#[test]
fn damage_that_only_a_commit_meets_is_found_by_inspection_and_mended() {
    let test = "damage_that_only_a_commit_meets_is_found_by_inspection_and_mended";
    let Some((told, _)) = in_children(test, flip_and_mend) else {
        return;
    };
    let (met, mended) = (count(&told, "met"), count(&told, "mended"));
    println!("{met} met by a commit only and not mended, {mended} mended");
    assert!(mended > met, "{mended} beside {met}");
}

/// Flips one byte after another from this one on, and mends what only a commit meets.
fn flip_and_mend(from: usize, tell: &mut dyn FnMut(usize, &str)) {
    let folder = folder("structure");
    let (path, ack) = (folder.join("s.redb"), folder.join("s.redb.ack"));
    let taken = build(&path);
    let mut replica = open(&path).expect("sound");
    ready(replica.inspect()).expect("at once").expect("looks");
    assert_eq!(replica.rejected(), [], "a sound store");
    drop(replica);
    let (whole, side) = (
        std::fs::read(&path).expect("the file"),
        std::fs::read(&ack).expect("the file beside it"),
    );
    let places = places(&whole, false).into_iter();
    for at in places.filter(|&at| at >= PAGE && at >= from) {
        tell(at, BEGUN);
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        let restore = || {
            std::fs::write(&path, &bytes).expect("a file");
            std::fs::write(&ack, &side).expect("a file");
        };
        tell(at, mend(&path, at, &taken, restore));
    }
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

/// What becomes of a damaged file: `other` where the damage is seen at once or never, `met` where only a commit meets it
/// and it is found, `mended` where it can be claimed from afterwards.
fn mend(
    path: &Path,
    at: usize,
    taken: &BTreeMap<IpAddr, String>,
    restore: impl Fn(),
) -> &'static str {
    restore();
    let sound = open(path).is_ok_and(|replica| replica.rejected().is_empty());
    restore();
    let claims: Vec<_> = (0..2)
        .map(|i| one_claim(path, &format!("new-{i}")))
        .collect();
    if !sound || claims.iter().all(Result::is_ok) {
        return "other";
    }
    restore();
    let mut replica = open(path).expect("as before");
    ready(replica.inspect()).expect("at once").expect("looks");
    assert!(
        !replica.rejected().is_empty(),
        "byte {at}: {claims:?}, and nothing is found"
    );
    if ready(replica.rebuild(NOW)).expect("at once").is_err() || !replica.rejected().is_empty() {
        return "met";
    }
    drop(replica);
    for i in 0..2 {
        let address = one_claim(path, &format!("new-{i}"));
        let address = address.unwrap_or_else(|e| panic!("byte {at}: {e}"));
        assert_eq!(
            taken.get(&address),
            None,
            "byte {at}: {address} was given twice"
        );
    }
    "mended"
}
