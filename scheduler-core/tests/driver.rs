//! The driver between doubles: samplers and actuators in virtual time, without a runtime.

mod fixture;

use async_trait::async_trait;
use core::future::{Future, pending, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use fixture::protector;
use scheduler_core::driver::{Actuator, Driver, DriverError, Outcome, Sampler};
use scheduler_core::live::{Move, Sample, SampleError};
use scheduler_core::{Cluster, NodeId, Protector, TaskId, Timestamp};
use std::sync::{Arc, Mutex};

/// What all parts share: the clock in seconds, and what was asked for.
#[derive(Default)]
struct Shared {
    now: u64,
    carried: Vec<(u64, Move)>,
    samples: u64,
}

type World = Arc<Mutex<Shared>>;

/// Ends at a second of the virtual clock, which the test moves.
async fn at(world: &World, second: u64) {
    poll_fn(|_| match world.lock().unwrap().now >= second {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// Gives each task's constant use once a second, and to each node what its tasks take together.
struct Constant {
    world: World,
    next: u64,
    tasks: Vec<Sample>,
}

#[async_trait]
impl Sampler for Constant {
    async fn wait(&mut self) {
        at(&self.world, self.next).await;
    }

    fn samples(&mut self, cluster: &Cluster, nodes: &mut [Sample], tasks: &mut [Sample]) {
        let mut shared = self.world.lock().unwrap();
        shared.samples += 1;
        self.next = shared.now + 1;
        for (node, id) in nodes.iter_mut().zip(cluster.model().node_ids()) {
            let runs = |t: &TaskId| cluster.node_of(*t) == Some(id);
            let there = cluster.model().task_ids().filter(runs);
            *node = there.map(|t| self.tasks[t.index()]).sum();
        }
        tasks.copy_from_slice(&self.tasks[..tasks.len()]);
    }
}

/// Takes so many seconds for a move, and ends it so.
struct Slow(World, u64, Outcome);

#[async_trait]
impl Actuator for Slow {
    async fn carry_out(&self, planned: Move) -> Outcome {
        let now = self.0.lock().unwrap().now;
        self.0.lock().unwrap().carried.push((now, planned));
        at(&self.0, now + self.1).await;
        self.2
    }
}

/// Polls once; whether it is done.
fn poll_once(future: impl Future<Output = ()>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    pin!(future).as_mut().poll(&mut context).is_ready()
}

fn setup(takes: u64, outcome: Outcome) -> (World, Protector, Driver<'static, Constant, Slow>) {
    let world = World::default();
    let sampler = Constant {
        world: world.clone(),
        next: 1,
        tasks: vec![600, 500, 100],
    };
    let actuator = Slow(world.clone(), takes, outcome);
    (
        world,
        protector(3, &[0, 0, 1]),
        Driver::new(sampler, actuator),
    )
}

/// Runs until a second; each waiting is dropped after one poll, as a `select` in a runtime would.
fn run(
    world: &World,
    protector: &mut Protector,
    driver: &mut Driver<'_, Constant, Slow>,
    until: u64,
) -> Vec<(TaskId, Outcome)> {
    let mut ended = Vec::new();
    while world.lock().unwrap().now < until {
        let now = {
            let mut shared = world.lock().unwrap();
            shared.now += 1;
            shared.now
        };
        while poll_once(driver.wait(pending())) {
            let round = driver.run_once(protector, Timestamp::from_secs(now));
            assert_eq!(round.refused, []);
            ended.extend(round.ended);
        }
        protector.cluster().check_invariants().unwrap();
    }
    ended
}

#[test]
fn slow_move_does_not_hold_up_sampling_and_is_finished_when_it_ends() {
    let (world, mut p, mut driver) = setup(40, Outcome::Finished);
    assert_eq!(run(&world, &mut p, &mut driver, 30), []);
    let (began, planned) = world.lock().unwrap().carried[0];
    assert_eq!(driver.running(), 1);
    assert_eq!(p.cluster().moving_to(planned.task), Some(planned.to));
    assert_eq!(
        world.lock().unwrap().samples,
        30,
        "one row a second all the while"
    );
    let ended = run(&world, &mut p, &mut driver, began + 41);
    assert_eq!(ended, [(planned.task, Outcome::Finished)]);
    assert_eq!(p.cluster().node_of(planned.task), Some(planned.to));
    assert_eq!((driver.running(), p.cluster().in_flight().len()), (0, 0));
}

#[test]
fn aborted_move_leaves_the_task_where_it_runs() {
    let (world, mut p, mut driver) = setup(2, Outcome::Aborted);
    let ended = run(&world, &mut p, &mut driver, 30);
    let mut tasks: Vec<TaskId> = ended.iter().map(|(task, _)| *task).collect();
    tasks.sort_unstable();
    tasks.dedup();
    assert!(
        !ended.is_empty() && tasks.len() == ended.len(),
        "a task cools down after a move"
    );
    for task in tasks {
        assert_eq!(p.cluster().node_of(task), Some(NodeId(0)));
    }
}

#[test]
fn change_renumbers_moves_being_carried_out_and_forgets_those_it_has_ended() {
    for removes_the_moving_task in [false, true] {
        let (world, mut p, mut driver) = setup(40, Outcome::Finished);
        run(&world, &mut p, &mut driver, 30);
        let moving = world.lock().unwrap().carried[0].1;
        let other = TaskId(1 - moving.task.0);
        let gone = if removes_the_moving_task {
            moving.task
        } else {
            other
        };
        let mut edit = p.cluster().model().edit();
        edit.remove_task(gone).unwrap();
        let now = Timestamp::from_secs(30);
        let changed = driver.change(&mut p, now, edit, &[]).unwrap();
        let ended = run(&world, &mut p, &mut driver, 80);
        let renumbered = changed.ids.task(moving.task);
        if removes_the_moving_task {
            assert_eq!(ended, []);
        } else {
            assert_eq!(ended, [(renumbered.unwrap(), Outcome::Finished)]);
        }
        assert_eq!((driver.running(), p.cluster().in_flight().len()), (0, 0));
    }
}

#[test]
fn waiting_ends_at_the_deadline_and_refused_samples_are_reported() {
    let (world, mut p, mut driver) = setup(1, Outcome::Finished);
    assert!(!poll_once(driver.wait(pending())), "nothing is there yet");
    assert!(poll_once(driver.wait(async {})), "the deadline is");
    assert_eq!(driver.run_once(&mut p, Timestamp::ZERO).plan.moves, []);
    world.lock().unwrap().now = 1;
    for (second, taken) in [(5, true), (5, false)] {
        assert!(poll_once(driver.wait(pending())));
        let round = driver.run_once(&mut p, Timestamp::from_secs(second));
        let backwards =
            |e: &DriverError| matches!(e, DriverError::Sample(SampleError::Backwards { .. }));
        assert_eq!(round.refused.is_empty(), taken);
        assert!(round.refused.iter().all(backwards));
        world.lock().unwrap().now += 1;
    }
}
