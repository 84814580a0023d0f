//! PROTOCOL.md §11.7 — reading the direct queue, which brings connection requests.

use super::{
    connections,
    event::Event,
    exchange::{Body, Patience},
    fan_out_queue,
    pass::{Interrupt, Pass},
    state::{BroughtEntry, Lane, State},
};
use crate::{
    codec::decode,
    crypto::hpke::HpkeCiphertext,
    wire::{
        auth_service::DequeueDirect,
        queues::{DequeueReply, direct_queue_name},
    },
};

/// Reads the direct queue to its end, then the fan-out queue.
pub(super) fn read_both(pass: &mut Pass<'_>) -> Result<(), Interrupt> {
    pass.enter(Lane::Queues)?;
    let place = pass.place();
    if pass.has_reached("direct queue is read")? {
        return fan_out_queue::read(pass);
    }
    let domain = pass.state().config.domain.clone();
    let reply = pass.call(&domain, Patience::Window, |state, _| {
        let range = state.direct_queue.0.range();
        let body = DequeueDirect { client_id: state.account.client_id.clone(), range };
        Ok(Body::signed(body, state.client_identity()?))
    })?;
    let (left, any) = (reply.remaining, !reply.entries.is_empty());
    pass.once("direct entries", |state| {
        state.open_direct(&reply);
        Ok(())
    })?;
    if left == 0 {
        return Err(pass.reach(place, "direct queue is read"));
    }
    pass.note_left(left, any)?;
    Err(pass.again_from(place))
}

impl State {
    /// Decrypts entries of the direct queue, and begins to handle the requests in them.
    fn open_direct(&mut self, reply: &DequeueReply) {
        let name = direct_queue_name(&self.account.client_id);
        let brought = self.direct_queue.change().0.open(&name, reply);
        if brought.is_outdated {
            self.emit(Event::OldCopy);
        }
        for entry in brought.entries {
            match entry {
                BroughtEntry::Message(plain) => {
                    if let Ok(sealed) = decode::<HpkeCiphertext>(&plain) {
                        connections::receive_request(self, &sealed);
                    }
                }
                BroughtEntry::Restored => self.emit(Event::QueueRestored { direct: true }),
                BroughtEntry::Unreadable(sequence) => {
                    self.emit(Event::QueueUnreadable { direct: true, sequence });
                }
            }
        }
    }
}
