//! A proxy that tells when somebody else changed it.

use async_trait::async_trait;
use discovery_core::Engine;
use discovery_proxy::{Assignments, Proxy, ProxyError, ProxySink, Synced};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

struct Telling {
    looked: mpsc::UnboundedSender<()>,
    changed: Arc<Notify>,
}

#[async_trait]
impl Proxy for Telling {
    fn name(&self) -> String {
        "telling".into()
    }

    async fn sync(&mut self, _: &Assignments) -> Result<Synced, ProxyError> {
        let _ = self.looked.send(());
        Ok(Synced::Done { changes: 0 })
    }

    async fn changed(&mut self) {
        self.changed.notified().await;
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(3600)
    }
}

#[tokio::test]
async fn what_somebody_else_changed_is_looked_at_then() {
    let (looked, mut looks) = mpsc::unbounded_channel();
    let changed = Arc::<Notify>::default();
    let proxy = Telling {
        looked,
        changed: Arc::clone(&changed),
    };
    let (_sink, task) = ProxySink::start(proxy, &Engine::new(7), Box::new(|_, _| {}));
    looks.recv().await.expect("a first look");
    let quiet = timeout(Duration::from_millis(100), looks.recv()).await;
    assert!(quiet.is_err(), "it looks though nothing changed");
    for _ in 0..3 {
        changed.notify_one();
        looks.recv().await.expect("another look");
    }
    task.abort();
}
