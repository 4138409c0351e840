use super::spans::Span;
use super::*;
use ipam::store::Guard;

/// What etcd finds wrong with a request: `checkTxnRequest` of its `etcdserver/api/v3rpc/key.go`.
fn too_many(txn: &TxnRequest, left: usize) -> bool {
    let longest = txn
        .compare
        .len()
        .max(txn.success.len())
        .max(txn.failure.len());
    let nested = |op: &RequestOp| match &op.request {
        Some(Op::Txn(txn)) => too_many(txn, left - longest),
        _ => false,
    };
    longest > left || txn.success.iter().chain(&txn.failure).any(nested)
}

/// The keys that a request puts, wherever they are nested.
fn puts(txn: &TxnRequest) -> Vec<&[u8]> {
    let of = |op| match op {
        &RequestOp {
            request: Some(Op::Put(ref put)),
        } => vec![put.key.as_slice()],
        RequestOp {
            request: Some(Op::Txn(txn)),
        } => puts(txn),
        _ => Vec::new(),
    };
    txn.success.iter().flat_map(of).collect()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("k/{i:05}")).collect()
}

/// Every fifth of a key that is absent, and of each something else is known.
fn guards(count: usize) -> Vec<Guard> {
    let all = names(count).into_iter().enumerate();
    let guard = |(i, key)| Guard {
        key,
        since: 9 + i as u64 % 7,
        absent: i % 5 == 3,
    };
    all.map(guard).collect()
}

#[test]
fn no_request_is_longer_than_etcd_takes() {
    let keys = Keys::new("/p/".into());
    let sizes = [
        0, 1, 2, 7, 13, 14, 15, 62, 63, 64, 125, 126, 127, 128, 129, 2000,
    ];
    let mut fitted = 0;
    for max_ops in [16, 20, 128, 1024] {
        for (put, delete, unchanged) in sizes
            .into_iter()
            .flat_map(|a| sizes.into_iter().map(move |b| (a, b)))
            .flat_map(|(a, b)| [0, 1, a, a + b].map(|c| (a, b, c)))
        {
            let all = names(put + delete);
            let txn = Txn {
                guards: guards(unchanged),
                put: all[..put].iter().map(|k| (k.clone(), vec![1])).collect(),
                delete: all[put..].to_vec(),
            };
            let Ok(request) = request(&keys, &txn, 5, max_ops) else {
                let flat = max_ops - if delete > 0 { 2 } else { 0 };
                // With as few as 16 there is room for one range beside nested operations.
                let mixed = max_ops == 16 && unchanged > 3;
                assert!(
                    put + delete + 1 > most_ops(flat / 3) || mixed,
                    "{max_ops}: {put} {delete} {unchanged}"
                );
                continue;
            };
            fitted += 1;
            assert!(
                !too_many(&request, max_ops),
                "{max_ops}: {put} {delete} {unchanged}"
            );
            // Nothing is left out, and the head comes last; each deletion leaves a tombstone.
            let written = puts(&request);
            let ops = usize::from(put + delete > 0);
            assert_eq!(written.len(), put + delete + ops);
            assert_eq!(
                written.last().copied(),
                (ops > 0).then_some(keys.head().as_slice())
            );
        }
    }
    assert!(fitted > 3000, "{fitted}");
}

#[test]
fn many_conditions_become_ranges_that_leave_out_no_key() {
    let all = guards(1000);
    for most in [2, 3, 62, 999] {
        let spans = spans(&all, most).expect("room");
        assert!(spans.len() <= most);
        let within = |guard: &&Guard| {
            let key = guard.key.as_str();
            spans.iter().any(|span| {
                let covers = span.first <= key && key <= span.last;
                covers && span.absent == guard.absent && span.since <= guard.since
            })
        };
        assert_eq!(all.iter().filter(within).count(), 1000);
    }
    let few = [Guard::unchanged("b", 2), Guard::absent("a", 1)];
    let each = few.each_ref().map(Span::of);
    assert_eq!(spans(&few, 2), Some(each.to_vec()), "in the writer's order");
    assert_eq!(spans(&few, 1), None, "no room for both kinds");
}

#[test]
fn horizons_compare_as_their_digits_do() {
    for (less, more) in [(0, 1), (9, 10), (99, 100), (u64::MAX - 1, u64::MAX)] {
        assert!(horizon_value(less) < horizon_value(more));
        assert_eq!(parse_horizon(&horizon_value(more)), Ok(more));
    }
    for wrong in [
        &b""[..],
        b"12",
        b"0000000000000000000x",
        b"99999999999999999999",
        &[255; 20],
    ] {
        assert!(
            matches!(parse_horizon(wrong), Err(StoreError::Damaged(_))),
            "{wrong:?}"
        );
    }
}
