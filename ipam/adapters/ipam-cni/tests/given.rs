//! Addresses that an IP controller gave.

use ipam::store::{MemoryStore, ready};
use ipam::{PoolSpec, Replica, Request, Timestamp};
use ipam_cni::{Allocator, Call, Code, Cursors, Environment, Refusal, Reserved};
use std::cell::Cell;
use std::time::Duration;

const AT: Timestamp = Timestamp::from_secs(1);
const POD: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u1";

fn call(command: &str, args: &str) -> Result<Call, Refusal> {
    let mut environment = Environment::default();
    environment.command = command.into();
    environment.container = "c1".into();
    environment.namespace = "/var/run/netns/none".into();
    environment.interface = "eth0".into();
    environment.path = "/opt/cni/bin".into();
    environment.args = args.into();
    let stdin = r#"{"cniVersion": "1.1.0", "name": "n", "ipam": {"type": "berth-cni", "controller": "kube"}}"#;
    Call::read(&environment, stdin.as_bytes())
}

fn given(store: MemoryStore, uid: &str) -> MemoryStore {
    let pause = |_| std::future::ready(());
    let made = ready(async {
        let mut replica = Replica::open(store, AT, 7).await.unwrap();
        let spec =
            PoolSpec::new("p", "10.9.0.0/24".parse().unwrap()).gateway("10.9.0.1".parse().unwrap());
        let _ = replica.add_pool(AT, spec, pause).await;
        let owner = format!("kube/shop/web-0/{uid}");
        let address = ["10.9.0.9".parse().unwrap()];
        let request = Request::new(&owner).addresses(&address).host("h1");
        replica.claim(AT, &request, pause).await.unwrap();
        replica.into_store()
    });
    made.expect("at once")
}

/// The answer of a command, how often it waited, and the store.
fn done(
    store: MemoryStore,
    command: &str,
    args: &str,
) -> (Result<Vec<String>, Refusal>, u32, MemoryStore) {
    let waits = Cell::new(0);
    let pause = |_: Duration| {
        waits.set(waits.get() + 1);
        std::future::ready(())
    };
    let nothing = || Ok(Reserved::default());
    let mut allocator = Allocator::new(store, 7, Cursors::new(None));
    let answer = ready(async {
        match call(command, args)? {
            Call::Add(config) => {
                let addresses = allocator.add(AT, &config, nothing, pause).await?;
                let shown = |a: &ipam_cni::Address| {
                    format!("{}/{} {:?}", a.address, a.prefix_length, a.gateway)
                };
                Ok(addresses.iter().map(shown).collect())
            }
            Call::Delete(config) => allocator
                .delete(AT, &config, nothing, pause)
                .await
                .map(|()| Vec::new()),
            Call::Check(config) => allocator
                .check(AT, &config, nothing, pause)
                .await
                .map(|()| Vec::new()),
            Call::Collect(config) => allocator
                .collect(AT, &config, nothing, pause)
                .await
                .map(|()| Vec::new()),
            Call::Status(config) => allocator
                .status(AT, &config, nothing)
                .await
                .map(|()| Vec::new()),
            other => panic!("{other:?}"),
        }
    });
    (
        answer.expect("at once"),
        waits.get(),
        allocator.into_store(),
    )
}

#[test]
fn pod_has_what_the_controller_gave_it_and_releases_nothing() {
    let mut store = given(MemoryStore::default(), "u1");
    for command in ["STATUS", "ADD", "CHECK", "DEL", "GC", "CHECK", "ADD"] {
        let (answer, waits, same) = done(store, command, POD);
        store = same;
        let answer = answer.unwrap_or_else(|e| panic!("{command}: {e:?}"));
        assert_eq!(waits, 0);
        if command == "ADD" {
            assert_eq!(answer, ["10.9.0.9/24 Some(10.9.0.1)"]);
        }
    }
}

#[test]
fn pod_of_another_uid_waits_for_its_own() {
    let store = given(MemoryStore::default(), "u0");
    let (answer, waits, store) = done(store, "ADD", POD);
    let refusal = answer.unwrap_err();
    assert_eq!(refusal.code, Code::TryAgainLater, "{refusal:?}");
    assert!(
        refusal.message.contains("kube/shop/web-0/u1"),
        "{refusal:?}"
    );
    assert!(waits > 10, "it was waited for");
    let (answer, ..) = done(store, "CHECK", POD);
    assert_eq!(answer.unwrap_err().code, Code::UnknownContainer);
}

#[test]
fn controller_without_a_pod_is_refused() {
    for args in [
        "",
        "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0",
        "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=",
    ] {
        let (answer, ..) = done(MemoryStore::default(), "ADD", args);
        assert_eq!(answer.unwrap_err().code, Code::InvalidEnvironment, "{args}");
        let (answer, ..) = done(MemoryStore::default(), "DEL", args);
        assert_eq!(answer, Ok(Vec::new()), "nothing is to be released");
    }
}
