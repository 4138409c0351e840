//! `berth ipam` as a process: what stays with a workload, and for how long.

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

struct Store(PathBuf);

impl Store {
    fn new(name: &str) -> Self {
        let name = format!("berth-retention-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        let store = Self(path);
        store.done("pool add p 10.9.0.0/24 --quarantine 60s --affinity off");
        store
    }

    /// Status and the one document on standard output of a command of these words.
    fn run(&self, words: &str) -> (i32, Value) {
        let store = format!("redb:{}", self.0.join("s.redb").display());
        let output = Command::new(env!("CARGO_BIN_EXE_berth"))
            .args(["ipam", "--store", &store, "--json"])
            .args(words.split_whitespace())
            .output()
            .expect("berth");
        let text = String::from_utf8(output.stdout).expect("text");
        let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{words}: {e}: {text}"));
        (output.status.code().expect("a status"), json)
    }

    fn done(&self, words: &str) -> Value {
        let (status, json) = self.run(words);
        assert_eq!(status, 0, "{words}: {json}");
        json
    }

    /// The first address that a claim is given.
    fn address(&self, words: &str) -> String {
        let claimed = self.done(&format!("claim {words}"));
        let address = claimed["addresses"][0]["address"].as_str();
        address.expect("an address").to_owned()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn who_claims_again_between_two_collections_keeps_its_address() {
    let store = Store::new("life");
    let nobody = store.0.join("live");
    std::fs::write(&nobody, "").expect("a file");
    let gc = format!("gc --live {} --grace 0s", nobody.display());
    let first = store.address("--owner o1");
    assert_eq!(store.done(&gc)["suspects"][0], "o1");
    assert_eq!(store.address("--owner o1"), first);
    let pass = store.done(&gc);
    assert_eq!(pass["released"].as_array().map(Vec::len), Some(0), "{pass}");
    assert_ne!(store.address("--owner o2 --host h1"), first);
    // fsck goes by the same signs.
    assert_eq!(store.run("fsck --grace 0s").0, 1);
    store.address("--owner o1");
    store.done("claim --owner o2 --host h1");
    let repaired = store.done("fsck --repair --grace 0s");
    assert_eq!(repaired["claims"], 2, "{repaired}");
    // Who stays away is collected.
    store.done(&gc);
    let released = store.done(&gc)["released"].clone();
    assert_eq!(released, serde_json::json!(["o1", "o2"]));
}
