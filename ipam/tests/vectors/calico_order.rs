//! Calico: the order of a pool's blocks.

use crate::{START, cases, items, network, same, text, whole};
use ipam::{
    Cidr, Ipam, PoolSpec, Request, change::HostSettings, claim::Families, net::Family, pool::Order,
};
use test_support::{Value, VectorFile};

pub(crate) fn calico_block_order() {
    let mut file = VectorFile::open("calico_block_order.json");
    let json = file.json().clone();
    for (id, case) in cases(&json, "cases", &["pool", "block_size", "host", "first"]) {
        file.case(&id, block_order(case));
    }
    file.finish();
}

/// The blocks that a host takes one after another: the start, then upwards, round at the end, each once.
fn block_order(case: &Value) -> Result<(), String> {
    let cidr = network(text(&case["pool"]))?;
    let want: Vec<Cidr> = items(&case["first"])
        .iter()
        .map(|c| network(text(c)))
        .collect::<Result<_, _>>()?;
    let start = want.first().ok_or("no blocks")?.first();
    let mut spec = PoolSpec::new("p", cidr).order(Order::Lru);
    spec.block_size = whole(&case["block_size"], 0) as u8;
    spec.use_edges = true;
    let per_block = 1u64 << (cidr.family().bits() - spec.block_size);
    let mut ipam = Ipam::new(1);
    ipam.add_pool(START, spec).map_err(|e| e.to_string())?;
    let host = text(&case["host"]);
    let settings = HostSettings {
        starts: vec![start],
        ..HostSettings::default()
    };
    ipam.set_host(START, host, settings)
        .map_err(|e| e.to_string())?;
    let mut ours: Vec<Cidr> = Vec::new();
    let families = if cidr.family() == Family::V4 {
        Families::V4
    } else {
        Families::V6
    };
    for i in 0..per_block * want.len() as u64 {
        let owner = format!("c{i}");
        let request = Request::new(&owner).host(host).families(families);
        let grant = ipam.claim(START, &request).map_err(|e| e.to_string())?;
        let block = ipam
            .blocks("p")
            .find(|b| grant.address().is_some_and(|a| b.cidr.contains(a)));
        let block = block.ok_or("an address without a block")?.cidr;
        if ours.last() != Some(&block) {
            ours.push(block);
        }
    }
    same("blocks", ours, want)
}
