//! The source that `--source` names.

use super::file::{FileSource, Told};
use crate::answer::Failure;
use async_trait::async_trait;
use discovery_core::driver::Source;
use discovery_core::{Effect, Engine, InputError, Timestamp};
use discovery_docker::{DockerSource, Settings};
use std::sync::{Arc, Mutex};

/// One of them.
pub(in crate::discover) struct Origin(Box<dyn Source>);

/// Takes what a source has to say of itself since it was asked last.
pub(in crate::discover) type Ask = Box<dyn Fn() -> Told>;

impl Origin {
    /// Opens it; a runtime must be there. With `needed`, a file that cannot be read is an error; without, it is waited for.
    pub(in crate::discover) async fn open(
        text: &str,
        needed: bool,
    ) -> Result<(Self, Ask), Failure> {
        match text.split_once(':').unwrap_or((text, "")) {
            ("file", path) if !path.is_empty() => {
                let source = FileSource::open(path.as_ref(), needed)?;
                let told = source.told();
                Ok((Self(Box::new(source)), taken(told)))
            }
            ("docker", socket) if !socket.is_empty() => Ok(docker(socket)),
            ("kube", namespace) => kube(namespace).await,
            _ => {
                let message = format!(
                    "`{text}` is no source: file:PATH, docker:SOCKET, kube or kube:NAMESPACE"
                );
                Err(Failure::input(message, "--source"))
            }
        }
    }
}

/// An engine that is not there is waited for.
fn docker(socket: &str) -> (Origin, Ask) {
    let told = Arc::<Mutex<Told>>::default();
    let note = Arc::clone(&told);
    let say = move |problem: &str| {
        if let Ok(mut told) = note.lock() {
            told.failures += 1;
            told.reads += 1;
            told.problems.push(problem.to_owned());
        }
    };
    let source = DockerSource::start(socket, Settings::default(), say);
    (Origin(Box::new(source)), taken(told))
}

/// Takes what was noted.
fn taken(told: Arc<Mutex<Told>>) -> Ask {
    Box::new(move || {
        let told = told.lock().map(|mut told| std::mem::take(&mut *told));
        told.unwrap_or_default()
    })
}

#[cfg(feature = "kube")]
async fn kube(namespace: &str) -> Result<(Origin, Ask), Failure> {
    let namespace = Some(namespace).filter(|name| !name.is_empty());
    let config = discovery_core::ServiceConfig::default();
    let source = discovery_kube::KubeSource::connect(None, namespace, config).await;
    let source = source.map_err(|e| Failure::io(&std::io::Error::other(e), "--source kube"))?;
    let report = source.report();
    let ask = move || {
        let report = report.lock().map(|mut report| std::mem::take(&mut *report));
        let report = report.unwrap_or_default();
        Told {
            reads: report.lists + report.failures,
            failures: report.failures,
            problems: report.problems,
        }
    };
    Ok((Origin(Box::new(source)), Box::new(ask)))
}

#[cfg(not(feature = "kube"))]
async fn kube(_: &str) -> Result<(Origin, Ask), Failure> {
    let message =
        "this berth was built without Kubernetes: build it with `--features kube` (or `full`)";
    Err(Failure::input(message, "--source"))
}

#[async_trait]
impl Source for Origin {
    async fn wait(&mut self) {
        self.0.wait().await;
    }

    fn tell(
        &mut self,
        engine: &mut Engine,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<InputError> {
        self.0.tell(engine, now, out)
    }
}
