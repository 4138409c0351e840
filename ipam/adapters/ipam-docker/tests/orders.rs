//! Orders of calls that no engine was told to send: repeated, lost on the way there or back, of what is not there; engines and plugins
//! that are killed in between.

use ipam_docker::testing::{Loss, Op, World};
use proptest::prelude::*;

fn loss() -> impl Strategy<Value = Loss> {
    prop_oneof![6 => Just(Loss::Nothing), 1 => Just(Loss::Request), 1 => Just(Loss::Reply)]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (any::<u8>(), loss()).prop_map(|(which, loss)| Op::Create(which, loss)),
        2 => (any::<u8>(), loss()).prop_map(|(which, loss)| Op::Remove(which, loss)),
        6 => (any::<u8>(), proptest::option::weighted(0.3, 0u8..16), loss()).prop_map(|(n, ip, loss)| Op::Run(n, ip, loss)),
        4 => (any::<u8>(), loss()).prop_map(|(which, loss)| Op::Stop(which, loss)),
        2 => any::<u8>().prop_map(Op::Restart),
        1 => any::<u8>().prop_map(Op::ReleaseUnknown),
        2 => (0u16..200).prop_map(Op::Wait),
        1 => Just(Op::KillPlugin),
        1 => any::<bool>().prop_map(Op::KillEngine),
        2 => Just(Op::Settle),
    ]
}

proptest! {
    #[test]
    fn whatever_is_lost_nothing_is_doubled_or_leaked(ops in proptest::collection::vec(op(), 1..60)) {
        let mut world = World::new();
        for op in ops {
            world.step(op);
        }
        world.check_convergence();
    }
}
