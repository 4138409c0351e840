//! What the kernel that runs the tests may lack: VLANs, `fq_codel`, IPIP. This target boots a kernel under qemu with itself inside,
//! and runs other tests there.

#[path = "../ipam_routes/host.rs"]
#[allow(dead_code, reason = "the tests of routes use more of it")]
mod host;
mod shaping;
#[path = "../ipam_routes/tunnel.rs"]
#[allow(dead_code, reason = "the tests of routes run the others")]
mod tunnel;
mod vlan;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use test_support::emulated::{EMULATED, Machine, inside};
use test_support::netns::NAMESPACES;
use test_support::{Need, Test};

/// Debian's `containernetworking-plugins`.
const PLUGIN: Need = Need::Other("bridge-plugin", vlan::plugin_installed);

/// Far longer than it takes on a slow machine: a run that has no end is to have one.
const LIMIT: Duration = Duration::from_secs(600);

fn vlans_and_ipip_in_an_emulated_kernel() {
    let modules = [
        "8021q",
        "bridge",
        "veth",
        "vxlan",
        "ipip",
        "ifb",
        "sch_htb",
        "sch_fq_codel",
        "sch_ingress",
        "cls_u32",
        "act_mirred",
    ];
    let programs = ["ip", "bridge", "ping", "nsenter", vlan::PLUGIN];
    let ours = [env!("CARGO_BIN_EXE_berth"), env!("CARGO_BIN_EXE_berth-cni")];
    let this = std::env::current_exe().expect("this program");
    let mut machine = Machine::new("berth").program(&this);
    for module in modules {
        machine = machine.module(module);
    }
    for program in programs.into_iter().chain(ours) {
        machine = machine.program(Path::new(program));
    }
    let run = machine.run(&this, LIMIT);
    assert_eq!(run.status, Some(0), "{}", run.console);
    assert!(
        run.console
            .contains(&format!("test result: ok. {INSIDE} passed")),
        "{}",
        run.console
    );
}

/// How many tests run inside.
const INSIDE: usize = 4;

fn main() -> ExitCode {
    let test = |name, needs, run| Test { name, needs, run };
    if inside() {
        // What is needed is in the machine: whatever is not there is a failure, and no test is skipped.
        let run: [(_, fn()); INSIDE] = [
            (
                "vlan::vlans_with_one_subnet_are_kept_apart",
                vlan::vlans_with_one_subnet_are_kept_apart,
            ),
            (
                "vlan::an_address_follows_its_workload_within_its_vlan",
                vlan::an_address_follows_its_workload_within_its_vlan,
            ),
            (
                "shaping::a_tagged_uplink_is_shared_both_ways",
                shaping::a_tagged_uplink_is_shared_both_ways,
            ),
            (
                "tunnel::ipip_carries_what_a_gateway_cannot_deliver",
                tunnel::ipip_carries_what_a_gateway_cannot_deliver,
            ),
        ];
        let all = run
            .into_iter()
            .map(|(name, run)| test(name, Vec::new(), run));
        return test_support::run(all.collect());
    }
    test_support::run(vec![test(
        "vlans_and_ipip_in_an_emulated_kernel",
        vec![EMULATED, NAMESPACES, PLUGIN],
        vlans_and_ipip_in_an_emulated_kernel,
    )])
}
