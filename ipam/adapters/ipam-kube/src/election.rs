//! One leader at a time, by a Lease object (`coordination.k8s.io`), as Kubernetes' own controllers do it.
//!
//! Who leads renews the object. Times are never compared between machines: a candidate takes the lease over once it has seen it
//! unchanged for the lease's duration by its own monotonic clock, and a leader stops when its last renewal, counted from when that
//! was sent, is older than the deadline, which is shorter. So the old leader has stopped by when the new one begins, as long as
//! their clocks run equally fast to within `duration - deadline`.

use ipam::Timestamp;
use ipam::rng::{Xoshiro256PlusPlus, stream};
use rand::RngExt as _;
use std::time::Duration;

/// The times of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// How long a lease must be unchanged before another takes it.
    pub duration: Duration,
    /// How long after its last renewal a leader may write.
    pub deadline: Duration,
    /// How often a leader renews, and others look.
    pub retry: Duration,
}

impl Default for Timing {
    /// Those of Kubernetes' own controllers: 15, 10 and 2 seconds.
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// The longest duration of another's lease that is respected.
const LONGEST: Duration = Duration::from_secs(3600);

/// What a Lease object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its resource version.
    pub version: String,
    /// Who holds it; empty: nobody.
    pub holder: String,
    /// Its own duration.
    pub duration: Option<Duration>,
    /// How often its holder changed.
    pub transitions: u64,
}

/// What a Lease object is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The version that it is to have now; `None`: it is to be made.
    pub version: Option<String>,
    /// Who holds it; empty: nobody.
    pub holder: String,
    /// Its duration.
    pub duration: Duration,
    /// How often its holder changed.
    pub transitions: u64,
    /// Whether the holder changes now.
    pub taken: bool,
}

/// What came of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is so.
    Done(Record),
    /// Another was quicker.
    Conflict,
}

/// What to do about the election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing before this time.
    Wait(Timestamp),
    /// Read the object.
    Read,
    /// Write it.
    Write(Wish),
}

/// One candidate.
#[derive(Clone, Debug)]
pub(crate) struct Election {
    me: String,
    timing: Timing,
    /// What the object said last, and since when.
    known: Option<(Record, Timestamp)>,
    /// Whether what is known was read since the last failure.
    sure: bool,
    /// There is no such object.
    absent: bool,
    /// When the last renewal that succeeded was sent.
    renewed: Option<Timestamp>,
    next: Timestamp,
    rng: Xoshiro256PlusPlus,
}

impl Election {
    /// A candidate. No other may ever have the same name.
    pub(crate) fn new(me: String, timing: Timing, seed: u64) -> Self {
        Self {
            me,
            timing,
            known: None,
            sure: false,
            absent: false,
            renewed: None,
            next: Timestamp::ZERO,
            rng: stream(seed, "election"),
        }
    }

    /// Until when this candidate may write; `None`: it does not lead.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.renewed.map(|sent| sent.after(self.timing.deadline))
    }

    /// Whether this candidate may write.
    pub(crate) fn leads(&self, now: Timestamp) -> bool {
        self.until().is_some_and(|until| now < until)
    }

    /// What to do now.
    pub(crate) fn act(&mut self, now: Timestamp) -> Act {
        if !self.leads(now) {
            self.renewed = None;
        }
        if now < self.next {
            return Act::Wait(self.next);
        }
        if !self.sure {
            return Act::Read;
        }
        if self.absent {
            return Act::Write(self.wish(None));
        }
        let Some((record, since)) = self.known.clone() else {
            return Act::Read;
        };
        let over = since.after(
            record
                .duration
                .map_or(self.timing.duration, |d| d.min(LONGEST)),
        );
        let free = record.holder.is_empty() || record.holder == self.me;
        match free || over <= now {
            true => Act::Write(self.wish(Some(&record))),
            // It is to be seen unchanged until then.
            false => {
                self.sure = false;
                Act::Read
            }
        }
    }

    fn wish(&self, record: Option<&Record>) -> Wish {
        let taken = record.is_none_or(|record| record.holder != self.me);
        let transitions = record.map_or(0, |record| record.transitions);
        Wish {
            version: record.map(|record| record.version.clone()),
            holder: self.me.clone(),
            duration: self.timing.duration,
            transitions: transitions.saturating_add(u64::from(taken && record.is_some())),
            taken,
        }
    }

    /// What was read, at the time when it had arrived.
    pub(crate) fn read(&mut self, now: Timestamp, record: Option<Record>) {
        self.sure = true;
        self.absent = record.is_none();
        let Some(record) = record else {
            self.known = None;
            return;
        };
        if record.holder != self.me {
            self.renewed = None;
        }
        match &self.known {
            Some((known, _)) if *known == record => {}
            _ => self.known = Some((record, now)),
        }
        let free = self.known.as_ref().is_some_and(|(record, since)| {
            let duration = record
                .duration
                .map_or(self.timing.duration, |d| d.min(LONGEST));
            record.holder.is_empty() || record.holder == self.me || since.after(duration) <= now
        });
        if !free {
            self.pause(now);
        }
    }

    /// What came of a write that was sent at a time.
    pub(crate) fn wrote(&mut self, sent: Timestamp, now: Timestamp, written: Written) {
        match written {
            Written::Done(record) => {
                self.renewed = Some(sent);
                self.absent = false;
                self.sure = true;
                self.known = Some((record, now));
                self.next = sent.after(self.timing.retry);
            }
            // Whether it is still this candidate's, reading tells.
            Written::Conflict => self.sure = false,
        }
    }

    /// A read or write failed; it may have happened.
    pub(crate) fn failed(&mut self, now: Timestamp) {
        self.sure = false;
        self.pause(now);
    }

    /// Half the retry to all of it: candidates do not stay in step.
    fn pause(&mut self, now: Timestamp) {
        let most = u64::try_from(self.timing.retry.as_nanos()).unwrap_or(u64::MAX);
        let pause = self.rng.random_range(most / 2..=most);
        self.next = now.after(Duration::from_nanos(pause));
    }

    /// The wish of a leader that ends: another need not wait.
    pub(crate) fn resign(&mut self) -> Option<Wish> {
        self.renewed.take()?;
        let (record, _) = self.known.as_ref()?;
        (record.holder == self.me).then(|| Wish {
            version: Some(record.version.clone()),
            holder: String::new(),
            duration: Duration::from_secs(1),
            transitions: record.transitions,
            taken: false,
        })
    }
}

#[cfg(test)]
#[path = "election/tests.rs"]
mod tests;
