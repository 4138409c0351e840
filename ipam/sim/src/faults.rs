//! What breaks, and how all becomes calm.

use crate::setup::{GRACE, LONGEST_STALL, STICKY, pick};
use crate::view::State;
use crate::world::{Event, Next, Phase, World};
use ipam::Store as _;
use ipam::Timestamp;
use ipam::store::{Record, Txn, ready};
use rand::RngExt as _;
use std::time::Duration;

/// Records that are damaged at a time.
const MOST_DAMAGED: usize = 3;

/// What a record tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A claim or a workload: its blocks tell the same.
    Holder,
    Block,
    /// All that it says stands elsewhere.
    Beside,
    /// Others can't be rebuilt without it.
    Alone,
}

impl Kind {
    fn of(key: &str) -> Self {
        match key.get(..2) {
            Some("c/" | "w/") => Self::Holder,
            Some("b/") => Self::Block,
            Some("h/" | "s/" | "r/") => Self::Beside,
            _ => Self::Alone,
        }
    }

    /// Whether both can be rebuilt where both are damaged.
    fn goes_with(self, other: Self) -> bool {
        let proves = |a, b| a == Self::Holder && b == Self::Block;
        let alone = self == Self::Alone || other == Self::Alone;
        !alone && !proves(self, other) && !proves(other, self)
    }
}

impl World {
    /// Something breaks, and the next fault is set.
    pub(crate) fn fault(&mut self) -> Next {
        if self.phase > Phase::Busy {
            return Next::Nothing;
        }
        let most = 2 * self.setup.faults.as_millis() as u64;
        let rng = &mut self.rngs.faults;
        let pause = Duration::from_millis(rng.random_range(0..=most));
        let (kind, host) = (
            rng.random_range(0..12),
            rng.random_range(0..self.setup.hosts),
        );
        let long = Duration::from_millis(rng.random_range(100..LONGEST_STALL.as_millis() as u64));
        let (behind, ahead) = self.setup.clocks;
        let clock = rng.random_range(behind..=ahead);
        let known = *pick(rng, &[0, 0, 500, 1000]);
        self.later(pause, Event::Fault);
        match kind {
            0..3 => return self.crash(host, long, kind == 0),
            3 | 4 => {
                self.count("clock jump");
                self.note(host, || format!("its clock jumps to {clock} ms ahead"));
                self.hosts[host].clock = clock;
            }
            5 => {
                self.count("partition");
                self.note(host, || {
                    format!("is cut off for {} ms", 2 * long.as_millis())
                });
                self.hosts[host].cut_until = self.now.after(long * 2);
            }
            6 => {
                self.count("stall");
                self.note(host, || format!("stalls for {} ms", long.as_millis()));
                self.hosts[host].stalled_until = self.now.after(long);
            }
            7 => {
                self.count("election");
                self.note(usize::MAX, || {
                    format!("another member counts, and knows {known} permille")
                });
                self.disk.clock.elect(self.now, known);
            }
            8 if known == 500 => {
                self.count("stopwatches removed");
                self.disk.clock.clear();
            }
            _ => self.damage(),
        }
        Next::Nothing
    }

    /// A host's agent ends where it stands; where the whole host goes down, its containers end as well.
    fn crash(&mut self, host: usize, back: Duration, whole: bool) -> Next {
        if !self.hosts[host].up {
            return Next::Nothing;
        }
        self.count(if whole { "reboot" } else { "crash" });
        self.note(host, || {
            if whole {
                "goes down".into()
            } else {
                "crashes".into()
            }
        });
        let it = &mut self.hosts[host];
        (it.up, it.life, it.census) = (false, it.life + 1, None);
        it.missing.clear();
        if whole {
            it.late.clear();
            it.slots
                .values_mut()
                .for_each(|slot| slot.state = State::Gone);
        }
        self.later(back, Event::Restart { host });
        Next::Crash(host)
    }

    /// A byte of a stored record is altered: of up to three at a time, unless one of them proves another, which could not be rebuilt then.
    /// Nor while the store does not vouch for that, from the repair of its seed to the next write.
    fn damage(&mut self) {
        let damaged: Vec<Kind> = self.checks.damaged().map(|key| Kind::of(key)).collect();
        if damaged.len() >= MOST_DAMAGED || !self.checks.vouched() {
            return;
        }
        let Some(Ok(page)) = ready(self.disk.memory.list("", None, usize::MAX)) else {
            return;
        };
        let rng = &mut self.rngs.damage;
        // Blocks and claims above all.
        let kinds = ["b/", "b/", "b/", "c/", "c/", "w/", "h/", "s/", ""];
        let kind = kinds[rng.random_range(0..kinds.len())];
        let mut of_kind = page.entries;
        // While one pool of several is unknown, hosts' records are written without its blocks, and have to be repaired as well.
        let pools = self.setup.all_pools().count();
        of_kind.retain(|(key, _)| key.starts_with(kind) && (pools == 1 || !key.starts_with("p/")));
        // Nor the time, before anything tells what it was: what is lost then is the time that all of this is judged by.
        let begun = !self.checks.is_unused();
        of_kind.retain(|(key, _)| begun || key != "t/");
        of_kind.retain(|(key, _)| damaged.iter().all(|other| other.goes_with(Kind::of(key))));
        if of_kind.is_empty() {
            return;
        }
        let (key, mut value) = of_kind.swap_remove(rng.random_range(0..of_kind.len()));
        let at = rng.random_range(0..value.len());
        value[at] ^= 1 << rng.random_range(0..8);
        if Record::decode(&key, &value).is_ok() {
            return;
        }
        let txn = Txn {
            put: vec![(key.clone(), value)],
            ..Txn::default()
        };
        if let Some(Ok(_)) = ready(self.disk.memory.commit(txn)) {
            self.count("damage");
            self.note(usize::MAX, || format!("the record `{key}` is damaged"));
            self.note_damage(&key);
        }
    }

    /// Faults end: who is down comes back, clocks are right again; most containers end, and no new ones start.
    pub(crate) fn settle(&mut self) -> Next {
        self.phase = Phase::Settling;
        self.note(usize::MAX, || "faults end".into());
        for host in 0..self.setup.hosts {
            let it = &mut self.hosts[host];
            (it.cut_until, it.stalled_until) = (Timestamp::ZERO, Timestamp::ZERO);
            it.clock = it.clock.min(0);
            for slot in it.slots.values_mut() {
                if let State::Running(held) = &slot.state
                    && it.rng.random_bool(0.6)
                {
                    slot.state = State::Stopping {
                        sequence: held.sequence,
                    };
                }
            }
        }
        let operator = self.setup.hosts;
        self.hosts[operator].up = true;
        Next::Start(operator)
    }

    /// How long all must be calm until nothing is left of what was.
    pub(crate) fn calm(&self) -> Duration {
        let pools = self.setup.all_pools();
        let rest = pools.map(|p| p.quarantine.max(p.reclaim_after) * 2).max();
        let lease = self.setup.lease.unwrap_or_default();
        GRACE * 2 + STICKY + lease + rest.unwrap_or_default() + self.setup.slack() * 4
    }
}
