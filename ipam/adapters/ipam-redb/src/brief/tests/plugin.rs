//! Power is cut between any two writes of a CNI plugin's processes: whoever was answered has its address, and no address has two owners.

use super::{Backend, Disk};
use crate::acknowledged::Acknowledged;
use crate::brief::durably;
use crate::tables;
use ipam::rng::stream;
use ipam::store::{Page, Revision, StoreError, Txn, Watched, ready};
use ipam::{Store, Timestamp};
use ipam_cni::{Allocator, Call, Config, Cursors, Environment, Refusal, Reserved};
use rand::RngExt as _;
use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const AT: Timestamp = Timestamp::from_secs(1);

/// A store as a brief process has it, on any backend.
struct OnBackend {
    database: Option<Database>,
    syncs: Arc<AtomicBool>,
}

impl OnBackend {
    fn open<F: StorageBackend>(file: &Arc<F>) -> Self {
        let syncs = Arc::new(AtomicBool::new(false));
        let backend = Backend {
            syncs: Arc::clone(&syncs),
            file: Arc::clone(file),
        };
        let database = Database::builder().create_with_backend(backend);
        Self {
            database: Some(database.expect("it opens")),
            syncs,
        }
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("open to the end")
    }
}

impl Drop for OnBackend {
    fn drop(&mut self) {
        // Left, not closed, as a process leaves it that ends.
        std::mem::forget(self.database.take());
    }
}

#[async_trait::async_trait]
impl Store for OnBackend {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        Ok(tables::get(self.database(), keys).expect("a read"))
    }

    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let listed = tables::list(self.database(), prefix, after, limit);
        Ok(listed.expect("a read").0)
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        let since = tables::latest(self.database()).expect("a revision");
        let commit = || tables::commit(self.database(), &txn, Acknowledged::Upto(since));
        match durably(Some(Arc::clone(&self.syncs)), commit) {
            Ok(revision) => Ok(revision),
            // Alone on its file, nobody is in its way.
            Err(_) => panic!("a commit failed"),
        }
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        Ok(tables::watch(self.database(), prefix, from).expect("a read"))
    }
}

fn config(container: &str) -> Config {
    let mut environment = Environment::default();
    environment.command = "ADD".into();
    environment.container = container.into();
    environment.namespace = "/var/run/netns/none".into();
    environment.interface = "eth0".into();
    environment.path = "/opt/cni/bin".into();
    let stdin =
        br#"{"cniVersion": "1.1.0", "name": "n", "ipam": {"type": "berth-cni", "subnet": "10.9.0.0/28"}}"#;
    match Call::read(&environment, stdin).expect("a call") {
        Call::Add(config) => config,
        other => panic!("{other:?}"),
    }
}

/// One process of the plugin on a file.
struct Process(Allocator<OnBackend>);

impl Process {
    fn start<F: StorageBackend>(file: &Arc<F>) -> Self {
        let store = OnBackend::open(file);
        Self(Allocator::new(store, 7, Cursors::new(None)))
    }

    fn add(&mut self, container: &str) -> Result<String, Refusal> {
        let (config, pause) = (config(container), |_: Duration| std::future::ready(()));
        let added = self.0.add(AT, &config, || Ok(Reserved::default()), pause);
        let added = ready(added).expect("at once");
        added.map(|addresses| addresses[0].address.to_string())
    }

    fn delete(&mut self, container: &str) {
        let (config, pause) = (config(container), |_: Duration| std::future::ready(()));
        let deleted = self
            .0
            .delete(AT, &config, || Ok(Reserved::default()), pause);
        ready(deleted).expect("at once").expect("a release");
    }

    fn is_held(&mut self, container: &str) -> bool {
        let (config, pause) = (config(container), |_: Duration| std::future::ready(()));
        let checked = self.0.check(AT, &config, || Ok(Reserved::default()), pause);
        ready(checked).expect("at once").is_ok()
    }
}

/// What whoever calls again finds on a disk after a cut. Nothing is known of the container whose call was cut.
fn judge(image: &[u8], answered: &BTreeMap<String, String>, cut: &str, what: &str) {
    let copy = Arc::new(InMemoryBackend::new());
    copy.set_len(image.len() as u64).expect("room");
    copy.write(0, image).expect("room");
    let mut process = Process::start(&copy);
    let mut apart = BTreeSet::new();
    for (container, address) in answered.iter().filter(|(container, _)| *container != cut) {
        assert!(process.is_held(container), "{what}: {container} lost");
        let again = process.add(container).expect("what it has");
        assert_eq!(&again, address, "{what}: {container}");
        assert!(apart.insert(again), "{what}: {address} has two owners");
    }
    let was_held = process.is_held(cut);
    let again = process.add(cut).expect("an address is free");
    if let Some(address) = answered.get(cut).filter(|_| was_held) {
        assert_eq!(&again, address, "{what}: {cut}");
    }
    assert!(apart.insert(again), "{what}: {cut}'s has two owners");
    process.delete(cut);
    assert!(!process.is_held(cut), "{what}: {cut} is deleted");
}

#[test]
fn power_cut_between_any_two_writes_of_the_plugin_doubles_and_loses_no_address() {
    let disk = Arc::new(Disk::default());
    let mut rng = stream(7, "plugin cuts");
    drop(Database::builder().create_with_backend(Backend {
        syncs: Arc::new(AtomicBool::new(true)),
        file: Arc::clone(&disk),
    }));
    let (mut answered, mut judged) = (BTreeMap::new(), 0);
    for number in 0..24 {
        disk.0.lock().expect("no panic").cuts.clear();
        let container = format!("c{}", rng.random_range(0..6));
        let mut after = answered.clone();
        let mut process = Process::start(&disk);
        if answered.contains_key(&container) && rng.random_bool(0.6) {
            process.delete(&container);
            after.remove(&container);
        } else {
            let address = process.add(&container).expect("an address");
            after.insert(container.clone(), address);
        }
        drop(process);
        let cuts = std::mem::take(&mut disk.0.lock().expect("no panic").cuts);
        for (cut, (on_disk, waiting, _)) in cuts.iter().enumerate() {
            for kind in 0..4 {
                let mut image = on_disk.clone();
                for write in waiting {
                    let kept = match kind {
                        0 => false,
                        1 => true,
                        _ => rng.random_bool(0.5),
                    };
                    if kept {
                        write.carry_out(&mut image);
                    }
                }
                let what = format!("process {number}, cut {cut}, kind {kind}");
                judge(&image, &answered, &container, &what);
                judged += 1;
            }
        }
        // The answer is out once the process has ended: power may be cut right then, with what it did not sync lost.
        let lost = disk.0.lock().expect("no panic").on_disk.clone();
        judge(&lost, &after, "none", &format!("after process {number}"));
        answered = after;
    }
    assert!(judged > 500, "{judged} cuts");
}
