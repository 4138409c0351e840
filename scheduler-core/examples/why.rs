//! Development driver.
use scheduler_core::*;
fn main() {
    let dir = "/work/shared/data/roadef2012";
    for name in std::env::args().nth(1).unwrap().split(',') {
        let m = roadef::read_model(&std::fs::read(format!("{dir}/{name}.model.txt")).unwrap()).unwrap();
        let a = roadef::read_assignment(&m, &std::fs::read(format!("{dir}/{name}.assignment.txt")).unwrap()).unwrap();
        let b = roadef::read_assignment(&m, &std::fs::read(format!("/tmp/sol_{name}.txt")).unwrap()).unwrap();
        let p = Placement::moved(&m, &a, &b).unwrap();
        let mut counts = [0u64; 8];
        // improving shifts by what blocks them, weights by gain
        for t in 0..m.tasks() as u32 { for n in 0..m.nodes() as u32 {
            if p.node_of(TaskId(t)) == Some(NodeId(n)) { continue; }
            let i = match p.blocked(&m, TaskId(t), NodeId(n)) { None => 0, Some(Constraint::Capacity { resource }) => if m.is_transient(resource) {1} else {2}, Some(Constraint::Conflict { .. }) => 3, Some(Constraint::Spread { .. }) => 4, Some(Constraint::Dependency { .. }) => 5, _ => 6 };
            let gain = -p.cost_of_shift(&m, TaskId(t), NodeId(n));
            if gain > 0 { counts[i] += gain as u64; counts[7] += 1; }
        } }
        println!("{name} free {} transient {} capacity {} conflict {} spread {} dependency {} pairs {}", counts[0], counts[1], counts[2], counts[3], counts[4], counts[5], counts[7]);
        // load by resource, vs bound
        for r in 0..m.resources() { let mut s = [0i64; 5];
            for n in 0..m.nodes() as u32 { let u: i64 = p.tasks_on(NodeId(n)).map(|t| m.need(t)[r]).sum(); s[0] += (u - m.safety(NodeId(n))[r]).max(0); s[1] += u; s[2] += m.safety(NodeId(n))[r]; s[3] += m.capacity(NodeId(n))[r]; s[4] = s[4].max(u * 1000 / m.capacity(NodeId(n))[r].max(1)); }
            println!("  r{r} {} over {} use {} safety {} capacity {} fill {:.3}", m.is_transient(r), s[0], s[1], s[2], s[3], s[1] as f64 / s[3] as f64);
        }
    }
}
