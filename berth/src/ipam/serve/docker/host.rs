//! What a host does for its engine: answers, and mends what was lost between the two.

use super::super::host::Host;
use super::{Asked, Living, Looked};
use crate::service::say;
use ipam::Ipam;
use ipam_docker::Refusal;
use tokio::time::sleep;

impl Host {
    /// Answers a call.
    pub(in crate::ipam::serve) async fn answer(&mut self, asked: Asked) {
        let Asked { call, answer } = asked;
        let sent = self.clock.tick(self.replica.store_mut()).await;
        let Some(docker) = &mut self.docker else {
            return;
        };
        let done = match sent {
            Ok(sent) => {
                let driver = docker.driver.clone();
                driver
                    .answer(&mut self.replica, sent.store, &call, sleep)
                    .await
            }
            Err(error) => Err(Refusal::from(error)),
        };
        docker.note(&call, &done);
        if let Err(refusal) = &done {
            say(&format!("{}: {refusal}", call.kind()));
        }
        // An engine that hung up is not told.
        let _ = answer.send(done);
    }

    /// Mends what differs between the store and what the engine runs, and collects what it runs no more.
    pub(in crate::ipam::serve) async fn settle(&mut self, looked: Looked) {
        let sent = match self.look().await {
            Ok(sent) => sent,
            Err(error) => {
                self.metrics.failed("watch");
                return self.complaints.say(&error.to_string());
            }
        };
        let Some(live) = self.living() else {
            return;
        };
        let listed = live.is_some();
        match &looked.view {
            Ok(view) => {
                self.mend(sent.store, &looked, view).await;
                let living = Living {
                    live,
                    view: Some(view),
                };
                self.collect_by(sent.store, looked.began, Some(living))
                    .await;
            }
            Err(error) => {
                self.metrics.failed("engine");
                self.complaints.say(error);
                let living = Living { live, view: None };
                self.collect_by(sent.store, looked.began, listed.then_some(living))
                    .await;
            }
        }
        self.tidy(sent.store).await;
    }

    async fn mend(
        &mut self,
        now: ipam::Timestamp,
        looked: &Looked,
        view: &ipam_docker::EngineView,
    ) {
        let Some(docker) = &mut self.docker else {
            return;
        };
        let driver = docker.driver.clone();
        let excess = driver.excess(self.replica.ipam(), view);
        let due = docker.excess.note(now, &excess, self.grace);
        let busy = docker.busy_since(looked.calls);
        let decide = |ipam: &Ipam| {
            let mut settled = driver.settle(ipam, view, &due, &busy)?;
            let changes = std::mem::take(&mut settled.changes);
            Ok::<_, Refusal>((settled, changes))
        };
        match self.replica.transact(now, decide, sleep).await {
            Ok(settled) => {
                let conflicts = i64::try_from(settled.conflicts.len()).unwrap_or(i64::MAX);
                self.metrics.conflicts.set(conflicts);
                self.metrics.adopted.inc_by(settled.adopted.len() as u64);
                for address in &settled.adopted {
                    say(&format!(
                        "{address} is in use by the engine, and was not known: claimed"
                    ));
                }
                for id in &settled.counted {
                    say(&format!(
                        "{id}: networks are counted anew, by what the engine has"
                    ));
                }
                for (address, why) in &settled.conflicts {
                    self.complaints.say(&format!(
                        "{address} is in use by the engine, and can't be claimed for it: {why}"
                    ));
                }
            }
            Err(error) => {
                self.metrics.failed("settle");
                self.complaints.say(&Refusal::from(error).message);
            }
        }
    }

    /// Removes pools that were made for networks and that nothing uses any more.
    pub(in crate::ipam::serve) async fn tidy(&mut self, now: ipam::Timestamp) {
        let Some(docker) = &self.docker else {
            return;
        };
        let driver = docker.driver.clone();
        if driver
            .tidy(self.replica.ipam())
            .is_ok_and(|changes| changes.is_empty())
        {
            return;
        }
        let decide = |ipam: &Ipam| driver.tidy(ipam).map(|changes| ((), changes));
        if let Err(error) = self.replica.transact(now, decide, sleep).await {
            self.metrics.failed("tidy");
            self.complaints.say(&Refusal::from(error).message);
        }
    }
}
