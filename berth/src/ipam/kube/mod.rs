//! `berth ipam kube`: the IP controller of a Kubernetes cluster.

mod metrics;

use super::args::KubeArgs;
use super::serve::Clock;
use super::session::{Parts, Session};
use super::stores::{Runner, clock};
use crate::answer::{Answer, Failure};
use crate::service::{self, Complaints, Ending, say};
use async_trait::async_trait;
use ipam::store::{Sent, StoreError};
use ipam::{Store, Timestamp};
use ipam_kube::{Driver, KubeCluster, Note, Settings, Timing};
use metrics::Metrics;
use serde_json::json;

/// Serves a cluster until the process is told to end.
pub(super) fn serve(session: Session, args: &KubeArgs) -> Result<Answer, Failure> {
    let Parts {
        replica,
        runner,
        time,
        place,
    } = session.into_parts();
    let runner = match runner {
        Runner::AtOnce => Runner::tokio(&place)?,
        runner => runner,
    };
    let mut settings = Settings::default()
        .cluster(&args.cluster)
        .map_err(|e| Failure::input(e, "--cluster"))?;
    settings.namespace.clone_from(&args.namespace);
    settings.collect = args.collect;
    settings.grace = args.grace;
    settings.seed = clock().as_nanos();
    let served = async {
        let cluster = KubeCluster::connect(
            args.kubeconfig.as_deref(),
            args.namespace.clone(),
            args.lease.clone(),
        );
        let cluster = cluster.await.map_err(|e| {
            let place = match &args.kubeconfig {
                Some(path) => format!("--kubeconfig {}", path.display()),
                None => "--kubeconfig".to_owned(),
            };
            Failure::io(&std::io::Error::other(e.to_string()), place)
        })?;
        let candidate = (candidate(args), Timing::default());
        let clock = Clock::new(time);
        until_told(
            Driver::new(cluster.clone(), replica, clock, settings, candidate),
            cluster,
            args,
        )
        .await
    };
    runner.run(served, &place)?
}

/// A name that no other process has or had.
fn candidate(args: &KubeArgs) -> String {
    let made = || {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let (host, process) = (host.trim(), std::process::id());
        format!("{host}_{process}_{:x}", clock().as_nanos())
    };
    args.candidate.clone().unwrap_or_else(made)
}

#[async_trait]
impl ipam_kube::Clock<Box<dyn Store>> for Clock {
    fn monotonic(&self) -> Timestamp {
        Self::monotonic(self)
    }

    async fn tick(&mut self, store: &mut Box<dyn Store>) -> Result<Sent, StoreError> {
        Self::tick(self, store).await
    }
}

type Controller = Driver<KubeCluster, Box<dyn Store>, Clock>;

async fn until_told(
    mut driver: Controller,
    cluster: KubeCluster,
    args: &KubeArgs,
) -> Result<Answer, Failure> {
    let mut ending = Ending::new()?;
    let metrics = Metrics::default();
    service::metrics(args.metrics, metrics.registry()).await?;
    say(&format!("serves the cluster {}", args.cluster));
    let mut source = cluster.watches();
    let mut complaints = Complaints::default();
    let told = |driver: &Controller, notes: Vec<Note>| {
        for note in &notes {
            metrics.count(note);
            if !matches!(note, Note::Done(_) | Note::Collected { .. }) {
                complaints.say(&note.to_string());
            }
        }
        metrics.note(driver.replica(), driver.counts(), driver.leads());
    };
    tokio::select! {
        () = driver.run(&mut source, told) => {}
        () = ending.told() => {}
    }
    driver.resign().await;
    let totals = metrics.totals();
    let text = format!(
        "{}: {} claims, {} releases, {} reservations ended, {} leaks collected\n",
        args.cluster, totals.claims, totals.releases, totals.unreserved, totals.collected
    );
    let json = json!({
        "cluster": args.cluster, "claims": totals.claims, "releases": totals.releases,
        "reservations_ended": totals.unreserved, "collected": totals.collected,
    });
    Ok(Answer::done(text, json))
}
