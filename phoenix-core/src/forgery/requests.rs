//! PROTOCOL.md §3, Signatures — requests that are signed in any name, by any key.

use crate::{
    crypto::sign::SigningKey,
    wire::envelope::{RequestEnvelope, Sender, Signer},
};

/// Signs `envelope` as it is now, in the name of `sender` and with `key`, which need not be the sender's. What
/// the envelope says of operation and body need not fit together.
pub fn sign_request(envelope: &mut RequestEnvelope, sender: &Sender, key: &SigningKey) {
    envelope.sign(Signer { sender, key });
}
