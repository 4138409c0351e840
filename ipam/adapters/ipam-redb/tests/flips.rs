//! Any byte of a small store is flipped, then addresses are claimed: none is given twice, ever, nothing panics,
//! and what was acknowledged is either there or told of as damaged.
//!
//! An ordinary run flips some bytes of every page that is in use and all of the header; `IPAM_FLIPS=all` flips
//! every byte of every page that is in use, `IPAM_FLIPS=all:N` the same from the N-th byte on (where redb panics as
//! it cleans up after a panic, the process aborts; the byte is in `IPAM_FLIPS_AT` if that names a file).

use ipam::{
    Change, Ipam, PoolSpec, Replica, Request, Timestamp,
    claim::ClaimError,
    store::{TransactError, ready},
};
use ipam_redb::RedbStore;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
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

#[test]
fn whatever_byte_is_flipped_no_address_is_given_twice() {
    let folder = folder("flips");
    let (path, ack) = (folder.join("s.redb"), folder.join("s.redb.ack"));
    let taken = build(&path);
    let asked = std::env::var("IPAM_FLIPS").unwrap_or_default();
    let every = asked.starts_with("all");
    let from: usize = asked
        .strip_prefix("all:")
        .map_or(0, |n| n.parse().expect("a number"));
    let note = std::env::var_os("IPAM_FLIPS_AT").map(PathBuf::from);
    let (whole, side) = (
        std::fs::read(&path).expect("the file"),
        std::fs::read(&ack).expect("the file beside it"),
    );
    let mut outcomes: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut tried = 0;
    for at in places(&whole, every).into_iter().filter(|&at| at >= from) {
        if let Some(note) = &note {
            std::fs::write(note, at.to_string()).expect("a file");
        }
        let mut bytes = whole.clone();
        bytes[at] ^= 0x81;
        std::fs::write(&path, &bytes).expect("a file");
        std::fs::write(&ack, &side).expect("a file");
        let outcome = try_claims(&path, &taken, &format!("byte {at}"));
        *outcomes.entry(outcome).or_default() += 1;
        tried += 1;
    }
    for at in (0..side.len()).filter(|&i| side[i] != 0) {
        let mut bytes = side.clone();
        bytes[at] ^= 0x81;
        std::fs::write(&path, &whole).expect("a file");
        std::fs::write(&ack, &bytes).expect("a file");
        try_claims(&path, &taken, &format!("byte {at} of the file beside"));
    }
    println!("{tried} flips: {outcomes:?}");
    assert!(tried > 300, "{tried}");
    assert!(outcomes.contains_key(&Outcome::InPart), "{outcomes:?}");
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

/// What one claim comes to in a store that is opened anew.
fn one_claim(path: &Path, owner: &str) -> Result<IpAddr, String> {
    let mut replica = open(path).map_err(|e| e.to_string())?;
    claim(&mut replica, &Request::new(owner)).map_err(|e| e.to_string())
}

#[test]
fn damage_that_only_a_commit_meets_is_found_by_inspection_and_mended() {
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
    let restore = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("a file");
        std::fs::write(&ack, &side).expect("a file");
    };
    let (mut met, mut mended) = (0, 0);
    for at in places(&whole, false).into_iter().filter(|&at| at >= PAGE) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        restore(&bytes);
        let sound = open(&path).is_ok_and(|replica| replica.rejected().is_empty());
        restore(&bytes);
        let claims: Vec<_> = (0..2)
            .map(|i| one_claim(&path, &format!("new-{i}")))
            .collect();
        if !sound || claims.iter().all(Result::is_ok) {
            continue;
        }
        met += 1;
        restore(&bytes);
        let mut replica = open(&path).expect("as before");
        ready(replica.inspect()).expect("at once").expect("looks");
        assert!(
            !replica.rejected().is_empty(),
            "byte {at}: {claims:?}, and nothing is found"
        );
        if ready(replica.rebuild(NOW)).expect("at once").is_err() || !replica.rejected().is_empty() {
            continue;
        }
        drop(replica);
        mended += 1;
        for i in 0..2 {
            let address = one_claim(&path, &format!("new-{i}"));
            let address = address.unwrap_or_else(|e| panic!("byte {at}: {e}"));
            assert_eq!(
                taken.get(&address),
                None,
                "byte {at}: {address} was given twice"
            );
        }
    }
    println!("{met} met by a commit only, {mended} of them mended");
    assert!(mended > 0 && mended * 2 > met, "{mended} of {met}");
    std::fs::remove_dir_all(folder).expect("cleaned up");
}
