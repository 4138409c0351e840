//! A million claims in a file: opened, opened after a kill, checked.

use super::MILLION;
use super::claims::{Load, filled};
use crate::Measured;
use crate::measure::thread_cpu_ns;
use ipam::{Replica, Timestamp, store::ready};
use ipam_redb::RedbStore;
use std::time::Duration;

/// What is done with the stored million.
pub(super) enum Stored {
    Open,
    OpenKilled,
    Fsck,
}

pub(super) fn stored(what: &Stored) -> Result<Measured, String> {
    let folder = std::env::temp_dir().join(format!("berth-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let outcome = stored_in(&folder, what);
    std::fs::remove_dir_all(&folder).map_err(|e| e.to_string())?;
    outcome.map(Measured::alone)
}

fn stored_in(folder: &std::path::Path, what: &Stored) -> Result<f64, String> {
    let (path, copy) = (folder.join("a.redb"), folder.join("b.redb"));
    let now = Timestamp::from_secs(10);
    {
        let ipam = filled(&Load::new(), MILLION)?;
        let mut store = RedbStore::new(&path, Duration::ZERO);
        store.hold().map_err(|e| e.to_string())?;
        let mut replica = opened(store, now)?;
        ready(replica.replace(now, &ipam))
            .ok_or("pending")?
            .map_err(|e| e.to_string())?;
        // Copied while the writer has it open: what a kill would leave.
        std::fs::copy(&path, &copy).map_err(|e| e.to_string())?;
    }
    let path = if matches!(what, Stored::OpenKilled) {
        copy
    } else {
        path
    };
    let start = thread_cpu_ns()?;
    let mut store = RedbStore::new(&path, Duration::ZERO);
    store.hold().map_err(|e| e.to_string())?;
    let replica = opened(store, now)?;
    let spent = thread_cpu_ns()?.saturating_sub(start);
    if replica.ipam().claim_count() as u64 != MILLION || !replica.rejected().is_empty() {
        return Err("claims were lost".into());
    }
    if !matches!(what, Stored::Fsck) {
        return Ok(spent as f64 / 1e9);
    }
    let start = thread_cpu_ns()?;
    let problems = replica
        .ipam()
        .fsck(Duration::from_secs(900), replica.rejected());
    let spent = thread_cpu_ns()?.saturating_sub(start);
    if problems.is_empty() {
        Ok(spent as f64 / 1e9)
    } else {
        Err(format!("{problems:?}"))
    }
}

fn opened(store: RedbStore, now: Timestamp) -> Result<Replica<RedbStore>, String> {
    ready(Replica::open(store, now, 7))
        .ok_or("pending")?
        .map_err(|e| e.to_string())
}
