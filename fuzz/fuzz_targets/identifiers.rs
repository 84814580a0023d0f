//! Any text as each kind of identifier that people write into settings and commands: what is read is written
//! again, and its encoding is the one that is read.
#![no_main]

use std::{fmt, str::FromStr};

use libfuzzer_sys::fuzz_target;
use phoenix_core::{
    codec::{Codec, decode, encode},
    config::Pattern,
    identifiers::{ClientId, Domain, GroupId, NodeId, QsClientId, UserId},
    time::Timestamp,
};

fn text<T: FromStr + fmt::Display + fmt::Debug + PartialEq>(text: &str) -> Option<T>
where
    T::Err: fmt::Debug,
{
    let value: T = text.parse().ok()?;
    assert_eq!(value.to_string().parse::<T>().expect("what is written is read again"), value);
    Some(value)
}

fn identifier<T: FromStr + fmt::Display + fmt::Debug + PartialEq + Codec>(written: &str)
where
    T::Err: fmt::Debug,
{
    if let Some(value) = text::<T>(written) {
        assert_eq!(decode(&encode(&value)), Ok(value));
    }
}

fuzz_target!(|written: &str| {
    identifier::<Domain>(written);
    identifier::<UserId>(written);
    identifier::<ClientId>(written);
    identifier::<GroupId>(written);
    identifier::<QsClientId>(written);
    identifier::<NodeId>(written);
    identifier::<Timestamp>(written);
    text::<Pattern>(written);
    if let Ok(domain) = written.parse::<Domain>() {
        let registrable = domain.registrable();
        assert_eq!(registrable.registrable(), registrable);
    }
});
