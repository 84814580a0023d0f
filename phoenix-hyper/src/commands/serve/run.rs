//! `phoenix serve`: one homeserver, from its start to its end.

mod setup;

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

use self::setup::Parts;
use super::{Exit, Failure, Output};

#[derive(clap::Args)]
pub struct Arguments {
    /// The domain of the homeserver. It is reached at as., qs. and ds. before this.
    #[arg(long)]
    domain: Domain,
    /// Where the homeserver keeps everything. Made if it is not there, with keys; used by one process at a time.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The settings file; `phoenix config` prints one. Without it, all settings have their defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on, instead of the one in the settings. Port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The address of metrics and health, instead of the one in the settings.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// What happens as one JSON object a line, for machines; `ready` has the addresses.
    #[arg(long)]
    json: bool,
    /// Plants a bug, to show that it is found.
    #[cfg(feature = "plant")]
    #[arg(long, hide = true, value_parser = plant)]
    plant: Option<phoenix_core::config::Plant>,
}

#[cfg(feature = "plant")]
fn plant(name: &str) -> Result<phoenix_core::config::Plant, serde_json::Error> {
    serde_json::from_value(name.into())
}

/// How long the threads that run operations and sockets are waited for at the very end.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// Runs a homeserver until it is told to stop.
///
/// # Errors
/// [`Failure`], if it could not start or not end in good order.
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

/// Everything after the start.
fn work<S: Store + Clone>(parts: Parts<S>, settings: &Settings, output: Output) -> Result<(), Failure> {
    let Parts { homeserver, store, tls, peers } = parts;
    let domain = homeserver.domain().clone();
    let failed = |error: io::Error| Exit::Other.because(error);
    let (network, operations) = runtimes(settings).map_err(failed)?;
    let metrics = Arc::<Metrics>::default();
    let system = System::new(peers, Arc::clone(&metrics));
    let node = Node::new(homeserver, store.clone(), system, settings.work, operations.handle().clone());
    let done = network.block_on(async {
        let signals = Signals::new().map_err(failed)?;
        let serving = Serving { node, metrics, tls, settings, output };
        serving.serve(signals).await
    });
    // Whatever is still under way ends here; it had its time. Then the store closes, with this last hold on it.
    // Look-ups of names have no end of their own, and are not waited for.
    network.shutdown_timeout(LAST_MOMENTS);
    operations.shutdown_timeout(LAST_MOMENTS);
    drop(store);
    tracing::info!(target: "phoenix", %domain, "stopped");
    done
}

/// Connections beyond the limit are not accepted, whatever the settings say: better known before it happens.
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

/// Stacks are reserved, not used: 512 KiB are plenty for what serves sockets.
const NETWORK_STACK: usize = 512 << 10;

/// Group operations go deep in builds that are not optimised.
const OPERATIONS_STACK: usize = 2 << 20;

/// One runtime that serves sockets, and one that runs operations, so that cryptography never holds up the first.
fn runtimes(settings: &Settings) -> io::Result<(Runtime, Runtime)> {
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
    let network = runtime("network", settings.server.network_threads, NETWORK_STACK)?;
    Ok((network, runtime("operations", operation_threads, OPERATIONS_STACK)?))
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

    /// The next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

struct Serving<'a, S> {
    node: Node<S, System>,
    metrics: Arc<Metrics>,
    tls: Arc<rustls::ServerConfig>,
    settings: &'a Settings,
    output: Output,
}

impl<S: Store> Serving<'_, S> {
    /// Serves until a signal, then ends in good order; a second signal ends it at once.
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
        // On a worker: the thread that waits here is none of the runtime's.
        let running = tokio::spawn(server.run(stopping.clone().cancelled_owned()));
        signals.next().await;
        stopping.cancel();
        tracing::info!(target: "phoenix", %domain, "stopping: nothing more is accepted");
        let ended = async {
            // Only if it panicked, and then there is nothing to wait for.
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

/// Ends what is under way. What does not end in time is taken up again by the next start: it is all in rows.
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
