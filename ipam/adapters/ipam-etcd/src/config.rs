//! Which etcd, and how long to wait for it.

use std::fmt;
use std::time::Duration;

/// Where an etcd is reached, who asks, and the limits of both sides.
///
/// ```
/// use ipam_etcd::EtcdConfig;
/// use std::time::Duration;
///
/// let config = EtcdConfig::new(["https://10.0.0.1:2379", "https://10.0.0.2:2379"])
///     .ca(b"-----BEGIN CERTIFICATE-----\n...".to_vec())
///     .user("berth", "a password")
///     .timeout(Duration::from_secs(5));
/// // Passwords and keys are in no log.
/// assert!(!format!("{config:?}").contains("a password"));
/// ```
#[derive(Clone)]
pub struct EtcdConfig {
    pub(crate) endpoints: Vec<String>,
    pub(crate) prefix: String,
    pub(crate) user: Option<(String, String)>,
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) connect_timeout: Duration,
    pub(crate) attempt_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) remembered: u64,
    pub(crate) max_txn_ops: usize,
    pub(crate) max_request_bytes: usize,
    pub(crate) max_response_bytes: usize,
}

/// Why an [`EtcdConfig`] leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no endpoint.
    NoEndpoint,
    /// This is no endpoint.
    BadEndpoint {
        /// As given.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// An `https` endpoint without the certificate authority that vouches for it: no other is trusted.
    NoCa,
    /// A certificate authority or client certificate, but an `http` endpoint, to which both would be of no use.
    Plaintext {
        /// The first such endpoint.
        given: String,
    },
    /// The certificates or the key are not PEM, or do not belong together.
    BadTls(String),
    /// A limit is too small for any transaction.
    LimitTooSmall {
        /// Its name.
        name: &'static str,
        /// As given.
        given: usize,
        /// The smallest that works.
        least: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEndpoint => f.write_str("no endpoint is given: one is https://HOST:2379"),
            Self::BadEndpoint { given, why } => {
                write!(
                    f,
                    "`{given}` is no endpoint ({why}): one is https://HOST:2379"
                )
            }
            Self::NoCa => {
                f.write_str("an https endpoint needs the certificate authority that vouches for it")
            }
            Self::Plaintext { given } => write!(
                f,
                "certificates are given, but `{given}` is spoken to in plain text: say https"
            ),
            Self::BadTls(why) => write!(f, "the certificates or the key are unusable: {why}"),
            Self::LimitTooSmall { name, given, least } => {
                write!(f, "{name} is {given}; at least {least} are needed")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// Some megabytes of tombstones at the most, and minutes even in an etcd that others keep busy.
const REMEMBERED: u64 = 20_000;
/// etcd's own default, `--max-txn-ops`.
const MAX_TXN_OPS: usize = 128;
/// etcd's own default, `--max-request-bytes`: 1.5 MiB.
const MAX_REQUEST_BYTES: usize = 1536 * 1024;
/// A page of a thousand records is a hundredth of it; whoever sends more than that is not waited for.
const MAX_RESPONSE_BYTES: usize = 64 << 20;

impl EtcdConfig {
    /// The members of one etcd, each as `http://HOST:PORT`, `https://HOST:PORT` or, for `http`, `HOST:PORT`. The first that answers is
    /// used, another once it fails.
    #[must_use]
    pub fn new<S: Into<String>>(endpoints: impl IntoIterator<Item = S>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            prefix: "/berth/ipam/".into(),
            user: None,
            ca: None,
            identity: None,
            connect_timeout: Duration::from_secs(2),
            attempt_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(10),
            remembered: REMEMBERED,
            max_txn_ops: MAX_TXN_OPS,
            max_request_bytes: MAX_REQUEST_BYTES,
            max_response_bytes: MAX_RESPONSE_BYTES,
        }
    }

    /// Below which prefix of keys everything stands, `/berth/ipam/` unless told; it ends with a slash, or is given one. Stores of
    /// different prefixes know nothing of each other.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        if !self.prefix.ends_with('/') {
            self.prefix.push('/');
        }
        self
    }

    /// A user of etcd's with its password. The user needs reading and writing below the prefix.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some((name.into(), password.into()));
        self
    }

    /// The certificate authorities that vouch for the endpoints, PEM. No others are trusted.
    #[must_use]
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// A client certificate and its key, PEM.
    #[must_use]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// How long one member is given to take a connection, 2 s unless told.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long one member is given to answer a read before another is asked, 3 s unless told.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How long an operation may take in all, 10 s unless told: reads are repeated that long, a write is waited for that long. etcd
    /// itself gives up a write after about 7 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// For how many revisions of etcd's a deletion leaves a tombstone, 20,000 unless told. A writer that knows the store only from before
    /// reads again. All users of a store should be told the same.
    #[must_use]
    pub fn remember_deletions(mut self, revisions: u64) -> Self {
        self.remembered = revisions;
        self
    }

    /// The servers' `--max-txn-ops`, 128 unless told.
    #[must_use]
    pub fn max_txn_ops(mut self, ops: usize) -> Self {
        self.max_txn_ops = ops;
        self
    }

    /// The servers' `--max-request-bytes`, 1.5 MiB unless told.
    #[must_use]
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = bytes;
        self
    }

    /// The longest answer that is read, 64 MiB unless told.
    #[must_use]
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// # Errors
    /// [`ConfigError::LimitTooSmall`].
    pub(crate) fn check_limits(&self) -> Result<(), ConfigError> {
        let limits = [
            ("max_txn_ops", self.max_txn_ops, 16),
            ("max_request_bytes", self.max_request_bytes, 4096),
            ("max_response_bytes", self.max_response_bytes, 65_536),
        ];
        match limits.into_iter().find(|(_, given, least)| given < least) {
            Some((name, given, least)) => Err(ConfigError::LimitTooSmall { name, given, least }),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for EtcdConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdConfig")
            .field("endpoints", &self.endpoints)
            .field("prefix", &self.prefix)
            .field("user", &self.user.as_ref().map(|(name, _)| name))
            .field("ca", &self.ca.is_some())
            .field("client_certificate", &self.identity.is_some())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
