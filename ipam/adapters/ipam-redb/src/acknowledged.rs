//! The latest acknowledged revision, in a small file beside the store: damage that makes redb open an older
//! commit does not take it along, and a store behind it has lost something.
//!
//! Two slots are written in turn, so that a torn write leaves the revision before. A slot is a mark, the revision and
//! a hash of both. The file is synced before a commit is acknowledged: one `fdatasync` beside redb's two.

use crate::digest::hash;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

const MARK: [u8; 8] = *b"ipam-ack";
/// Slots are apart by what disks write at once.
const SLOT: u64 = 512;
const SLOTS: u64 = 2;

/// The file that belongs to a store's file.
pub(crate) fn path_of(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".ack");
    name.into()
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledged {
    /// There is none: an older version wrote the store, or it was copied without.
    Unknown,
    /// Nothing in it can be read.
    Damaged,
    /// Commits up to this revision were acknowledged.
    Upto(u64),
}

pub(crate) fn read(store: &Path) -> io::Result<Acknowledged> {
    // With room for all of it, it is read at once.
    let mut bytes = Vec::with_capacity((SLOT * SLOTS) as usize);
    match File::open(path_of(store)) {
        Ok(file) => file.take(SLOT * SLOTS).read_to_end(&mut bytes)?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Acknowledged::Unknown),
        Err(e) => return Err(e),
    };
    let slots = bytes.chunks(SLOT as usize).filter_map(revision);
    Ok(slots
        .max()
        .map_or(Acknowledged::Damaged, Acknowledged::Upto))
}

/// What a slot says, if it is whole.
fn revision(slot: &[u8]) -> Option<u64> {
    let (mark, rest) = slot.split_first_chunk::<8>()?;
    let (revision, rest) = rest.split_first_chunk::<8>()?;
    let (sum, _) = rest.split_first_chunk::<8>()?;
    let revision = u64::from_le_bytes(*revision);
    (*mark == MARK && u64::from_le_bytes(*sum) == hash(&MARK, revision)).then_some(revision)
}

/// Notes that a commit is acknowledged; on disk when this returns, if it is to be synced. A note that a power cut takes
/// leaves an earlier one, which a sound store is ahead of.
pub(crate) fn write(store: &Path, revision: u64, synced: bool) -> io::Result<()> {
    let path = path_of(store);
    let mut slot = [0; SLOT as usize];
    slot[..8].copy_from_slice(&MARK);
    slot[8..16].copy_from_slice(&revision.to_le_bytes());
    slot[16..24].copy_from_slice(&hash(&MARK, revision).to_le_bytes());
    if !path.exists() {
        return make(&path, revision, &slot);
    }
    let mut file = OpenOptions::new().write(true).open(&path)?;
    file.seek(SeekFrom::Start(revision % SLOTS * SLOT))?;
    file.write_all(&slot)?;
    match synced {
        true => file.sync_data(),
        false => Ok(()),
    }
}

/// Makes the file whole under another name first: one that is empty was emptied, and no crash left it so.
fn make(path: &Path, revision: u64, slot: &[u8]) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".new-{}", std::process::id()));
    let mut file = File::create(&fresh)?;
    file.set_len(SLOT * SLOTS)?;
    file.seek(SeekFrom::Start(revision % SLOTS * SLOT))?;
    file.write_all(slot)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    sync_folder(path)
}

/// Puts the name of a new file on disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
