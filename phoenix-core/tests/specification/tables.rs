//! The tables of the appendices.

use std::{collections::BTreeMap, time::Duration};

use phoenix_core::{
    Config,
    codec::{decode, encode},
    crypto::labels::Label,
    error::{Advice, Refusal},
    limits::*,
    wire::operations::{OperationKind, Service},
};
use serde_json::Value;

use super::table;

/// `SendMessage` as `send_message`.
fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(character.to_lowercase());
    }
    text
}

#[test]
fn operations_are_those_of_appendix_a() {
    let rows = table("## Appendix A", "code");
    let written: Vec<Vec<String>> = rows.into_iter().map(|row| row[..7].to_vec()).collect();
    let built = OperationKind::ALL.iter().map(|kind| {
        let rules = kind.rules();
        let service = match rules.service {
            Service::Authentication => "AS",
            Service::Queuing => "QS",
            Service::Delivery => "DS",
        };
        vec![
            kind.code().to_string(),
            snake_case(&format!("{kind:?}")),
            service.to_owned(),
            format!("{:?}", rules.authentication),
            format!("{:?}", rules.token).to_lowercase(),
            if rules.remembered { "yes" } else { "no" }.to_owned(),
            rules.size_limit.to_string(),
        ]
    });
    assert_eq!(written, built.collect::<Vec<_>>());
}

/// The refusals that there are, by their codes: whatever follows a code, something of it decodes.
fn refusals() -> BTreeMap<u16, Refusal> {
    let domain = encode(&"example.com".parse::<phoenix_core::identifiers::Domain>().unwrap());
    let zeros = |count| vec![0; count];
    let fields = [zeros(0), zeros(1), vec![1], zeros(8), zeros(16), [domain, zeros(8)].concat()];
    let codes = 0..2000_u16;
    let found = codes.filter_map(|code| {
        let mut read =
            fields.iter().filter_map(|fields| decode(&[&code.to_be_bytes()[..], fields].concat()).ok());
        Some((code, read.next()?))
    });
    found.collect()
}

#[test]
fn refusals_are_those_of_appendix_b() {
    let advice = |refusal: &Refusal| match refusal.advice() {
        Advice::Retry(_) => "retry",
        Advice::GetToken => "get token",
        Advice::RefreshKeys => "refresh keys",
        Advice::Rebase => "rebase",
        Advice::Stop => "stop",
    };
    let name = |refusal: &Refusal| {
        let debug = format!("{refusal:?}");
        debug.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
    };
    let rows = table("## Appendix B", "code");
    let written: Vec<Vec<String>> = rows.into_iter().map(|row| row[..3].to_vec()).collect();
    let built = refusals();
    // Each variant of the source has been found: the fields tried above are enough.
    let source = include_str!("../../src/error/refusal.rs");
    assert_eq!(source.matches("#[tls_codec(discriminant = ").count(), built.len());
    let built =
        built.iter().map(|(code, refusal)| vec![code.to_string(), name(refusal), advice(refusal).into()]);
    assert_eq!(written, built.collect::<Vec<_>>());
}

macro_rules! values {
    ($($name:ident)*) => {
        [$((stringify!($name), $name.to_string())),*]
    };
}

#[test]
fn limits_are_those_of_appendix_c() {
    let rows = table("## Appendix C", "name");
    let written: BTreeMap<String, String> =
        rows.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let mut built: BTreeMap<String, String> = values![
        MAX_REQUEST MAX_LARGE_REQUEST MAX_MLS_MESSAGE MAX_FIRST_STATE MAX_MEMBERS MAX_ADDS MAX_ADDED_DOMAINS
        MAX_ASKS MAX_WELCOMES MAX_SEALED_CONFIG MAX_MEMBER_SECRET MAX_CLIENTS MAX_KEY_PACKAGES MAX_CONNECTION_PACKAGES
        MAX_DEQUEUE MAX_ACKNOWLEDGED MAX_STREAM_EPOCH MAX_INBOUND_STREAMS MAX_LISTED_GROUPS MAX_ROUNDS MAX_ATTEMPTS
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let versions: Vec<String> = SUPPORTED_VERSIONS.iter().map(u16::to_string).collect();
    built.insert("SUPPORTED_VERSIONS".to_owned(), versions.join(", "));
    // In seconds.
    built.insert("UNUSED".to_owned(), UNUSED.as_secs().to_string());
    let source = include_str!("../../src/limits.rs").lines();
    let declared = source.filter_map(|line| line.strip_prefix("pub const ")?.split(':').next());
    assert_eq!(declared.filter(|name| !built.contains_key(*name)).collect::<Vec<_>>(), [] as [&str; 0]);
    assert_eq!(written, built);
}

/// The settings with their defaults, by their path.
fn defaults(path: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if fields.contains_key("secs") => {
            let seconds = Duration::from_secs(fields["secs"].as_u64().unwrap());
            found.insert(path.to_owned(), format!("{} s", seconds.as_secs()));
        }
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("open") => {
            found.insert(path.to_owned(), "open".to_owned());
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                defaults(&path, value, found);
            }
        }
        Value::String(text) => drop(found.insert(path.to_owned(), text.clone())),
        value => drop(found.insert(path.to_owned(), value.to_string())),
    }
}

#[test]
fn settings_are_those_of_appendix_c() {
    let heading = "Settings of a homeserver";
    let written = table(heading, "name").into_iter().map(|row| {
        let duration = humantime::parse_duration(&row[1]).ok().filter(|_| row[1].contains(' '));
        (row[0].clone(), duration.map_or(row[1].clone(), |duration| format!("{} s", duration.as_secs())))
    });
    let config = serde_json::to_value(Config::new("example.com".parse().unwrap())).unwrap();
    let mut built = BTreeMap::new();
    defaults("", &config, &mut built);
    // Which homeserver it is, and what tests plant, are no settings with a default.
    for name in ["domain", "node", "plant"] {
        built.remove(name);
    }
    assert_eq!(written.collect::<BTreeMap<_, _>>(), built);
}

#[test]
fn labels_are_those_of_appendix_d() {
    let written: Vec<String> =
        table("## Appendix D", "label").into_iter().map(|row| row[0].clone()).collect();
    let built: Vec<&str> = Label::ALL.iter().map(|label| label.as_str()).collect();
    assert_eq!(written, built);
}
