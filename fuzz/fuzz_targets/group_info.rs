//! Any bytes as a GroupInfo, and as tree and GroupInfo of a new group.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phoenix_core::{
    codec::{decode, encode},
    crypto::provider::MlsCrypto,
    mls::{GroupInfoUpdate, GroupInfoView, GroupState},
};

fuzz_target!(|bytes: &[u8]| {
    let _ = GroupInfoView::from_bytes(bytes);
    if let Ok(update) = GroupInfoUpdate::from_bytes(bytes) {
        assert_eq!(decode(&encode(&update)), Ok(update));
    }
    // The first two bytes say where the tree ends.
    if let Some((length, rest)) = bytes.split_first_chunk() {
        let (tree, group_info) = rest.split_at(rest.len().min(usize::from(u16::from_be_bytes(*length))));
        let _ = GroupState::create(&MlsCrypto::new([7; 32]), tree, group_info);
    }
});
