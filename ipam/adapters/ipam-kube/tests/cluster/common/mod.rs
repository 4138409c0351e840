//! A cluster that is a double, a store in memory that processes share, and controllers on both; the clock is tokio's, paused.

pub(crate) mod objects;
pub(crate) mod process;
pub(crate) mod store;

use ipam::{Ipam, PoolSpec, Replica, Timestamp};
use ipam_kube::{LEASE, Note, PodId};
use kube_double::{Double, Value};
use process::Process;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;
use store::Shared;
use tokio::time::Instant;

/// What a note was told by: the name of a process.
pub(crate) type Told = Rc<RefCell<Vec<(String, Note)>>>;

pub(crate) struct Rig {
    pub(crate) double: Double,
    pub(crate) store: Shared,
    pub(crate) told: Told,
    pub(crate) start: Instant,
    next: Cell<u64>,
}

/// As long as any pause of a controller that goes on, and more.
pub(crate) const SETTLED: Duration = Duration::from_secs(180);
/// Long enough for two passes of collection with a grace between them.
pub(crate) const COLLECTED: Duration = Duration::from_secs(400);

impl Rig {
    /// A cluster without objects, and a pool.
    pub(crate) async fn new() -> Self {
        let rig = Self {
            double: Double::new(),
            store: Shared::default(),
            told: Told::default(),
            start: Instant::now(),
            next: Cell::new(0),
        };
        let spec =
            PoolSpec::new("p", "10.9.0.0/24".parse().unwrap()).gateway("10.9.0.1".parse().unwrap());
        rig.add_pool(spec).await;
        rig
    }

    pub(crate) async fn add_pool(&self, spec: PoolSpec) {
        let mut replica = Replica::open(self.store.clone(), self.now(), 7)
            .await
            .unwrap();
        replica
            .add_pool(self.now(), spec, tokio::time::sleep)
            .await
            .unwrap();
    }

    /// The store's time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_000_000).after(self.start.elapsed())
    }

    /// The state as it is stored.
    pub(crate) async fn ipam(&self) -> Ipam {
        let replica = Replica::open(self.store.clone(), self.now(), 7)
            .await
            .unwrap();
        assert!(replica.rejected().is_empty(), "{:?}", replica.rejected());
        replica.ipam().clone()
    }

    /// Starts a controller; it ends when it is dropped.
    pub(crate) fn start(&self) -> Process {
        let number = self.next.replace(self.next.get() + 1);
        Process::start(self, format!("c{number}"))
    }

    pub(crate) fn notes(&self) -> Vec<Note> {
        self.told
            .borrow()
            .iter()
            .map(|(_, note)| note.clone())
            .collect()
    }

    /// The text of all notes that hold a word.
    pub(crate) fn told_of(&self, word: &str) -> Vec<String> {
        let texts = self.notes().into_iter().map(|note| note.to_string());
        texts.filter(|text| text.contains(word)).collect()
    }

    /// The addresses by pod, as annotations tell of them.
    pub(crate) fn leases(&self) -> BTreeMap<String, String> {
        self.double
            .all("pods")
            .into_iter()
            .filter_map(|pod| {
                let lease = pod["metadata"]["annotations"][LEASE].as_str()?;
                let lease: Value = serde_json::from_str(lease).ok()?;
                let address = lease["addresses"][0]["address"].as_str()?;
                let name = pod["metadata"]["name"].as_str()?;
                Some((name.to_owned(), address.split('/').next()?.to_owned()))
            })
            .collect()
    }

    /// The address of a pod's annotation.
    pub(crate) fn lease(&self, pod: &str) -> Option<String> {
        self.leases().remove(pod)
    }

    /// Checks what must hold at any time: what a pod was told is its own for as long as it is there.
    pub(crate) async fn check_told(&self) {
        let ipam = self.ipam().await;
        for pod in self.double.all("pods") {
            let over = matches!(
                pod["status"]["phase"].as_str(),
                Some("Succeeded" | "Failed")
            );
            let Some(lease) = pod["metadata"]["annotations"][LEASE]
                .as_str()
                .filter(|_| !over)
            else {
                continue;
            };
            let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
            let owner = format!(
                "kube/{}/{}/{}",
                text("namespace"),
                text("name"),
                text("uid")
            );
            let lease: Value = serde_json::from_str(lease).unwrap();
            let claim = ipam.claim_of(&owner);
            let claim = claim.unwrap_or_else(|| {
                panic!("what {owner} was told was freed: {:#?}", self.told_of(""))
            });
            assert_eq!(lease["sequence"], claim.sequence(), "{owner}");
        }
    }

    /// Checks everything that must hold once nothing moves any more: each pod that runs has an address of its own, which its
    /// annotation tells; nobody else has one; reservations are those of workloads that are there.
    pub(crate) async fn check(&self) {
        let ipam = self.ipam().await;
        assert_eq!(ipam.check_invariants(), Ok(()));
        let (mut owners, mut addresses) = (BTreeSet::new(), BTreeMap::new());
        for pod in self.double.all("pods") {
            let text = |field: &str| {
                pod["metadata"][field]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            let id = PodId {
                namespace: text("namespace"),
                name: text("name"),
                uid: text("uid"),
            };
            let runs = pod["spec"]["nodeName"].is_string()
                && pod["spec"]["hostNetwork"] != true
                && !matches!(
                    pod["status"]["phase"].as_str(),
                    Some("Succeeded" | "Failed")
                );
            if !runs {
                continue;
            }
            let owner = id.owner("kube");
            let claim = ipam
                .claim_of(&owner)
                .unwrap_or_else(|| panic!("{id} has nothing; {:#?}", self.told_of("")));
            let lease = pod["metadata"]["annotations"][LEASE]
                .as_str()
                .unwrap_or_else(|| panic!("{id} is not told"));
            let lease: Value = serde_json::from_str(lease).unwrap();
            assert_eq!(lease["sequence"], claim.sequence(), "{id}");
            for (at, address) in claim.addresses().enumerate() {
                let told = lease["addresses"][at]["address"].as_str().unwrap();
                assert_eq!(told.split('/').next(), Some(&*address.to_string()), "{id}");
                assert_eq!(
                    addresses.insert(address, id.clone()),
                    None,
                    "{address} is given twice"
                );
            }
            owners.insert(owner);
        }
        let held: BTreeSet<String> = ipam.claims().map(|c| c.owner().to_owned()).collect();
        assert_eq!(held, owners, "what is held, and who runs");
        let uids =
            ["statefulsets", "deployments", "replicasets"].map(|plural| self.double.all(plural));
        let uids: BTreeSet<String> = uids
            .into_iter()
            .flatten()
            .map(|o| o["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
            .collect();
        for retained in ipam.retained().iter().filter(|r| r.reserved) {
            let slot = retained.identity.workload;
            let uid = slot.split('/').nth(4).unwrap_or_default();
            assert!(uids.contains(uid), "{slot} is reserved for nobody");
        }
    }
}

/// Lets virtual time pass.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Runs a test on one thread, where processes can be dropped.
pub(crate) fn run<F: Future<Output = ()>>(test: F) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}
