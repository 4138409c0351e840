//! Constant load on a proxy, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use test_support::proxies::{Proxy, get};

/// Requests by one after another, until it is ended.
pub(crate) struct Load {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Counted>,
}

/// Answers by body (a backend's port), and what failed.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) answers: BTreeMap<String, u64>,
    pub(crate) failed: Vec<String>,
}

impl Counted {
    pub(crate) fn all(&self) -> u64 {
        self.answers.values().sum()
    }
}

impl Load {
    pub(crate) fn start(proxy: &Proxy) -> Self {
        let (ends, address) = (Arc::new(AtomicBool::new(false)), proxy.address.clone());
        let ended = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            let mut counted = Counted::default();
            while !ended.load(Ordering::SeqCst) {
                one(&address, &mut counted);
                std::thread::sleep(Duration::from_millis(2));
            }
            counted
        });
        Self { ends, thread }
    }

    pub(crate) fn end(self) -> Counted {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.join().expect("no panic")
    }
}

fn one(address: &str, counted: &mut Counted) {
    match get(address) {
        Some((200, body)) => *counted.answers.entry(body).or_default() += 1,
        other => counted.failed.push(format!("{other:?}")),
    }
}

/// So many requests, one after another.
pub(crate) fn requests(proxy: &Proxy, count: usize) -> Counted {
    let mut counted = Counted::default();
    for _ in 0..count {
        one(&proxy.address, &mut counted);
    }
    counted
}
