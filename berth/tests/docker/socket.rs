//! The socket, called by hand as an engine calls it.

use crate::plugin::{Folder, Plugin, answer, call, send};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

fn started(name: &str, args: &[&str]) -> (Folder, PathBuf, Plugin) {
    let folder = Folder::new(name);
    let socket = folder.path("berth.sock");
    let plugin = Plugin::start(&folder, &socket, args);
    (folder, socket.into(), plugin)
}

fn done(socket: &Path, method: &str, body: &Value) -> Value {
    let (status, json) = call(socket, &format!("/IpamDriver.{method}"), &body.to_string());
    assert_eq!(status, 200, "{method} {body}: {json}");
    json
}

pub(crate) fn calls_are_answered_by_hand() {
    let (folder, socket, plugin) = started("hand", &["--docker-auto", "10.200.0.0/16:24"]);
    let (status, json) = call(&socket, "/Plugin.Activate", "");
    assert_eq!((status, json), (200, json!({"Implements": ["IpamDriver"]})));
    let (_, json) = call(&socket, "/IpamDriver.GetCapabilities", "");
    // A replay would end with the pools of live networks given back.
    assert_eq!(
        json,
        json!({"RequiresMACAddress": false, "RequiresRequestReplay": false})
    );
    let (_, json) = call(&socket, "/IpamDriver.GetDefaultAddressSpaces", "");
    let space = json["LocalDefaultAddressSpace"]
        .as_str()
        .expect("a name")
        .to_owned();
    let pool = done(
        &socket,
        "RequestPool",
        &json!({"AddressSpace": space, "Pool": "", "SubPool": "", "Options": null, "V6": false}),
    );
    assert_eq!(
        pool,
        json!({"PoolID": "docker/10.200.0.0/24", "Pool": "10.200.0.0/24", "Data": {}})
    );
    let any = json!({"PoolID": pool["PoolID"], "Address": "", "Options": null});
    let address = done(&socket, "RequestAddress", &any);
    assert_eq!(address, json!({"Address": "10.200.0.1/24", "Data": {}}));
    done(
        &socket,
        "ReleaseAddress",
        &json!({"PoolID": pool["PoolID"], "Address": "10.200.0.1"}),
    );
    done(
        &socket,
        "ReleaseAddress",
        &json!({"PoolID": pool["PoolID"], "Address": "10.200.0.77"}),
    );
    done(&socket, "ReleasePool", &json!({"PoolID": pool["PoolID"]}));
    done(&socket, "ReleasePool", &json!({"PoolID": "never"}));
    assert_eq!(folder.held(), BTreeSet::new());
    assert_eq!(plugin.count("release_pool", "done"), 2);
    assert_eq!(plugin.end()["host"], "h1");
}

pub(crate) fn what_cannot_be_a_call_is_refused() {
    let (folder, socket, plugin) = started("refused", &[]);
    for method in [
        "RequestPool",
        "ReleasePool",
        "RequestAddress",
        "ReleaseAddress",
    ] {
        let (status, json) = call(&socket, &format!("/IpamDriver.{method}"), "");
        assert_eq!(status, 400, "{method}: {json}");
        assert!(
            json["Err"]
                .as_str()
                .is_some_and(|e| e.contains("empty body")),
            "{json}"
        );
    }
    let deep = format!(
        "{{\"Options\": {}{}}}",
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    let long = format!("{{\"Pool\": \"{}\"}}", "1".repeat(70_000));
    let bodies = [
        "{",
        "[]",
        "{\"Pool\": 7}",
        "{\"Options\": {\"a\": {}}}",
        "\u{0}",
        &deep,
        &long,
    ];
    for body in bodies {
        let (status, json) = call(&socket, "/IpamDriver.RequestPool", body);
        assert_eq!(status, 400, "{json}");
    }
    let pools = [
        json!({"AddressSpace": "elsewhere", "Pool": "10.9.0.0/24"}),
        json!({"AddressSpace": "berth-local", "Pool": "10.9.0.0/99"}),
        json!({"AddressSpace": "berth-local", "Pool": "10.9.0.0/24", "Options": {"quarantine": "soon"}}),
        json!({"AddressSpace": "berth-local", "Pool": "10.9.0.0/24", "Options": {"label.docker": "made"}}),
        json!({"AddressSpace": "berth-local", "Pool": "10.9.0.0/24", "Options": {"pool": "a\nb"}}),
        json!({"AddressSpace": "berth-local", "Pool": "224.0.0.0/8"}),
        json!({"AddressSpace": "berth-local", "Pool": ""}),
    ];
    for body in &pools {
        let (status, json) = call(&socket, "/IpamDriver.RequestPool", &body.to_string());
        assert!([400, 409].contains(&status), "{body}: {status} {json}");
    }
    let addresses = [
        json!({"PoolID": "none"}),
        json!({"PoolID": "x#y", "Address": "1"}),
        json!({"PoolID": "\u{7f}".repeat(9000)}),
    ];
    for body in &addresses {
        let (status, json) = call(&socket, "/IpamDriver.RequestAddress", &body.to_string());
        assert!([400, 409].contains(&status), "{body}: {status} {json}");
    }
    what_is_no_call_is_refused(&socket);
    assert_eq!(folder.pools(), Vec::<String>::new());
    assert_eq!(plugin.count("request_pool", "done"), 0);
    assert!(plugin.count("unreadable", "bad") > 10);
    plugin.end();
}

fn what_is_no_call_is_refused(socket: &Path) {
    // 404 would mean that the plugin lacks a method.
    assert_eq!(call(socket, "/NetworkDriver.Join", "{}").0, 400);
    let get = send(socket, b"GET /Plugin.Activate HTTP/1.1\r\nHost: \r\n\r\n");
    assert!(get.starts_with("HTTP/1.1 400"), "{get}");
    let announced =
        b"POST /IpamDriver.RequestPool HTTP/1.1\r\nHost: \r\nContent-Length: 99999999999\r\n\r\n{";
    assert!(send(socket, announced).starts_with("HTTP/1.1 400"));
    assert_eq!(send(socket, &[0xff; 100_000]).find("200"), None);
}

pub(crate) fn the_socket_is_the_users_own_and_goes_with_the_service() {
    let (folder, socket, plugin) = started("own", &[]);
    let mode = std::fs::metadata(&socket)
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // One that is served is not taken away.
    let name = socket.display().to_string();
    let second = folder
        .berth(&["serve", "--host", "h1", "--docker", &name])
        .output()
        .expect("berth runs");
    let (status, json) = answer(&second);
    assert_eq!(status, Some(3), "{json}");
    assert!(
        json["error"]["message"]
            .as_str()
            .is_some_and(|m| m.contains("another process")),
        "{json}"
    );
    assert_eq!(call(&socket, "/Plugin.Activate", "").0, 200);
    // One that was left behind is replaced.
    plugin.kill();
    assert!(socket.exists());
    let plugin = Plugin::start(&folder, &name, &[]);
    assert_eq!(call(&socket, "/Plugin.Activate", "").0, 200);
    plugin.end();
    assert!(!socket.exists());
    // What is no socket is not.
    std::fs::write(&socket, "mine").expect("written");
    let third = folder
        .berth(&["serve", "--host", "h1", "--docker", &name])
        .output()
        .expect("berth runs");
    assert_eq!(answer(&third).0, Some(3));
    assert_eq!(std::fs::read_to_string(&socket).expect("a file"), "mine");
}

pub(crate) fn a_specification_leads_to_the_socket() {
    let folder = Folder::new("spec");
    let (socket, spec) = (
        folder.path("deep/down/berth.sock"),
        folder.path("plugins/berth.spec"),
    );
    let plugin = Plugin::start(&folder, &socket, &["--docker-spec", &spec]);
    let text = std::fs::read_to_string(&spec).expect("a specification");
    assert_eq!(text, format!("unix://{socket}\n"));
    plugin.end();
    assert!(
        Path::new(&spec).exists(),
        "it is how the plugin is installed"
    );
    let alone = folder
        .berth(&["serve", "--host", "h1", "--docker-spec", &spec])
        .output()
        .expect("berth runs");
    assert_eq!(answer(&alone).0, Some(2));
}

pub(crate) fn the_gateway_is_asked_for_again_and_again() {
    let (folder, socket, plugin) = started("gateway", &[]);
    let pool = json!({"AddressSpace": "berth-local", "Pool": "10.9.0.0/24"});
    let pool = done(&socket, "RequestPool", &pool)["PoolID"].clone();
    let gateway = |address: &str| json!({"PoolID": pool, "Address": address, "Options": {"RequestAddressType": "com.docker.network.gateway"}});
    for asked in ["", "10.9.0.1", "", "10.9.0.1"] {
        assert_eq!(
            done(&socket, "RequestAddress", &gateway(asked))["Address"],
            "10.9.0.1/24"
        );
    }
    assert_eq!(
        folder.held(),
        BTreeSet::from(["gateway/10.9.0.1".to_owned()])
    );
    plugin.kill();
    let plugin = Plugin::start(&folder, &socket.display().to_string(), &[]);
    assert_eq!(
        done(&socket, "RequestAddress", &gateway("10.9.0.1"))["Address"],
        "10.9.0.1/24"
    );
    plugin.end();
}

pub(crate) fn calls_at_once_are_each_given_their_own() {
    let (folder, socket, plugin) = started("at-once", &[]);
    let pool = json!({"AddressSpace": "berth-local", "Pool": "10.9.0.0/24"});
    let pool = done(&socket, "RequestPool", &pool)["PoolID"].clone();
    let any = json!({"PoolID": pool, "Address": "", "Options": null});
    let given: Vec<String> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..80)
            .map(|_| scope.spawn(|| done(&socket, "RequestAddress", &any)["Address"].to_string()))
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().expect("an address"))
            .collect()
    });
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 80);
    assert_eq!(folder.held().len(), 80);
    plugin.end();
    folder.check();
}
