//! An address that follows its workload from one host to another: `cargo run -p ipam --example allocate`.

use ipam::claim::Grant;
use ipam::{Ipam, PoolSpec, Request, Timestamp};
use std::error::Error;

/// What a container is configured with: `10.9.0.2/22`.
fn shown(grant: &Grant) -> String {
    let leases = grant.leases.iter();
    let each = leases.map(|lease| format!("{}/{}", lease.address, lease.prefix_length));
    each.collect::<Vec<_>>().join(" and ")
}

fn main() -> Result<(), Box<dyn Error>> {
    let at = Timestamp::from_secs;
    // A pool that every host shares; the seed decides where each host's blocks begin.
    let mut ipam = Ipam::new(7);
    let pool = PoolSpec::new("prod", "10.9.0.0/22".parse()?).gateway("10.9.0.1".parse()?);
    ipam.add_pool(at(0), pool)?;

    // Two containers: one whose address is fixed to its workload, one for which any will do.
    let fixed = Request::new("c1/eth0")
        .workload("shop/web-0")
        .host("h1")
        .fixed(&[]);
    let web = ipam.claim(at(1), &fixed)?;
    let batch = ipam.claim(at(1), &Request::new("c2/eth0").host("h1"))?;
    println!("web-0 has {}, the batch job {}", shown(&web), shown(&batch));

    // Asked again the same claim is answered: whoever crashed in between may repeat it.
    assert_eq!(ipam.claim(at(2), &fixed)?.address(), web.address());

    // web-0 moves. The new host gets the address once the old one has released it, never before.
    ipam.begin_move(at(3), "shop/web-0", "h1", "h2")?;
    if let Err(early) = ipam.finish_move(at(3), "shop/web-0", "c3/eth0") {
        println!("not yet: {early}");
    }
    ipam.release(at(4), "c1/eth0", web.sequence)?;
    let moved = ipam.finish_move(at(5), "shop/web-0", "c3/eth0")?;
    println!("web-0 has {} on h2", shown(&moved));
    assert_eq!(moved.address(), web.address());

    // A release that comes late, with the old claim's number, frees nothing.
    if let Err(late) = ipam.release(at(6), "c1/eth0", web.sequence) {
        println!("late: {late}");
    }
    Ok(())
}
