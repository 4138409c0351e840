//! A store, and `berth ipam` upon it.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// In a folder of the test's own.
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(crate) fn new(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A command, with arguments by spaces, fed with this.
    pub(crate) fn output(&self, arguments: &str, stdin: &str) -> Output {
        use std::io::Write as _;
        let store = format!("redb:{}", self.path("store.redb").display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command.args(["ipam", "--store", &store]);
        command.args(arguments.split(' '));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("berth");
        let fed = child
            .stdin
            .take()
            .map(|mut s| s.write_all(stdin.as_bytes()));
        drop(fed);
        child.wait_with_output().expect("it ends")
    }

    /// A command that is done; its text.
    pub(crate) fn done(&self, arguments: &str) -> String {
        self.done_with(arguments, "")
    }

    /// The same, fed with this.
    pub(crate) fn done_with(&self, arguments: &str, stdin: &str) -> String {
        let output = self.output(arguments, stdin);
        assert!(output.status.success(), "{arguments}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// A command that is refused with this status; its message.
    pub(crate) fn refused(&self, arguments: &str, status: i32) -> String {
        let output = self.output(arguments, "");
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments}: {output:?}"
        );
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    /// Claims an address; the address.
    pub(crate) fn claim(&self, arguments: &str) -> String {
        let text = self.done(&format!("--json claim {arguments}"));
        let json: Value = serde_json::from_str(&text).expect("JSON");
        let address = json["addresses"][0]["address"].as_str();
        address.expect("an address").to_owned()
    }
}

/// Alters a byte of a stored record.
pub(crate) fn damage(store: &Store, key: &str) {
    use ipam::store::{Store as _, Txn, ready};
    let wait = std::time::Duration::from_secs(5);
    let mut file = ipam_redb::RedbStore::new(store.path("store.redb"), wait);
    let read = ready(file.get(&[key.to_owned()])).expect("at once");
    let (values, _) = read.expect("a read");
    let mut value = values[0].clone().expect("a record");
    value[2] ^= 0x10;
    let txn = Txn {
        put: vec![(key.to_owned(), value)],
        ..Txn::default()
    };
    ready(file.commit(txn)).expect("at once").expect("a write");
}
