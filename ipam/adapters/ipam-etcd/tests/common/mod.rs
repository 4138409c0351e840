//! What the tests on real etcd share.
// Each test target uses a part of it.
#![allow(dead_code)]

use ipam::Store as _;
use ipam::store::{Guard, Revision, StoreError, Txn};
use ipam_etcd::{EtcdConfig, EtcdStore};
use test_support::etcd::Etcd;

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

pub(crate) fn config(etcd: &Etcd) -> EtcdConfig {
    EtcdConfig::new([etcd.url()])
}

pub(crate) fn open(config: EtcdConfig) -> EtcdStore {
    EtcdStore::new(config).expect("a configuration")
}

pub(crate) async fn revision(store: &mut EtcdStore) -> Revision {
    store.get(&[]).await.expect("a read").1
}

/// Puts and deletes what nobody may have changed since `since`.
pub(crate) async fn commit(
    store: &mut EtcdStore,
    since: Revision,
    put: &[(&str, &str)],
    delete: &[&str],
) -> Result<Revision, StoreError> {
    let put: Vec<_> = put
        .iter()
        .map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec()))
        .collect();
    let delete: Vec<_> = delete.iter().map(|k| (*k).to_owned()).collect();
    let keys = put.iter().map(|(k, _)| k).chain(&delete);
    let guards = keys.map(|key| Guard::unchanged(key, since)).collect();
    let txn = Txn {
        guards,
        put,
        delete,
    };
    store.commit(txn).await
}

pub(crate) async fn get(store: &mut EtcdStore, key: &str) -> Option<String> {
    let (mut values, _) = store.get(&[key.to_owned()]).await.expect("a read");
    let value = values.pop().expect("one value");
    value.map(|v| String::from_utf8(v).expect("text"))
}
