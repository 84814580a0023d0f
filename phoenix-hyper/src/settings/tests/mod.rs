use std::{fs, net::Ipv4Addr, time::Duration};

use phoenix_core::{
    config::{RegistrationPolicy, Rule},
    identifiers::NodeId,
};

use super::{checks::Range, *};

fn refusal(text: &str) -> String {
    Settings::parse(text).map(|_| "accepted").unwrap_err().to_string()
}

fn leaves(settings: &Settings) -> Vec<(String, serde_json::Value)> {
    checks::leaves(settings).unwrap()
}

#[test]
fn the_default_file_has_the_defaults() {
    let said = leaves(&Settings::parse(DEFAULT_FILE).unwrap());
    let defaults = leaves(&Settings::default());
    for (said, default) in said.iter().zip(&defaults) {
        assert_eq!(said, default);
    }
    assert_eq!(said.len(), defaults.len());
}

/// The names in the default file, with the section first, including those commented out.
fn mentioned() -> Vec<String> {
    let mut section = String::new();
    let mut names = Vec::new();
    for line in DEFAULT_FILE.lines() {
        let line = line.trim_start_matches("# ");
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']']).to_owned();
            names.push(section.clone());
        } else if let Some((name, _)) = line.split_once(" = ") {
            names.push(format!("{section}.{name}"));
        }
    }
    names
}

#[test]
fn the_default_file_mentions_every_setting_and_no_other() {
    let mentioned = mentioned();
    let peer = PeerSettings {
        domain: "b.localhost".parse().unwrap(),
        address: (Ipv4Addr::LOCALHOST, 1).into(),
        certificate: None,
    };
    let serde_json::Value::Object(peer) = serde_json::to_value(peer).unwrap() else { panic!("a table") };
    let settings = leaves(&Settings::default()).into_iter().map(|(name, _)| name);
    let settings: Vec<String> =
        settings.chain(peer.into_iter().map(|(name, _)| format!("federation.peers.{name}"))).collect();
    for name in &settings {
        assert!(mentioned.contains(name), "{name} is not in default.toml");
    }
    let example = "logs.targets.\"phoenix_hyper::node\"";
    for name in mentioned.iter().filter(|name| *name != example) {
        let is_section = settings.iter().any(|setting| setting.starts_with(name.as_str()));
        assert!(settings.contains(name) || is_section, "{name} is not a setting");
    }
}

#[test]
fn settings_that_are_commented_out_are_valid_too() {
    let mut text = String::new();
    for line in DEFAULT_FILE.lines() {
        let uncommented =
            line.strip_prefix("# ").filter(|line| line.starts_with('[') || line.contains(" = "));
        text.push_str(uncommented.unwrap_or(line));
        text.push('\n');
    }
    let settings = Settings::parse(&text).unwrap();
    assert_eq!(settings.federation.peers.len(), 1);
    assert_eq!(settings.logs.targets.len(), 1);
    assert!(settings.server.certificate.is_some() && settings.admin.address.is_some());
}

/// A value below or above its range is refused with name, value and reason.
#[test]
fn every_number_and_duration_has_a_range() {
    let mut checked = 0;
    for (name, value) in leaves(&Settings::default()) {
        let is_duration = value.as_str().is_some_and(|text| duration::parse(text).is_ok());
        if !is_duration && !value.is_number() {
            continue;
        }
        checked += 1;
        let Some((_, range)) = checks::RANGES.iter().find(|(known, _)| *known == name) else {
            panic!("{name} has no range");
        };
        let (below, above) = match range {
            Range::Time(least, most) => {
                let millisecond = Duration::from_millis(1);
                let quoted = |value| format!("\"{}\"", duration::format(value));
                (Some(quoted(*least - millisecond)), quoted(*most + millisecond))
            }
            Range::Count(least, most) => {
                (least.checked_sub(1).map(|v| v.to_string()), (most + 1).to_string())
            }
        };
        let (section, field) = name.rsplit_once('.').unwrap();
        for value in below.into_iter().chain([above]) {
            let message = refusal(&format!("[{section}]\n{field} = {value}"));
            // A narrow integer type may refuse before the range does.
            assert!(message.contains(field) && message.contains(&value), "{name} = {value}: {message}");
        }
    }
    assert_eq!(checked, checks::RANGES.len(), "each range is of a setting");
}

#[test]
fn a_value_that_cannot_work_is_refused_with_name_value_and_reason() {
    for (text, parts) in [
        ("[times]\nlease = \"0 s\"", &["times.lease", "0s", "must be between 1s and 1h"][..]),
        ("[times]\nrequest_past = \"0 s\"", &["times.request_past", "0s", "between"]),
        ("[times]\nlease = 30", &["lease", "30", "a duration is a text"]),
        ("[times]\nlease = \"5 fortnights\"", &["lease", "5 fortnights", "unknown time unit"]),
        ("[times]\nleese = \"5 s\"", &["leese", "unknown field"]),
        ("[work]\npoll = 5", &["poll = 5", "a duration is a text"]),
        ("[server]\nnetwork_threads = \"two\"", &["network_threads = \"two\"", "invalid type"]),
        ("[server]\nlisten = \"everywhere\"", &["listen = \"everywhere\"", "invalid socket address"]),
        ("[server]\ncertificate = \"c.pem\"", &["server.certificate", "c.pem", "needs server.key"]),
        ("[server]\nkey = \"k.pem\"", &["server.key", "k.pem", "needs server.certificate"]),
        ("[sizes]\nsweep_batch = 0", &["sizes.sweep_batch", "0", "between 1 and"]),
        ("[sizes]\nbatch_entries = 1025", &["sizes.batch_entries", "1025", "between 1 and 1024"]),
        (
            "[rates]\ndomain_limit = 1",
            &["rates.domain_first_day", "2000", "not be more than rates.domain_limit"],
        ),
        (
            "[times]\nkey_refresh = \"20 h\"\nkey_set = \"10 h\"",
            &["times.key_refresh", "20h", "not be more than times.key_set"],
        ),
        ("[times]\nbackoff_limit = \"5 s\"\nbackoff_first = \"6 s\"", &["times.backoff_first", "6s"]),
        ("[registration]\npolicy = \"ajar\"", &["policy = \"ajar\"", "unknown variant"]),
        (
            "[federation.inbound]\nallow = [\"a.example\"]",
            &["federation.inbound.allow", "a.example", "allowlist"],
        ),
        (
            "[federation.outbound]\npolicy = \"closed\"\nblock = [\"a.example\"]",
            &["federation.outbound.block", "a.example", "open"],
        ),
        (
            "[federation.inbound]\nblock = [\"localhost\"]",
            &["block = [\"localhost\"]", "at least two labels"],
        ),
        (
            "[[federation.peers]]\ndomain = \"b.example\"\naddress = \"127.0.0.1:1\"\n\
             [[federation.peers]]\ndomain = \"b.example\"\naddress = \"127.0.0.1:2\"",
            &["federation.peers.domain", "b.example", "twice"],
        ),
        ("[logs.targets]\nh2 = \"trace\"", &["logs.targets", "h2", "only modules of phoenix"]),
        ("[logs]\nlevel = \"loud\"", &["level = \"loud\"", "unknown variant"]),
        ("[admin]\naddress = \"9090\"", &["address = \"9090\"", "invalid socket address"]),
        ("[surprise]", &["surprise", "unknown field"]),
        ("listen = ", &["listen"]),
    ] {
        let message = refusal(text);
        for part in parts {
            assert!(message.contains(part), "{text}\n{message}");
        }
    }
}

#[test]
fn files_are_found_from_the_directory_of_the_settings() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("settings.toml");
    fs::write(&path, "[server]\ncertificate = \"c.pem\"\nkey = \"/elsewhere/k.pem\"").unwrap();
    let server = Settings::read(&path).unwrap().server;
    assert_eq!(server.certificate, Some(directory.path().join("c.pem")));
    assert_eq!(server.key, Some("/elsewhere/k.pem".into()));
    let error = Settings::read(&directory.path().join("absent.toml")).unwrap_err();
    assert!(error.to_string().contains("absent.toml"));
}

#[test]
fn the_core_gets_what_is_set() {
    let text = "[times]\nlease = \"7 s\"\n[rates]\ntoken_allowance = 3\n[sizes]\nsweep_batch = 9\n\
                [registration]\npolicy = \"closed\"\n\
                [federation.inbound]\npolicy = \"allowlist\"\nallow = [\"*.a.example\"]\n\
                [federation.outbound]\npolicy = \"closed\"";
    let config = Settings::parse(text).unwrap().core("example.com".parse().unwrap(), NodeId([7; 16]));
    assert_eq!(config.node, NodeId([7; 16]));
    assert_eq!(config.times.lease, Duration::from_secs(7));
    assert_eq!((config.rates.token_allowance, config.sizes.sweep_batch), (3, 9));
    assert_eq!(config.registration, RegistrationPolicy::Closed);
    assert_eq!(config.federation.inbound, Rule::Allowlist(vec!["*.a.example".parse().unwrap()]));
    assert_eq!(config.federation.outbound, Rule::Closed);
}

#[test]
fn only_localhost_domains_are_served_to_this_machine_alone() {
    let settings = Settings::default();
    assert!(settings.listen(&"a.localhost".parse().unwrap()).ip().is_loopback());
    assert_eq!(settings.listen(&"example.com".parse().unwrap()), "[::]:443".parse().unwrap());
}
