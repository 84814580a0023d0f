//! PROTOCOL.md §7, Enqueue — how much came in the present minute, altogether and for each membership.

use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

use crate::{codec::List, crypto::kdf::Hash};

/// Deliveries that are counted. Bounded: memberships beyond the limit are held to the overall count only.
#[derive(Debug, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Deliveries {
    total: u32,
    memberships: List<Count, 64>,
}

#[derive(Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Count {
    membership: Hash,
    count: u32,
}

impl Deliveries {
    /// Counts one delivery to `membership`, unless it is one too many.
    pub fn admit(&mut self, membership: &Hash, per_client: u32, per_membership: u32) -> bool {
        if self.total >= per_client {
            return false;
        }
        match self.memberships.iter_mut().find(|count| count.membership == *membership) {
            Some(count) if count.count >= per_membership => return false,
            Some(count) => count.count += 1,
            None => {
                let _ = self.memberships.push(Count { membership: *membership, count: 1 });
            }
        }
        self.total += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_membership_leaves_room_for_others_and_all_together_have_a_limit() {
        let mut deliveries = Deliveries::default();
        let admitted = |membership: [u8; 32]| (0..10).filter(|_| deliveries.admit(&membership, 5, 3)).count();
        assert_eq!([[1; 32], [2; 32], [3; 32]].map(admitted), [3, 2, 0]);
    }
}
