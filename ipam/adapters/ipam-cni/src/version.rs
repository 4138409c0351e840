//! Versions of the CNI specification.

use crate::error::{Code, Refusal};

/// The versions that the plugin answers in, oldest first.
pub(crate) const SUPPORTED: [&str; 7] = [
    "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
];
/// The latest of them.
pub(crate) const LATEST: &str = "1.1.0";
/// What a configuration that names no version means.
const UNNAMED: &str = "0.1.0";

/// A version that the plugin answers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(usize);

impl Version {
    /// 0.3.0: the first with a list of addresses.
    pub(crate) const LISTS: Self = Self(2);
    /// 1.0.0: the first without the addresses' own version.
    pub(crate) const ONE: Self = Self(5);

    /// Its name, as the configuration has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        SUPPORTED.get(self.0).copied().unwrap_or(LATEST)
    }

    /// The version that a configuration names.
    pub(crate) fn named(name: &str) -> Result<Self, Refusal> {
        let name = or_unnamed(name);
        let known = SUPPORTED.iter().position(|v| *v == name);
        known.map(Self).ok_or_else(|| {
            let all = SUPPORTED.map(|v| format!("{v:?}")).join(" ");
            Refusal::new(Code::IncompatibleVersion, "incompatible CNI versions")
                .details(format!("config is {name:?}, plugin supports [{all}]"))
        })
    }
}

fn or_unnamed(name: &str) -> &str {
    match name.is_empty() {
        true => UNNAMED,
        false => name,
    }
}

/// Refuses a command that a configuration's version does not know, or that is of a later version than the plugin.
pub(crate) fn allows(name: &str, command: &str, since: [u64; 3]) -> Result<(), Refusal> {
    let given = numbers(or_unnamed(name))?;
    let refuse = |whose| {
        let message = format!("{whose} version does not allow {command}");
        Refusal::new(Code::IncompatibleVersion, message)
    };
    if given < since {
        let [major, minor, patch] = since;
        let right = format!(
            "{command} is of CNI {major}.{minor}.{patch} and later; the configuration's cniVersion is {:?}",
            or_unnamed(name)
        );
        return Err(refuse("config").details(right));
    }
    match given <= numbers(LATEST)? {
        true => Ok(()),
        false => Err(refuse("plugin").details(format!(
            "the configuration's cniVersion is {name:?}, the latest known is {LATEST}"
        ))),
    }
}

/// One to three numbers with dots between.
fn numbers(name: &str) -> Result<[u64; 3], Refusal> {
    let wrong = || {
        Refusal::new(Code::Decode, format!("invalid version {name:?}"))
            .details("a version is up to three numbers, as in \"1.1.0\"")
    };
    let mut out = [0; 3];
    for (i, part) in name.split('.').enumerate() {
        let digits = part.bytes().all(|b| b.is_ascii_digit());
        let number = part.parse().ok().filter(|_| digits);
        *out.get_mut(i).ok_or_else(wrong)? = number.ok_or_else(wrong)?;
    }
    Ok(out)
}
