//! A container's bandwidth both ways, as steps for `tc`, and the smallest change afterwards:
//! `cargo run -p netshape --example shape`.

use netshape::kernel::KernelModel;
use netshape::plan::diff;
use netshape::{Capabilities, Container, Device, Direction, Host, Rate, Shape, Tier, Uplink};
use std::error::Error;

fn container(ceiling: Rate) -> Result<Container, Box<dyn Error>> {
    let shape = Shape::new(Rate::mbit(50), ceiling)?;
    let web = Container::new("web-1", "veth1a2b")?.with_tier("gold");
    let web = web.with_shape(Direction::Ingress, shape);
    let web = web.with_shape(Direction::Egress, shape);
    // By its address its packets come into its class on the uplink, in both directions.
    Ok(web.with_addresses(["10.1.2.3".parse()?])?)
}

fn main() -> Result<(), Box<dyn Error>> {
    // What is wanted: 10 Gbit/s, of which 200 Mbit/s are the host's own.
    let uplink = Uplink::new("eth0", Rate::gbit(10), Rate::mbit(200))?;
    let tiers = vec![Tier::new("gold", 4)?];
    // What every kernel and tc has: bfifo queues, bursts rounded as old tcs do. `with_fq_codel(true)` where there is one.
    let capabilities = Capabilities::default();
    let mut host = Host::new(Some(uplink), tiers, capabilities)?;
    host.insert(container(Rate::mbit(200))?)?;

    // What is there: devices that nobody has shaped yet. A node agent reads them from the kernel.
    let mut kernel = KernelModel::new();
    for (name, number) in host.device_names().into_iter().zip(1..) {
        let mut device = Device::new();
        device.ifindex = Some(number);
        kernel.put_device(name, device);
    }
    let first = diff(kernel.state(), &host);
    println!("{} steps from nothing:\n{}", first.len(), first.lines());

    // Carried out (here by the model of the kernel), nothing is left to do.
    kernel
        .apply_all(&first)
        .map_err(|(step, error)| format!("step {step}: {error}"))?;
    assert!(diff(kernel.state(), &host).is_empty());

    // Another ceiling changes classes in place; no packet is lost.
    host.replace(container(Rate::mbit(300))?)?;
    let change = diff(kernel.state(), &host);
    println!("and for 300 Mbit/s:\n{}", change.lines());

    // More than the uplink has is refused, and what was promised before stands.
    let greedy = Shape::new(Rate::gbit(10), Rate::gbit(10))?;
    let greedy = Container::new("greedy", "veth9")?.with_shape(Direction::Egress, greedy);
    if let Err(refused) = host.insert(greedy) {
        println!("refused: {refused}");
    }
    Ok(())
}
