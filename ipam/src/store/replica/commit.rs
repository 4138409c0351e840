//! Changes on their way into the store.

use super::Replica;
use crate::change::Change;
use crate::store::seam::{Guard, Store, StoreError};
use crate::store::summary::Summaries;
use crate::store::write::Altered;
use crate::time::Timestamp;
use alloc::string::ToString;

impl<S: Store> Replica<S> {
    /// Applies changes to the copy and commits the records they altered; a refusal undoes the copy.
    pub(in crate::store) async fn commit(
        &mut self,
        now: Timestamp,
        changes: &[Change<'_>],
    ) -> Result<(), StoreError> {
        // A store of a format before is written anew with the first commit, unless damage leaves in doubt what it held.
        let upgrades = (self.outdated || !self.whole) && self.rejected.is_empty();
        if changes.is_empty() && self.ipam.dirty.is_empty() && !upgrades {
            return Ok(());
        }
        let mut altered = Altered::default();
        // Until an answer is there, and what was undone was undone: also where nobody waits for that any longer.
        self.unsure = true;
        if let Err(error) = altered.apply(&mut self.ipam, changes) {
            self.undo(altered, now).await?;
            return Err(StoreError::Io(error.to_string()));
        }
        altered.spare(self.rejected.iter().map(|rejected| &*rejected.key));
        if !self.seeded {
            altered.add("m/");
        }
        if upgrades {
            altered.add_all(&self.ipam);
            self.summaries = Summaries::whole();
        }
        altered.count(&mut self.ipam, self.revision);
        if self.whole || upgrades {
            altered.summarise(&self.ipam, &mut self.summaries);
        }
        let mends = self.rejected.iter().any(|m| altered.alters(&m.key));
        let guard = |key: &str| Guard::unchanged(key, self.revision);
        let txn = altered.transaction(&self.ipam, &self.summaries, guard);
        match self.store.commit(txn).await {
            Ok(revision) => {
                (self.seeded, self.unsure) = (true, false);
                self.whole |= upgrades;
                self.outdated &= !upgrades;
                // Others' commits in between are still to be learned.
                if revision == self.revision + 1 {
                    self.revision = revision;
                }
                self.ipam.tokens.count(revision);
                if mends {
                    self.unsure = true;
                    self.reload(now).await?;
                }
                Ok(())
            }
            Err(error) => {
                self.undo(altered, now).await?;
                Err(error)
            }
        }
    }

    /// Makes the copy what it was, from the records as they were.
    async fn undo(&mut self, altered: Altered, now: Timestamp) -> Result<(), StoreError> {
        if let Some(base) = altered.base {
            self.ipam.tokens.begin_again(base);
        }
        self.summaries.undo(altered.pages);
        let sure = !altered.structural && self.whole && self.rejected.is_empty();
        if sure && self.overwrite(&altered.before, now)? {
            self.unsure = false;
            return Ok(());
        }
        self.reload(now).await
    }
}
