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

    /// Runs a command that is refused; the kind of the refusal and its words.
    fn refused(&self, words: &str) -> (String, String) {
        let (status, json) = self.run(words);
        assert_eq!(status, 1, "{words}: {json}");
        let text = |key: &str| json["error"][key].as_str().unwrap_or_default().to_owned();
        (text("kind"), text("message"))
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

#[test]
fn a_second_owner_of_a_fixed_interface_is_refused_and_told_who_holds_it() {
    let store = Store::new("fixed");
    let first = store.address("--owner c1 --workload shop/web-0 --host h1 --fixed");
    let before = store.done("show");
    let second = "claim --owner c2 --workload shop/web-0 --host h2 --fixed";
    for command in [second.into(), format!("{second} 10.9.0.77")] {
        let (kind, message) = store.refused(&command);
        assert_eq!(kind, "held", "{message}");
        assert!(
            message.contains("`c1`") && message.contains(&first),
            "{message}"
        );
    }
    assert_eq!(store.done("show"), before, "a refusal changed something");
    // Another interface has its own; they never swap, whatever the order in which they come back.
    let other = store.address("--owner c3 --workload shop/web-0 --interface net1 --fixed");
    assert_ne!(other, first);
    store.done("release --owner c1");
    store.done("release --owner c3");
    let net1 = "--owner c4 --workload shop/web-0 --interface net1 --fixed";
    assert_eq!(store.address(net1), other);
    assert_eq!(
        store.address("--owner c2 --workload shop/web-0 --fixed"),
        first
    );
    assert_eq!(store.done("show")["claims"][1]["interface"], "net1");
    let (status, error) = store.run("claim --owner c5 --workload w --interface a/b");
    assert_eq!(
        (status, &error["error"]["where"]),
        (2, &"--interface".into())
    );
}

#[test]
fn interfaces_move_one_by_one() {
    let store = Store::new("moves");
    let fixed = "--workload shop/vm-0 --host h1 --fixed";
    let eth0 = store.address(&format!("--owner a0 {fixed}"));
    let net1 = store.address(&format!("--owner a1 {fixed} --interface net1"));
    let vm = "--workload shop/vm-0";
    for interface in ["net1", "eth0"] {
        store.done(&format!(
            "move begin {vm} --interface {interface} --from h1 --to h2"
        ));
    }
    store.done("release --owner a0");
    let finish = |interface: &str, owner: &str| {
        format!("move finish {vm} --interface {interface} --owner {owner}")
    };
    assert_eq!(store.refused(&finish("net1", "b1")).0, "still_held");
    let moved = store.done(&finish("eth0", "b0"));
    assert_eq!(moved["addresses"][0]["address"], eth0);
    store.done("release --owner a1");
    let moved = store.done(&finish("net1", "b1"));
    assert_eq!(moved["addresses"][0]["address"], net1);
    let hosts = store.done("show");
    assert!(
        hosts["claims"]
            .as_array()
            .expect("claims")
            .iter()
            .all(|c| c["host"] == "h2")
    );
}

#[test]
fn each_pool_and_each_interface_keeps_its_sticky_address() {
    let store = Store::new("sticky");
    store.done("pool add q 10.8.0.0/24 --affinity off");
    let claim = |owner: &str, more: &str| {
        let address = store.address(&format!("--owner {owner} --workload shop/web-0 {more}"));
        store.done(&format!("release --owner {owner}"));
        address
    };
    let first = claim("a", "--sticky 1h --pool p");
    let second = claim("b", "--sticky 2h --pool q");
    let third = claim("c", "--sticky 1h --pool p --interface net1");
    store.address("--owner x --pool q --workload shop/other");
    assert_eq!(claim("d", "--sticky 1h --pool p"), first);
    assert_eq!(claim("e", "--sticky 1h --pool q"), second);
    assert_eq!(claim("f", "--sticky 1h --pool p --interface net1"), third);
}

#[test]
fn a_time_two_days_ahead_is_listed_and_set_to_now() {
    let store = Store::new("ahead");
    let held = store.address("--owner a --lease 1h");
    store.address("--owner b");
    store.done("release --owner b");
    let mut dump = store.done("dump");
    let ahead = |time: &mut Value| {
        let ns = time.as_u64().expect("a time") + 2 * 86_400 * 1_000_000_000;
        *time = ns.into();
    };
    let records = dump["records"].as_array_mut().expect("records");
    for record in records {
        if record["record"] == "claim" {
            ahead(&mut record["touched"]);
            ahead(&mut record["until"]);
        }
        for rested in record["rested"].as_array_mut().into_iter().flatten() {
            ahead(&mut rested["at"]);
        }
    }
    let file = store.0.join("dump.json");
    std::fs::write(&file, dump.to_string()).expect("a file");
    store.done(&format!("load {} --replace", file.display()));
    let (status, found) = store.run("fsck");
    let kinds = found["problems"].as_array().expect("a list").iter();
    let kinds: Vec<_> = kinds.map(|p| p["kind"].as_str()).collect();
    assert_eq!(
        (status, kinds),
        (1, vec![Some("future"), Some("future")]),
        "{found}"
    );
    assert_eq!(found["problems"][0]["what"], held);
    let repaired = store.done("fsck --repair");
    assert_eq!(
        (&repaired["repaired"], &repaired["left"]),
        (&2.into(), &0.into())
    );
    let until = store.done("show")["claims"][0]["until_unix_ns"]
        .as_u64()
        .expect("a lease");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock");
    assert!(u128::from(until) < now.as_nanos() + 3_600 * 1_000_000_000 + 1);
}

/// The addresses that `show` lists under a key.
fn listed(shown: &Value, key: &str) -> Vec<String> {
    let list = shown[key].as_array().expect("a list");
    let address = |one: &Value| one["address"].as_str().expect("an address").to_owned();
    list.iter().map(address).collect()
}

#[test]
fn reservations_are_replaced_and_end_one_by_one_and_show_lists_them() {
    let store = Store::new("reservations");
    let fixed = store.address("--owner c1 --workload shop/web-0 --fixed 10.9.0.10");
    store.done("reserve --workload shop/web-0 --address 10.9.0.20-10.9.0.22");
    let shown = store.done("show");
    assert_eq!(
        listed(&shown, "reserved"),
        [&*fixed, "10.9.0.20", "10.9.0.21", "10.9.0.22"]
    );
    let owners: Vec<_> = shown["reserved"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|r| &r["owner"])
        .collect();
    assert_eq!(
        owners,
        [&"c1".into(), &Value::Null, &Value::Null, &Value::Null]
    );
    // One of them, which nobody holds: it goes into quarantine.
    let left = store.done("reserve --workload shop/web-0 --remove --address 10.9.0.21");
    assert_eq!(
        left["reserved"],
        serde_json::json!(["10.9.0.10", "10.9.0.20", "10.9.0.22"])
    );
    let (kind, _) = store.refused("reserve --workload shop/web-0 --remove --address 10.9.0.21");
    assert_eq!(kind, "not_reserved");
    assert_eq!(listed(&store.done("show"), "quarantined"), ["10.9.0.21"]);
    // Moved from .10 to .20: who holds .10 has it until it is released, and then it is nobody's.
    let left = store.done("reserve --workload shop/web-0 --replace --address 10.9.0.20");
    assert_eq!(left["reserved"], serde_json::json!(["10.9.0.20"]));
    assert_eq!(store.done("show")["claims"][0]["retention"], "fixed");
    let again = store.address("--owner c1 --workload shop/web-0 --fixed");
    assert_eq!(again, "10.9.0.10");
    store.done("release --owner c1");
    assert_eq!(
        store.address("--owner c2 --workload shop/web-0 --fixed"),
        "10.9.0.20"
    );
    let shown = store.done("show");
    assert_eq!(listed(&shown, "reserved"), ["10.9.0.20"]);
    assert_eq!(
        listed(&shown, "quarantined"),
        ["10.9.0.21", "10.9.0.22", "10.9.0.10"]
    );
    // What is sticky is listed with its end, and is not what is reserved.
    let sticky = store.address("--owner c3 --workload shop/web-0 --interface net1 --sticky 1h");
    store.done("release --owner c3");
    let shown = store.done("show");
    assert_eq!(listed(&shown, "kept"), [sticky]);
    assert_eq!(shown["kept"][0]["interface"], "net1");
    assert!(shown["kept"][0]["until_unix_ns"].is_u64());
    let of_one = store.done("show --owner c2");
    assert_eq!(listed(&of_one, "reserved"), ["10.9.0.20"]);
    assert!(listed(&of_one, "kept").is_empty() && listed(&of_one, "quarantined").is_empty());
    store.done("reserve --workload shop/web-0 --remove");
    assert!(listed(&store.done("show"), "reserved").is_empty());
    let (status, _) = store.run("reserve --workload shop/web-0 --replace");
    assert_eq!(status, 2);
}
