//! A homeserver at work, until a signal stops it.

use std::{future::Future, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use phoenix_core::identifiers::Domain;
use phoenix_hyper::{
    admin::Admin,
    environment::System,
    logs,
    metrics::{Metrics, process::open_file_limit},
    node::Node,
    server::{Server, ServerLimits},
    service::HttpService,
    settings::Settings,
    store::Store,
};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::setup::{self, Parts};
use crate::commands::{
    exit::{Exit, Failure},
    output::Output,
};

#[derive(clap::Args)]
pub struct Arguments {
    /// The domain of the homeserver. Its services are reached at as., qs. and ds. before this domain.
    #[arg(long)]
    domain: Domain,
    /// The directory of keys and store. Created with new keys if it does not exist; used by one process at a
    /// time.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The settings file; `phoenix config` prints one with all defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on, instead of the one in the settings. Port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The address of metrics and health, instead of the one in the settings.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// Print events as one JSON object a line; the event `ready` has the addresses.
    #[arg(long)]
    json: bool,
    /// Plant a bug, to show that it is found.
    #[cfg(feature = "plant")]
    #[arg(long, hide = true, value_parser = plant)]
    plant: Option<phoenix_core::config::Plant>,
}

#[cfg(feature = "plant")]
fn plant(name: &str) -> Result<phoenix_core::config::Plant, serde_json::Error> {
    serde_json::from_value(name.into())
}

/// How long to wait at the very end for the threads that run operations and sockets.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// Runs a homeserver until a signal stops it.
///
/// # Errors
/// [`Failure`] if it cannot start, or did not end in good order.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let output = Output::new(arguments.json);
    let mut settings = match &arguments.config {
        Some(path) => Settings::read(path).map_err(|error| Exit::Settings.because(error))?,
        None => Settings::default(),
    };
    settings.server.listen = arguments.listen.or(settings.server.listen);
    #[cfg(feature = "plant")]
    {
        settings.plant = arguments.plant;
    }
    settings.admin.address = arguments.admin.or(settings.admin.address);
    logs::init(&settings.logs).map_err(|error| Exit::Other.because(error))?;
    warn_of_few_files(&settings);
    let parts = setup::open(&arguments.domain, &arguments.data, &settings, output)?;
    #[cfg(feature = "plant")]
    if settings.plant == Some(phoenix_core::config::Plant::AckBeforeCommit) {
        let Parts { homeserver, store, tls, peers } = parts;
        let store = phoenix_hyper::store::LateStore::new(store);
        return work(Parts { homeserver, store, tls, peers }, &settings, output);
    }
    work(parts, &settings, output)
}

/// Serves from the opened parts until the end.
fn work<S: Store + Clone>(parts: Parts<S>, settings: &Settings, output: Output) -> Result<(), Failure> {
    let Parts { homeserver, store, tls, peers } = parts;
    let domain = homeserver.domain().clone();
    let failed = |error: io::Error| Exit::Other.because(error);
    let Runtimes { network, operations } = runtimes(settings).map_err(failed)?;
    let metrics = Arc::<Metrics>::default();
    let system = System::new(peers).measured_by(metrics.clone());
    let node = Node::new(homeserver, store.clone(), system, settings.work, operations.handle().clone());
    let done = network.block_on(async {
        let signals = Signals::new().map_err(failed)?;
        let serving = Serving { node, metrics, tls, settings, output };
        serving.serve(signals).await
    });
    // Operations still under way end here: their time is over. Then the store closes with its last handle.
    // Look-ups of names cannot be interrupted and are not waited for.
    network.shutdown_timeout(LAST_MOMENTS);
    operations.shutdown_timeout(LAST_MOMENTS);
    drop(store);
    tracing::info!(target: "phoenix", %domain, "stopped");
    done
}

/// Warns if the system's limit of open files is below what the settings need: connections beyond it will
/// fail.
fn warn_of_few_files(settings: &Settings) {
    let needed = settings.connections.connections + settings.outgoing.connections + settings.store.files;
    if let Some(limit) = open_file_limit().filter(|limit| *limit < needed as u64) {
        tracing::warn!(
            target: "phoenix",
            limit,
            needed,
            "fewer files may be open than the settings allow for: raise the limit, or lower the settings"
        );
    }
}

/// The stack of threads that serve sockets, in bytes.
const NETWORK_STACK: usize = 512 << 10;

/// The stack of threads that run operations, in bytes: builds without optimisation need much for group
/// operations.
const OPERATIONS_STACK: usize = 2 << 20;

/// The runtimes of a homeserver: two, so that cryptography never blocks sockets.
struct Runtimes {
    network: Runtime,
    operations: Runtime,
}

fn runtimes(settings: &Settings) -> io::Result<Runtimes> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let operation_threads = match settings.server.operation_threads {
        0 => cores,
        threads => threads,
    };
    let runtime = |name: &str, threads: usize, stack: usize| {
        Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(name)
            .thread_stack_size(stack)
            .enable_all()
            .build()
    };
    Ok(Runtimes {
        network: runtime("network", settings.server.network_threads, NETWORK_STACK)?,
        operations: runtime("operations", operation_threads, OPERATIONS_STACK)?,
    })
}

/// The signals that end a homeserver.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A homeserver that is about to listen.
struct Serving<'a, S> {
    node: Node<S, System>,
    metrics: Arc<Metrics>,
    tls: Arc<rustls::ServerConfig>,
    settings: &'a Settings,
    output: Output,
}

impl<S: Store> Serving<'_, S> {
    /// Serves until a signal, then ends in good order. A second signal ends it at once.
    async fn serve(self, mut signals: Signals) -> Result<(), Failure> {
        let Self { node, metrics, tls, settings, output } = self;
        let domain = node.homeserver().domain().clone();
        let stopping = CancellationToken::new();
        let service = HttpService::with_limits(node.clone(), settings.bodies);
        let address = settings.listen(&domain);
        let server = listen(address, Server::bind(address, tls, service, settings.connections)).await?;
        let mut admin_address = None;
        if let Some(address) = settings.admin.address {
            let admin = Admin::bind(address, node.clone(), metrics, stopping.clone());
            let admin = listen(address, admin).await?;
            admin_address = Some(admin.address().map_err(|error| Exit::Listen.because(error))?);
            tokio::spawn(admin.run());
        }
        node.start();
        ready(&domain, server.address(), admin_address, output);
        // On a worker thread: this thread is not one of the runtime's.
        let running = tokio::spawn(server.run(stopping.clone().cancelled_owned()));
        signals.next().await;
        stopping.cancel();
        tracing::info!(target: "phoenix", %domain, "stopping: nothing more is accepted");
        let ended = async {
            // Fails only if the server panicked, and then there is nothing to wait for.
            let _ = running.await;
            drain(&node, &settings.connections).await;
        };
        tokio::select! {
            () = ended => Ok(()),
            () = signals.next() => Err(Exit::Other.because("stopped at once, by a second signal")),
        }
    }
}

async fn listen<T>(address: SocketAddr, bound: impl Future<Output = io::Result<T>>) -> Result<T, Failure> {
    bound.await.map_err(|error| Exit::Listen.because(format!("cannot listen on {address}: {error}")))
}

/// Waits for operations to end. Work that does not end in time continues after the next start: it is in rows.
async fn drain<S: Store>(node: &Node<S, System>, limits: &ServerLimits) {
    if timeout(limits.grace, node.drain()).await.is_err() {
        let under_way = node.under_way();
        tracing::warn!(target: "phoenix", under_way, "operations were still under way at the end");
    }
}

fn ready(domain: &Domain, address: SocketAddr, admin: Option<SocketAddr>, output: Output) {
    let admin_text = admin.map(|admin| admin.to_string());
    tracing::info!(target: "phoenix", %domain, %address, admin = admin_text, "ready");
    let mut text = format!("Ready: {domain} is served at {address}.");
    if let Some(admin) = admin {
        text.push_str(&format!(" Metrics and health are at http://{admin}."));
    }
    let fields = [
        ("domain", domain.as_str().into()),
        ("address", address.to_string().into()),
        ("admin", admin_text.into()),
    ];
    output.event("ready", fields, &text);
}
