//! A host's agent: what it does next, and what it makes of the answers.

use crate::Bug;
use crate::driver::{Caller, Driver, Failure, pass_pool, repair};
use crate::net::{SimStore, sleep, within};
use crate::setup::{GIVE_UP, GRACE};
use crate::view::CensusTaken;
use crate::world::Shared;
use ipam::store::{StoreClock, StoreError};
use ipam::{Grant, Timestamp};

/// Something a host does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Claim {
        owner: String,
    },
    Release {
        owner: String,
        sequence: u64,
    },
    /// A release that was sent before comes again.
    LateRelease {
        owner: String,
        sequence: u64,
    },
    Renew {
        owner: String,
        sequence: u64,
    },
    BeginMove {
        workload: String,
        to: usize,
    },
    FinishMove {
        workload: String,
        owner: String,
    },
    AbortMove {
        workload: String,
    },
    Census {
        leave_out: Option<usize>,
    },
    Collect {
        census: Option<CensusTaken>,
    },
    Repair,
    /// The pool that passes comes, is drained, or goes.
    PassPool,
    /// Learns what others did.
    Refresh,
    Nothing,
}

impl Action {
    /// How it is called in the trace.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Claim { owner } => format!("claim {owner}"),
            Self::Release { owner, sequence } => format!("release {owner} ({sequence})"),
            Self::LateRelease { owner, sequence } => format!("late release {owner} ({sequence})"),
            Self::Renew { owner, sequence } => format!("renew {owner} ({sequence})"),
            Self::BeginMove { workload, to } => format!("begin the move of {workload} to h{to}"),
            Self::FinishMove { workload, owner } => {
                format!("finish the move of {workload} as {owner}")
            }
            Self::AbortMove { workload } => format!("abort the move of {workload}"),
            Self::Census { .. } => "census".into(),
            Self::Collect {
                census: Some(census),
            } => format!("collect by the census of {}", census.began),
            Self::Collect { census: None } => "collect".into(),
            Self::Repair => "repair".into(),
            Self::PassPool => "pass the pool".into(),
            Self::Refresh => "refresh".into(),
            Self::Nothing => "nothing".into(),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) enum Done {
    Granted(Grant),
    Nothing,
    Collected(usize),
}

/// An agent's life, until its host crashes.
pub(crate) async fn live(world: Shared, host: usize) {
    let mut agent = Agent::default();
    loop {
        let pause = world.with(|world| world.pause(host));
        sleep(&world, host, pause).await;
        let action = world.with(|world| world.next_action(host));
        perform(&world, host, &mut agent, &action).await;
    }
}

/// What an agent knows until it ends.
#[derive(Debug, Default)]
pub(crate) struct Agent {
    driver: Option<Driver>,
    clock: StoreClock,
}

/// The time that a host goes by.
async fn tick(
    world: &Shared,
    host: usize,
    clock: &mut StoreClock,
) -> Result<Timestamp, StoreError> {
    let wall = world.with(|world| world.clock(host));
    let (shared, bug) = world.with(|world| (world.setup.shared_time, world.setup.bug));
    if !shared || bug == Some(Bug::WallClock) {
        return Ok(wall);
    }
    let mut store = SimStore {
        world: world.clone(),
        host,
    };
    let monotonic = || world.with(|world| world.monotonic(host));
    clock.serve(&mut store, wall, monotonic).await
}

/// Does one thing, or gives it up.
pub(crate) async fn perform(world: &Shared, host: usize, agent: &mut Agent, action: &Action) {
    if matches!(action, Action::Nothing) {
        return;
    }
    let told = within(world, host, GIVE_UP, tick(world, host, &mut agent.clock)).await;
    let Some(Ok(now)) = told else {
        world.with(|world| {
            world.count("no time");
            world.note(host, || format!("{}: no time: {told:?}", action.name()));
        });
        return;
    };
    world.with(|world| world.begin(host, action, now));
    let by = Caller {
        world: world.clone(),
        host,
        now,
    };
    let sent = world.with(|world| world.now);
    let work = carry_out(&by, &mut agent.driver, action);
    let done = within(world, host, GIVE_UP, work).await;
    let done = done.unwrap_or_else(|| Err(Failure::Unknown("given up".into())));
    world.with(|world| {
        world.note(host, || format!("{} -> {done:?}", action.name()));
        world.end(host, action, done, (sent, now));
    });
}

async fn carry_out(
    by: &Caller,
    driver: &mut Option<Driver>,
    action: &Action,
) -> Result<Done, Failure> {
    if driver.is_none() {
        let kind = by.world.with(|world| world.hosts[by.host].kind);
        *driver = Some(by.open(kind).await?);
    }
    let Some(driver) = driver else {
        return Ok(Done::Nothing);
    };
    let bug = by.world.with(|world| world.setup.bug);
    match action {
        Action::Claim { owner } => {
            let (name, slot) = by.world.with(|world| {
                let host = &world.hosts[by.host];
                (host.name.clone(), host.slots.get(owner).cloned())
            });
            let Some(slot) = slot else {
                return Ok(Done::Nothing);
            };
            let request = slot.request(owner, &name);
            driver.claim(by, &request).await.map(Done::Granted)
        }
        Action::Release { owner, sequence } => driver
            .release(by, owner, *sequence)
            .await
            .map(|()| Done::Nothing),
        Action::LateRelease { owner, sequence } => {
            let sequence = match bug {
                Some(Bug::LateDel) => current(by, owner).await?.unwrap_or(*sequence),
                _ => *sequence,
            };
            driver
                .release(by, owner, sequence)
                .await
                .map(|()| Done::Nothing)
        }
        Action::Renew { owner, sequence } => {
            let lease = by.world.with(|world| world.setup.lease);
            driver
                .renew(by, owner, *sequence, lease)
                .await
                .map(|()| Done::Nothing)
        }
        Action::BeginMove { .. } | Action::FinishMove { .. } | Action::AbortMove { .. } => {
            carry_out_move(by, driver, action).await
        }
        Action::Collect {
            census: Some(census),
        } if bug == Some(Bug::CollectByName) => collect_by_name(by, driver, census).await,
        Action::Collect { census } => {
            let released = driver.collect(by, census.as_ref()).await?;
            Ok(Done::Collected(released.len()))
        }
        Action::Refresh => driver.refresh(by).await.map(|()| Done::Nothing),
        Action::Repair => repair(by).await.map(Done::Collected),
        Action::PassPool => pass_pool(by).await.map(|()| Done::Nothing),
        Action::Census { .. } | Action::Nothing => Ok(Done::Nothing),
    }
}

/// What concerns workloads on their way.
async fn carry_out_move(
    by: &Caller,
    driver: &mut Driver,
    action: &Action,
) -> Result<Done, Failure> {
    match action {
        Action::BeginMove { workload, to } => {
            let names = by.world.with(|world| {
                (
                    world.hosts[by.host].name.clone(),
                    world.hosts[*to].name.clone(),
                )
            });
            let hosts = (&*names.0, &*names.1);
            driver
                .begin_move(by, workload, hosts)
                .await
                .map(|()| Done::Nothing)
        }
        Action::FinishMove { workload, owner } => driver
            .finish_move(by, workload, owner)
            .await
            .map(Done::Granted),
        Action::AbortMove { workload } => driver
            .abort_move(by, workload)
            .await
            .map(|()| Done::Nothing),
        _ => Ok(Done::Nothing),
    }
}

/// The token of an owner's claim as it is stored now.
async fn current(by: &Caller, owner: &str) -> Result<Option<u64>, Failure> {
    let replica = by.whole().await?;
    Ok(replica
        .ipam()
        .claim_of(owner)
        .map(ipam::claim::ClaimRef::sequence))
}

/// The bug: who was missing in two censuses, a grace period apart, loses whatever claim has that name now.
async fn collect_by_name(
    by: &Caller,
    driver: &mut Driver,
    census: &CensusTaken,
) -> Result<Done, Failure> {
    let replica = by.whole().await?;
    let owners = replica
        .ipam()
        .claims()
        .map(|claim| claim.owner().to_owned());
    let owners: Vec<String> = owners
        .filter(|owner| !census.living.contains(owner))
        .collect();
    let gone = by.world.with(|world| {
        let missing = &mut world.hosts[by.host].missing;
        missing.retain(|owner, _| owners.contains(owner));
        for owner in &owners {
            missing.entry(owner.clone()).or_insert(census.at);
        }
        let gone = missing
            .iter()
            .filter(|(_, since)| since.after(GRACE) <= census.at);
        gone.map(|(owner, _)| owner.clone())
            .collect::<Vec<String>>()
    });
    for owner in &gone {
        if let Some(sequence) = current(by, owner).await? {
            driver.release(by, owner, sequence).await?;
        }
    }
    Ok(Done::Collected(gone.len()))
}
