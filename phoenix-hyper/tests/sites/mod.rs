//! Homeservers in this process, behind real sockets and on disk, that can stop and restart.
#![allow(dead_code)]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use phoenix_core::{
    config::Config, homeserver::Homeserver, identifiers::Domain, keys::ServiceKeys, rng::Random,
};
use phoenix_hyper::{
    environment::{System, now, seed},
    local::free_address,
    metrics::Metrics,
    node::{Node, NodeLimits},
    peers::{Override, Peers, Reach},
    server::{Server, ServerLimits},
    service::HttpService,
    store::{EmbeddedStore, embedded::EmbeddedSettings},
    tls::{Identity, Roots, server_config},
};
use tempfile::TempDir;
use tokio::{runtime::Handle, sync::oneshot, task::JoinHandle, time};

/// How long to wait for something that should happen soon. Only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Polls until a condition holds.
pub async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(PATIENCE, waiting).await.expect("this holds in the end");
}

/// A homeserver, running or not.
pub struct Site {
    pub domain: Domain,
    address: SocketAddr,
    identity: Identity,
    keys: Vec<u8>,
    folder: TempDir,
    running: Option<Running>,
}

struct Running {
    node: Node<EmbeddedStore, System>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// Starts homeservers that know each other; returns them, and peers that know all of them.
pub async fn sites<const N: usize>(names: [&str; N]) -> ([Site; N], Peers) {
    let mut sites = names.map(Site::new);
    let overrides = sites.iter().map(|site| (site.domain.clone(), site.target())).collect();
    let reach = Reach { overrides, roots: Roots::Only(Vec::new()), ..Reach::default() };
    for site in &mut sites {
        // Each has connections of its own.
        site.start(Peers::new(reach.clone()).unwrap()).await;
    }
    (sites, Peers::new(reach).unwrap())
}

impl Site {
    fn new(name: &str) -> Self {
        let domain: Domain = name.parse().unwrap();
        let keys = ServiceKeys::generate(&domain, &mut Random::from_seed(seed()), now());
        Self {
            identity: Identity::self_signed(&domain).unwrap(),
            domain,
            address: free_address().unwrap(),
            keys: keys.to_bytes().to_vec(),
            folder: tempfile::tempdir().unwrap(),
            running: None,
        }
    }

    fn target(&self) -> Override {
        Override { address: self.address, certificates: self.identity.certificates().to_vec() }
    }

    /// Starts it on what it has stored.
    pub async fn start(&mut self, peers: Peers) {
        let mut config = Config::new(self.domain.clone());
        config.times.backoff_first = Duration::from_millis(50);
        config.times.backoff_limit = Duration::from_millis(500);
        let homeserver = Homeserver::new(config, ServiceKeys::from_bytes(&self.keys).unwrap());
        let mut store = None;
        // The last handle of the run before may still hold the store.
        eventually(async || {
            store = EmbeddedStore::open(self.folder.path(), EmbeddedSettings::default()).ok();
            store.is_some()
        })
        .await;
        let system = System::new(peers).measured_by(Arc::<Metrics>::default());
        let node = Node::new(homeserver, store.unwrap(), system, NodeLimits::default(), Handle::current());
        node.start();
        let tls = server_config(&self.identity).unwrap();
        let service = HttpService::new(node.clone());
        let server = Server::bind(self.address, tls, service, ServerLimits::default()).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        self.running = Some(Running { node, stop, server });
    }

    /// Stops it in good order.
    pub async fn stop(&mut self) {
        let Running { node, stop, server } = self.running.take().unwrap();
        let _ = stop.send(());
        server.await.unwrap();
        node.drain().await;
    }

    /// Clients that are connected for signals.
    pub fn listening(&self) -> usize {
        self.running.as_ref().unwrap().node.listening()
    }
}
