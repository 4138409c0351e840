//! `berth ipam` on a damaged store: what needs a damaged record exits 3 and changes nothing, the rest works and
//! warns, `fsck` lists what is damaged and exits 1 until it is mended or dropped by name.

use ipam::{
    Store as _,
    store::{Txn, ready},
};
use ipam_redb::RedbStore;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("berth-damage-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        let files = Self(path);
        files.done(&["pool", "add", "p", "10.9.0.0/26", "--block-size", "28"]);
        files.done(&["pool", "add", "q", "10.9.1.0/26"]);
        for owner in ["a", "b", "c"] {
            let workload = format!("w-{owner}");
            files.done(&[
                "claim",
                "--owner",
                owner,
                "--pool",
                "p",
                "--workload",
                &workload,
                "--host",
                "h1",
                "--sticky",
                "1h",
            ]);
        }
        files.done(&["release", "--owner", "c"]);
        files
    }

    fn path(&self) -> PathBuf {
        self.0.join("s.redb")
    }

    fn output(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_berth"))
            .args(["ipam", "--json", "--store"])
            .arg(format!("redb:{}", self.path().display()))
            .args(args)
            .output()
            .expect("berth")
    }

    /// Status, answer and what was said on standard error.
    fn run(&self, args: &[&str]) -> (i32, Value, String) {
        let output = self.output(args);
        let json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{args:?}: {e}: {:?}", output.stdout));
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        (output.status.code().expect("a status"), json, said)
    }

    fn done(&self, args: &[&str]) -> Value {
        let (status, json, said) = self.run(args);
        assert_eq!(status, 0, "{args:?}: {json} {said}");
        json
    }

    fn refused(&self, args: &[&str]) {
        let (status, json, said) = self.run(args);
        assert_eq!(status, 3, "{args:?}: {json} {said}");
        assert_eq!(json["error"]["kind"], "damaged", "{args:?}: {json}");
    }

    fn keys(&self, prefix: &str) -> Vec<String> {
        let mut store = RedbStore::new(self.path(), Duration::from_secs(5));
        let page = ready(store.list(prefix, None, 100)).expect("at once");
        let keys = page.expect("a listing").entries.into_iter().map(|e| e.0);
        keys.collect()
    }

    fn damage(&self, key: &str) {
        let mut store = RedbStore::new(self.path(), Duration::from_secs(5));
        let keys = [key.to_owned()];
        let (values, _) = ready(store.get(&keys)).expect("at once").expect("a read");
        let mut value = values[0]
            .clone()
            .unwrap_or_else(|| panic!("no record `{key}`"));
        value[2] ^= 0x10;
        let put = vec![(key.to_owned(), value)];
        let txn = Txn {
            put,
            ..Txn::default()
        };
        ready(store.commit(txn)).expect("at once").expect("a write");
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_damaged_claim_stops_what_needs_it_until_it_is_rebuilt_from_its_block() {
    let files = Files::new("claim");
    let before = files.done(&["show", "--owner", "a"]);
    let claim = |key: &str| before["claims"][0][key].clone();
    let address = claim("addresses")[0]["address"].clone();
    let address = address.as_str().expect("an address");
    files.damage("c/a");
    files.refused(&[
        "claim",
        "--owner",
        "a",
        "--workload",
        "w-a",
        "--host",
        "h1",
        "--sticky",
        "1h",
    ]);
    files.refused(&["release", "--owner", "a"]);
    files.refused(&["renew", "--owner", "a", "--sequence", "1"]);
    files.refused(&["show", "--owner", "a"]);
    files.refused(&["claim", "--owner", "x", "--address", address]);
    files.refused(&["reserve", "--workload", "x", "--address", address]);
    let (status, shown, said) = files.run(&["show"]);
    assert_eq!(
        (status, shown["claims"].as_array().map(Vec::len)),
        (0, Some(1))
    );
    assert!(said.contains("c/a") && said.contains("fsck"), "{said}");
    let (status, found, _) = files.run(&["fsck"]);
    assert_eq!(
        (status, &found["problems"][0]["kind"]),
        (1, &"damaged".into())
    );
    assert_eq!(found["damaged"], serde_json::json!(["c/a"]));
    // What does not need it goes on, and is given other addresses.
    let new = files.done(&["claim", "--owner", "new"]);
    assert_ne!(new["addresses"][0]["address"], address);
    files.done(&["release", "--owner", "b"]);
    files.done(&["pool", "add", "r", "10.9.2.0/26"]);
    assert_eq!(
        files.run(&["fsck", "--repair", "--forget", "c/nobody"]).0,
        2
    );
    let (status, found, _) = files.run(&["fsck", "--repair"]);
    assert_eq!((status, &found["left"]), (0, &0.into()), "{found}");
    let after = files.done(&["show", "--owner", "a"]);
    for key in ["sequence", "addresses", "workload", "host"] {
        assert_eq!(after["claims"][0][key], claim(key), "{key}");
    }
    files.done(&["release", "--owner", "a"]);
}

#[test]
fn a_claim_damaged_with_its_block_is_dropped_only_when_asked_for_by_name() {
    let files = Files::new("both");
    let held =
        files.done(&["show", "--owner", "a"])["claims"][0]["addresses"][0]["address"].clone();
    files.damage("c/a");
    let blocks = files.keys("b/00000/");
    blocks.iter().for_each(|block| files.damage(block));
    let before = files.keys("");
    let address = held.as_str().expect("an address");
    files.refused(&["claim", "--owner", "x", "--address", address]);
    files.refused(&["claim", "--owner", "x", "--host", "h1"]);
    files.refused(&["reserve", "--workload", "x", "--address", "10.9.1.7"]);
    let (status, found, _) = files.run(&["fsck", "--repair"]);
    assert_eq!(status, 1, "{found}");
    assert_eq!(files.keys(""), before, "nothing was dropped unasked");
    files.refused(&["claim", "--owner", "x", "--address", address]);
    files.refused(&["claim", "--owner", "x", "--host", "h1"]);
    // A pool of which nothing is damaged has nothing that could have been held.
    files.done(&["claim", "--owner", "new", "--pool", "q"]);
    assert_eq!(files.run(&["fsck", "--repair", "--forget", "c/a"]).0, 0);
    assert_eq!(files.run(&["fsck"]).0, 0);
    files.done(&["claim", "--owner", "x", "--host", "h1"]);
}

#[test]
fn a_damaged_pool_or_block_is_rebuilt_with_all_its_claims() {
    let files = Files::new("pool");
    let claims = files.done(&["show"]);
    let blocks = files.keys("b/00000/");
    let keys = ["p/00000", "m/", &blocks[0]];
    for key in keys {
        files.damage(key);
        let (status, ..) = files.run(&["fsck"]);
        assert_eq!(status, 1, "{key}");
        if key == "p/00000" {
            files.refused(&["claim", "--owner", "n1", "--pool", "p"]);
            files.refused(&["pool", "add", "x", "10.9.0.0/24"]);
            files.refused(&["release", "--owner", "a"]);
        }
        files.done(&[
            "claim",
            "--owner",
            &format!("n-{}", key.len()),
            "--pool",
            "q",
        ]);
        let (status, mended, _) = files.run(&["fsck", "--repair"]);
        assert_eq!((status, &mended["left"]), (0, &0.into()), "{key}: {mended}");
        let now = files.done(&["show"]);
        for claim in claims["claims"].as_array().expect("a list") {
            let all = now["claims"].as_array().expect("a list");
            assert!(all.contains(claim), "{key}: {claim} is lost: {now}");
        }
    }
}

#[test]
fn a_store_rolled_back_is_read_only_until_what_it_lost_is_given_up() {
    let files = Files::new("behind");
    let old = std::fs::read(files.path()).expect("the file");
    let lost = files.done(&["claim", "--owner", "late"]);
    std::fs::write(files.path(), old).expect("rolled back");
    files.refused(&["claim", "--owner", "new"]);
    files.refused(&["release", "--owner", "a"]);
    files.refused(&["show", "--owner", "late"]);
    assert_eq!(files.run(&["show"]).0, 0);
    assert_eq!(files.run(&["fsck", "--repair"]).0, 1);
    assert_eq!(files.run(&["fsck", "--repair", "--forget"]).0, 0);
    let next = files.done(&["claim", "--owner", "new"]);
    assert!(next["sequence"].as_u64() > lost["sequence"].as_u64());
}

#[test]
fn an_empty_file_is_no_store() {
    let files = Files::new("empty");
    std::fs::write(files.path(), "").expect("a file");
    for args in [&["show"][..], &["claim", "--owner", "x"], &["fsck"]] {
        assert_eq!(files.run(args).0, 3, "{args:?}");
    }
    assert_eq!(std::fs::metadata(files.path()).expect("the file").len(), 0);
}

#[test]
fn whatever_byte_of_the_file_is_flipped_no_command_panics_or_doubles() {
    let files = Files::new("flips");
    let ack = files.0.join("s.redb.ack");
    let (whole, side) = (
        std::fs::read(files.path()).expect("the file"),
        std::fs::read(&ack).expect("the file beside it"),
    );
    let shown = files.done(&["show"]);
    let address = |v: &Value| v["addresses"][0]["address"].clone();
    let claims = shown["claims"].as_array().expect("a list");
    let held: Vec<Value> = claims.iter().map(address).collect();
    // Showing wrote too: back to the file as it was.
    let used: Vec<usize> = (0..whole.len()).filter(|&i| whole[i] != 0).collect();
    let mut seen = [0; 4];
    for &at in used.iter().step_by(used.len() / 90) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x81;
        std::fs::write(files.path(), &bytes).expect("a file");
        std::fs::write(&ack, &side).expect("a file");
        let (status, claimed, said) = files.run(&["claim", "--owner", "new", "--host", "h9"]);
        assert!(matches!(status, 0 | 3), "byte {at}: {status} {said}");
        assert!(
            !held.contains(&address(&claimed)),
            "byte {at}: {claimed} was given twice"
        );
        seen[status as usize] += 1;
        let (status, ..) = files.run(&["fsck"]);
        assert!(matches!(status, 0 | 1 | 3), "byte {at}: {status} {said}");
    }
    assert!(seen[0] > 0 && seen[3] > 0, "{seen:?}");
}
