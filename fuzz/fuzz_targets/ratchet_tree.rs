//! Any bytes as a ratchet tree: what the strict reader takes can be looked into and hashed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phoenix_core::mls::{self, RatchetTree};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tree) = RatchetTree::from_bytes(bytes) {
        let _ = tree.tree_hash();
        // Every leaf takes more than a byte, so this is beyond the last one.
        assert_eq!(tree.leaf(bytes.len() as u32), None);
    }
    // What creates a group is a tree of one leaf.
    if mls::only_leaf_key(bytes).is_ok() {
        let tree = RatchetTree::from_bytes(bytes).expect("a tree of one leaf is a tree");
        assert!(tree.leaf(0).is_some());
    }
});
