//! The cost of whole operations beside their cryptographic floor: the primitives that they need, measured in
//! the same run. Compare ratios, and figures of one run: machines differ from hour to hour.
//!
//! `cargo bench -p phoenix-hyper`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod driver;
mod floor;

use std::{fs, time::Duration};

use criterion::{BenchmarkId, Criterion};
use phoenix_core::{identifiers::Domain, wire::operations::OperationKind};
use phoenix_hyper::store::{
    MemoryStore, Store,
    embedded::{EmbeddedSettings, EmbeddedStore},
};

use self::{
    driver::{Kind, TimedDriver},
    floor::{Costs, Primitive},
};

/// A measurement, with its floor.
struct Figure {
    name: String,
    /// How many units one measurement contains.
    of: u32,
    floor: Vec<(Primitive, u32)>,
}

fn main() {
    let costs = Costs::measure();
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut figures = registration(&mut criterion);
    figures.extend(tokens(&mut criterion));
    for members in [1, 10, 100] {
        figures.push(send(&mut criterion, "memory", members, |_| MemoryStore::default()));
    }
    for members in [1, 10, 100] {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |domain: &Domain| {
            let folder = folder.path().join(domain.as_str());
            EmbeddedStore::open(folder, EmbeddedSettings::default()).expect("a store")
        };
        figures.push(send(&mut criterion, "on_disk", members, open));
    }
    for entries in [1, 100] {
        figures.push(batch(&mut criterion, entries));
    }
    criterion.final_summary();
    show(&costs, &figures);
}

/// `send_message` to `members` recipients of the same homeserver, until the message is in every queue.
fn send<S: Store>(
    criterion: &mut Criterion,
    store: &str,
    members: usize,
    open: impl Fn(&Domain) -> S,
) -> Figure {
    let name = format!("send_message_{store}");
    let kinds = [Kind::Request(OperationKind::SendMessage), Kind::Distribute];
    let mut driver = TimedDriver::new(1, open);
    let group = driver.group(members, "a.localhost");
    let mut sent = 0;
    criterion.benchmark_group(&name).bench_function(BenchmarkId::from_parameter(members), |bencher| {
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            for _ in 0..iterations {
                driver.take_spent(&[]);
                driver.send(&group, 1);
                spent += driver.take_spent(&kinds);
                sent += 1;
                // Queues are read from time to time, as clients do.
                if sent % 100 == 0 {
                    driver.read_all();
                }
            }
            spent
        });
    });
    let recipients = members as u32 + 1;
    let floor = vec![
        (Primitive::Verify, 1),
        (Primitive::Redeem, 1),
        // The members' section; the row for the distributor, written and read; the remembered answer.
        (Primitive::Record, 1),
        (Primitive::Row, 3),
        // Each recipient's head, read and written, and its entry.
        (Primitive::Row, 2 * recipients),
        (Primitive::Entry, recipients),
    ];
    Figure { name: format!("{name}/{members}"), of: 1, floor }
}

fn registration(criterion: &mut Criterion) -> Vec<Figure> {
    let kinds =
        [OperationKind::InitRegistration, OperationKind::FinishRegistration, OperationKind::CreateUserRecord]
            .map(Kind::Request);
    criterion.bench_function("registration", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut driver = TimedDriver::new(1, |_| MemoryStore::default());
            let mut spent = Duration::ZERO;
            for _ in 0..iterations {
                driver.client("a.localhost");
                driver.run();
                spent += driver.take_spent(&kinds);
            }
            spent
        });
    });
    let floor = vec![
        (Primitive::Opaque, 1),
        // The request for a credential, its proof, the credential's signature; two connection packages.
        (Primitive::Verify, 3 + 3),
        (Primitive::Sign, 1),
        (Primitive::Redeem, 1),
        // Two queues, each with its first key.
        (Primitive::Seal, 2),
        (Primitive::Row, 8),
    ];
    vec![Figure { name: "registration".to_owned(), of: 1, floor }]
}

/// Issuing a hundred tokens; redeeming one in an operation that does nothing else.
fn tokens(criterion: &mut Criterion) -> Vec<Figure> {
    let mut driver = TimedDriver::new(1, |_| MemoryStore::default());
    let group = driver.group(1, "a.localhost");
    let mut measure = |name: &str, kind: OperationKind| {
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    driver.take_spent(&[]);
                    while !driver.spent.contains_key(&Kind::Request(kind)) {
                        match kind {
                            OperationKind::IssueTokens => driver.send(&group, 1),
                            _ => driver.create_group(),
                        }
                    }
                    spent += driver.take_spent(&[Kind::Request(kind)]);
                    driver.read_all();
                }
                spent
            });
        });
    };
    measure("issue_tokens", OperationKind::IssueTokens);
    measure("request_group_id", OperationKind::RequestGroupId);
    vec![
        Figure {
            name: "issue_tokens".to_owned(),
            of: 100,
            floor: vec![(Primitive::Issue, 100), (Primitive::Verify, 1), (Primitive::Row, 2)],
        },
        Figure {
            name: "request_group_id".to_owned(),
            of: 1,
            floor: vec![(Primitive::Redeem, 1), (Primitive::Row, 1)],
        },
    ]
}

/// A batch of `entries` messages from another homeserver, until they are in the recipient's queue.
fn batch(criterion: &mut Criterion, entries: usize) -> Figure {
    let kinds = [Kind::Request(OperationKind::EnqueueFederated), Kind::Distribute];
    let mut driver = TimedDriver::new(2, |_| MemoryStore::default());
    let group = driver.group(1, "b.localhost");
    criterion.benchmark_group("federated_batch").bench_function(
        BenchmarkId::from_parameter(entries),
        |bencher| {
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                for _ in 0..iterations {
                    driver.delivering = false;
                    driver.send(&group, entries);
                    driver.take_spent(&[]);
                    driver.delivering = true;
                    driver.run_timers();
                    spent += driver.take_spent(&kinds);
                    driver.read_all();
                }
                spent
            });
        },
    );
    let count = entries as u32;
    let floor = vec![
        (Primitive::Verify, 1),
        // Each entry: decrypted, sealed for the distributor and opened by it, the queue's head there and
        // back, encrypted to its owner.
        (Primitive::Entry, 2 * count),
        (Primitive::Row, 4 * count),
    ];
    Figure { name: format!("federated_batch/{entries}"), of: count, floor }
}

/// Prints the figures beside their floors.
fn show(costs: &Costs, figures: &[Figure]) {
    println!("\nprimitives, in microseconds:");
    for (primitive, cost) in costs.iter() {
        println!("  {:<12} {:>8.1}", format!("{primitive:?}"), microseconds(*cost));
    }
    println!(
        "\n{:<24} {:>12} {:>12} {:>8}   primitives of the floor",
        "operation", "each, µs", "floor, µs", "ratio"
    );
    for Figure { name, of, floor } in figures {
        let Some(measured) = estimate(name) else { continue };
        let each = microseconds(measured) / f64::from(*of);
        let least = microseconds(costs.floor(floor)) / f64::from(*of);
        let list: Vec<String> =
            floor.iter().map(|(primitive, count)| format!("{count} {primitive:?}")).collect();
        println!("{name:<24} {each:>12.1} {least:>12.1} {:>8.2}   {}", each / least, list.join(", "));
    }
}

fn microseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The median that criterion found in this run.
fn estimate(name: &str) -> Option<Duration> {
    let path = criterion_home().join(name).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(Duration::from_nanos(estimates["median"]["point_estimate"].as_f64()? as u64))
}

fn criterion_home() -> std::path::PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(Into::into);
    target
        .unwrap_or_else(|| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"))
        .join("criterion")
}
