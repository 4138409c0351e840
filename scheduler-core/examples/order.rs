//! Development driver.
use scheduler_core::*;
fn main() {
    let dir = "/work/shared/data/roadef2012";
    for name in std::env::args().nth(1).unwrap().split(',') {
        let m = roadef::read_model(&std::fs::read(format!("{dir}/{name}.model.txt")).unwrap()).unwrap();
        let a = roadef::read_assignment(&m, &std::fs::read(format!("{dir}/{name}.assignment.txt")).unwrap()).unwrap();
        let b = roadef::read_assignment(&m, &std::fs::read(format!("/tmp/sol_{name}.txt")).unwrap()).unwrap();
        let t = std::time::Instant::now();
        let o = order_moves(&m, &a, &b, OrderLimits::default()).unwrap();
        println!("{name} waves {} moves {} staging {} given up {} {:?}", o.waves.len(), o.moves(), o.staging_moves(), o.given_up.len(), t.elapsed());
        for (i, w) in o.waves.iter().enumerate().take(3) { println!("  wave {i}: {} {}", w.len(), w[0].reason); }
    }
}
