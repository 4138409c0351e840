//! What `--store etcd:URL` needs besides the URLs.

use clap::Args;
use std::path::PathBuf;

/// How to reach an etcd, and as whom.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "With --store etcd:URL[,URL]")]
pub struct EtcdArgs {
    /// Below which prefix of etcd's keys the store is.
    #[arg(long, value_name = "PREFIX", global = true)]
    pub etcd_prefix: Option<String>,
    /// A user of etcd's; its password is in the environment as `BERTH_ETCD_PASSWORD`, or in a file.
    #[arg(long, value_name = "NAME", global = true)]
    pub etcd_user: Option<String>,
    /// The file that holds the user's password.
    #[arg(long, value_name = "FILE", global = true)]
    pub etcd_password_file: Option<PathBuf>,
    /// The certificate authorities (PEM) that vouch for etcd; https needs them.
    #[arg(long, value_name = "FILE", global = true)]
    pub etcd_ca: Option<PathBuf>,
    /// A client certificate (PEM).
    #[arg(long, value_name = "FILE", global = true)]
    pub etcd_cert: Option<PathBuf>,
    /// The client certificate's key (PEM).
    #[arg(long, value_name = "FILE", global = true)]
    pub etcd_key: Option<PathBuf>,
}

impl EtcdArgs {
    /// The first of the options that was given.
    pub(in crate::ipam) fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--etcd-prefix", self.etcd_prefix.is_some()),
            ("--etcd-user", self.etcd_user.is_some()),
            ("--etcd-password-file", self.etcd_password_file.is_some()),
            ("--etcd-ca", self.etcd_ca.is_some()),
            ("--etcd-cert", self.etcd_cert.is_some()),
            ("--etcd-key", self.etcd_key.is_some()),
        ];
        given.into_iter().find_map(|(name, is)| is.then_some(name))
    }
}

#[cfg(feature = "etcd")]
mod config {
    use super::EtcdArgs;
    use crate::answer::Failure;
    use ipam_etcd::EtcdConfig;
    use std::path::Path;
    use std::time::Duration;

    /// Where a user's password is, unless a file is named.
    const PASSWORD: &str = "BERTH_ETCD_PASSWORD";
    /// etcd needs a moment for an election, however impatient one is.
    const LEAST_WAIT: Duration = Duration::from_secs(1);

    impl EtcdArgs {
        /// The configuration that they are, with URLs separated by commas.
        pub(in crate::ipam) fn config(
            &self,
            urls: &str,
            wait: Duration,
        ) -> Result<EtcdConfig, Failure> {
            let mut config = EtcdConfig::new(urls.split(',')).timeout(wait.max(LEAST_WAIT));
            if let Some(prefix) = &self.etcd_prefix {
                config = config.prefix(prefix);
            }
            match (&self.etcd_user, &self.etcd_password_file) {
                (Some(user), file) => config = config.user(user, password(file.as_deref())?),
                (None, Some(_)) => {
                    let message = "a password is of no use without its --etcd-user";
                    return Err(Failure::input(message, "--etcd-password-file"));
                }
                (None, None) => {}
            }
            if let Some(file) = &self.etcd_ca {
                config = config.ca(read(file, "--etcd-ca")?);
            }
            match (&self.etcd_cert, &self.etcd_key) {
                (Some(certificate), Some(key)) => Ok(config.client_certificate(
                    read(certificate, "--etcd-cert")?,
                    read(key, "--etcd-key")?,
                )),
                (None, None) => Ok(config),
                (Some(_), None) => Err(Failure::input(
                    "a client certificate needs its key: --etcd-key FILE",
                    "--etcd-cert",
                )),
                (None, Some(_)) => Err(Failure::input(
                    "a key needs its certificate: --etcd-cert FILE",
                    "--etcd-key",
                )),
            }
        }
    }

    /// The password, from the file if one is named. The end of its line is none of it.
    fn password(file: Option<&Path>) -> Result<String, Failure> {
        let Some(file) = file else {
            return std::env::var(PASSWORD).map_err(|_| {
                let message = format!(
                    "the user's password is missing: set {PASSWORD}, or name a file with --etcd-password-file"
                );
                Failure::input(message, "--etcd-user")
            });
        };
        let bytes = read(file, "--etcd-password-file")?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::input("the file is not UTF-8 text", "--etcd-password-file"))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
    }

    fn read(file: &Path, option: &str) -> Result<Vec<u8>, Failure> {
        std::fs::read(file).map_err(|e| Failure::io(&e, format!("{option} {}", file.display())))
    }
}
