//! Who cleans up when all is calm.

use crate::agent::{Action, Agent, perform};
use crate::net::sleep;
use crate::setup::LONGEST_STALL;
use crate::world::{Phase, Shared};
use std::time::Duration;

/// Repairs, calls moves off, collects, until everything that must pass has passed; then the end is checked.
pub(crate) async fn clean_up(world: Shared, operator: usize) {
    // What is still on its way arrives.
    sleep(&world, operator, LONGEST_STALL).await;
    let calm = world.with(|world| world.calm());
    let passes = 10;
    let mut agent = Agent::default();
    for _ in 0..=passes {
        perform(&world, operator, &mut agent, &Action::Repair).await;
        for workload in world.with(|world| world.checks.moving()) {
            perform(
                &world,
                operator,
                &mut agent,
                &Action::AbortMove { workload },
            )
            .await;
        }
        perform(
            &world,
            operator,
            &mut agent,
            &Action::Census { leave_out: None },
        )
        .await;
        let census = world.with(|world| world.census(operator));
        perform(&world, operator, &mut agent, &Action::Collect { census }).await;
        sleep(&world, operator, calm / passes).await;
    }
    sleep(&world, operator, Duration::from_secs(5)).await;
    world.with(|world| {
        world.check_quiet();
        world.phase = Phase::Over;
    });
}
