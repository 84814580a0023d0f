//! PROTOCOL.md §8, MLS profile — the ratchet tree as it travels beside a GroupInfo or a Welcome: read
//! strictly, and hashed.
//!
//! The delivery service and the clients here have their trees from openmls. This tells whether the bytes of
//! another MLS implementation are those that a delivery service accepts, and which tree they are.

use openmls::prelude::RatchetTreeIn;
use sha2::{Digest, Sha256};
use tls_codec::{Serialize, TlsSerialize, TlsSize};

use super::{
    encoding::{MalformedMessage, read},
    view::verifying_key,
};
use crate::{
    codec::{Bytes, decode, encode},
    crypto::{kdf::Hash, sign::VerifyingKey},
};

// RFC 9420 §7.8 and §12.4.3.3: how a node is told from a blank, and a leaf from a parent.
const BLANK: u8 = 0;
const PRESENT: u8 = 1;
const LEAF: u8 = 1;
const PARENT: u8 = 2;

/// A ratchet tree (`optional<Node> ratchet_tree<V>`, RFC 9420 §12.4.3.3), well-formed and not validated:
/// signatures and parent hashes are not checked.
///
/// ```
/// use phoenix_core::mls::RatchetTree;
/// assert!(RatchetTree::from_bytes(&[0]).is_err(), "a tree has a leaf");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatchetTree {
    /// In the order of the array, each as its type and content are encoded; leaves at the even places.
    nodes: Vec<Option<Vec<u8>>>,
}

impl RatchetTree {
    /// Reads a ratchet tree without any `MLSMessage` around it.
    ///
    /// # Errors
    /// [`MalformedMessage`] if `bytes` are not the one encoding of a tree: if bytes are missing or left over,
    /// a length is written in more bytes than it needs, a leaf stands where a parent belongs or the other way
    /// round, or the last node is blank.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedMessage> {
        let tree: RatchetTreeIn = read(bytes)?;
        let content = decode::<Bytes<{ usize::MAX }>>(bytes).map_err(|_| MalformedMessage)?;
        let nodes = with_blanks(content.as_slice(), &tree)?;
        let in_place = nodes.iter().enumerate().all(|(place, node)| {
            let kind = if place % 2 == 0 { LEAF } else { PARENT };
            node.as_ref().is_none_or(|node| node.first() == Some(&kind))
        });
        if in_place && matches!(nodes.last(), Some(Some(_))) {
            Ok(Self { nodes })
        } else {
            Err(MalformedMessage)
        }
    }

    /// The encoded `LeafNode` at this leaf index; `None` if the leaf is blank or outside of the tree.
    pub fn leaf(&self, index: u32) -> Option<&[u8]> {
        self.node(usize::try_from(index).ok()?.checked_mul(2)?)?.split_first().map(|(_, leaf)| leaf)
    }

    /// The tree hash (RFC 9420 §7.8) of the whole tree, which the group's context holds.
    pub fn tree_hash(&self) -> Hash {
        // The array ends with the last node that is not blank; the tree is as wide as the next power of two.
        self.subtree_hash(0, (self.nodes.len() / 2 + 1).next_power_of_two())
    }

    /// The hash of the subtree over `leaves` leaves, a power of two, from leaf number `first` on.
    fn subtree_hash(&self, first: usize, leaves: usize) -> Hash {
        let node =
            self.node(2 * first + leaves - 1).and_then(|node| node.split_first()).map(|(_, node)| node);
        let presence = if node.is_some() { PRESENT } else { BLANK };
        let mut hash = Sha256::new();
        if leaves == 1 {
            hash.update([LEAF]);
            hash.update((first as u32).to_be_bytes());
            hash.update([presence]);
            hash.update(node.unwrap_or_default());
        } else {
            let half = leaves / 2;
            let children =
                Children { left: self.child_hash(first, half), right: self.child_hash(first + half, half) };
            hash.update([PARENT, presence]);
            hash.update(node.unwrap_or_default());
            hash.update(encode(&children));
        }
        hash.finalize().into()
    }

    fn child_hash(&self, first: usize, leaves: usize) -> Bytes<32> {
        self.subtree_hash(first, leaves).to_vec().try_into().unwrap_or_default()
    }

    fn node(&self, place: usize) -> Option<&[u8]> {
        self.nodes.get(place)?.as_deref()
    }
}

/// The hashes of a parent's children, at the end of what its own hash is computed over.
#[derive(TlsSize, TlsSerialize)]
struct Children {
    left: Bytes<32>,
    right: Bytes<32>,
}

/// The nodes in their places. openmls shows those that are not blank; `content` shows where they stand.
fn with_blanks(mut content: &[u8], tree: &RatchetTreeIn) -> Result<Vec<Option<Vec<u8>>>, MalformedMessage> {
    let mut present = tree.nodes();
    let mut nodes = Vec::new();
    while let Some((presence, rest)) = content.split_first() {
        content = rest;
        if *presence == BLANK {
            nodes.push(None);
            continue;
        }
        let node =
            present.next().and_then(|node| node.tls_serialize_detached().ok()).ok_or(MalformedMessage)?;
        content = content.get(node.len()..).ok_or(MalformedMessage)?;
        nodes.push(Some(node));
    }
    Ok(nodes)
}

/// Returns the signature key of a tree's only leaf, which is read and not checked: it tells who claims to
/// have made the tree before the tree is validated.
///
/// # Errors
/// [`MalformedMessage`] if `ratchet_tree` is not a tree of exactly one leaf.
pub fn only_leaf_key(ratchet_tree: &[u8]) -> Result<VerifyingKey, MalformedMessage> {
    let tree: RatchetTreeIn = read(ratchet_tree)?;
    let mut leaves = tree.leaves();
    match (leaves.next(), leaves.next(), tree.nodes().count()) {
        (Some(leaf), None, 1) => verifying_key(leaf.signature_key()).map_err(|_| MalformedMessage),
        _ => Err(MalformedMessage),
    }
}
