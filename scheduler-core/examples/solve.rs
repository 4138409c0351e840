//! Development driver.
use scheduler_core::*;
fn cpu() -> f64 {
    let t = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    t.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir = "/work/shared/data/roadef2012";
    let seconds: f64 = args[2].parse().unwrap();
    let seed: u64 = args.get(3).map_or(1, |s| s.parse().unwrap());
    for name in args[1].split(',') {
        let start = cpu();
        let m = roadef::read_model(&std::fs::read(format!("{dir}/{name}.model.txt")).unwrap()).unwrap();
        let a = roadef::read_assignment(&m, &std::fs::read(format!("{dir}/{name}.assignment.txt")).unwrap()).unwrap();
        let read = cpu() - start;
        let mut budget = |_e: u64| (cpu() - start) / seconds;
        let out = Solver { seed }.improve(&m, &a, &mut budget, &mut |_, _| {}).unwrap();
        let p = Placement::moved(&m, &a, &out.assignment).unwrap();
        assert!(p.violations(&m).is_empty(), "{:?}", p.violations(&m));
        assert_eq!(p.cost_by_part(&m).total(), out.cost);
        let c = p.cost_by_part(&m);
        println!("{name} {} gap {:.5}% evals/s {:.2}M read {read:.2} load {} bal {} pm {} mm {} moves {}", out.cost, (out.cost - out.lower_bound) as f64 / out.cost as f64 * 100.0, out.evaluations as f64 / (cpu() - start - read) / 1e6, c.load, c.balance, c.process_move, c.machine_move, p.moves());
        std::fs::write(format!("/tmp/sol_{name}.txt"), roadef::write_assignment(&out.assignment)).unwrap();
    }
}
