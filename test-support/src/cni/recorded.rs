//! Recorded runs of host-local, replayed against a plugin.

use super::{Answer, call};
use crate::{Need, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One call of a recorded run: `CASE/NUMBER`, and what was otherwise than recorded.
pub type Step = (String, Result<(), String>);

/// host-local's code for whatever has none of its own; a plugin may have one of the specification's.
const NO_CODE: u64 = 999;
/// The recordings of two versions: where both have a case, this one rules.
const NEWER: &str = "host-local-HEAD";

/// Replays `cni_exec_golden.json` and `host_local_cmd.json`. The calls of the second are made twice: one after another, and each on
/// nothing but the files that host-local had before it.
///
/// # Panics
/// When the files are not there or are others.
#[must_use]
pub fn replay(plugin: &str) -> Vec<Step> {
    let mut steps = executables(plugin);
    steps.extend(handlers(plugin));
    steps
}

fn open(name: &'static str) -> Value {
    let text = std::fs::read(Need::Vectors(name).path()).expect("vectors");
    serde_json::from_slice(&text).expect("JSON")
}

fn field<'v>(value: &'v Value, name: &str) -> &'v Value {
    value
        .get(name)
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn list(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("no list: {value}"))
}

fn executables(plugin: &str) -> Vec<Step> {
    let json = open("cni_exec_golden.json");
    let cases = list(field(&json, "cases"));
    let is_newer = |case: &Value| text(field(case, "implementation")).starts_with(NEWER);
    let newer = cases.iter().filter(|c| is_newer(c));
    let newer: BTreeSet<&str> = newer.map(|c| text(field(c, "name"))).collect();
    let mut out = Vec::new();
    for case in cases {
        let name = text(field(case, "name"));
        if !is_newer(case) && newer.contains(name) {
            continue;
        }
        let folder = Folder::new("exec");
        for (i, step) in list(field(case, "steps")).iter().enumerate() {
            let variables = field(step, "env").as_object().expect("variables");
            let variables: Vec<(&str, &str)> =
                variables.iter().map(|(k, v)| (&**k, text(v))).collect();
            let stdin = text(field(step, "stdin")).replace("$DATADIR", folder.name());
            let outcome = judge(&call(plugin, &variables, &stdin), step);
            out.push((format!("{name}/{i}"), outcome));
        }
    }
    out
}

/// Status, documents and whether anything is on standard error, as recorded.
fn judge(answer: &Answer, step: &Value) -> Result<(), String> {
    let want = list(field(step, "stdout_json"));
    let status = field(step, "exit_code").as_i64();
    let stderr = field(step, "stderr_nonempty").as_bool();
    let same = answer.documents.len() == want.len()
        && answer.documents.iter().zip(want).all(|(a, b)| same(a, b));
    let fits =
        same && answer.status.map(i64::from) == status && Some(!answer.stderr.is_empty()) == stderr;
    match fits {
        true => Ok(()),
        false => Err(format!("want {status:?} {want:?}, got {answer:?}")),
    }
}

/// Whether a document is the recorded one. Of errors the message and the code count, details are ours.
fn same(ours: &Value, theirs: &Value) -> bool {
    let Some(code) = theirs["code"].as_u64() else {
        return ours == theirs;
    };
    let table = [1, 2, 3, 4, 5, 6, 7, 11];
    let own = ours["code"].as_u64();
    let fits = match code {
        NO_CODE => own.is_some_and(|own| table.contains(&own)),
        code => own == Some(code),
    };
    fits && ours["msg"] == theirs["msg"]
}

fn handlers(plugin: &str) -> Vec<Step> {
    let json = open("host_local_cmd.json");
    let together = Folder::new("together");
    let mut out = Vec::new();
    for (i, case) in list(field(&json, "cases")).iter().enumerate() {
        let alone = Folder::new("alone");
        for (how, folder) in [("in order", &together), ("on its files", &alone)] {
            let outcome = handler(plugin, case, folder.name());
            out.push((format!("{i} {how}"), outcome));
        }
    }
    out
}

fn handler(plugin: &str, case: &Value, root: &str) -> Result<(), String> {
    let stdin = text(field(case, "stdin")).replace("$TMP", root);
    let config: Value = serde_json::from_str(&stdin).map_err(|e| e.to_string())?;
    let data = Path::new(text(&config["ipam"]["dataDir"])).to_owned();
    let network = data.join(text(&config["name"]));
    if !network.join("berth.redb").exists() {
        std::fs::create_dir_all(&network).map_err(|e| e.to_string())?;
        for (name, content) in field(case, "files_before").as_object().expect("files") {
            std::fs::write(network.join(name), text(content)).map_err(|e| e.to_string())?;
        }
    }
    if let Some(path) = config["ipam"]["resolvConf"].as_str() {
        std::fs::write(path, "nameserver 192.0.2.3\n").map_err(|e| e.to_string())?;
    }
    let get = |name| text(field(case, name));
    let variables = [
        ("CNI_COMMAND", get("command")),
        ("CNI_CONTAINERID", get("container_id")),
        ("CNI_NETNS", get("netns")),
        ("CNI_IFNAME", get("ifname")),
        ("CNI_ARGS", get("cni_args")),
        ("CNI_PATH", "/opt/cni/bin"),
    ];
    let answer = call(plugin, &variables, &stdin);
    let fits = match (field(case, "error").as_str(), field(case, "result")) {
        (Some(error), _) => answer.status == Some(1) && answer.documents[0]["msg"] == error,
        (None, Value::Null) => answer.status == Some(0) && answer.documents.is_empty(),
        (None, result) => answer.status == Some(0) && answer.documents.first() == Some(result),
    };
    match fits {
        true => Ok(()),
        false => Err(format!(
            "want {} {}, got {answer:?}",
            case["error"], case["result"]
        )),
    }
}

/// An empty folder, which goes when this does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("cni-recorded-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn name(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
