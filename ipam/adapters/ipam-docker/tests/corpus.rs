//! Inputs of the fuzz target `docker_calls`, whole and cut short.

use ipam_docker::testing::fuzz_calls;
use std::path::Path;

#[test]
fn the_fuzz_corpus_and_what_once_crashed_pass() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz");
    let mut inputs = 0;
    for kind in ["corpus", "crashers"] {
        // Where nothing ever crashed there is no folder.
        let Ok(files) = std::fs::read_dir(fuzz.join(kind).join("docker_calls")) else {
            continue;
        };
        for file in files {
            let input = std::fs::read(file.expect("a file").path()).expect("its bytes");
            for end in (0..=input.len()).rev().step_by(7) {
                fuzz_calls(&input[..end]);
            }
            // A byte that is another one.
            for at in (0..input.len()).step_by(5) {
                let mut other = input.clone();
                other[at] = other[at].wrapping_add(1);
                fuzz_calls(&other);
            }
            inputs += 1;
        }
    }
    assert!(inputs > 4, "the corpus of docker_calls is not there");
}
