//! ADDs that are on disk when they are answered, beside plain writes.

use super::{ADDS, Network, ms, plugin};
use crate::Measured;
use crate::measure::{children_written_bytes, median};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// ADDs and plain writes of which the median wall time is taken.
const DURABLE: usize = 100;
/// What a claim's own record and its block's share of one come to, in bytes.
const RECORDS: usize = 512;
/// Beside as many bytes as an ADD writes.
pub(super) fn as_written() -> Result<Measured, String> {
    durable(written()?, appended)
}

/// Beside the bytes of the records, written by a process too.
pub(super) fn by_process() -> Result<Measured, String> {
    durable(RECORDS, appended_by_process)
}

/// Beside the bytes of the records, with no process started.
pub(super) fn of_records() -> Result<Measured, String> {
    durable(RECORDS, appended)
}

/// Bytes that an ADD writes to disk, most often: redb writes a dozen pages of 4 KiB for some hundred bytes of records.
fn written() -> Result<usize, String> {
    let ours = plugin()?;
    let network = Network::new(&ours, 0)?;
    let mut counts = Vec::new();
    for i in 0..ADDS {
        let before = children_written_bytes()?;
        network.add(&format!("c{i}"))?;
        counts.push((children_written_bytes()? - before) as f64);
    }
    match median(counts) as usize {
        0 => Err("the temporary folder is on no disk".into()),
        bytes => Ok(bytes),
    }
}

/// ADDs and plain writes of so many bytes in turn, on the same disk. An ADD is a process by what a plugin is, and starting the
/// smallest one takes longer than a sync here.
fn durable(bytes: usize, write: fn(&mut Plain) -> io::Result<()>) -> Result<Measured, String> {
    let ours = plugin()?;
    let network = Network::new(&ours, 0)?;
    let path = network.folder.join("plain");
    let file = File::create(&path).map_err(|e| e.to_string())?;
    let bytes = vec![7; bytes];
    let mut plain = Plain { path, file, bytes };
    let (mut adds, mut writes) = (Vec::new(), Vec::new());
    for i in 0..DURABLE {
        let start = Instant::now();
        network.add(&format!("c{i}"))?;
        adds.push(ms(start));
        let start = Instant::now();
        write(&mut plain).map_err(|e| format!("a plain write: {e}"))?;
        writes.push(ms(start));
    }
    Ok(Measured::beside(median(adds), median(writes)))
}

/// The file of the plain writes.
struct Plain {
    path: PathBuf,
    file: File,
    bytes: Vec<u8>,
}

fn appended(plain: &mut Plain) -> io::Result<()> {
    plain.file.write_all(&plain.bytes)?;
    plain.file.sync_all()
}

fn appended_by_process(plain: &mut Plain) -> io::Result<()> {
    let mut dd = Command::new("dd");
    let options = ["oflag=append", "conv=notrunc,fsync", "status=none"];
    dd.args(["if=/dev/zero", "count=1"]).args(options);
    dd.arg(format!("bs={}", plain.bytes.len()));
    dd.arg(format!("of={}", plain.path.display()));
    match dd.status()?.success() {
        true => Ok(()),
        false => Err(io::Error::other("dd failed")),
    }
}
