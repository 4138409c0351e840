//! What a transaction says of keys that it rests on.

use super::{clear, put};
use crate::store::{Guard, Store, StoreError, Txn};
use alloc::{format, vec};

/// Each key has a revision of its own up to which the writer knows it, and may be wanted absent.
pub(super) async fn check_guards<S: Store>(store: &mut S) {
    let write = |key: &str, guards| Txn {
        put: vec![put(key, "1")],
        guards,
        ..Txn::default()
    };
    let unchanged = |key: &str, since| Guard::unchanged(key, since);
    let absent = |key: &str, since| Guard::absent(key, since);
    let conflict = |key: &str| Err(StoreError::Conflict { key: key.into() });
    let a = store.commit(write("g/a", vec![])).await.expect("a write");
    let b = store.commit(write("g/b", vec![])).await.expect("a write");
    let stale = vec![unchanged("g/a", b), unchanged("g/b", a)];
    assert_eq!(store.commit(write("g/c", stale)).await, conflict("g/b"));
    let known = vec![unchanged("g/a", a), unchanged("g/b", b), absent("g/c", b)];
    let c = store.commit(write("g/c", known)).await;
    let c = c.expect("each is known as it is");
    // Who takes a key for absent is wrong as soon as it is there, however long ago it was written.
    let there = vec![absent("g/a", c)];
    assert_eq!(store.commit(write("g/d", there)).await, conflict("g/a"));
    // Nor may it have come and gone since.
    let gone = Txn {
        delete: vec!["g/a".into()],
        ..Txn::default()
    };
    let gone = store.commit(gone).await.expect("a deletion");
    let came = vec![absent("g/a", c)];
    assert_eq!(store.commit(write("g/d", came)).await, conflict("g/a"));
    let after = write("g/a", vec![absent("g/a", gone)]);
    let after = store.commit(after).await.expect("it is gone");
    // More than one of its requests takes, of both kinds.
    let many = |present: &str, last| {
        let each = (0..200).map(|i| absent(&format!("g/none/{i}"), after));
        let other = (0..100).map(|i| unchanged(&format!("g/other/{i}"), after));
        let all = each.chain(other);
        all.chain([absent("g/z", last), unchanged(present, last)])
            .collect()
    };
    let all = write("g/d", many("g/b", after));
    let all = store.commit(all).await.expect("all hold");
    let late = store.commit(write("g/e", many("g/d", after))).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    let z = store.commit(write("g/z", vec![])).await.expect("a write");
    let there = store.commit(write("g/e", many("g/b", z.max(all)))).await;
    assert!(
        matches!(there, Err(StoreError::Conflict { .. })),
        "{there:?}"
    );
    clear(store).await;
}
