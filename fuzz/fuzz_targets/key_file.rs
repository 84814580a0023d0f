//! Any bytes as a key file, and as the content of one whose checksum is right.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phoenix_core::{
    codec::encode,
    crypto::{kdf, labels::Label},
    keys::{RootKey, ServiceKeys},
};

fn file(label: Label, content: &[u8]) -> Vec<u8> {
    let format: u16 = 1;
    [encode(&(format, kdf::hash(label, &[content]))), content.to_vec()].concat()
}

fuzz_target!(|bytes: &[u8]| {
    for bytes in [bytes.to_vec(), file(Label::SERVICE_KEYS_FILE, bytes)] {
        if let Ok(keys) = ServiceKeys::from_bytes(&bytes) {
            assert_eq!(*keys.to_bytes(), bytes);
        }
    }
    for bytes in [bytes.to_vec(), file(Label::ROOT_KEY_FILE, bytes)] {
        if let Ok(key) = RootKey::from_bytes(&bytes) {
            assert_eq!(*key.to_bytes(), bytes);
        }
    }
});
