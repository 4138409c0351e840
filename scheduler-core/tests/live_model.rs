//! Random operations on a live cluster, and the fuzz target's corpus, replayed.

use proptest::prelude::*;
use scheduler_core::testing::{fuzz_ops, fuzz_place, fuzz_read};

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(400), ..ProptestConfig::default() })]
    #[test]
    fn nothing_done_to_a_cluster_breaks_it(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz_ops(&data);
    }

    #[test]
    fn every_answer_about_a_random_model_keeps_its_promises(
        data in proptest::collection::vec(any::<u8>(), 100..500),
    ) {
        fuzz_place(&data);
    }

    /// A valid file with some bytes changed: refused with a place, or read and true.
    #[test]
    fn the_reader_never_panics(changes in proptest::collection::vec((0..400_usize, any::<u8>()), 0..6)) {
        let mut text = std::fs::read("../fuzz/corpus/scheduler_read/two_nodes").unwrap();
        for (at, byte) in changes {
            let place = at % text.len();
            text[place] = byte;
        }
        fuzz_read(&text);
    }
}

/// A fuzz target's entry.
type Entry = fn(&[u8]);

#[test]
fn corpus_and_crashers_replay() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut ran = 0;
    let targets: [(&str, Entry); 3] = [
        ("scheduler_ops", fuzz_ops),
        ("scheduler_read", fuzz_read),
        ("scheduler_place", fuzz_place),
    ];
    let folders = targets
        .iter()
        .flat_map(|(t, run)| ["corpus", "crashers"].map(|kind| (format!("{kind}/{t}"), *run)));
    for (folder, run) in folders {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else {
            continue;
        };
        for entry in entries {
            run(&std::fs::read(entry.unwrap().path()).unwrap());
            ran += 1;
        }
    }
    assert!(ran > 0, "the corpus is committed");
}

/// The operations would prove little if hardly any took effect.
#[test]
fn random_operations_do_begin_and_end_moves() {
    use scheduler_core::rng::stream;
    use scheduler_core::testing::Uniform as _;
    use scheduler_core::testing::{Bytes, LiveOp, LiveWorld};
    let mut rng = stream(7, "worlds");
    let (mut worlds, mut begun) = (0, 0);
    for _ in 0..300 {
        let data: Vec<u8> = (0..400).map(|_| rng.below(256) as u8).collect();
        let mut bytes = Bytes::new(&data);
        let mut world = LiveWorld::decode(&mut bytes);
        worlds += u32::from(world.protector().is_some());
        while !bytes.is_empty() {
            let before = world
                .protector()
                .map_or(0, |p| p.cluster().in_flight().len());
            world.apply(&LiveOp::decode(&mut bytes));
            let after = world
                .protector()
                .map_or(0, |p| p.cluster().in_flight().len());
            begun += after.saturating_sub(before);
        }
    }
    assert!(
        worlds > 80 && begun > 200,
        "{worlds} worlds, {begun} moves begun"
    );
}
