//! The members' addresses, checked before any is asked.

use crate::config::{ConfigError, EtcdConfig};
use std::time::Duration;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// How often an idle connection is checked, and how long its answer may take: a member that is gone without a word is noticed within
/// 15 s, or by an operation's own timeout.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// How a certificate begins.
const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// A member: how it was named, and how to connect to it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
}

/// All members of a configuration.
///
/// # Errors
/// [`ConfigError`].
pub(crate) fn members(config: &EtcdConfig) -> Result<Vec<Member>, ConfigError> {
    config.check_limits()?;
    if config.endpoints.is_empty() {
        return Err(ConfigError::NoEndpoint);
    }
    config.endpoints.iter().map(|e| member(e, config)).collect()
}

fn member(given: &str, config: &EtcdConfig) -> Result<Member, ConfigError> {
    let bad = |why: String| ConfigError::BadEndpoint {
        given: given.to_owned(),
        why,
    };
    let name = match given.split_once("://") {
        Some(_) => given.to_owned(),
        None => format!("http://{given}"),
    };
    let endpoint = Endpoint::from_shared(name.clone()).map_err(|e| bad(chain(&e)))?;
    let uri = endpoint.uri();
    if uri.host().is_none_or(str::is_empty) {
        return Err(bad("it names no host".into()));
    }
    if uri.port_u16().is_none() {
        return Err(bad("it names no port of 0 to 65535".into()));
    }
    if uri.path() != "/" || uri.query().is_some() {
        return Err(bad("it has a path".into()));
    }
    if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
        // Not even in a message.
        let given = format!("...@{}", given.rsplit('@').next().unwrap_or_default());
        let why = "a user belongs in the configuration, not here".into();
        return Err(ConfigError::BadEndpoint { given, why });
    }
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        other => return Err(bad(format!("its scheme is {other:?}"))),
    };
    let endpoint = endpoint
        .connect_timeout(config.connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1);
    let endpoint = match secure {
        true => endpoint
            .tls_config(tls(config)?)
            .map_err(|e| ConfigError::BadTls(chain(&e)))?,
        false if config.ca.is_some() || config.identity.is_some() => {
            return Err(ConfigError::Plaintext { given: name });
        }
        false => endpoint,
    };
    Ok(Member { name, endpoint })
}

fn tls(config: &EtcdConfig) -> Result<ClientTlsConfig, ConfigError> {
    let ca = config.ca.as_ref().ok_or(ConfigError::NoCa)?;
    // Whatever is no certificate is passed over by the reader of PEM, and nothing would be trusted.
    if !ca.windows(PEM.len()).any(|w| w == PEM) {
        let why = "the certificate authority's PEM holds no certificate";
        return Err(ConfigError::BadTls(why.into()));
    }
    // etcd speaks HTTP/2 without always saying so in the handshake.
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca))
        .timeout(config.connect_timeout)
        .assume_http2(true);
    Ok(match &config.identity {
        Some((certificate, key)) => tls.identity(Identity::from_pem(certificate, key)),
        None => tls,
    })
}

/// An error with what is behind it: tonic's own texts end at "transport error".
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(endpoints: &[&str]) -> Result<Vec<String>, ConfigError> {
        let config = EtcdConfig::new(endpoints.iter().copied());
        Ok(members(&config)?.into_iter().map(|m| m.name).collect())
    }

    #[test]
    fn a_bare_address_is_spoken_to_in_plain_text() {
        let named = names(&["127.0.0.1:2379", "http://[::1]:2379"]);
        let want = ["http://127.0.0.1:2379", "http://[::1]:2379"].map(ToOwned::to_owned);
        assert_eq!(named, Ok(want.to_vec()));
    }

    #[test]
    fn what_leads_nowhere_is_refused_before_anything_is_sent() {
        assert_eq!(names(&[]), Err(ConfigError::NoEndpoint));
        assert_eq!(names(&["https://h:1"]), Err(ConfigError::NoCa));
        for given in [
            "",
            "ftp://h:1",
            "http://h:1/path",
            "http://h:99999",
            "http://h",
            "a b",
        ] {
            let named = names(&[given]);
            assert!(
                matches!(&named, Err(ConfigError::BadEndpoint { given: g, .. }) if g == given),
                "{given}: {named:?}"
            );
        }
        let error = names(&["http://u:secret@h:1"])
            .expect_err("a user")
            .to_string();
        assert!(
            error.contains("...@h:1") && !error.contains("secret"),
            "{error}"
        );
        let config = EtcdConfig::new(["http://h:1"]).ca(b"x".to_vec());
        assert!(matches!(
            members(&config),
            Err(ConfigError::Plaintext { .. })
        ));
        let config = EtcdConfig::new(["https://h:1"]).ca(b"no PEM".to_vec());
        assert!(matches!(members(&config), Err(ConfigError::BadTls(_))));
        let config = EtcdConfig::new(["http://h:1"]).max_txn_ops(3);
        assert!(matches!(
            members(&config),
            Err(ConfigError::LimitTooSmall { .. })
        ));
    }
}
