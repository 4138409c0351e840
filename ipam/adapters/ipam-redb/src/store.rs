//! The seam on a file.

use crate::acknowledged::{self, Acknowledged};
use crate::brief::{self, Brief};
use crate::guard::guarded;
use crate::{RedbStore, close, inspect, tables};
use ipam::Store;
use ipam::store::{Page, Revision, StoreError, Txn, Watched};
use redb::DatabaseError;

#[async_trait::async_trait]
impl Store for RedbStore {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        self.with(|database| tables::get(database, keys))
    }

    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let (page, sum) = self.with(|database| tables::list(database, prefix, after, limit))?;
        let last = page.entries.last().map(|(key, _)| &**key);
        self.listed
            .note(page.revision, (prefix, after), sum, last, page.more);
        Ok(page)
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        let path = self.path.clone();
        let syncs = self.brief.as_ref().map(Brief::syncs);
        let synced = syncs.is_none();
        // While nobody else has the file: the latest revision is written last.
        self.with(|database| {
            let latest = acknowledged::read(&path).map_err(tables::Failure::Acknowledged)?;
            let revision = brief::durably(syncs, || tables::commit(database, &txn, latest))?;
            acknowledged::write(&path, revision, synced).map_err(tables::Failure::Acknowledged)?;
            Ok(revision)
        })
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        self.with(|database| tables::watch(database, prefix, from))
    }

    async fn damage(&mut self) -> Result<Vec<String>, StoreError> {
        let listed = self.listed.clone();
        let (revision, found) = self.with(|database| tables::verify(database, &listed))?;
        Ok(found.into_iter().chain(self.behind(revision)?).collect())
    }

    async fn inspect(&mut self) -> Result<Option<String>, StoreError> {
        // A file that is open is marked as such, and would be repaired as it is opened once more, seen by nobody.
        let held = self.held.is_some();
        self.close();
        let outcome = self.locked().map(|file| guarded(|| inspect::inspect(file)));
        if held {
            self.hold()?;
        }
        match outcome? {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(DatabaseError::Storage(redb::StorageError::Corrupted(why)))) => {
                Ok(Some(format!("has damaged pages: {why}")))
            }
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(panic) => Ok(Some(format!("has damaged pages: redb gave up: {panic}"))),
        }
    }

    async fn mend(&mut self) -> Result<(), StoreError> {
        let held = self.held.is_some();
        if self.brief.is_some() {
            // Mending is nothing that a brief process does: from here on the file is opened and closed as ever.
            self.close();
            self.brief = None;
        }
        let mut database = match self.held.take() {
            Some(database) => database,
            None => self.open()?,
        };
        let outcome = guarded(|| inspect::check(&mut database));
        close(Some(database));
        if held {
            self.hold()?;
        }
        match outcome {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(panic) => Err(self.panicked(&panic)),
        }
    }

    async fn accept(&mut self) -> Result<(), StoreError> {
        let path = self.path.clone();
        let syncs = self.brief.as_ref().map(Brief::syncs);
        self.with(|database| {
            let latest = match acknowledged::read(&path).map_err(tables::Failure::Acknowledged)? {
                Acknowledged::Upto(latest) => latest,
                _ => 0,
            };
            let revision = brief::durably(syncs, || tables::accept(database, latest))?;
            acknowledged::write(&path, revision, true).map_err(tables::Failure::Acknowledged)
        })
    }
}
