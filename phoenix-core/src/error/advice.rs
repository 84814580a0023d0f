//! PROTOCOL.md §2, Refusals — what the caller can do about each refusal.

use std::time::Duration;

use super::refusal::Refusal;
use crate::codec::encode;

/// What a caller can do about a [`Refusal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Wait for this time, then send the same bytes again: what they have paid counts.
    Retry(Duration),
    /// Get another token, then make a new request.
    GetToken,
    /// Fetch the keys and credentials concerned afresh, then make a new request.
    RefreshKeys,
    /// Bring the group up to date from the queue, then make a new request.
    Rebase,
    /// Give up: the same would be refused again.
    Stop,
}

impl Refusal {
    /// Returns the code on the wire, which is stable.
    pub fn code(&self) -> u16 {
        // The encoding begins with the discriminant, which is the code.
        let encoded = encode(self);
        encoded.first_chunk().map_or(0, |code| u16::from_be_bytes(*code))
    }

    /// Returns what the caller can do about it. The sender of a federated frame acts on 7xx as PROTOCOL.md §9
    /// says, which is more precise.
    pub fn advice(&self) -> Advice {
        match self {
            Self::RateLimited { retry_after_milliseconds }
            | Self::PeerUnavailable { retry_after_milliseconds, .. }
            | Self::Unavailable { retry_after_milliseconds }
            | Self::NoValidKey { retry_after_milliseconds } => {
                Advice::Retry(Duration::from_millis(*retry_after_milliseconds))
            }
            Self::TokenNeeded | Self::InvalidToken | Self::TokenSpent => Advice::GetToken,
            Self::UnknownTokenKey | Self::UnknownFrameKey => Advice::RefreshKeys,
            Self::WrongEpoch { .. } | Self::PendingProposals => Advice::Rebase,
            Self::UnsupportedVersion { .. }
            | Self::UnknownOperation
            | Self::Malformed
            | Self::TooLarge { .. }
            | Self::WrongHomeserver
            | Self::Unauthenticated
            | Self::OutsideTimeWindow { .. }
            | Self::InvalidCredential { .. }
            | Self::InvalidPublicKey
            | Self::WrongTokenScope
            | Self::UserExists
            | Self::RegistrationClosed
            | Self::NoSuchRegistration
            | Self::PasswordProtocol
            | Self::NotFound
            | Self::InvalidConnectionPackage
            | Self::QueueFull
            | Self::BeyondQueue
            | Self::InvalidKeyPackage
            | Self::NoLastResort
            | Self::NoFriend
            | Self::NoSuchGroup
            | Self::NotReserved
            | Self::NotAdmin
            | Self::InvalidMlsMessage
            | Self::InvalidGroupInfo
            | Self::InvalidGroupState
            | Self::CredentialCount
            | Self::KeyPackageNotCovered
            | Self::WelcomeMismatch
            | Self::NotAwaitingConnection
            | Self::CommitNotAllowed
            | Self::GroupFull
            | Self::InvalidQueueConfig
            | Self::WrongDestination
            | Self::NotFederated
            | Self::FrameOutsideTimeWindow { .. }
            | Self::InvalidFrameSignature
            | Self::StreamPosition { .. }
            | Self::StreamEpoch { .. }
            | Self::TooManyStreams
            | Self::UnreadableEntry { .. }
            | Self::StreamDiverged
            | Self::StoredData { .. }
            | Self::Internal => Advice::Stop,
        }
    }
}
