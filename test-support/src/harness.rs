//! The harness of test targets whose tests need something that may not be there.

use crate::{data, vectors};
use libtest_mimic::{Arguments, Trial};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a test needs to run at all.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// A data set, as [`data`] finds it.
    Data(&'static str),
    /// A file of recorded vectors.
    Vectors(&'static str),
    /// A sample of a command's JSON: `contract/NAME.json`.
    Contract(&'static str),
    /// Anything else: an id for `.ci/allowed-skips`, and a check that says why it is not met.
    Other(&'static str, fn() -> Result<(), String>),
}

impl Need {
    /// The id by which `.ci/allowed-skips` names it.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Data(name) | Self::Other(name, _) => (*name).to_owned(),
            Self::Vectors(name) => format!("vectors/{name}"),
            Self::Contract(name) => format!("contract/{name}"),
        }
    }

    /// Whether it is there; `Err` is the reason for skipping.
    ///
    /// # Errors
    /// It is not there.
    pub fn met(&self) -> Result<(), String> {
        if let Self::Other(_, check) = self {
            return check();
        }
        self.find().map(drop)
    }

    /// The file or folder that is needed.
    ///
    /// # Panics
    /// When it is not there: a test that runs has its needs met.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.find()
            .unwrap_or_else(|reason| panic!("{}: {reason}", self.id()))
    }

    fn find(&self) -> Result<PathBuf, String> {
        match self {
            Self::Data(name) => data(name).ok_or_else(|| format!("no {name}; set BERTH_SHARED")),
            Self::Vectors(name) => Some(vectors().join(name))
                .filter(|path| path.exists())
                .ok_or_else(|| format!("no {name}; set BERTH_VECTORS")),
            Self::Contract(name) => data(&format!("contract/{name}.json"))
                .ok_or_else(|| format!("no {name}.json; set BERTH_SHARED")),
            Self::Other(..) => Err("is no file".to_owned()),
        }
    }
}

/// One test: its name, what it needs, and the test itself, which fails by a panic.
#[derive(Clone, Debug)]
pub struct Test {
    /// As a filter on the command line sees it.
    pub name: &'static str,
    /// All of them must be met, or the test is ignored.
    pub needs: Vec<Need>,
    /// The test.
    pub run: fn(),
}

impl Test {
    /// The first need that is not met, with its reason.
    fn unmet(&self) -> Option<(String, String)> {
        self.needs
            .iter()
            .find_map(|need| Some((need.id(), need.met().err()?)))
    }

    /// Its trial; what it lacks is told to `skipped`.
    fn into_trial(self, skipped: &mut dyn Write) -> Trial {
        let unmet = self.unmet();
        if let Some((id, reason)) = &unmet {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(skipped, "SKIPPED {id}: {reason}");
        }
        let run = self.run;
        Trial::test(self.name, move || {
            run();
            Ok(())
        })
        .with_ignored_flag(unmet.is_some())
    }
}

/// Runs the tests with the options that `cargo test` passes on (filters, `--list`, `--test-threads`). A test whose
/// needs are not met is reported as ignored.
#[must_use]
pub fn run(tests: Vec<Test>) -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = tests
        .into_iter()
        .map(|test| test.into_trial(&mut std::io::stderr().lock()))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The `main` of a test target with `harness = false`: each test's path and, in brackets, its [`Need`]s.
///
/// ```no_run
/// use test_support::Need;
///
/// fn a_day_is_read() {
///     assert!(Need::Data("planetlab/20110303").path().is_dir());
/// }
/// test_support::tests! {
///     a_day_is_read [Need::Data("planetlab/20110303")],
/// }
/// ```
#[macro_export]
macro_rules! tests {
    ($($test:path [$($need:expr),* $(,)?]),+ $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::run(vec![$($crate::Test {
                name: stringify!($test),
                needs: vec![$($need),*],
                run: $test,
            }),+])
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unmet_need_is_named_with_its_reason() {
        let test = |needs| Test {
            name: "t",
            needs,
            run: || (),
        };
        let root = Need::Other("root", || Err("not root".to_owned()));
        assert_eq!(
            test(vec![root]).unmet(),
            Some(("root".to_owned(), "not root".to_owned()))
        );
        let (id, reason) = test(vec![Need::Vectors("none.json")]).unmet().unwrap();
        assert_eq!(id, "vectors/none.json");
        assert!(reason.contains("BERTH_VECTORS"), "{reason}");
        assert_eq!(test(vec![Need::Other("nothing", || Ok(()))]).unmet(), None);
    }

    #[test]
    fn an_unmet_need_makes_an_ignored_trial() {
        let ignored = |needs| {
            let run: fn() = || ();
            let test = Test {
                name: "t",
                needs,
                run,
            };
            let mut told = Vec::new();
            let ignored = test.into_trial(&mut told).has_ignored_flag();
            (ignored, String::from_utf8(told).unwrap())
        };
        let (is_ignored, told) = ignored(vec![Need::Data("no/such/data-set")]);
        assert!(is_ignored && told.starts_with("SKIPPED no/such/data-set: "));
        assert_eq!(ignored(vec![]), (false, String::new()));
    }
}
