//! Power is cut between any two writes of brief processes: what a disk then has is any part of what was not synced.

mod plugin;

use super::{Backend, durably};
use crate::acknowledged::Acknowledged;
use crate::digest::Listed;
use crate::tables;
use ipam::rng::{Xoshiro256PlusPlus, stream};
use ipam::store::Txn;
use rand::RngExt as _;
use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// A write that may not be on disk yet.
#[derive(Clone, Debug)]
enum Write {
    Length(u64),
    Bytes(u64, Vec<u8>),
}

impl Write {
    fn carry_out(&self, to: &mut Vec<u8>) {
        match self {
            Self::Length(length) => to.resize(*length as usize, 0),
            Self::Bytes(offset, bytes) => {
                let end = *offset as usize + bytes.len();
                // Of a length that was lost, what was written beyond it is lost too.
                if end <= to.len() {
                    to[*offset as usize..end].copy_from_slice(bytes);
                }
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Platter {
    on_disk: Vec<u8>,
    seen: Vec<u8>,
    waiting: Vec<Write>,
    /// The state before each write, and what was promised by then.
    cuts: Vec<(Vec<u8>, Vec<Write>, u64)>,
    promised: u64,
}

/// A file in memory that knows what of it is on disk.
#[derive(Debug, Default)]
struct Disk(Mutex<Platter>);

impl Disk {
    fn write(&self, write: Write) {
        let mut platter = self.0.lock().expect("no panic");
        let cut = (
            platter.on_disk.clone(),
            platter.waiting.clone(),
            platter.promised,
        );
        platter.cuts.push(cut);
        write.carry_out(&mut platter.seen);
        platter.waiting.push(write);
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.0.lock().expect("no panic").seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let platter = self.0.lock().expect("no panic");
        let end = offset as usize + out.len();
        let bytes = platter.seen.get(offset as usize..end);
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), io::Error> {
        self.write(Write::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        let mut platter = self.0.lock().expect("no panic");
        platter.on_disk = platter.seen.clone();
        platter.waiting.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        Self::write(self, Write::Bytes(offset, data.to_vec()));
        Ok(())
    }
}

/// What one process does: opens, commits, leaves. Returns the revision that it may promise.
fn process(disk: &Arc<Disk>, number: u64, rng: &mut Xoshiro256PlusPlus) -> u64 {
    let syncs = Arc::new(AtomicBool::new(false));
    let backend = Backend {
        syncs: Arc::clone(&syncs),
        file: Arc::clone(disk),
    };
    let database = Database::builder()
        .create_with_backend(backend)
        .expect("it opens");
    let since = tables::latest(&database).expect("a revision");
    let (key, value) = (
        format!("k{}", rng.random_range(0..40)),
        vec![number as u8; rng.random_range(1..3000)],
    );
    let mut txn = Txn::default();
    match rng.random_bool(0.2) {
        true => txn.delete.push(key),
        false => txn.put.push((key, value)),
    }
    let commit = || tables::commit(&database, &txn, Acknowledged::Upto(since));
    let revision = durably(Some(syncs), commit).expect("a commit");
    std::mem::forget(database);
    revision
}

/// That what a disk has after a cut opens, is whole, and has all that was promised.
fn judge(image: &[u8], promised: u64, what: &str) {
    let copy = InMemoryBackend::new();
    copy.set_len(image.len() as u64).expect("room");
    copy.write(0, image).expect("room");
    let database = Database::builder()
        .create_with_backend(copy)
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    let (revision, wrong) = tables::verify(&database, &Listed::default()).expect("it can be read");
    assert!(wrong.is_empty(), "{what}: {wrong:?}");
    assert!(
        revision >= promised,
        "{what}: revision {revision}, {promised} was promised"
    );
}

#[test]
fn power_cut_between_any_two_writes_loses_nothing_that_was_promised() {
    let disk = Arc::new(Disk::default());
    let mut rng = stream(7, "cuts");
    // The file is made and synced as a store's is.
    drop(Database::builder().create_with_backend(Backend {
        syncs: Arc::new(AtomicBool::new(true)),
        file: Arc::clone(&disk),
    }));
    for number in 0..24 {
        disk.0.lock().expect("no panic").cuts.clear();
        let revision = process(&disk, number, &mut rng);
        let mut platter = disk.0.lock().expect("no panic");
        platter.promised = revision;
        for (cut, (on_disk, waiting, promised)) in platter.cuts.iter().enumerate() {
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
                judge(&image, *promised, &what);
            }
        }
    }
}
