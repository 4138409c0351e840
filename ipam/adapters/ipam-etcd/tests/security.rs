//! Users, passwords and TLS, with etcd's own ideas of both.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{block_on, commit, config, get, open, revision};
use ipam::Store as _;
use ipam::store::StoreError;
use ipam_etcd::EtcdConfig;
use std::time::Duration;
use test_support::authority::Authority;
use test_support::etcd::{ETCD, Etcd, temporary_folder};

/// Users `root`, and `berth`, who may read and write below the default prefix.
fn set_up_users(etcd: &Etcd) {
    let (from, to) = (
        STANDARD.encode("/berth/ipam/"),
        STANDARD.encode("/berth/ipam0"),
    );
    let permission = format!(
        r#"{{"name": "ipam", "perm": {{"permType": "READWRITE", "key": "{from}", "range_end": "{to}"}}}}"#
    );
    for (path, json) in [
        ("user/add", r#"{"name": "root", "password": "r"}"#),
        ("user/grant", r#"{"user": "root", "role": "root"}"#),
        ("role/add", r#"{"name": "ipam"}"#),
        ("role/grant", &permission),
        ("user/add", r#"{"name": "berth", "password": "secret"}"#),
        ("user/grant", r#"{"user": "berth", "role": "ipam"}"#),
        ("auth/enable", "{}"),
    ] {
        let path = path.strip_prefix("auth/").unwrap_or(path);
        let _ = etcd.post(&format!("/v3/auth/{path}"), json);
    }
}

/// The text of the error that a read ends with.
fn refusal(config: EtcdConfig) -> String {
    let mut store = open(config.timeout(Duration::from_secs(3)));
    match block_on(store.get(&["c/a".to_owned()])) {
        Err(StoreError::Io(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn a_user_with_its_prefix_is_enough() {
    let mut etcd = Etcd::start(&[]);
    set_up_users(&etcd);
    let user = || config(&etcd).user("berth", "secret");
    block_on(ipam::testing::check_store(|| open(user())));
    let denied = refusal(user().prefix("/elsewhere"));
    assert!(denied.contains("permission denied"), "{denied}");
    let wrong = refusal(config(&etcd).user("berth", "guess"));
    assert!(wrong.contains("authentication failed"), "{wrong}");
    let nobody = refusal(config(&etcd));
    assert!(nobody.contains("wants a user and a password"), "{nobody}");
    // A restart forgets all tokens; the store asks for another one, for reads and writes alike.
    let (mut reader, mut writer) = (open(user()), open(user()));
    block_on(async {
        let since = revision(&mut reader).await;
        commit(&mut writer, since, &[("c/a", "1")], &[])
            .await
            .expect("a write");
        let since = revision(&mut writer).await;
        let shown = format!("{writer:?}");
        assert!(
            shown.contains("Sensitive") && !shown.contains("secret"),
            "{shown}"
        );
        etcd.restart();
        assert_eq!(get(&mut reader, "c/a").await.as_deref(), Some("1"));
        commit(&mut writer, since, &[("c/a", "2")], &[])
            .await
            .expect("a write");
        assert_eq!(get(&mut reader, "c/a").await.as_deref(), Some("2"));
        let mut lease = writer
            .grant_host_lease("h1", Duration::from_secs(60))
            .await
            .expect("granted");
        etcd.restart();
        lease.keep_alive().await.expect("with another token");
    });
}

fn a_user_where_none_is_asked_for_does_no_harm() {
    let etcd = Etcd::start(&[]);
    let mut store = open(config(&etcd).user("berth", "secret"));
    block_on(async {
        let since = revision(&mut store).await;
        commit(&mut store, since, &[("c/a", "1")], &[])
            .await
            .expect("a write");
    });
}

fn tls_with_certificates_of_both_sides() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let folder = temporary_folder();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let (certificate, key) = authority.sign("127.0.0.1");
    let arguments = [
        format!("--cert-file={}", file("server.pem", &certificate)),
        format!("--key-file={}", file("server.key", &key)),
        format!(
            "--trusted-ca-file={}",
            file("ca.pem", authority.certificate())
        ),
        "--client-cert-auth".to_owned(),
    ];
    let etcd = Etcd::start(&arguments.each_ref().map(|a| &**a));
    let (certificate, key) = authority.sign("berth");
    let trusting = config(&etcd).ca(authority.certificate());
    let known = trusting
        .clone()
        .client_certificate(certificate.clone(), key.clone());
    block_on(ipam::testing::check_store(|| open(known.clone())));
    // Neither side talks to whom it does not know.
    let anonymous = refusal(trusting.clone());
    assert!(!anonymous.is_empty(), "{anonymous}");
    let unknown_server = refusal(
        config(&etcd)
            .ca(stranger.certificate())
            .client_certificate(certificate, key),
    );
    assert!(unknown_server.contains("certificate"), "{unknown_server}");
    let (certificate, key) = stranger.sign("berth");
    let unknown_client = refusal(trusting.client_certificate(certificate, key));
    assert!(!unknown_client.is_empty(), "{unknown_client}");
    let plain = refusal(EtcdConfig::new([etcd.url().replace("https", "http")]));
    assert!(!plain.is_empty(), "{plain}");
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

test_support::tests! {
    a_user_with_its_prefix_is_enough [ETCD],
    a_user_where_none_is_asked_for_does_no_harm [ETCD],
    tls_with_certificates_of_both_sides [ETCD],
}
