//! `ipam`: slots, whole claims, memory, restoring, beside re-implementations of what go-ipam and Calico do for
//! an address.

mod claims;
mod growth;
mod peers;
mod process;
mod shared;
mod simulation;
mod slots;
mod stored;

use crate::{Figure, Judge, Limit, Measured};
use claims::{How, claim_ratio, memory_empty, memory_per_claim, scattered, whole_claim};
use growth::growth;
use peers::{beside_anchor, beside_go_ipam};
use process::{claim_process, process_growth};
use shared::{Row, bytes_per_claim, etcd};
use slots::{random_release, slots, spread};
use stored::{Stored, stored};

/// Live claims of the large figures.
const MILLION: u64 = 1_000_000;

fn unmeasured() -> Result<Measured, String> {
    Err("no measurement".into())
}

/// What the figures here have in common.
const BASE: Figure = Figure {
    id: "",
    what: "",
    unit: "ns",
    judge: Judge::Ours,
    must: Limit::None,
    aim: Limit::None,
    long: false,
    run: unmeasured,
};

/// The figures of this area.
#[must_use]
pub fn figures() -> Vec<Figure> {
    [
        of_slots(),
        of_claims(),
        of_memory(),
        of_peers(),
        of_growth(),
        of_stores(),
        of_processes(),
        of_hosts(),
        of_simulation(),
    ]
    .concat()
}

/// A slot in a pool.
fn of_slots() -> Vec<Figure> {
    let slot = Figure {
        must: Limit::AtMost(40.0),
        aim: Limit::AtMost(20.0),
        ..BASE
    };
    vec![
        Figure {
            id: "ipam/slot-16-0",
            what: "slot allocate + release, lowest first, /16 empty",
            run: || slots(16, 0),
            ..slot
        },
        Figure {
            id: "ipam/slot-16-50",
            what: "the same, /16 half full",
            run: || slots(16, 50),
            ..slot
        },
        Figure {
            id: "ipam/slot-16-99",
            what: "the same, /16 99 % full",
            run: || slots(16, 99),
            ..slot
        },
        Figure {
            id: "ipam/slot-8-0",
            what: "the same, /8 empty",
            run: || slots(8, 0),
            ..slot
        },
        Figure {
            id: "ipam/slot-8-50",
            what: "the same, /8 half full",
            run: || slots(8, 50),
            ..slot
        },
        Figure {
            id: "ipam/slot-8-99",
            what: "the same, /8 99 % full",
            run: || slots(8, 99),
            ..slot
        },
        Figure {
            id: "ipam/slot-spread",
            what: "worst over best of the six above",
            unit: "ratio",
            must: Limit::AtMost(3.0),
            run: spread,
            ..BASE
        },
        Figure {
            id: "ipam/slot-8-random",
            what: "slot allocate lowest + release random, /8, worst of 50 and 99 % full",
            must: Limit::AtMost(80.0),
            aim: Limit::AtMost(50.0),
            run: random_release,
            ..BASE
        },
    ]
}

/// A whole claim among a million.
fn of_claims() -> Vec<Figure> {
    vec![
        Figure {
            id: "ipam/claim",
            what: "claim + release (owner, workload, host, quarantine) at 1,000,000 live claims, releases in random order; beside two maps of std that forget and learn the same names",
            must: Limit::AtMost(2500.0),
            aim: Limit::AtMost(1500.0),
            run: || whole_claim(scattered, How::AtOnce),
            ..BASE
        },
        Figure {
            id: "ipam/claim-in-order",
            what: "the same, the oldest claim released first",
            must: Limit::AtMost(2500.0),
            aim: Limit::AtMost(1500.0),
            run: || whole_claim(|i| i, How::AtOnce),
            ..BASE
        },
        Figure {
            id: "ipam/claim-changes",
            what: "the same in random order by changes that are decided and then applied, as beside a store",
            must: Limit::AtMost(2500.0),
            aim: Limit::AtMost(1500.0),
            run: || whole_claim(scattered, How::ByChanges),
            ..BASE
        },
        Figure {
            id: "ipam/claim-ratio",
            what: "the same beside the two maps, part by part of twenty: the median of the parts' ratios",
            judge: Judge::Ratio,
            must: Limit::AtMost(1.5),
            aim: Limit::AtMost(1.0),
            run: claim_ratio,
            ..BASE
        },
    ]
}

/// What a state weighs.
fn of_memory() -> Vec<Figure> {
    vec![
        Figure {
            id: "ipam/memory-claim",
            what: "memory per live claim with owner, workload and host, besides the bytes of names",
            unit: "B",
            must: Limit::AtMost(128.0),
            aim: Limit::AtMost(80.0),
            run: memory_per_claim,
            ..BASE
        },
        Figure {
            id: "ipam/memory-empty-8",
            what: "memory of an empty /8",
            unit: "MiB",
            must: Limit::AtMost(4.0),
            run: memory_empty,
            ..BASE
        },
    ]
}

/// An address, beside others' ways.
fn of_peers() -> Vec<Figure> {
    vec![
        Figure {
            id: "ipam/go-ipam",
            what: "an address of a /16, the first 1,000, beside go-ipam's way (two map copies and a scan; 96 us in Go)",
            judge: Judge::Ratio,
            must: Limit::AtMost(1.0 / 50.0),
            aim: Limit::AtMost(1.0 / 200.0),
            run: beside_go_ipam,
            ..BASE
        },
        Figure {
            id: "ipam/anchor-go-ipam",
            what: "the same beside the 96 us measured of go-ipam in memory (figure from the anchors)",
            judge: Judge::Ratio,
            must: Limit::AtMost(1.0 / 50.0),
            aim: Limit::AtMost(1.0 / 200.0),
            run: || beside_anchor(96_000.0, false),
            ..BASE
        },
        Figure {
            id: "ipam/anchor-calico",
            what: "an address in a host's block beside the 65 us measured of Calico in memory (figure from the anchors)",
            judge: Judge::Ratio,
            must: Limit::AtMost(1.0 / 50.0),
            aim: Limit::AtMost(1.0 / 200.0),
            run: || beside_anchor(65_000.0, true),
            ..BASE
        },
    ]
}

/// Whether anything grows with the state.
fn of_growth() -> Vec<Figure> {
    vec![Figure {
        id: "ipam/growth",
        what: "claim + release in a state 32 times as large over the smaller one, the worst of 23 dimensions grown apart",
        unit: "ratio",
        must: Limit::AtMost(4.0),
        aim: Limit::AtMost(2.0),
        run: growth,
        ..BASE
    }]
}

/// A million claims in a file.
fn of_stores() -> Vec<Figure> {
    vec![
        Figure {
            id: "ipam/open",
            what: "open a redb file of 1,000,000 claims and restore the allocator",
            unit: "s",
            must: Limit::AtMost(3.0),
            aim: Limit::AtMost(1.5),
            long: true,
            run: || stored(&Stored::Open),
            ..BASE
        },
        Figure {
            id: "ipam/open-after-kill",
            what: "the same after the writer was killed (the file copied while open, as kill -9 leaves it)",
            unit: "s",
            must: Limit::AtMost(3.0),
            aim: Limit::AtMost(1.5),
            long: true,
            run: || stored(&Stored::OpenKilled),
            ..BASE
        },
        Figure {
            id: "ipam/fsck",
            what: "fsck of 1,000,000 claims, restored",
            unit: "s",
            must: Limit::AtMost(5.0),
            aim: Limit::AtMost(3.0),
            long: true,
            run: || stored(&Stored::Fsck),
            ..BASE
        },
    ]
}

/// Many hosts on one store.
fn of_hosts() -> Vec<Figure> {
    let ratio = Figure {
        judge: Judge::Ratio,
        ..BASE
    };
    vec![
        Figure {
            id: "ipam/etcd-claims",
            what: "claims on etcd, 64 hosts on one pool, one outstanding each, 20,480 after affinities settle; beside bare compare-and-swap of the same bytes by the same client code",
            unit: "1/s",
            must: Limit::AtLeast(0.6),
            aim: Limit::AtLeast(0.85),
            run: || etcd(&Row::Claims),
            ..ratio
        },
        Figure {
            id: "ipam/etcd-conflicts",
            what: "transactions refused for others' changes among those, in percent of claims",
            unit: "%",
            must: Limit::AtMost(2.0),
            aim: Limit::AtMost(0.5),
            run: || etcd(&Row::Conflicts),
            ..BASE
        },
        Figure {
            id: "ipam/etcd-claim-p50",
            what: "one claim on etcd, one host alone, median; beside one bare transaction of the same bytes",
            must: Limit::AtMost(1.5),
            aim: Limit::AtMost(1.15),
            run: || etcd(&Row::Latency),
            ..ratio
        },
        Figure {
            id: "ipam/bytes-per-claim",
            what: "keys and values in the store per claim, 100,000 claims of 64 hosts, owners as container ids (64 hex digits, /eth0), a workload each",
            unit: "B",
            must: Limit::AtMost(250.0),
            aim: Limit::AtMost(150.0),
            run: bytes_per_claim,
            ..BASE
        },
    ]
}

/// One command, from its start to its end, whatever the store holds.
fn of_processes() -> Vec<Figure> {
    let process = Figure {
        unit: "ms",
        must: Limit::AtMost(5.0),
        aim: Limit::AtMost(3.0),
        ..BASE
    };
    let growth = Figure {
        unit: "ratio",
        must: Limit::AtMost(1.5),
        aim: Limit::AtMost(1.2),
        ..BASE
    };
    vec![
        Figure {
            id: "ipam/claim-process/0",
            what: "CPU of one `berth ipam claim` as a process, redb without a claim, the worse of with and without --host",
            run: || claim_process(0),
            ..process
        },
        Figure {
            id: "ipam/claim-process/20000",
            what: "the same at 20,000 claims",
            run: || claim_process(20_000),
            ..process
        },
        Figure {
            id: "ipam/claim-process/100000",
            what: "the same at 100,000 claims",
            run: || claim_process(100_000),
            ..process
        },
        Figure {
            id: "ipam/claim-process/1000000",
            what: "the same at 1,000,000 claims",
            long: true,
            run: || claim_process(MILLION),
            ..process
        },
        Figure {
            id: "ipam/claim-process/growth",
            what: "worst over best of 0, 20,000 and 100,000 claims",
            run: || process_growth(&[0, 20_000, 100_000]),
            ..growth
        },
        Figure {
            id: "ipam/claim-process/growth-million",
            what: "1,000,000 claims included",
            long: true,
            run: || process_growth(&[0, 20_000, 100_000, MILLION]),
            ..growth
        },
    ]
}

/// Many hosts over one store, simulated.
fn of_simulation() -> Vec<Figure> {
    vec![
        Figure {
            id: "ipam/simulation-seeds",
            what: "simulations of 3 to 20 hosts with every fault, checked after each step, on one core",
            unit: "1/s",
            must: Limit::AtLeast(20.0),
            aim: Limit::AtLeast(100.0),
            run: simulation::seeds,
            ..BASE
        },
        Figure {
            id: "ipam/simulation-messages",
            what: "messages to the store a claim: 5,000 hosts that know nothing at first claim 20 addresses each out of a /12, all at once",
            unit: "messages",
            must: Limit::AtMost(3.0),
            aim: Limit::AtMost(2.0),
            run: simulation::messages,
            ..BASE
        },
    ]
}
