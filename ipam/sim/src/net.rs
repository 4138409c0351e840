//! What lies between a host and the store: messages that take time, get lost, come twice.

use crate::world::{Event, Shared, World};
use ipam::Timestamp;
use ipam::store::{Elapsed, Page, Revision, Started, Store, StoreError, Txn, Watched};
use rand::RngExt as _;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use crate::setup::{LONGEST_STALL, TIMEOUT};

/// What a host asks of the store: one message.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Get(Vec<String>),
    List {
        prefix: String,
        after: Option<String>,
        limit: usize,
    },
    Commit(Txn),
    Watch {
        prefix: String,
        from: Revision,
    },
    Start,
    Show(u64),
    Stop(u64),
}

/// What the store answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Values(Vec<Option<Vec<u8>>>, Revision),
    Page(Page),
    Committed(Revision),
    Watched(Watched),
    Started(Option<Started>),
    Shown(Option<Elapsed>),
    Stopped,
}

pub(crate) type Reply = Result<Answer, StoreError>;

/// One message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) host: usize,
    pub(crate) ask: Ask,
    /// What the host was doing when it sent this, and since when by the true time.
    pub(crate) operation: crate::world::Operation,
    /// How often it still arrives.
    arrivals: u32,
}

/// All messages on their way.
#[derive(Debug, Default)]
pub(crate) struct Net {
    next: u64,
    sent: BTreeMap<u64, Sent>,
    /// Which life of which host waits for an answer.
    waiting: BTreeMap<u64, (usize, u32)>,
    replies: BTreeMap<u64, Reply>,
    /// How many were sent.
    pub(crate) messages: u64,
}

impl World {
    /// Sends a message; its ticket. What will become of it is drawn now.
    fn send(&mut self, host: usize, ask: Ask) -> u64 {
        let ticket = self.net.next;
        self.net.next += 1;
        self.net.messages += 1;
        self.net
            .waiting
            .insert(ticket, (host, self.hosts[host].life));
        let arrivals = self.draw_arrivals(host);
        let mut answered = false;
        for &(there, back) in &arrivals {
            let back = back.filter(|_| !std::mem::replace(&mut answered, true));
            self.later(there, Event::Arrive { ticket, back });
        }
        self.later(TIMEOUT, Event::TimedOut { ticket });
        let sent = Sent {
            host,
            ask,
            operation: self.hosts[host].operation.clone(),
            arrivals: arrivals.len() as u32,
        };
        if sent.arrivals > 0 {
            self.net.sent.insert(ticket, sent);
        }
        ticket
    }

    /// When a message arrives, and how long its answer takes then, if that arrives.
    fn draw_arrivals(&mut self, host: usize) -> Vec<(Duration, Option<Duration>)> {
        let rates = self.rates();
        let cut = self.hosts[host].cut_until > self.now;
        let rng = &mut self.rngs.net;
        let mut happens = |permille| rng.random_range(0..1000) < permille;
        let (lost, unanswered) = (happens(rates.lost), happens(rates.unanswered));
        let (doubled, slow) = (happens(rates.doubled), happens(rates.slow));
        let mut way = || Duration::from_micros(rng.random_range(200..3_000));
        let (there, back, again) = (way(), way(), way());
        let stall = Duration::from_millis(rng.random_range(0..LONGEST_STALL.as_millis() as u64));
        if cut || lost {
            self.count("message lost");
            return Vec::new();
        }
        let there = if slow { there + stall } else { there };
        if slow {
            self.count("message slow");
        }
        if unanswered {
            self.count("reply lost");
        }
        let answer = (!unanswered).then_some(back);
        match doubled {
            false => vec![(there, answer)],
            true => {
                self.count("message doubled");
                // Either of the two is answered.
                match unanswered || again < back {
                    true => vec![(there, None), (there + again, answer)],
                    false => vec![(there, answer), (there + again, None)],
                }
            }
        }
    }

    /// A message arrives at the store.
    pub(crate) fn arrive(&mut self, ticket: u64, back: Option<Duration>) {
        let Some(sent) = self.net.sent.get_mut(&ticket) else {
            return;
        };
        sent.arrivals -= 1;
        let sent = match sent.arrivals {
            0 => self.net.sent.remove(&ticket),
            _ => Some(sent.clone()),
        };
        if let Some(sent) = sent {
            let reply = self.serve(sent);
            if let Some(back) = back {
                self.later(back, Event::Answered { ticket, reply });
            }
        }
    }

    /// An answer arrives at its host; which host has something to do now.
    pub(crate) fn answered(&mut self, ticket: u64, reply: Reply) -> Option<usize> {
        let &(host, life) = self.net.waiting.get(&ticket)?;
        if self.hosts[host].cut_until > self.now {
            self.count("reply lost");
            return None;
        }
        self.net.waiting.remove(&ticket);
        self.net.replies.insert(ticket, reply);
        (self.hosts[host].life == life).then_some(host)
    }

    /// Nobody waits for an answer any longer.
    pub(crate) fn timed_out(&mut self, ticket: u64) -> Option<usize> {
        let (host, life) = self.net.waiting.remove(&ticket)?;
        let error = StoreError::Io(format!("no answer in {} s", TIMEOUT.as_secs()));
        self.net.replies.insert(ticket, Err(error));
        (self.hosts[host].life == life).then_some(host)
    }
}

/// A host's way to the store.
#[derive(Clone, Debug)]
pub(crate) struct SimStore {
    pub(crate) world: Shared,
    pub(crate) host: usize,
}

/// Who stops waiting is not answered.
struct Waiting<'a>(&'a Shared, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.with(|world| {
            world.net.waiting.remove(&self.1);
            world.net.replies.remove(&self.1);
        });
    }
}

impl SimStore {
    async fn ask(&self, ask: Ask) -> Reply {
        let ticket = self.world.with(|world| world.send(self.host, ask));
        let waiting = Waiting(&self.world, ticket);
        poll_fn(|_| {
            let reply = waiting.0.with(|world| world.net.replies.remove(&ticket));
            reply.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// An answer to another question.
fn crossed<T>() -> Result<T, StoreError> {
    Err(StoreError::Io("an answer to another question".into()))
}

#[async_trait::async_trait]
impl Store for SimStore {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        match self.ask(Ask::Get(keys.to_vec())).await? {
            Answer::Values(values, revision) => Ok((values, revision)),
            _ => crossed(),
        }
    }

    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let ask = Ask::List {
            prefix,
            after,
            limit,
        };
        match self.ask(ask).await? {
            Answer::Page(page) => Ok(page),
            _ => crossed(),
        }
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        match self.ask(Ask::Commit(txn)).await? {
            Answer::Committed(revision) => Ok(revision),
            _ => crossed(),
        }
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        let prefix = prefix.to_owned();
        match self.ask(Ask::Watch { prefix, from }).await? {
            Answer::Watched(watched) => Ok(watched),
            _ => crossed(),
        }
    }

    async fn start_stopwatch(&mut self) -> Result<Option<Started>, StoreError> {
        match self.ask(Ask::Start).await? {
            Answer::Started(started) => Ok(started),
            _ => crossed(),
        }
    }

    async fn stopwatch(&mut self, stopwatch: u64) -> Result<Option<Elapsed>, StoreError> {
        match self.ask(Ask::Show(stopwatch)).await? {
            Answer::Shown(shown) => Ok(shown),
            _ => crossed(),
        }
    }

    async fn stop_stopwatch(&mut self, stopwatch: u64) -> Result<(), StoreError> {
        match self.ask(Ask::Stop(stopwatch)).await? {
            Answer::Stopped => Ok(()),
            _ => crossed(),
        }
    }
}

/// A host sleeps.
pub(crate) async fn sleep(world: &Shared, host: usize, pause: Duration) {
    let until = world.with(|world| {
        let life = world.hosts[host].life;
        world.later(pause, Event::Wake { host, life });
        world.now.after(pause)
    });
    until_then(world, until).await;
}

async fn until_then(world: &Shared, until: Timestamp) {
    let ready = || world.with(|world| world.now >= until);
    poll_fn(|_| {
        if ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// What comes of some work, unless it takes longer than that: then it is dropped where it stands.
pub(crate) async fn within<T>(
    world: &Shared,
    host: usize,
    most: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut over = std::pin::pin!(sleep(world, host, most));
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        over.as_mut().poll(context).map(|()| None)
    })
    .await
}
