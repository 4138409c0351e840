//! A replica whose commit came to nothing that it knows of decides on what is stored, and on nothing else.

use ipam::store::{MemoryStore, Page, Revision, StoreError, Txn, Watched, ready};
use ipam::{PoolSpec, Replica, Request, Store, Timestamp};
use std::future::{pending, ready as at_once};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_000);

/// What becomes of a store's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Commits come to nothing, and so does every reading after that.
    Cut,
    /// Commits are never answered.
    Silent,
}

#[derive(Clone)]
struct Far {
    memory: Arc<Mutex<MemoryStore>>,
    way: Arc<Mutex<Way>>,
}

impl Far {
    fn is(&self, way: Way) -> bool {
        *self.way.lock().expect("one thread") == way
    }

    fn reads(&self) -> Result<std::sync::MutexGuard<'_, MemoryStore>, StoreError> {
        match self.is(Way::Cut) {
            true => Err(StoreError::Io("cut off".into())),
            false => Ok(self.memory.lock().expect("one thread")),
        }
    }
}

#[async_trait::async_trait]
impl Store for Far {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        ready(self.reads()?.get(keys)).expect("memory never waits")
    }
    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        ready(self.reads()?.list(prefix, after, limit)).expect("memory never waits")
    }
    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        if self.is(Way::Silent) {
            pending::<()>().await;
        }
        ready(self.reads()?.commit(txn)).expect("memory never waits")
    }
    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        // The way breaks down between what is read before a commit and the commit.
        let mut memory = self.memory.lock().expect("one thread");
        ready(memory.watch(prefix, from)).expect("memory never waits")
    }
}

fn opened() -> (Replica<Far>, Far) {
    let far = Far {
        memory: Arc::default(),
        way: Arc::new(Mutex::new(Way::Open)),
    };
    let opened = ready(Replica::open(far.clone(), NOW, 7)).expect("at once");
    let mut replica = opened.expect("it opens");
    add(&mut replica, "p", "10.0.0.0/24").expect("a pool");
    (replica, far)
}

fn add(replica: &mut Replica<Far>, name: &str, cidr: &str) -> Result<(), String> {
    let spec = PoolSpec::new(name, cidr.parse().expect("a prefix"));
    let added = ready(replica.add_pool(NOW, spec, |_| at_once(()))).expect("at once");
    added.map_err(|error| error.to_string())
}

fn set(far: &Far, way: Way) {
    *far.way.lock().expect("one thread") = way;
}

/// What whoever opens the store finds.
fn stored(far: &Far) -> Replica<Far> {
    let opened = ready(Replica::open(far.clone(), NOW, 7)).expect("at once");
    opened.expect("it opens")
}

#[test]
fn what_could_neither_be_committed_nor_undone_is_not_taken_for_stored() {
    let (mut replica, far) = opened();
    set(&far, Way::Cut);
    assert!(add(&mut replica, "q", "10.1.0.0/24").is_err());
    set(&far, Way::Open);
    add(&mut replica, "q", "10.1.0.0/24").expect("there is no such pool");
    assert!(stored(&far).ipam().pool("q").is_some());
}

#[test]
fn a_claim_that_was_given_up_in_the_middle_is_made_when_it_is_claimed_again() {
    let (mut replica, far) = opened();
    let request = Request::new("c1").host("h1");
    set(&far, Way::Silent);
    // Dropped where it waits, as a time limit does.
    assert!(ready(replica.claim(NOW, &request, |_: Duration| at_once(()))).is_none());
    set(&far, Way::Open);
    let again = ready(replica.claim(NOW, &request, |_: Duration| at_once(()))).expect("at once");
    let sequence = again.expect("an address").sequence;
    let replica = stored(&far);
    let claim = replica.ipam().claim_of("c1").expect("it is stored");
    assert_eq!(claim.sequence(), sequence);
}
