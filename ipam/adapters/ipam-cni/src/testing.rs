//! What the fuzz target `cni_config` calls.

use crate::{Allocator, Call, Cursors, Dns, Environment, Reserved, result};
use ipam::Timestamp;
use ipam::store::{MemoryStore, ready};

/// Reads a call from arbitrary bytes (variables with line ends between, then the configuration) and carries it out
/// on an empty store: whatever it is, it is answered or refused. What was added is there and is released again.
///
/// # Panics
/// When an answer is wrong.
pub fn fuzz_config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(8, '\n');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let names = [
        "CNI_COMMAND",
        "CNI_CONTAINERID",
        "CNI_NETNS",
        "CNI_IFNAME",
        "CNI_ARGS",
        "CNI_PATH",
    ];
    let values: Vec<(&str, String)> = names.into_iter().map(|name| (name, next())).collect();
    let environment = Environment::read(|name| {
        values
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v.clone())
    });
    let (file, stdin) = (next(), next());
    let mut reserved = Reserved::default();
    if let Some((name, content)) = file.split_once('=') {
        reserved.note(name, content);
    }
    let call = match Call::read(&environment, stdin.as_bytes()) {
        Ok(call) => call,
        Err(refusal) => {
            assert!(!refusal.message.is_empty());
            let _ = refusal.to_json(Some("1.1.0")).to_string();
            return;
        }
    };
    let config = match call {
        Call::Add(config)
        | Call::Check(config)
        | Call::Delete(config)
        | Call::Collect(config)
        | Call::Status(config) => config,
        Call::Usage | Call::Version => return,
    };
    let at = Timestamp::from_secs;
    let wait = |_| std::future::ready(());
    let mut allocator = Allocator::new(MemoryStore::default(), 7, Cursors::new(None));
    let status = ready(allocator.status(at(1), &config, || Ok(reserved.clone()))).expect("at once");
    let added =
        ready(allocator.add(at(2), &config, || Ok(reserved.clone()), wait)).expect("at once");
    let Ok(addresses) = added else {
        return;
    };
    let again =
        ready(allocator.add(at(3), &config, || Ok(Reserved::default()), wait)).expect("at once");
    assert_eq!(
        again.as_ref(),
        Ok(&addresses),
        "an ADD repeated answers the same"
    );
    assert!(status.is_ok() || !reserved.is_empty() || addresses.is_empty() || again.is_ok());
    let _ = result(&config, &addresses, &Dns::default()).to_string();
    let checked =
        ready(allocator.check(at(4), &config, || Ok(Reserved::default()), wait)).expect("at once");
    assert_eq!(checked, Ok(()), "what was added is there");
    let deleted =
        ready(allocator.delete(at(5), &config, || Ok(Reserved::default()), wait)).expect("at once");
    assert_eq!(deleted, Ok(()));
    let gone =
        ready(allocator.check(at(6), &config, || Ok(Reserved::default()), wait)).expect("at once");
    assert!(gone.is_err(), "what was deleted is gone");
}
