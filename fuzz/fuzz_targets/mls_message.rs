//! Any bytes as each kind of MLS message that a homeserver looks into, and as a key package.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phoenix_core::{crypto::provider::MlsCrypto, mls};

fuzz_target!(|bytes: &[u8]| {
    let crypto = MlsCrypto::new([7; 32]);
    let _ = mls::parse_message(bytes);
    let _ = mls::check_application_message(bytes);
    let _ = mls::message_group_id(bytes);
    let _ = mls::welcome_references(bytes);
    let _ = mls::validate_key_package(&crypto, bytes, 1_800_000_000);
});
