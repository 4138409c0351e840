//! What records prove of the store's time.

use crate::store::damage::RejectedRecord;
use crate::store::record::{Record, TIME};
use crate::store::replica::{PAGE, known};
use crate::store::seam::{Store, StoreError};
use crate::time::Timestamp;
use alloc::string::{String, ToString};

/// The latest time that any record proves, if one does.
pub(in crate::store) async fn proved<S: Store>(
    store: &mut S,
) -> Result<Option<Timestamp>, StoreError> {
    let latest = latest(store).await?;
    Ok(Some(latest).filter(|&at| at > Timestamp::ZERO))
}

/// What is wrong with the store's time, if anything is.
///
/// # Errors
/// A later version wrote it.
pub(in crate::store) fn damaged_time(
    value: Option<&[u8]>,
) -> Result<Option<RejectedRecord>, StoreError> {
    let Some(value) = value else {
        return Ok(None);
    };
    known(TIME, value)?;
    let why: String = match Record::decode(TIME, value) {
        Ok(Record::Time { .. }) => return Ok(None),
        Ok(_) => "is another record".into(),
        Err(error) => error.to_string(),
    };
    Ok(Some(RejectedRecord::new(TIME, "the store's time", why)))
}

/// The latest time that stands in any record; that of nothing is zero. Linear in the store.
async fn latest<S: Store>(store: &mut S) -> Result<Timestamp, StoreError> {
    let mut latest = Timestamp::ZERO;
    for kind in ["b/", "w/", "x/", "c/", "g/"] {
        let mut after: Option<String> = None;
        loop {
            let page = store.list(kind, after.as_deref(), PAGE).await?;
            for (key, value) in &page.entries {
                known(key, value)?;
                if let Ok(record) = Record::decode(key, value) {
                    latest = latest.max(latest_of(&record));
                }
            }
            after = page.entries.into_iter().next_back().map(|(key, _)| key);
            if !page.more {
                break;
            }
        }
    }
    Ok(latest)
}

/// The latest time at which something had happened that a record tells of; not when something ends.
fn latest_of(record: &Record<'_>) -> Timestamp {
    let never = |at: &Timestamp| *at != Timestamp::MAX;
    let mut latest = Timestamp::ZERO;
    let mut note = |at: Timestamp| latest = latest.max(Some(at).filter(never).unwrap_or_default());
    match record {
        Record::Block {
            empty_since,
            released,
            ..
        } => {
            note(*empty_since);
            released.iter().for_each(|one| note(one.at));
        }
        Record::Workload { since, moving, .. } => {
            note(*since);
            moving.iter().for_each(|moving| note(moving.since));
        }
        Record::Claim {
            touched, suspect, ..
        } => {
            note(*touched);
            suspect.iter().for_each(|(since, _)| note(*since));
        }
        Record::Departed { quarantined, .. } => quarantined.iter().for_each(|one| note(one.at)),
        _ => {}
    }
    latest
}
