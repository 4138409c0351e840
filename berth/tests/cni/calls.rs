//! One call of a plugin.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Child;
use test_support::cni::{Answer, finish, start};

pub(crate) const BERTH_CNI: &str = env!("CARGO_BIN_EXE_berth-cni");

/// A network whose addresses are kept in a folder of its own, which goes with it.
pub(crate) struct Network {
    folder: PathBuf,
    pub(crate) config: Value,
}

impl Network {
    /// One with this `ipam` section, `dataDir` and type aside.
    pub(crate) fn new(name: &str, mut ipam: Value) -> Self {
        let folder = std::env::temp_dir().join(format!("berth-cni-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        ipam["dataDir"] = folder.to_str().expect("UTF-8").into();
        ipam["type"] = "berth-cni".into();
        let config =
            json!({ "cniVersion": "1.1.0", "name": "front", "type": "bridge", "ipam": ipam });
        Self { folder, config }
    }

    pub(crate) fn of_subnet(name: &str, subnet: &str) -> Self {
        Self::new(name, json!({ "subnet": subnet }))
    }

    /// The folder of all networks.
    pub(crate) fn all(&self) -> &Path {
        &self.folder
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.join("front")
    }

    pub(crate) fn call_of(
        &self,
        plugin: &str,
        command: &str,
        container: &str,
        more: &[(&str, &str)],
    ) -> Answer {
        finish(self.start(plugin, command, container, more))
    }

    pub(crate) fn start(
        &self,
        plugin: &str,
        command: &str,
        container: &str,
        more: &[(&str, &str)],
    ) -> Child {
        let mut variables = vec![
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", container),
            ("CNI_NETNS", "/var/run/netns/none"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/opt/cni/bin"),
        ];
        variables.extend(more);
        start(plugin, &variables, &self.config.to_string())
    }

    pub(crate) fn call(&self, command: &str, container: &str) -> Answer {
        self.call_of(BERTH_CNI, command, container, &[])
    }

    pub(crate) fn add(&self, container: &str) -> String {
        self.call("ADD", container).address()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Whether a file is there.
pub(crate) fn is_there(path: &Path) -> bool {
    path.try_exists().expect("a folder that can be read")
}
