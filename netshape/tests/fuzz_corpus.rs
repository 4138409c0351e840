//! The committed corpora and crashers of the fuzz targets, through the same functions.

use netshape::testing;
use std::path::Path;

type Run = fn(&[u8]);

fn replay(target: &str, run: Run) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut ran = 0;
    for kind in ["corpus", "crashers"] {
        let Ok(entries) = std::fs::read_dir(root.join(kind).join(target)) else {
            continue;
        };
        let mut paths: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            run(&std::fs::read(&path).unwrap());
            ran += 1;
        }
    }
    ran
}

#[test]
fn committed_inputs_hold() {
    let targets: [(&str, Run); 5] = [
        ("netshape_ops", testing::fuzz_ops),
        ("netshape_decode", testing::fuzz_decode),
        ("netshape_text", testing::fuzz_text),
        ("netshape_policy", testing::fuzz_policy),
        ("netshape_elastic", testing::fuzz_elastic),
    ];
    for (target, run) in targets {
        assert!(replay(target, run) > 0, "no input for {target}");
    }
}
