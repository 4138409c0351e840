//! Transcripts: commands, a line of dashes, what they answer.

use ipam::{
    Ipam, PoolSpec, Request, Retention, Timestamp,
    change::HostSettings,
    claim::{Families, RetentionKind},
    pool::{Affinity, Order},
};
use std::fmt::Write as _;
use std::time::Duration;

/// The words of a command, taken one after another.
struct Words<'a>(std::str::SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn next(&mut self) -> &'a str {
        self.0.next().unwrap_or_default()
    }

    fn interface(&mut self) -> &'a str {
        match self.next() {
            "" => ipam::claim::DEFAULT_INTERFACE,
            interface => interface,
        }
    }

    fn seconds(&mut self) -> Duration {
        Duration::from_secs(self.next().parse().expect("a number of seconds"))
    }
}

struct Stage {
    ipam: Ipam,
    now: Timestamp,
}

impl Stage {
    fn run(&mut self, line: &str) -> String {
        let mut words = Words(line.split_whitespace());
        let now = self.now;
        match words.next() {
            "pool" => self.pool(&mut words),
            "drain" => answer(self.ipam.drain_pool(now, words.next(), true)),
            "grow" => {
                let (name, cidr) = (words.next(), words.next().parse().expect("a prefix"));
                answer(self.ipam.grow_pool(now, name, cidr))
            }
            "remove" => answer(self.ipam.remove_pool(now, words.next())),
            "wait" => {
                self.now = now.after(words.seconds());
                self.ipam.advance(self.now);
                "ok\n".into()
            }
            "claim" => self.claim(&mut words),
            "explain" => with_request(&mut words, |request| self.ipam.explain(request)),
            "release" => self.release(&mut words),
            "renew" => self.renew(&mut words),
            "expire" => format!("{} ended\n", self.ipam.expire(now)),
            "move" => {
                let (workload, from, to) = (words.next(), words.next(), words.next());
                let identity = (workload, words.interface());
                answer(self.ipam.begin_move(now, identity, from, to))
            }
            "finish" => self.finish(&mut words),
            "abort" => {
                let workload = words.next();
                answer(self.ipam.abort_move(now, (workload, words.interface())))
            }
            how @ ("reserve" | "replace" | "unreserve") => self.reserve(&mut words, how),
            "host" => self.host(&mut words),
            "tidy" => format!("{} given up\n", self.ipam.tidy_blocks(now)),
            "reconcile" => self.reconcile(&mut words),
            "show" => self.show(),
            "restore" => self.restore(),
            "routes" => self
                .ipam
                .routes(words.next())
                .iter()
                .map(|r| format!("{r}\n"))
                .collect(),
            "usage" => self.usage(&mut words),
            other => panic!("no command `{other}`"),
        }
    }

    fn pool(&mut self, words: &mut Words<'_>) -> String {
        let (name, cidr) = (words.next(), words.next().parse().expect("a prefix"));
        let mut spec = PoolSpec::new(name, cidr);
        loop {
            spec = match words.next() {
                "" => break,
                "quarantine" => spec.quarantine(words.seconds()),
                "order" => spec.order(Order::from_name(words.next()).expect("an order")),
                "off" => spec.affinity(Affinity::Off),
                "strict" => spec.affinity(Affinity::Strict),
                "early" => spec.early_reuse(),
                "block" => spec.block_size(words.next().parse().expect("a length")),
                "gateway" => spec.gateway(words.next().parse().expect("an address")),
                "lease" => spec.lease(words.seconds()),
                "label" => spec.label(words.next(), words.next()),
                other => panic!("no pool option `{other}`"),
            };
        }
        answer(self.ipam.add_pool(self.now, spec).map(|_| ()))
    }

    fn claim(&mut self, words: &mut Words<'_>) -> String {
        let now = self.now;
        with_request(words, |request| match self.ipam.claim(now, request) {
            Ok(grant) => {
                let mut out = format!("#{}", grant.sequence);
                for lease in &grant.leases {
                    let _ = write!(
                        out,
                        " {}/{} {:?}",
                        lease.address, lease.prefix_length, lease.origin
                    );
                }
                out + "\n"
            }
            Err(error) => format!("no: {error}\n"),
        })
    }

    /// `OWNER [#SEQUENCE]`, or else the claim's own sequence.
    fn release(&mut self, words: &mut Words<'_>) -> String {
        let owner = words.next();
        let given = words.next().trim_start_matches('#').parse().ok();
        let claim = self.ipam.claim_of(owner);
        let sequence = given.or_else(|| claim.map(ipam::claim::ClaimRef::sequence));
        answer(self.ipam.release(self.now, owner, sequence.unwrap_or(0)))
    }

    /// `OWNER #SEQUENCE SECONDS`
    fn renew(&mut self, words: &mut Words<'_>) -> String {
        let owner = words.next();
        let sequence = words.next().trim_start_matches('#').parse();
        let sequence = sequence.expect("a sequence");
        let length = Some(words.seconds());
        let renewed = self.ipam.renew(self.now, owner, sequence, length);
        answer(renewed.map(|_| ()))
    }

    /// `WORKLOAD OWNER [INTERFACE]`
    fn finish(&mut self, words: &mut Words<'_>) -> String {
        let (workload, owner) = (words.next(), words.next());
        let identity = (workload, words.interface());
        match self.ipam.finish_move(self.now, identity, owner) {
            Ok(grant) => {
                let address = grant.address().expect("an address");
                format!("#{} {address}\n", grant.sequence)
            }
            Err(error) => format!("no: {error}\n"),
        }
    }

    /// `GRACE [OWNER]...`: a pass of collection that finds these owners alive.
    fn reconcile(&mut self, words: &mut Words<'_>) -> String {
        let (grace, live): (_, Vec<&str>) = (words.seconds(), words.0.by_ref().collect());
        let alive = |owner: &str| live.contains(&owner);
        let out = self.ipam.reconcile(self.now, self.now, grace, alive);
        format!("suspects {:?}, released {:?}\n", out.suspects, out.released)
    }

    /// The process ends and another goes on from the stored records.
    fn restore(&mut self) -> String {
        let (again, rejected) = Ipam::restore(self.now, self.ipam.records());
        let sequence = self.ipam.sequence();
        self.ipam = again;
        self.ipam.resume_sequence(sequence);
        format!("{} rejected\n", rejected.len())
    }

    fn usage(&self, words: &mut Words<'_>) -> String {
        let usage = self.ipam.pool(words.next()).expect("a pool").usage();
        let (held, reserved, quarantined) = (usage.held, usage.reserved, usage.quarantined);
        format!(
            "{held} held, {reserved} reserved, {quarantined} in quarantine, {} free\n",
            usage.free
        )
    }

    /// `WORKLOAD[:INTERFACE] [RANGE]...`
    fn reserve(&mut self, words: &mut Words<'_>, how: &str) -> String {
        let who = words.next();
        let identity = who
            .split_once(':')
            .unwrap_or((who, ipam::claim::DEFAULT_INTERFACE));
        let ranges = words.0.by_ref().map(|r| r.parse().expect("a range"));
        let ranges: Vec<ipam::net::AddressRange> = ranges.collect();
        match how {
            "reserve" => answer(self.ipam.reserve(self.now, identity, &ranges)),
            "replace" => answer(self.ipam.replace_reservation(self.now, identity, &ranges)),
            _ => answer(self.ipam.unreserve_ranges(self.now, identity, &ranges)),
        }
    }

    fn host(&mut self, words: &mut Words<'_>) -> String {
        let (name, mut settings) = (words.next(), HostSettings::default());
        match words.next() {
            "limit" => settings.block_limit = words.next().parse().ok(),
            "drain" => settings.draining = true,
            "start" => settings.starts = words.next().parse().into_iter().collect(),
            _ => {}
        }
        answer(self.ipam.set_host(self.now, name, settings))
    }

    fn show(&self) -> String {
        let mut lines: Vec<String> = self
            .ipam
            .claims()
            .map(|c| {
                let addresses: Vec<String> = c.addresses().map(|a| a.to_string()).collect();
                let retention = match c.retention() {
                    RetentionKind::Sticky(ttl) => format!("sticky {} s", ttl.as_secs()),
                    other => other.name().into(),
                };
                format!(
                    "{} #{} {} on {}, {retention}\n",
                    c.owner(),
                    c.sequence(),
                    addresses.join(" "),
                    c.host().unwrap_or("-")
                )
            })
            .collect();
        lines.sort();
        lines.concat()
    }
}

fn answer<E: std::fmt::Display>(outcome: Result<(), E>) -> String {
    outcome.map_or_else(|e| format!("no: {e}\n"), |()| "ok\n".into())
}

/// `OWNER [workload W] [host H] [sticky S | fixed] [pool P] [dual | v6] [at IP] [lease S] [label K V]`
fn with_request(words: &mut Words<'_>, run: impl FnOnce(&Request<'_>) -> String) -> String {
    let mut request = Request::new(words.next());
    let (mut pools, mut addresses, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match words.next() {
            "" => break,
            "workload" => request.workload = Some(words.next()),
            "interface" => request.interface = words.next(),
            "host" => request.host = Some(words.next()),
            "sticky" => request.retention = Retention::Sticky(words.seconds()),
            "fixed" => request.retention = Retention::Fixed(&[]),
            "pool" => pools.push(words.next()),
            "at" => addresses.push(words.next().parse().expect("an address")),
            "label" => labels.push((words.next(), words.next())),
            "dual" => request.families = Families::Dual,
            "v6" => request.families = Families::V6,
            "lease" => request.lease = Some(words.seconds()),
            other => panic!("no claim option `{other}`"),
        }
    }
    run(&request.pools(&pools).addresses(&addresses).labels(&labels))
}

/// Runs a transcript; the same transcript with the answers as they are.
fn replay(text: &str) -> String {
    let mut stage = Stage {
        ipam: Ipam::new(7),
        now: Timestamp::from_secs(0),
    };
    let mut out = String::new();
    let (mut answers, mut expected) = (String::new(), false);
    for line in text.lines().chain([""]) {
        match line {
            "" => {
                out.push_str(&std::mem::take(&mut answers));
                out.push('\n');
                expected = false;
            }
            "----" => {
                out.push_str("----\n");
                expected = true;
            }
            _ if expected => {}
            line => {
                out.push_str(line);
                out.push('\n');
                if !line.starts_with('#') {
                    answers.push_str(&stage.run(line));
                    stage
                        .ipam
                        .check_invariants()
                        .unwrap_or_else(|e| panic!("after `{line}`: {e}"));
                }
            }
        }
    }
    out
}

#[test]
fn transcripts_answer_as_written() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("transcripts")
        .map(|e| e.expect("an entry").path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 6, "transcripts are missing");
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a transcript");
        let ours = replay(&text);
        assert_eq!(
            ours.trim_end(),
            text.trim_end(),
            "{}:\n{ours}",
            path.display()
        );
    }
}
