//! Refusals at the start, with what to do about them.

use std::{fs, path::Path};

use phoenix_hyper::{settings::Settings, tls::Identity};
use tokio::net::TcpListener;

use crate::running::{DOMAIN, Running, ends_with};

#[tokio::test]
async fn the_help_is_complete() {
    let (help, _) = ends_with(0, ["--help"]).await;
    for part in [
        "serve",
        "config",
        "keys",
        "Exit codes:",
        "  3  ",
        "  4  ",
        "  5  ",
        "  6  ",
        "phoenix serve --domain",
    ] {
        assert!(help.contains(part), "no {part} in\n{help}");
    }
    let (help, _) = ends_with(0, ["serve", "--help"]).await;
    for part in ["--domain", "--data", "--config", "--listen", "--admin", "--json"] {
        assert!(help.contains(part), "no {part} in\n{help}");
    }
    for arguments in [&["serve"][..], &["fly"], &["serve", "--domain", "localhost", "--data", "x"], &[]] {
        ends_with(2, arguments).await;
    }
}

#[tokio::test]
async fn the_settings_that_are_printed_are_valid() {
    let directory = tempfile::tempdir().unwrap();
    let (text, _) = ends_with(0, ["config"]).await;
    Settings::parse(&text).unwrap();
    let path = directory.path().join("phoenix.toml");
    fs::write(&path, &text).unwrap();
    ends_with(0, ["config".as_ref(), "--check".as_ref(), path.as_os_str()]).await;
    let running = Running::start(&directory.path().join("data"), &["--config", path.to_str().unwrap()]).await;
    running.stop().await;
}

fn serve<'a>(domain: &'a str, data: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--domain", domain, "--data", data.to_str().unwrap()];
    [&arguments, more].concat()
}

/// Refused with name, value and reason, before anything is created.
#[tokio::test]
async fn bad_settings_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (data, settings) = (directory.path().join("data"), directory.path().join("phoenix.toml"));
    let identity = |name: &str| {
        let identity = Identity::self_signed(&DOMAIN.parse().unwrap()).unwrap();
        let path = |kind: &str| directory.path().join(format!("{name}.{kind}.pem"));
        fs::write(path("certificate"), identity.certificate_pem()).unwrap();
        fs::write(path("key"), identity.key_pem()).unwrap();
    };
    identity("one");
    identity("two");
    for (domain, text, parts) in [
        (DOMAIN, "[times]\nlease = \"0 s\"", &["times.lease", "0s", "between 1s and 1h"][..]),
        (DOMAIN, "[sizes]\nsweep_batch = 0", &["sizes.sweep_batch", "0", "between 1 and"]),
        (DOMAIN, "[srever]", &["srever", "unknown field"]),
        (
            DOMAIN,
            "[server]\ncertificate = \"absent.pem\"\nkey = \"one.key.pem\"",
            &["server.certificate", "absent.pem", "No such file"],
        ),
        (
            DOMAIN,
            "[server]\ncertificate = \"phoenix.toml\"\nkey = \"one.key.pem\"",
            &["server.certificate", "phoenix.toml", "no certificate"],
        ),
        (
            DOMAIN,
            "[server]\ncertificate = \"one.certificate.pem\"\nkey = \"one.certificate.pem\"",
            &["server.key", "one.certificate.pem", "private key"],
        ),
        (
            DOMAIN,
            "[server]\ncertificate = \"one.certificate.pem\"\nkey = \"two.key.pem\"",
            &["server.key", "two.key.pem", "certificate and key cannot be used"],
        ),
        (
            DOMAIN,
            "[federation]\nauthorities = \"one.key.pem\"",
            &["federation.authorities", "one.key.pem", "certificate"],
        ),
        (
            DOMAIN,
            "[[federation.peers]]\ndomain = \"b.localhost\"\naddress = \"127.0.0.1:1\"\ncertificate = \"absent.pem\"",
            &["federation.peers.certificate", "absent.pem", "No such file"],
        ),
        ("example.com", "", &["example.com", "server.certificate", "server.key"]),
    ] {
        fs::write(&settings, text).unwrap();
        let arguments = serve(domain, &data, &["--config", settings.to_str().unwrap()]);
        let (_, error) = ends_with(3, arguments).await;
        for part in parts {
            assert!(error.contains(part), "no {part} in\n{error}");
        }
        assert!(!data.exists(), "{text} left something behind");
    }
    let (_, error) = ends_with(3, serve(DOMAIN, &data, &["--config", "/absent.toml"])).await;
    assert!(error.contains("/absent.toml"));
}

#[tokio::test]
async fn a_data_directory_has_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(directory.path(), &[]).await;
    let (_, error) = ends_with(5, serve(DOMAIN, directory.path(), &[])).await;
    assert!(error.contains("in use"), "{error}");
    assert!(running.admin("/readyz").await.ends_with("ready\n"), "the first is not disturbed");
    running.stop().await;
    Running::start(directory.path(), &[]).await.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = ["serve", "--domain", DOMAIN, "--data", directory.path().to_str().unwrap(), "--listen"];
    let (_, error) = ends_with(6, listen.into_iter().chain([&*address])).await;
    assert!(error.contains(&address), "{error}");
    let (_, error) = ends_with(6, serve(DOMAIN, directory.path(), &["--admin", &address])).await;
    assert!(error.contains(&address), "{error}");
}
