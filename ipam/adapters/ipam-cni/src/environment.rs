//! What a runtime says in environment variables.

use crate::error::{Code, Refusal};

/// The variables of a call, as they were given; those that are not set are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// `CNI_COMMAND`.
    pub command: String,
    /// `CNI_CONTAINERID`.
    pub container: String,
    /// `CNI_NETNS`.
    pub namespace: String,
    /// `CNI_IFNAME`.
    pub interface: String,
    /// `CNI_ARGS`.
    pub args: String,
    /// `CNI_PATH`.
    pub path: String,
    /// `CNI_NETNS_OVERRIDE`.
    pub namespace_override: String,
}

/// One variable: its name, its value, which commands need it, and what it must look like for them.
type Row<'e> = (
    &'static str,
    &'e str,
    &'static [&'static str],
    fn(&str) -> Result<(), Refusal>,
);

const ATTACHED: &[&str] = &["ADD", "CHECK", "DEL"];

impl Environment {
    /// Reads the variables by a look-up.
    ///
    /// ```
    /// use ipam_cni::Environment;
    ///
    /// let environment = Environment::read(|name| (name == "CNI_COMMAND").then(|| "VERSION".to_owned()));
    /// assert_eq!(environment.command, "VERSION");
    /// ```
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name| get(name).unwrap_or_default();
        Self {
            command: get("CNI_COMMAND"),
            container: get("CNI_CONTAINERID"),
            namespace: get("CNI_NETNS"),
            interface: get("CNI_IFNAME"),
            args: get("CNI_ARGS"),
            path: get("CNI_PATH"),
            namespace_override: get("CNI_NETNS_OVERRIDE"),
        }
    }

    /// Whether the plugin's own namespace may be given.
    #[must_use]
    pub fn own_namespace_is_fine(&self) -> bool {
        self.namespace_override.eq_ignore_ascii_case("true") || self.namespace_override == "1"
    }

    /// The container's id. Blanks around it are nothing: host-local's records know it without.
    #[must_use]
    pub fn container(&self) -> &str {
        self.container.trim()
    }

    /// Refuses what the command cannot do with: what is missing, a container's id or an interface's name that can't be one.
    ///
    /// # Errors
    /// [`Code::InvalidEnvironment`].
    pub fn check(&self) -> Result<(), Refusal> {
        let rows: [Row<'_>; 4] = [
            ("CNI_CONTAINERID", &self.container, ATTACHED, |_| Ok(())),
            ("CNI_NETNS", &self.namespace, &["ADD", "CHECK"], |_| Ok(())),
            ("CNI_IFNAME", &self.interface, ATTACHED, interface),
            (
                "CNI_PATH",
                &self.path,
                &["ADD", "CHECK", "DEL", "GC", "STATUS"],
                |_| Ok(()),
            ),
        ];
        let mut missing = Vec::new();
        for (name, value, needed, check) in rows {
            if !needed.contains(&&*self.command) {
                continue;
            }
            match value.is_empty() {
                true => missing.push(name),
                false if name == "CNI_CONTAINERID" => self.check_container()?,
                false => check(value)?,
            }
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Refusal::new(
                Code::InvalidEnvironment,
                format!("required env variables [{}] missing", missing.join(",")),
            )),
        }
    }

    /// `^[A-Za-z0-9][A-Za-z0-9_.-]*$`; a DEL may have blanks around it, so that what was made can be removed.
    fn check_container(&self) -> Result<(), Refusal> {
        let id = match &*self.command {
            "DEL" => self.container(),
            _ => &self.container,
        };
        match is_name(id) {
            true => Ok(()),
            false => Err(Refusal::new(
                Code::InvalidEnvironment,
                "invalid characters in containerID",
            )
            .details(format!(
                "CNI_CONTAINERID is {:?}: letters, digits, `_`, `.` and `-`, the first a letter or a digit",
                shortened(id)
            ))),
        }
    }
}

/// Whether a text is a letter or digit, and then those, `_`, `.` or `-`.
pub(crate) fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    text.bytes().all(inner)
        && text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric())
}

/// No more of a text than a message has room for.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// The longest name of an interface, as the kernel has it (IFNAMSIZ - 1).
const LONGEST: usize = 15;

fn interface(name: &str) -> Result<(), Refusal> {
    let refuse = |message: &str| Err(Refusal::new(Code::InvalidEnvironment, message));
    if name.len() > LONGEST {
        let right = format!(
            "interface name should be less than {} characters",
            LONGEST + 1
        );
        return refuse("interface name is too long").map_err(|e| e.details(right));
    }
    if name == "." || name == ".." {
        return refuse("interface name is . or ..");
    }
    match name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace()) {
        true => refuse("interface name contains / or : or whitespace characters"),
        false => Ok(()),
    }
}
