//! No descriptor is left: that is this process's trouble, and no endpoint's. In a process of its own, since its limit is lowered.

mod world;

use discovery_core::health::{HealthCheck, Status};
use discovery_probe::Limits;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs::File;
use std::time::Duration;
use test_support::proxies::Backend;
use world::{World, http};

#[tokio::test]
async fn what_could_not_be_probed_for_want_of_descriptors_fails_nobody() {
    let backend = Backend::start();
    let check = HealthCheck::new(http("/health")).with_interval(Duration::from_millis(50));
    let mut world = World::new(check, &[backend.address], Limits::default());
    let passing = |world: &World| world.status(0) == Status::Passing;
    world.until(Duration::from_secs(5), passing).await;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, 256.min(hard), hard).expect("lowered");
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    let before = world.counts.now();
    let unprobed = |world: &World| world.counts.now().no_resources >= before.no_resources + 5;
    world.until(Duration::from_secs(5), unprobed).await;
    assert_eq!(world.status(0), Status::Passing);
    assert_eq!(world.counts.now().failed, before.failed);
    drop(taken);
    let again = |world: &World| world.counts.now().passed > before.passed;
    world.until(Duration::from_secs(5), again).await;
}
