//! The commands on a store in memory: pools that follow the configuration, host-local's files, and a store that fails.

use ipam::store::{MemoryStore, Page, Revision, StoreError, Txn, Watched, ready};
use ipam::{Store, Timestamp};
use ipam_cni::{Address, Allocator, Call, Code, Config, Cursors, Environment, Refusal, Reserved};
use std::collections::BTreeMap;
use std::time::Duration;

const AT: Timestamp = Timestamp::from_secs(1);

fn call(command: &str, container: &str, section: &str) -> Call {
    let mut environment = Environment::default();
    environment.command = command.into();
    environment.container = container.into();
    environment.namespace = "/var/run/netns/none".into();
    environment.interface = "eth0".into();
    environment.path = "/opt/cni/bin".into();
    let stdin = format!(r#"{{"cniVersion": "1.1.0", "name": "n", "ipam": {section}}}"#);
    Call::read(&environment, stdin.as_bytes()).expect("a call")
}

fn config(container: &str, section: &str) -> Config {
    match call("ADD", container, section) {
        Call::Add(config) => config,
        other => panic!("{other:?}"),
    }
}

fn pause(_: Duration) -> std::future::Ready<()> {
    std::future::ready(())
}

fn nothing() -> Result<Reserved, Refusal> {
    Ok(Reserved::default())
}

fn shown(addresses: &[Address]) -> Vec<String> {
    addresses
        .iter()
        .map(|a| format!("{}/{}", a.address, a.prefix_length))
        .collect()
}

/// An allocator, with the calls that tests make.
struct Tested<S>(Allocator<S>);

impl<S: Store> Tested<S> {
    fn new(store: S) -> Self {
        Self(Allocator::new(store, 7, Cursors::new(None)))
    }

    fn try_add(&mut self, container: &str, section: &str) -> Result<Vec<String>, Refusal> {
        let config = config(container, section);
        let added = ready(self.0.add(AT, &config, nothing, pause)).expect("at once");
        added.map(|addresses| shown(&addresses))
    }

    fn add(&mut self, container: &str, section: &str) -> String {
        self.try_add(container, section)
            .expect("addresses")
            .join(" ")
    }

    fn delete(&mut self, container: &str, section: &str) -> Result<(), Refusal> {
        ready(
            self.0
                .delete(AT, &config(container, section), nothing, pause),
        )
        .expect("at once")
    }

    fn is_held(&mut self, container: &str, section: &str) -> bool {
        ready(
            self.0
                .check(AT, &config(container, section), nothing, pause),
        )
        .expect("at once")
        .is_ok()
    }
}

#[test]
fn pools_follow_the_configuration() {
    let mut tested = Tested::new(MemoryStore::default());
    let small = r#"{"subnet": "10.9.0.0/29"}"#;
    assert_eq!(tested.add("a", small), "10.9.0.2/29");
    // The range becomes a narrow one that leaves out who has an address.
    let narrow = r#"{"subnet": "10.9.0.0/29", "rangeStart": "10.9.0.5", "gateway": "10.9.0.2"}"#;
    assert_eq!(tested.add("b", narrow), "10.9.0.5/29");
    assert_eq!(tested.add("c", narrow), "10.9.0.6/29");
    assert_eq!(
        tested.try_add("d", narrow).expect_err("full").code,
        Code::TryAgainLater
    );
    assert_eq!(
        tested.add("a", narrow),
        "10.9.0.2/29",
        "what it has is its own"
    );
    // The subnet becomes a larger one, and the addresses in use stay in use.
    let large = r#"{"subnet": "10.9.0.0/24"}"#;
    let given: Vec<String> = (0..250)
        .map(|i| tested.add(&format!("e{i}"), large))
        .collect();
    for held in ["10.9.0.2/24", "10.9.0.5/24", "10.9.0.6/24"] {
        assert!(!given.contains(&held.to_owned()), "{held}");
    }
    assert_eq!(
        tested.try_add("f", large).expect_err("full").code,
        Code::TryAgainLater
    );
    // A smaller one again: only what lies in it is given.
    for i in 0..250 {
        tested.delete(&format!("e{i}"), large).expect("a release");
    }
    assert_eq!(tested.add("g", small), "10.9.0.3/29");
    assert_eq!(tested.add("h", small), "10.9.0.4/29");
    assert_eq!(
        tested.try_add("i", small).expect_err("full").code,
        Code::TryAgainLater
    );
    // Another subnet altogether.
    assert_eq!(
        tested.add("j", r#"{"subnet": "10.8.0.0/24"}"#),
        "10.8.0.2/24"
    );
}

#[test]
fn an_unused_pool_makes_room_for_two_ranges_of_its_subnet() {
    let mut tested = Tested::new(MemoryStore::default());
    let whole = r#"{"subnet": "10.9.0.0/24"}"#;
    tested.add("a", whole);
    let parts = r#"{"ranges": [[{"subnet": "10.9.0.0/24", "rangeEnd": "10.9.0.20"}], [{"subnet": "10.9.0.0/24", "rangeStart": "10.9.0.30"}]]}"#;
    let refused = tested.try_add("b", parts).expect_err("the pool is in use");
    assert!(
        refused.code == Code::InvalidConfig && refused.message.contains("share the pool"),
        "{refused}"
    );
    tested.delete("a", whole).expect("a release");
    assert_eq!(tested.add("b", parts), "10.9.0.2/24 10.9.0.30/24");
    assert_eq!(tested.add("c", parts), "10.9.0.3/24 10.9.0.31/24");
}

#[test]
fn large_and_tiny_ranges_are_given_from() {
    let mut tested = Tested::new(MemoryStore::default());
    let section = r#"{"ranges": [[{"subnet": "10.0.0.0/8"}], [{"subnet": "2001:db8::/32"}]]}"#;
    assert_eq!(tested.add("a", section), "10.0.0.2/8 2001:db8::2/32");
    let tiny = r#"{"ranges": [[{"subnet": "192.168.0.0/30"}], [{"subnet": "2001:db9::/126"}]]}"#;
    assert_eq!(tested.add("b", tiny), "192.168.0.2/30 2001:db9::2/126");
    let refused = tested.try_add("c", tiny).expect_err("full");
    assert_eq!(
        refused.message,
        "failed to allocate for range 0: no IP addresses available in range set: 192.168.0.1-192.168.0.2"
    );
    assert!(!tested.is_held("c", tiny));
}

/// Host-local's files, in a folder that goes when this does.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("ipam-cni-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        for (name, content) in files {
            std::fs::write(folder.join(name), content).expect("a file");
        }
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_host_local_gave_is_taken_over_with_its_order() {
    let folder = Folder::new(
        "files",
        &[
            ("10.9.0.2", "a\r\neth0"),
            ("10.9.0.4", "b"),
            ("10.9.0.9", "of no interface's range\r\neth0"),
            ("10.9.0.1", "the gateway's\r\neth0"),
            ("last_reserved_ip.0", "10.9.0.5"),
            ("lock", ""),
            ("berth.redb", "no file of host-local's"),
        ],
    );
    let section = r#"{"subnet": "10.9.0.0/29"}"#;
    let mut tested = Tested::new(MemoryStore::default());
    let reserved = || Ok(Reserved::read(&folder.0).expect("files"));
    let first = ready(tested.0.add(AT, &config("c", section), reserved, pause)).expect("at once");
    assert_eq!(first.map(|a| shown(&a)), Ok(vec!["10.9.0.6/29".to_owned()]));
    assert_eq!(tested.add("a", section), "10.9.0.2/29");
    assert!(tested.is_held("b", section));
    assert_eq!(tested.add("d", section), "10.9.0.3/29");
    assert_eq!(tested.add("e", section), "10.9.0.5/29");
    assert_eq!(
        tested.try_add("f", section).expect_err("full").code,
        Code::TryAgainLater
    );
}

/// A store in memory that dies at a commit: before it is made, or after, so that nobody hears of it.
#[derive(Debug, Default)]
struct Dying {
    store: MemoryStore,
    /// Commits until it dies, if it does.
    left: Option<u64>,
    after: bool,
}

#[async_trait::async_trait]
impl Store for Dying {
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
        let dies = self.left == Some(0);
        self.left = self.left.map(|left| left.saturating_sub(1));
        if dies {
            if self.after {
                self.store.commit(txn).await?;
            }
            return Err(StoreError::Io("power is cut".into()));
        }
        self.store.commit(txn).await
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        self.store.watch(prefix, from).await
    }
}

/// Power is cut at every commit of a run in turn, before and after it; the run goes on as a runtime does: it asks again.
#[test]
fn power_cut_between_any_two_writes_doubles_and_loses_nothing() {
    let section = r#"{"ranges": [[{"subnet": "10.9.0.0/29"}], [{"subnet": "10.8.0.0/29"}], [{"subnet": "2001:db8::/125"}]]}"#;
    for cut in 0..24 {
        for after in [false, true] {
            let mut tested = Tested::new(Dying {
                left: Some(cut),
                after,
                ..Dying::default()
            });
            let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for i in 0..4 {
                let container = format!("c{i}");
                let added = tested.try_add(&container, section);
                tested.0 = revived(tested.0, added.is_err());
                let addresses =
                    added.unwrap_or_else(|_| tested.try_add(&container, section).expect("now"));
                assert_eq!(tested.try_add(&container, section).as_ref(), Ok(&addresses));
                held.insert(container, addresses);
                if i == 1 {
                    let deleted = tested.delete("c0", section);
                    tested.0 = revived(tested.0, deleted.is_err());
                    tested.delete("c0", section).expect("now");
                    held.remove("c0");
                }
            }
            let mut apart: Vec<&String> = held.values().flatten().collect();
            let all = apart.len();
            apart.sort();
            apart.dedup();
            assert_eq!(
                (all, apart.len()),
                (9, 9),
                "cut {cut}, after {after}: {held:?}"
            );
            // A cut that is still to come would come too late.
            tested.0 = revived(tested.0, true);
            for container in held.keys() {
                tested.delete(container, section).expect("a release");
            }
            // Nothing is lost: all five addresses of each set can be had.
            let every = (0..5).map(|i| tested.try_add(&format!("d{i}"), section).expect("free"));
            assert_eq!(every.count(), 5, "cut {cut}, after {after}");
        }
    }
}

/// The store as it is after a restart.
fn revived(allocator: Allocator<Dying>, died: bool) -> Allocator<Dying> {
    let Dying { store, left, after } = allocator.into_store();
    let left = if died { None } else { left };
    Allocator::new(Dying { store, left, after }, 8, Cursors::new(None))
}

#[test]
fn fuzzed_calls_of_each_command_are_answered() {
    let config = r#"{"cniVersion":"1.1.0","name":"n","ipam":{"ranges":[[{"subnet":"10.9.0.0/24"}],[{"subnet":"2001:db8::/64"}]]},"cni.dev/valid-attachments":[]}"#;
    for command in ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION", "", "FROB"] {
        let input = format!(
            "{command}\nc1\n/none\neth0\nIP=10.9.0.9;IgnoreUnknown=1\n/x\n10.9.0.3=c3\n{config}"
        );
        ipam_cni::testing::fuzz_config(input.as_bytes());
        for end in 0..input.len() {
            ipam_cni::testing::fuzz_config(&input.as_bytes()[..end]);
        }
    }
}

#[test]
fn the_fuzz_corpus_and_what_once_crashed_pass() {
    let fuzz = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz");
    let mut inputs = 0;
    for kind in ["corpus", "crashers"] {
        // Where nothing ever crashed there is no folder.
        let Ok(files) = std::fs::read_dir(fuzz.join(kind).join("cni_config")) else {
            continue;
        };
        for file in files {
            let input = std::fs::read(file.expect("a file").path()).expect("its bytes");
            ipam_cni::testing::fuzz_config(&input);
            inputs += 1;
        }
    }
    assert!(inputs > 4, "the corpus of cni_config is not there");
}
