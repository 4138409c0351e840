//! Files of a network's folder that host-local has too: one per address given, and `last_reserved_ip.N` per range set.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// What host-local gave, as its files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    pub(crate) given: Vec<Given>,
    /// By the set's number.
    pub(crate) last: BTreeMap<usize, IpAddr>,
}

/// An address of host-local's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) address: IpAddr,
    pub(crate) container: String,
    pub(crate) interface: String,
}

/// More than any of its files has.
const LONGEST: u64 = 4096;
/// Most files of a folder that are looked at: a /12's addresses.
const MOST: usize = 1 << 20;
const LAST: &str = "last_reserved_ip.";
/// The interface where a file of an old host-local names none.
const INTERFACE: &str = "eth0";

impl Reserved {
    /// Whether host-local gave nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.given.is_empty() && self.last.is_empty()
    }

    /// Reads a network's folder; of one that is not there, nothing. Files that are not host-local's are passed over.
    ///
    /// # Errors
    /// When the folder or one of its files can't be read.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut out = Self::default();
        let entries = match std::fs::read_dir(folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(out),
            entries => entries?,
        };
        for entry in entries.take(MOST) {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name
                .to_str()
                .filter(|n| n.parse::<IpAddr>().is_ok() || n.starts_with(LAST))
            else {
                continue;
            };
            // A file that goes meanwhile was released.
            match content(&entry.path()) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                text => out.note(name, &text?),
            }
        }
        out.given.sort_by_key(|g| g.address);
        Ok(out)
    }

    /// Notes a file by its name and content.
    pub(crate) fn note(&mut self, name: &str, content: &str) {
        if let Some(set) = name.strip_prefix(LAST) {
            if let (Ok(set), Ok(address)) = (set.parse(), content.trim().parse()) {
                self.last.insert(set, address);
            }
            return;
        }
        let Ok(address) = name.parse::<IpAddr>() else {
            return;
        };
        let mut lines = content.trim().lines().map(str::trim);
        let container = lines.next().unwrap_or_default().to_owned();
        let interface = lines.next().filter(|i| !i.is_empty()).unwrap_or(INTERFACE);
        if !container.is_empty() {
            self.given.push(Given {
                address: address.to_canonical(),
                container,
                interface: interface.to_owned(),
            });
        }
    }
}

fn content(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(LONGEST)
        .read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// After which address each range set goes on, where its ranges are in several pools: in host-local's files, which are
/// a hint. Losing one costs the order of one address.
#[derive(Clone, Debug)]
pub struct Cursors {
    folder: Option<PathBuf>,
}

impl Cursors {
    /// In this folder; without one there are none, and each pool goes on by itself.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    fn path(&self, set: usize) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{LAST}{set}")))
    }

    pub(crate) fn last(&self, set: usize) -> Option<IpAddr> {
        content(&self.path(set)?).ok()?.trim().parse().ok()
    }

    pub(crate) fn note(&self, set: usize, address: IpAddr) {
        if let Some(path) = self.path(set) {
            // A hint: the address is given, whether or not this is noted.
            let _ = std::fs::write(path, address.to_string());
        }
    }
}
