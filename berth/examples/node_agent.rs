//! A node's agent: all four cores under tokio, in virtual time. `cargo run -p berth-cli --example node_agent`
//!
//! Two replicas run on host `h0` and overload it. Each core runs behind its own driver, and no driver holds a core while it
//! waits: `scheduler-core` finds the overload and plans a move; the actuator drains the replica (`discovery-core`), moves its
//! address (`ipam`, on a redb file that other processes may share) and starts it on `h1`; `netshape` takes its shaping away
//! here. Real agents put sockets where this one has doubles: the kernel, the probes, the registry, the load.

use async_trait::async_trait;
use discovery_core::driver::{Prober, Sink, Source};
use discovery_core::endpoint::{EndpointId, ServiceId};
use discovery_core::health::{CheckKind, HealthCheck, ProbeOutcome};
use discovery_core::{Effect, EndpointSpec, Engine, Input, InputError, ServiceConfig};
use ipam::{PoolSpec, Replica, Request};
use ipam_redb::{RedbStore, TokioStore};
use netshape::kernel::KernelModel;
use netshape::{Capabilities, Container, DevName, Device, Direction, Host, Rate, Shape};
use scheduler_core::driver::{Actuator, Outcome, Sampler};
use scheduler_core::live::{Move, ProtectorConfig, Sample};
use scheduler_core::model::{Node, Resource, Service, Task};
use scheduler_core::{Cluster, ModelBuilder, NodeId, Protector};
use std::error::Error;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

const REPLICAS: [&str; 2] = ["web-0", "web-1"];
const END: Duration = Duration::from_secs(90);

/// What the engine of traffic is told.
enum Note {
    Runs(&'static str, &'static str, IpAddr),
    Drains(&'static str, bool),
    Probed(EndpointId, u32),
}

/// Notes from everybody, as a source.
struct Inbox {
    notes: mpsc::UnboundedReceiver<Note>,
    read: Option<Note>,
    service: ServiceId,
}

#[async_trait]
impl Source for Inbox {
    async fn wait(&mut self) {
        if self.read.is_none() {
            self.read = self.notes.recv().await;
        }
        if self.read.is_none() {
            pending::<()>().await;
        }
    }

    fn tell(
        &mut self,
        engine: &mut Engine,
        now: discovery_core::Timestamp,
        out: &mut Vec<Effect>,
    ) -> Vec<InputError> {
        let mut refused = Vec::new();
        while let Some(note) = self.read.take().or_else(|| self.notes.try_recv().ok()) {
            let told = match note {
                Note::Runs(name, host, address) => place(engine, self.service, host, address)
                    .and_then(|spec| engine.handle(now, Input::Upsert { name, spec }, out)),
                Note::Drains(name, on) => engine.handle(now, Input::DrainName { name, on }, out),
                Note::Probed(endpoint, attempt) => {
                    let outcome = ProbeOutcome::Pass;
                    let probed = Input::Probed {
                        endpoint,
                        attempt,
                        outcome,
                    };
                    engine.handle(now, probed, out)
                }
            };
            refused.extend(told.err());
        }
        refused
    }
}

fn place(
    engine: &mut Engine,
    service: ServiceId,
    host: &str,
    address: IpAddr,
) -> Result<EndpointSpec, InputError> {
    let (node, zone) = (engine.node(host)?, engine.zone("a")?);
    let region = engine.region("north")?;
    let address = SocketAddr::new(address, 80);
    Ok(EndpointSpec::new(service, node, zone, region, address))
}

/// Every probe passes, at once.
struct Healthy(mpsc::UnboundedSender<Note>);

impl Prober for Healthy {
    fn probe(
        &mut self,
        _: &Engine,
        endpoint: EndpointId,
        _: ServiceId,
        attempt: u32,
        _: discovery_core::Timestamp,
    ) {
        // Nobody listens any more once the agent ends.
        let _ = self.0.send(Note::Probed(endpoint, attempt));
    }
}

/// Prints what a registry and proxies would be told.
struct Print;

#[async_trait]
impl Sink for Print {
    fn take(&mut self, _: &Engine, now: discovery_core::Timestamp, effects: &[Effect], _: u64) {
        for effect in effects {
            println!("{now}: traffic: {effect:?}");
        }
    }

    async fn carry_out(&mut self) {}
}

/// A second's load: each replica takes 3.5 cores of the host that it is on.
struct Load;

#[async_trait]
impl Sampler for Load {
    async fn wait(&mut self) {
        sleep(Duration::from_secs(1)).await;
    }

    fn samples(&mut self, cluster: &Cluster, nodes: &mut [Sample], tasks: &mut [Sample]) {
        tasks.fill(3500);
        for (node, id) in nodes.iter_mut().zip(cluster.model().node_ids()) {
            *node = tasks
                .iter()
                .take(cluster.placement().tasks_on(id).len())
                .sum();
        }
    }
}

type Addresses = Arc<Mutex<Replica<TokioStore>>>;

/// Moves a replica: drained here, its address handed over, started there.
struct Mover {
    start: Instant,
    addresses: Addresses,
    notes: mpsc::UnboundedSender<Note>,
}

impl Mover {
    async fn hand_over(&self, name: &'static str) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.notes.send(Note::Drains(name, true))?;
        sleep(Duration::from_secs(5)).await; // calls in flight end
        let mut addresses = self.addresses.lock().await;
        let now = self.start.elapsed().into();
        let held = addresses
            .ipam()
            .claim_of(name)
            .map(ipam::claim::ClaimRef::sequence);
        let sequence = held.ok_or("it holds no address")?;
        addresses
            .begin_move(now, name.into(), ("h0", "h1"), sleep)
            .await?;
        addresses.release(now, name, sequence, sleep).await?;
        let owner = format!("{name}-moved");
        let grant = addresses
            .finish_move(now, name.into(), &owner, sleep)
            .await?;
        let address = grant.address().ok_or("it has no address")?;
        self.notes.send(Note::Runs(name, "h1", address))?;
        self.notes.send(Note::Drains(name, false))?;
        Ok(())
    }
}

#[async_trait]
impl Actuator for Mover {
    async fn carry_out(&self, planned: Move) -> Outcome {
        println!("{:?}: moving: {planned}", self.start.elapsed());
        match self.hand_over(REPLICAS[planned.task.index()]).await {
            Ok(()) => Outcome::Finished,
            Err(error) => {
                eprintln!("the move is given up: {error}");
                Outcome::Aborted
            }
        }
    }
}

/// Two hosts of eight cores, both replicas on the first.
fn protector() -> Result<Protector, Box<dyn Error>> {
    let mut model = ModelBuilder::new(&[Resource {
        transient: false,
        load_weight: 1,
    }])?;
    for location in 0..2 {
        model.node(Node {
            location,
            neighbourhood: 0,
            capacity: &[8000],
            safety: &[6400],
        })?;
    }
    let service = model.service(Service {
        spread: 0,
        per_node: 2,
    })?;
    for _ in REPLICAS {
        model.task(Task {
            service,
            need: &[0],
            move_cost: 1,
        })?;
    }
    let cluster = Cluster::new(model.build()?, &[NodeId(0); 2])?;
    Ok(Protector::new(cluster, 0, ProtectorConfig::default())?)
}

/// A host whose containers are limited to 200 Mbit/s, and a kernel with their devices.
fn shaped() -> Result<(KernelModel, Host), Box<dyn Error>> {
    let mut kernel = KernelModel::new();
    let mut host = Host::new(None, Vec::new(), Capabilities::default())?;
    for (name, veth) in REPLICAS.into_iter().zip(["veth0", "veth1"]) {
        let shape = Shape::new(Rate::ZERO, Rate::mbit(200))?;
        host.insert(Container::new(name, veth)?.with_shape(Direction::Ingress, shape))?;
        kernel.put_device(DevName::host(veth), Device::new());
    }
    Ok((kernel, host))
}

async fn run(path: std::path::PathBuf) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let (tell, notes) = mpsc::unbounded_channel();

    let store = TokioStore::new(RedbStore::new(path, Duration::from_secs(30)));
    let mut addresses = Replica::open(store, start.elapsed().into(), 7).await?;
    let pool = PoolSpec::new("p", "10.9.0.0/24".parse()?);
    addresses
        .add_pool(start.elapsed().into(), pool, sleep)
        .await?;

    for name in REPLICAS {
        let request = Request::new(name).workload(name).host("h0").fixed(&[]);
        let grant = addresses
            .claim(start.elapsed().into(), &request, sleep)
            .await?;
        tell.send(Note::Runs(name, "h0", grant.address().ok_or("no address")?))?;
    }
    let (kernel, mut host) = shaped()?;
    let addresses = Arc::new(Mutex::new(addresses));

    let mut engine = Engine::new(7);
    let config = ServiceConfig::default().with_health(HealthCheck::new(CheckKind::Tcp));
    let service = engine.service("web", config)?;
    let inbox = Inbox {
        notes,
        read: None,
        service,
    };
    let mut traffic = discovery_core::Driver::new(Healthy(tell.clone()), Print).source(inbox);
    let mut shaper = netshape::kernel::Driver::new(kernel);
    shaper.reconcile();
    let mut protector = protector()?;
    let mover = Mover {
        start,
        addresses: addresses.clone(),
        notes: tell,
    };
    let mut moves = scheduler_core::driver::Driver::new(Load, mover);

    while start.elapsed() < END {
        for refused in traffic.run_once(&mut engine, start.elapsed().into()) {
            eprintln!("refused: {refused}");
        }
        if let Some(outcome) = shaper.run_once(&mut host) {
            println!("{:?}: shaping: {outcome:?}", start.elapsed());
        }
        let round = moves.run_once(&mut protector, start.elapsed().into());
        for (task, outcome) in round.ended {
            println!(
                "{:?}: {} has moved: {outcome:?}",
                start.elapsed(),
                REPLICAS[task.index()]
            );
            host.remove(REPLICAS[task.index()]);
            shaper.reconcile();
        }
        let deadline = engine.next_deadline().map(|at| start + Duration::from(at));
        tokio::select! {
            () = traffic.wait(sleep_until(deadline.unwrap_or(start + END))) => {}
            () = shaper.wait(pending()) => {}
            () = moves.wait(pending()) => {}
            () = sleep_until(start + END) => {}
        }
    }
    let moved = protector.cluster().placement().tasks_on(NodeId(1)).len();
    let claims = addresses.lock().await.ipam().claim_count();
    assert_eq!((moved, claims), (1, 2), "one moved, both have addresses");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("berth-node-agent-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build()?;
    let done = runtime.block_on(run(folder.join("addresses.redb")));
    std::fs::remove_dir_all(folder)?;
    done
}
