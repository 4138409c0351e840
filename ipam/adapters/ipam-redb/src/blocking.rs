//! The store for a tokio runtime.

use crate::RedbStore;
use ipam::Store;
use ipam::store::{Page, Revision, StoreError, Txn, Watched, ready};
use std::path::PathBuf;
use std::time::Duration;

/// A [`RedbStore`] of which every operation runs on a thread of tokio's for blocking work
/// (`tokio::task::spawn_blocking`): a runtime's tasks go on while the file is waited for, read and synced. A bare
/// [`RedbStore`] would stop all tasks of the thread that polls it for as long as another process has the file.
///
/// An operation whose future is dropped comes to its end all the same; a commit may have happened then, as after
/// any failure of a commit. Needs a tokio runtime; elsewhere every operation panics as `spawn_blocking` does.
///
/// ```
/// use ipam::{PoolSpec, Replica, Timestamp};
/// use ipam_redb::{RedbStore, TokioStore};
/// use std::time::Duration;
///
/// # let dir = std::env::temp_dir().join(format!("ipam-redb-tokio-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let store = RedbStore::new(dir.join("addresses.redb"), Duration::from_secs(30));
/// let now = Timestamp::from_secs(1);
/// let mut replica = Replica::open(TokioStore::new(store), now, 7).await?;
/// replica.add_pool(now, PoolSpec::new("p", "10.9.0.0/22".parse()?), tokio::time::sleep).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TokioStore {
    /// Away while an operation has it, or because the operation's future was dropped.
    store: Option<RedbStore>,
    path: PathBuf,
    lock_wait: Duration,
}

impl TokioStore {
    /// The same store, off the runtime's own threads.
    #[must_use]
    pub fn new(store: RedbStore) -> Self {
        let (path, lock_wait) = (store.path.clone(), store.lock_wait);
        Self {
            store: Some(store),
            path,
            lock_wait,
        }
    }

    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut RedbStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut store = match self.store.take() {
            Some(store) => store,
            None => RedbStore::new(&self.path, self.lock_wait),
        };
        let work = tokio::task::spawn_blocking(move || {
            let outcome = work(&mut store);
            (store, outcome)
        });
        let (store, outcome) = work
            .await
            .map_err(|e| StoreError::Io(format!("{}: {e}", self.path.display())))?;
        self.store = Some(store);
        outcome
    }
}

/// The outcome of one of [`RedbStore`]'s futures, which never wait.
fn now<T>(future: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let waits = || StoreError::Io("the store waits for what never comes".into());
    ready(future).ok_or_else(waits)?
}

#[async_trait::async_trait]
impl Store for TokioStore {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        let keys = keys.to_vec();
        self.run(move |store| now(store.get(&keys))).await
    }

    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.map(ToOwned::to_owned));
        self.run(move |store| now(store.list(&prefix, after.as_deref(), limit)))
            .await
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        self.run(move |store| now(store.commit(txn))).await
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        let prefix = prefix.to_owned();
        self.run(move |store| now(store.watch(&prefix, from))).await
    }

    async fn damage(&mut self) -> Result<Vec<String>, StoreError> {
        self.run(|store| now(store.damage())).await
    }

    async fn inspect(&mut self) -> Result<Option<String>, StoreError> {
        self.run(|store| now(store.inspect())).await
    }

    async fn mend(&mut self) -> Result<(), StoreError> {
        self.run(|store| now(store.mend())).await
    }

    async fn accept(&mut self) -> Result<(), StoreError> {
        self.run(|store| now(store.accept())).await
    }
}
