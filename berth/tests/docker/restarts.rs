//! Engines and plugins that restart, that are killed, and that miss each other.

use crate::engine::Engine;
use crate::networks::{plugin, served, set};
use crate::plugin::until;
use std::collections::BTreeSet;

/// Looks at the engine often, and waits for nothing.
fn watching(engine: &Engine) -> [String; 6] {
    let socket = engine.socket();
    [
        "--docker-engine",
        &socket,
        "--collect",
        "200ms",
        "--grace",
        "2s",
    ]
    .map(str::to_owned)
}

fn strs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// What the store holds is what containers have.
fn agree(engine: &Engine, containers: &[&str]) {
    let mut owners: BTreeSet<String> = containers.iter().map(|name| engine.address(name)).collect();
    assert_eq!(owners.len(), containers.len(), "no address is had twice");
    owners.insert("gateway/10.9.0.1".into());
    until(&format!("the store holds {owners:?}"), || {
        engine.folder.held() == owners
    });
}

pub(crate) fn an_engine_that_restarts_finds_its_addresses() {
    let (mut engine, plugin) = served("again", &[]);
    engine.network("n", &["--subnet", "10.9.0.0/24"]);
    engine.runs("auto", "n", &["--restart", "always"]);
    engine.runs("fixed", "n", &["--restart", "always", "--ip", "10.9.0.100"]);
    let pools = plugin.count("request_pool", "done");
    engine.stop();
    assert_eq!(
        engine.folder.held(),
        set(&["gateway/10.9.0.1"]),
        "it gave back what its containers had"
    );
    engine.again();
    engine.until_running("auto");
    engine.until_running("fixed");
    assert_eq!(engine.address("fixed"), "10.9.0.100");
    agree(&engine, &["auto", "fixed"]);
    // Nothing is asked for a second time: no replay was wanted.
    assert_eq!(plugin.count("request_pool", "done"), pools);
    engine.done(&["rm", "-f", "auto", "fixed"]);
    engine.done(&["network", "rm", "n"]);
    assert_eq!(engine.folder.held(), set(&[]));
    plugin.end();
    engine.folder.check();
}

pub(crate) fn an_engine_that_is_killed_leaks_nothing() {
    let (mut engine, plugin) = served("killed", &[]);
    engine.network("n", &["--subnet", "10.9.0.0/24"]);
    engine.runs("auto", "n", &["--restart", "always"]);
    engine.runs("fixed", "n", &["--ip", "10.9.0.100"]);
    engine.kill();
    assert_eq!(
        engine.folder.held(),
        set(&["10.9.0.2", "10.9.0.100", "gateway/10.9.0.1"])
    );
    engine.again();
    engine.until_running("auto");
    // It gave back what it had before, and asked for the one that starts by itself.
    agree(&engine, &["auto"]);
    engine.done(&["start", "fixed"]);
    assert_eq!(engine.address("fixed"), "10.9.0.100");
    agree(&engine, &["auto", "fixed"]);
    engine.done(&["rm", "-f", "auto", "fixed"]);
    engine.done(&["network", "rm", "n"]);
    assert_eq!(engine.folder.held(), set(&[]));
    plugin.end();
    engine.folder.check();
}

pub(crate) fn a_plugin_that_is_killed_goes_on() {
    let (engine, first) = served("plugin", &[]);
    engine.network("n", &["--subnet", "10.9.0.0/24"]);
    engine.runs("ca", "n", &[]);
    engine.runs("cb", "n", &[]);
    first.kill();
    let second = plugin(&engine, &[]);
    engine.runs("cc", "n", &[]);
    agree(&engine, &["ca", "cb", "cc"]);
    engine.done(&["rm", "-f", "ca"]);
    // An engine waits for one that comes back within its patience (15 s).
    second.end();
    let waits = std::thread::scope(|scope| {
        let run = scope.spawn(|| engine.done(&Engine::container("cd", "n", &[])));
        std::thread::sleep(std::time::Duration::from_secs(2));
        let third = plugin(&engine, &[]);
        run.join().expect("it runs");
        third
    });
    agree(&engine, &["cb", "cc", "cd"]);
    engine.done(&["rm", "-f", "cb", "cc", "cd"]);
    engine.done(&["network", "rm", "n"]);
    assert_eq!(engine.folder.held(), set(&[]));
    waits.end();
    engine.folder.check();
}

pub(crate) fn a_release_that_no_plugin_heard_comes_back() {
    let (mut engine, first) = served("unheard", &[]);
    engine.network("n", &["--subnet", "10.9.0.0/24"]);
    engine.runs("fixed", "n", &["--ip", "10.9.0.100"]);
    engine.kill();
    first.kill();
    // What an engine finds stale at its start it gives back once, to nobody.
    engine.again();
    let watching = watching(&engine);
    let second = plugin(&engine, &strs(&watching));
    until("what nobody runs is released", || {
        engine.folder.held() == set(&["gateway/10.9.0.1"])
    });
    engine.done(&["start", "fixed"]);
    assert_eq!(engine.address("fixed"), "10.9.0.100");
    agree(&engine, &["fixed"]);
    // What runs is left alone, however often it is looked at.
    std::thread::sleep(std::time::Duration::from_secs(5));
    agree(&engine, &["fixed"]);
    engine.done(&["rm", "-f", "fixed"]);
    engine.done(&["network", "rm", "n"]);
    assert_eq!(engine.folder.held(), set(&[]));
    second.end();
    engine.folder.check();
}
