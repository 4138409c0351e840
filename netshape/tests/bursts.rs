//! Buckets: what no kernel takes is refused or cut, and what is planned can be sent in every form and is not planned again,
//! whichever tc read it.

use netshape::kernel::KernelModel;
use netshape::netlink::hex_of;
use netshape::object::{Estimator, Extras, FqCodel, QdiscKind, RateSpec};
use netshape::plan::{Plan, diff};
use netshape::policy::{MAX_CEILING, MIN_BURST, MIN_CEILING, RefusalKind, default_burst};
use netshape::tc::{IfIndexes, TickRounding, batch_commands, bytes_of_ticks, parse_line};
use netshape::{
    Bytes, Capabilities, Container, DevName, Device, Direction, Host, Netns, Rate, Shape, Tier,
    Uplink,
};
use proptest::prelude::*;

const ROUNDINGS: [TickRounding; 2] = [TickRounding::Truncating, TickRounding::Ceil];

/// A host of one container on an uplink.
fn host(shape: Shape, capacity: Rate, rounding: TickRounding, fq_codel: bool) -> Host {
    let caps = Capabilities::default()
        .with_tick_rounding(rounding)
        .with_fq_codel(fq_codel);
    let uplink = Uplink::new("up0", capacity, Rate::ZERO)
        .unwrap()
        .classified_by(netshape::policy::Classifier::Priority);
    let mut host = Host::new(Some(uplink), vec![Tier::new("gold", 4).unwrap()], caps).unwrap();
    let container = Container::new("web", "v1").unwrap().with_tier("gold");
    let both = container.with_shape(Direction::Ingress, shape);
    host.insert(both.with_shape(Direction::Egress, shape))
        .unwrap();
    host
}

fn bare(host: &Host) -> KernelModel {
    let mut kernel = KernelModel::new();
    for name in host.device_names() {
        kernel.put_device(name, Device::new());
    }
    kernel
}

/// What a tc of some rounding sends for the batches of a plan, on the model; it must take every line.
fn carried_out_as_text(plan: &Plan, kernel: &mut KernelModel, tc: TickRounding) {
    for netns in plan.namespaces() {
        let batch = plan.in_netns(&netns).batch().unwrap();
        let devices: IfIndexes = ["up0", "v1", "eth0"].map(|d| (d.to_owned(), 3)).into();
        for (_, line) in batch_commands(&batch) {
            let message = parse_line(&line, tc, &devices).unwrap_or_else(|e| panic!("{line}: {e}"));
            let dev = line
                .split_whitespace()
                .skip_while(|w| *w != "dev")
                .nth(1)
                .unwrap();
            let name = DevName {
                netns: netns.clone(),
                dev: dev.into(),
            };
            kernel
                .request(&name, &message.unwrap())
                .unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }
}

/// The text and the messages of a plan say the same, and planned again with either rounding after either tc nothing is left.
fn holds(shape: Shape, capacity: Rate, fq_codel: bool) {
    for rounding in ROUNDINGS {
        let wanted = host(shape, capacity, rounding, fq_codel);
        let plan = diff(bare(&wanted).state(), &wanted);
        let devices: IfIndexes = ["up0", "v1", "eth0"].map(|d| (d.to_owned(), 3)).into();
        for netns in plan.namespaces() {
            let part = plan.in_netns(&netns);
            let batch = part.batch().unwrap();
            for ((_, line), op) in batch_commands(&batch).zip(part.ops()) {
                let read =
                    parse_line(&line, rounding, &devices).unwrap_or_else(|e| panic!("{line}: {e}"));
                let exact = [&shape.ceiling(), &capacity]
                    .iter()
                    .all(|r| r.bits() < 1 << 53);
                // tc reads rates as doubles: above that it can't say every one.
                if exact {
                    let (text, message) =
                        (read.unwrap().to_bytes(), part.message(op, 3).to_bytes());
                    assert_eq!(hex_of(&text), hex_of(&message), "{line}");
                }
            }
        }
        for tc in ROUNDINGS {
            let mut kernel = bare(&wanted);
            carried_out_as_text(&plan, &mut kernel, tc);
            for again in ROUNDINGS {
                let wanted = host(shape, capacity, again, fq_codel);
                let rest = diff(kernel.state(), &wanted);
                assert!(
                    rest.is_empty(),
                    "{rounding:?}, {tc:?}, {again:?}: {}",
                    rest.lines()
                );
            }
        }
    }
}

#[test]
fn planned_again_with_another_tick_rounding_nothing_is_left() {
    let rate = Rate::kbit(33_333);
    holds(Shape::new(Rate::ZERO, rate).unwrap(), rate, false);
    holds(Shape::new(rate, rate).unwrap(), Rate::gbit(10), true);
}

#[test]
fn the_default_bucket_is_one_that_tc_and_the_kernel_take() {
    for gbit in [
        1_717, 1_718, 1_719, 1_720, 1_721, 2_000, 100_000, 10_000_000,
    ] {
        let rate = Rate::gbit(gbit);
        assert!(default_burst(rate).0 <= u64::from(u32::MAX), "{rate}");
        holds(Shape::new(Rate::ZERO, rate).unwrap(), rate, false);
        holds(Shape::new(Rate::gbit(1), rate).unwrap(), rate, true);
    }
    let most = MAX_CEILING.bits();
    for bits in [48, 49, 55, 64, 1_000, 3_800, 3_900, most - 1, most] {
        let capacity = Rate::from_bits(bits.max(8_000_000));
        holds(
            Shape::new(Rate::ZERO, Rate::from_bits(bits)).unwrap(),
            capacity,
            false,
        );
    }
}

#[test]
fn a_bucket_that_no_kernel_takes_is_refused() {
    let shape = |rate: Rate| Shape::new(Rate::ZERO, rate).unwrap();
    let burst = |rate: Rate, bytes: u64| shape(rate).with_burst(Bytes(bytes));
    // 2^32 bytes are more than tc reads, however short they are at the rate.
    for rate in [Rate::gbit(1), Rate::gbit(10), Rate::gbit(100_000)] {
        assert!(burst(rate, u64::from(u32::MAX)).is_ok());
        for bytes in [1 << 32, 5_000_000_000, u64::MAX] {
            let refused = burst(rate, bytes).unwrap_err();
            assert!(
                matches!(refused, RefusalKind::BurstTooLong { .. }),
                "{refused}"
            );
        }
    }
    // 2^32 ticks of 64 ns at 1 MB/s are 274.877906944 s.
    let slow = Rate::mbit(8);
    assert!(burst(slow, 274_877_906).is_ok());
    assert!(burst(slow, 274_877_907).is_err());
    for bits in [0, 1, 8, 44, 47, MAX_CEILING.bits() + 1, u64::MAX] {
        let rate = Rate::from_bits(bits);
        let refused = Shape::new(Rate::ZERO, rate).unwrap_err();
        assert_eq!(refused, RefusalKind::CeilingOutOfRange { given: rate });
        let capacity = Uplink::new("up0", rate, Rate::ZERO);
        assert!(capacity.is_err(), "{rate}");
    }
    assert!(burst(MIN_CEILING, 1_514).is_ok());
    let most = u64::from(u32::MAX);
    for (rate, bytes) in [
        (slow, 274_877_906),
        (Rate::gbit(1), most),
        (Rate::gbit(100_000), most),
    ] {
        let wish = burst(rate, bytes).unwrap();
        holds(wish, Rate::gbit(100_000), false);
    }
}

#[test]
fn a_burst_shorter_than_a_microsecond_still_makes_a_bucket() {
    // 2,000 bytes take 0.47 us at 34 Gbit/s; the guarantee's bucket holds them.
    for bytes in [1_514, 2_000, 4_294] {
        for ceiling in [8 * u64::from(u32::MAX), 100_000_000_000_000] {
            let shape = Shape::new(MIN_CEILING, Rate::from_bits(ceiling)).unwrap();
            let shape = shape.with_burst(Bytes(bytes)).unwrap();
            for rounding in ROUNDINGS {
                buckets_hold_a_packet(&host(
                    shape,
                    Rate::from_bits(ceiling + 1_000_000),
                    rounding,
                    false,
                ));
            }
        }
    }
}

#[test]
fn a_change_that_is_more_than_rounding_is_planned() {
    let at = |bytes| {
        Shape::new(Rate::ZERO, Rate::mbit(200))
            .unwrap()
            .with_burst(Bytes(bytes))
            .unwrap()
    };
    let before = host(at(256_000), Rate::gbit(1), TickRounding::Truncating, false);
    let mut kernel = bare(&before);
    kernel.apply_all(&diff(kernel.state(), &before)).unwrap();
    assert!(diff(kernel.state(), &before).is_empty());
    let plan = diff(
        kernel.state(),
        &host(at(257_000), Rate::gbit(1), TickRounding::Truncating, false),
    );
    assert_eq!(plan.namespaces(), [Netns::Host, Netns::Named("web".into())]);
    assert_eq!(plan.len(), 3, "{}", plan.lines());
    for name in plan.ops().iter().map(|op| plan.reason(op)) {
        assert!(name.starts_with("buffer "), "{name}");
    }
}

fn rates() -> impl Strategy<Value = u64> {
    let edges = vec![
        8,
        8_000,
        8 * (u64::from(u32::MAX)),
        8 * (u64::from(u32::MAX) + 1),
        u64::MAX,
    ];
    prop_oneof![
        prop::sample::select(edges),
        (0..64_u32, any::<u64>()).prop_map(|(bits, n)| n >> bits),
        (1..20_000_u64).prop_map(|m| m * 1_000_000),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_admitted_can_be_said_and_is_not_said_twice(
        guarantee in rates(), ceiling in rates(), capacity in rates(), burst in rates(), given in any::<bool>(), fq_codel in any::<bool>(),
    ) {
        let capacity = capacity.clamp(16_000, MAX_CEILING.bits());
        let ceiling = ceiling.clamp(MIN_CEILING.bits(), capacity);
        let guarantee = guarantee.min(ceiling).min(capacity - 8_000);
        let mut shape = Shape::new(Rate::from_bits(guarantee), Rate::from_bits(ceiling)).unwrap();
        if given {
            match shape.with_burst(Bytes(burst)) {
                Ok(wish) => shape = wish,
                Err(_) => return Ok(()),
            }
        }
        // A floor of 1 % may be over what is left.
        if shape.promised().bits() > capacity {
            return Ok(());
        }
        holds(shape, Rate::from_bits(capacity), fq_codel);
        for rounding in ROUNDINGS {
            buckets_hold_a_packet(&host(shape, Rate::from_bits(capacity), rounding, fq_codel));
        }
    }
}

/// Every class that is planned has buckets for a full packet, whatever its rate.
fn buckets_hold_a_packet(wanted: &Host) {
    let mut kernel = bare(wanted);
    kernel.apply_all(&diff(kernel.state(), wanted)).unwrap();
    let classes = kernel.devices().flat_map(|(_, device)| device.classes());
    for class in classes {
        let htb = &class.htb;
        for (rate, ticks) in [(htb.rate, htb.buffer), (htb.ceil, htb.cbuffer)] {
            // Rounded down to a tick, or to a microsecond.
            let bytes = bytes_of_ticks(rate.bytes_per_second, ticks.saturating_add(16));
            assert!(ticks > 0 && bytes >= MIN_BURST, "{class:?}: {bytes} bytes");
        }
    }
}

#[test]
fn what_the_kernel_fills_in_by_itself_is_not_planned_again() {
    let rate = Rate::gbit(1_000);
    let wanted = host(
        Shape::new(Rate::ZERO, rate).unwrap(),
        rate,
        TickRounding::Ceil,
        true,
    );
    let mut kernel = bare(&wanted);
    kernel.apply_all(&diff(kernel.state(), &wanted)).unwrap();
    // A dump of fq_codel says every option, and the memory limit is 2^31 at the most (`fq_codel_change`); somebody hung an
    // estimator on to a leaf; whoever wrote the class left the link layer unsaid.
    for name in wanted.device_names() {
        let mut device = kernel.remove_device(&name).unwrap();
        for mut leaf in device.qdiscs().to_vec() {
            if let QdiscKind::FqCodel(f) = &mut leaf.kind {
                f.memory_limit = f.memory_limit.map(|m| m.min(1 << 31));
                (f.target, f.limit, f.interval) = (Some(4_999), Some(10_240), Some(99_999));
                (f.ecn, f.flows, f.quantum, f.drop_batch) =
                    (Some(1), Some(1_024), Some(1_514), Some(64));
                leaf.extras = Some(Box::new(Extras {
                    estimator: Some(Estimator::default()),
                    ..Extras::default()
                }));
            }
            device.put_qdisc(leaf);
        }
        for mut class in device.classes().to_vec() {
            (class.htb.rate.linklayer, class.htb.ceil.linklayer) = (0, 0);
            device.put_class(class);
        }
        kernel.put_device(name, device);
    }
    let rest = diff(kernel.state(), &wanted);
    assert!(rest.is_empty(), "{}", rest.lines());
    // What differs is still seen.
    let name = DevName::host("v1");
    let mut device = kernel.remove_device(&name).unwrap();
    let mut class = device.classes()[0];
    class.htb.ceil.linklayer = 2;
    device.put_class(class);
    let mut leaf = device.qdiscs()[0].clone();
    leaf.kind = QdiscKind::FqCodel(Box::new(FqCodel {
        memory_limit: Some(1 << 20),
        ..FqCodel::default()
    }));
    device.put_qdisc(leaf);
    kernel.put_device(name, device);
    assert_eq!(diff(kernel.state(), &wanted).len(), 2);
}

#[test]
fn rates_are_one_where_the_kernel_counts_them_alike() {
    let same = |a, b| RateSpec::plain(a).is_equivalent(&RateSpec::plain(b));
    // 32 bits of the time of a byte: exact below 2^31 byte/s or so, ever coarser above 2^33.
    for rate in [1, 1_000, 4_166_625, 12_500_000, 1 << 31] {
        assert!(
            same(rate, rate) && !same(rate, rate + 1 + (rate >> 30)),
            "{rate}"
        );
    }
    assert!(same(u64::MAX / 8, u64::MAX / 8 - 1));
    assert!(!same(u64::MAX / 8, u64::MAX / 16));
    assert!(same(0, 0) && !same(0, 1));
}
