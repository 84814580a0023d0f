//! A bot that answers each message with the same words, exactly once: kill it or its homeserver at any moment.
//!
//! Its state is a file, sealed under a key that is not in it. Settings are in the environment:
//!
//! | variable | what it is |
//! | --- | --- |
//! | `BOT_DOMAIN` | the domain of its homeserver |
//! | `BOT_STATE` | the file for its state, which the first start creates |
//! | `BOT_KEY` | the key of that file, drawn once: `openssl rand -hex 32` |
//! | `BOT_PASSWORD` | the password that it registers with |
//! | `BOT_ADDRESS`, `BOT_CERTIFICATE` | address and certificate (PEM) of a homeserver without a public name |
//!
//! Run it with `cargo run -p phoenix-examples --example bot`. It accepts all who connect with it.
#![allow(clippy::print_stdout)]

use std::{env, error::Error, fs, path::Path};

use phoenix_core::{hex, identifiers::Domain};
use phoenix_hyper::client::{Client, ClientConfig, Event, Received, StorageKey, store::SqliteClientStore};
use phoenix_hyper::peers::{Override, Peers, Reach};
use phoenix_hyper::tls::certificates_from_pem;

fn setting(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

fn reach(domain: &Domain) -> Result<Reach, Box<dyn Error>> {
    let Ok(address) = setting("BOT_ADDRESS") else { return Ok(Reach::default()) };
    let certificates = certificates_from_pem(&fs::read(setting("BOT_CERTIFICATE")?)?)?;
    let target = Override { address: address.parse()?, certificates };
    Ok(Reach { overrides: [(domain.clone(), target)].into(), ..Reach::default() })
}

/// Answers until it is killed, or cannot save.
#[tokio::main]
pub async fn main() -> Result<(), Box<dyn Error>> {
    let (domain, password) = (setting("BOT_DOMAIN")?.parse()?, setting("BOT_PASSWORD")?);
    let key = StorageKey::from_bytes(hex::parse(&setting("BOT_KEY")?).ok_or("BOT_KEY: not 64 digits")?);
    let store = SqliteClientStore::open(Path::new(&setting("BOT_STATE")?))?;
    let peers = Peers::new(reach(&domain)?)?;
    let (client, mut events) = Client::start(ClientConfig::new(domain), peers, key, store)?;
    // A registration that is under way, from a start before this one, goes on by itself.
    if client.act(|core| core.qs_client().is_none() && core.under_way().is_empty()).await? {
        client.register(password.as_bytes()).await?;
    }
    println!("{} answers", client.user_id());
    loop {
        let Received { id, event } = events.next().await?;
        // Saved as one: the answer leaves if the question is not asked again, and only then.
        let step = client.act(move |core| {
            match event {
                Event::Message { group, text, .. } => _ = core.send(&group, &text),
                Event::Done { outcome: Err(error), .. } => println!("failed: {error}"),
                _ => {}
            }
            core.confirm(id);
        });
        step.await?;
    }
}
