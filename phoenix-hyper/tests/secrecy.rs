//! The logs of homeservers at the lowest level, while users register, connect and talk, and during failures:
//! they contain no message, no password, no request or answer, and no secret, in any form of bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod manual;

use std::{collections::HashSet, fs, path::Path};

use manual::Manual;
use phoenix_core::{client::Event, identifiers::GroupId, wire::operations::Service};
use phoenix_hyper::{
    data_directory::DataDirectory,
    environment, key_file,
    local::{Homeserver, Program, reach},
    peers::Peers,
};

const SETTINGS: &str = "[times]\nbackoff_first = \"50 ms\"\nbackoff_limit = \"1 s\"\n";

/// Bytes in a row that are no coincidence.
const WINDOW: usize = 8;

/// Everything that must not be logged.
#[derive(Default)]
struct Secrets {
    windows: HashSet<[u8; WINDOW]>,
    texts: Vec<String>,
}

impl Secrets {
    /// Adds bytes of which no part may appear.
    fn add(&mut self, bytes: &[u8]) {
        self.windows.extend(bytes.windows(WINDOW).map(|window| <[u8; WINDOW]>::try_from(window).unwrap()));
    }

    fn holds(&self, bytes: &[u8]) -> bool {
        bytes.windows(WINDOW).any(|window| self.windows.contains(window))
    }

    /// The first part of the log that contains a secret.
    fn found_in<'a>(&'a self, log: &'a str) -> Option<&'a str> {
        let text = self.texts.iter().find(|text| log.contains(*text)).map(String::as_str);
        text.or_else(|| hexadecimal(log).find(|run| self.in_hexadecimal(run)))
            .or_else(|| base64(log).find(|run| self.in_base64(run)))
            .or_else(|| decimal(log).find(|run| self.in_decimal(run)))
    }

    fn in_hexadecimal(&self, run: &str) -> bool {
        [run, &run[1..]].into_iter().any(|run| {
            let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
            let (pairs, _) = run.as_bytes().as_chunks::<2>();
            let bytes: Vec<u8> = pairs.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect();
            self.holds(&bytes)
        })
    }

    fn in_base64(&self, run: &str) -> bool {
        // The run may begin anywhere in a group of four.
        (0..4).any(|start| {
            let bits = run.bytes().skip(start).map(|digit| match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' | b'-' => 62,
                _ => 63,
            });
            let mut bytes = Vec::new();
            let (mut held, mut count) = (0u32, 0);
            for six in bits {
                held = held << 6 | u32::from(six);
                count += 6;
                if count >= 8 {
                    count -= 8;
                    bytes.push((held >> count) as u8);
                }
            }
            self.holds(&bytes)
        })
    }

    fn in_decimal(&self, run: &str) -> bool {
        let numbers = run.split([',', ' ']).filter(|number| !number.is_empty());
        let bytes: Vec<u8> = numbers.map_while(|number| number.parse().ok()).collect();
        self.holds(&bytes)
    }
}

fn runs<'a>(log: &'a str, least: usize, part: impl Fn(char) -> bool + 'a) -> impl Iterator<Item = &'a str> {
    log.split(move |character| !part(character)).filter(move |run| run.len() >= least)
}

fn hexadecimal(log: &str) -> impl Iterator<Item = &str> {
    runs(log, 2 * WINDOW, |character| character.is_ascii_hexdigit())
}

fn base64(log: &str) -> impl Iterator<Item = &str> {
    runs(log, WINDOW, |character| character.is_ascii_alphanumeric() || "+/-_".contains(character))
}

fn decimal(log: &str) -> impl Iterator<Item = &str> {
    runs(log, 2 * WINDOW, |character| character.is_ascii_digit() || ", ".contains(character))
}

#[test]
fn secrets_are_found_in_every_form() {
    let mut secrets = Secrets::default();
    let bytes: Vec<u8> = (0..32u8).map(|byte| byte.wrapping_mul(73).wrapping_add(11)).collect();
    secrets.add(&bytes);
    secrets.texts.push("a message".to_owned());
    let hexadecimal: String = bytes[5..20].iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(secrets.found_in(&format!("key=a{hexadecimal} and more")).is_some());
    assert!(secrets.found_in(&format!("key={}", hexadecimal.to_uppercase())).is_some());
    assert!(secrets.found_in(&format!("key {:?}", &bytes[3..12])).is_some());
    let armoured = pem::encode(&pem::Pem::new("KEY", bytes));
    assert!(secrets.found_in(&armoured).is_some());
    assert!(secrets.found_in("text=\"a message\"").is_some());
    assert!(secrets.found_in("nothing of 0123456789abcdef0123 and [1, 2, 3, 4, 5, 6, 7, 8, 9]").is_none());
}

async fn homeservers(folder: &Path) -> ([Homeserver; 2], Peers) {
    let path = env!("CARGO_BIN_EXE_phoenix").into();
    let program = Program { path, plant: None, log_level: "trace" };
    let mut homeservers = ["a.localhost", "b.localhost"]
        .map(|domain| Homeserver::create(folder, domain.parse().unwrap(), &program).unwrap());
    let places = homeservers.each_ref().map(|homeserver| homeserver.place.clone());
    let peers = Peers::new(reach(&places).unwrap()).unwrap();
    for homeserver in &mut homeservers {
        homeserver.configure(&places, SETTINGS).unwrap();
        homeserver.start(&peers).await.unwrap();
    }
    (homeservers, peers)
}

/// Reads until a condition holds.
async fn until(client: &mut Manual, happened: impl Fn(&Manual) -> bool) {
    let reading = async {
        while !happened(client) {
            client.read().await;
        }
    };
    tokio::time::timeout(phoenix_hyper::local::PATIENCE, reading).await.expect("this happens");
}

fn created(client: &Manual) -> GroupId {
    let group = client.events.iter().find_map(|event| match event {
        Event::GroupCreated { group, .. } => Some(group.clone()),
        _ => None,
    });
    group.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_contain_nothing_of_what_users_do() {
    let folder = tempfile::tempdir().unwrap();
    let (mut homeservers, peers) = homeservers(folder.path()).await;
    let mut secrets = Secrets::default();
    let texts = ["the first thing that alice says", "what alice says while b is away"];
    let passwords = ["alice's own password", "bob's own password"];
    secrets.texts.extend([texts, passwords].concat().into_iter().map(str::to_owned));
    let domains = homeservers.each_ref().map(|homeserver| homeserver.place.domain.clone());
    let mut alice = Manual::register(&domains[0], &peers, passwords[0]).await;
    let mut bob = Manual::register(&domains[1], &peers, passwords[1]).await;

    let intent = alice.core.connect(bob.core.user_id());
    alice.finish(intent).await;
    bob.read().await;
    until(&mut alice, |alice| !alice.core.contacts().is_empty()).await;
    let intent = alice.core.create_group();
    alice.finish(intent).await;
    let group = created(&alice);
    let intent = alice.core.invite(&group, &[bob.core.user_id()]);
    alice.finish(intent).await;
    until(&mut bob, |bob| bob.events.contains(&Event::Joined(group.clone()))).await;
    let intent = alice.core.send(&group, texts[0].as_bytes());
    alice.finish(intent).await;
    until(&mut bob, |bob| bob.texts().len() == 1).await;

    // Failures: requests that are malformed, changed, or for another service; and a homeserver that is down.
    let said = alice.exchanges.clone();
    for (number, mut request) in said.into_iter().enumerate() {
        let place = number * 7 % request.len();
        let _ = peers.send(&domains[1], Service::Queuing, request.clone()).await;
        request[place] ^= 1;
        for service in [Service::Authentication, Service::Delivery, Service::Queuing] {
            let _ = peers.send(&domains[0], service, request.clone()).await;
        }
    }
    homeservers[1].kill().await.unwrap();
    let intent = alice.core.send(&group, texts[1].as_bytes());
    alice.finish(intent).await;
    let log = homeservers[0].log();
    until(&mut alice, |_| fs::read_to_string(&log).unwrap().contains("a homeserver gave no answer")).await;
    homeservers[1].start(&peers).await.unwrap();
    until(&mut bob, |bob| bob.texts().len() == 2).await;

    for client in [&alice, &bob] {
        client.exchanges.iter().for_each(|bytes| secrets.add(bytes));
        secrets.add(&client.core.user_id().uuid.0);
        secrets.add(&client.core.client_id().uuid.0);
        secrets.add(&client.core.qs_client().unwrap().0);
    }
    secrets.add(&group.uuid.0);
    for homeserver in &homeservers {
        let data = DataDirectory::open(&homeserver.data()).unwrap();
        let keys = key_file::read_for(&data.keys(), &homeserver.place.domain).unwrap();
        secrets.add(&keys.to_bytes());
        let (identity, _) = data.self_signed(&homeserver.place.domain).unwrap();
        secrets.add(pem::parse(identity.key_pem()).unwrap().contents());
    }
    assert!(!secrets.holds(&environment::seed()));
    let logs = homeservers.each_ref().map(|homeserver| fs::read_to_string(homeserver.log()).unwrap());
    for event in
        ["FinishRegistration", "IssueTokens", "SendMessage", "refusal=", "a homeserver gave no answer"]
    {
        assert!(logs[0].contains(event), "the log has no {event}: it is not that of this test");
    }
    for log in &logs {
        assert_eq!(secrets.found_in(log), None);
    }
}
