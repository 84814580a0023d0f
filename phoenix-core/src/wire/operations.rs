//! PROTOCOL.md §6–§9 — all operations in one table: code, service, who may call, what it costs.
//!
//! [`OperationKind::rules`] is what the dispatch enforces; [`Request`] is what it matches on. Both are made
//! from the table below, so an operation cannot have one without the other.

use super::{
    auth_service::*,
    delivery_service::*,
    federation::{EnqueueFederated, EnqueueFederatedReply},
    message::Done,
    queues::DequeueReply,
    queuing_service::*,
};
use crate::{
    codec::{Codec, decode},
    error::Refusal,
    limits::{MAX_LARGE_REQUEST, MAX_REQUEST},
};

/// A service of a homeserver: each has an address of its own (PROTOCOL.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Authentication service, at `as.` + domain.
    Authentication,
    /// Queuing service, at `qs.` + domain.
    Queuing,
    /// Delivery service, at `ds.` + domain.
    Delivery,
}

/// How a request proves who sent it (PROTOCOL.md §6–§8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthenticationMode {
    /// Not at all.
    None,
    /// By the key of a local client's credential.
    ClientCredential,
    /// By the key of a credential whose registration is under way.
    PendingCredential,
    /// By the key of a credential, local or of another homeserver.
    FederatedCredential,
    /// By the key of a client record of the queuing service.
    QsClient,
    /// By the friendship token in the request.
    FriendshipToken,
    /// By a member's leaf key.
    Leaf,
    /// By a member's leaf key, or, while the group awaits a connection, by the group's key alone.
    LeafOrGroupKey,
    /// By a joiner's leaf key.
    KeyPackage,
    /// By the group's key alone.
    GroupKey,
    /// By the signature of another homeserver's queuing service over the frame.
    PeerFrame,
}

/// Which tokens an operation redeems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRule {
    /// None.
    None,
    /// One of either scope.
    Any,
    /// One for local clients.
    Local,
}

/// What holds for every request of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The service that it is sent to.
    pub service: Service,
    /// How the sender proves who it is.
    pub authentication: AuthenticationMode,
    /// What it redeems.
    pub token: TokenRule,
    /// Whether the answer is remembered: always where a request changes state and is not repeatable by nature.
    pub remembered: bool,
    /// The most bytes of a request.
    pub size_limit: usize,
    /// Whether it may wait for another homeserver.
    pub may_ask: bool,
}

impl Rules {
    /// Whether the request's time must lie within the authentication window: wherever it is signed or its answer
    /// is remembered. A frame between homeservers has a time of its own, checked in its turn.
    pub const fn timed(&self) -> bool {
        let own_time =
            matches!(self.authentication, AuthenticationMode::None | AuthenticationMode::PeerFrame);
        self.remembered || !own_time
    }
}

/// The body of a request, and what it is answered with.
pub trait RequestBody: Codec {
    /// The operation.
    const KIND: OperationKind;
    /// The answer.
    type Reply: Codec;
}

const ONCE: bool = true;
const REPEATABLE: bool = false;

macro_rules! operations {
    ($(
        $(#[$meta:meta])*
        $name:ident -> $reply:ty = $code:literal,
            $service:ident, $authentication:ident, $token:ident, $remembered:ident, $limit:ident $(, $may_ask:ident)?;
    )*) => {
        /// All operations that can be asked of a homeserver.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum OperationKind {
            $($(#[$meta])* $name = $code,)*
        }

        impl OperationKind {
            /// All of them, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code on the wire.
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The operation with this code.
            pub fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// What holds for its requests.
            pub const fn rules(self) -> Rules {
                match self {
                    $(Self::$name => Rules {
                        service: Service::$service,
                        authentication: AuthenticationMode::$authentication,
                        token: TokenRule::$token,
                        remembered: $remembered,
                        size_limit: $limit,
                        may_ask: [$(stringify!($may_ask),)? ""].len() > 1,
                    },)*
                }
            }
        }

        /// A request that was read.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Request {
            $($(#[$meta])* $name($name),)*
        }

        impl Request {
            /// Reads the body of a request of this kind.
            ///
            /// # Errors
            /// [`Refusal::Malformed`] if it is not validly encoded.
            pub fn read(kind: OperationKind, body: &[u8]) -> Result<Self, Refusal> {
                let request = match kind {
                    $(OperationKind::$name => decode(body).map(Self::$name),)*
                };
                request.map_err(|_| Refusal::Malformed)
            }

            /// Which operation it asks for.
            pub const fn kind(&self) -> OperationKind {
                match self {
                    $(Self::$name(_) => OperationKind::$name,)*
                }
            }
        }

        /// Calls the macro that is named with the names of all operations.
        macro_rules! for_each_operation {
            ($callback:ident) => { $callback! { $($name)* } };
        }
        pub(crate) use for_each_operation;

        $(impl RequestBody for $name {
            const KIND: OperationKind = OperationKind::$name;
            type Reply = $reply;
        })*
    };
}

operations! {
    /// First step of a registration.
    InitRegistration -> InitRegistrationReply = 101,
        Authentication, None, None, ONCE, MAX_REQUEST;
    /// Last step of a registration.
    FinishRegistration -> Done = 102,
        Authentication, PendingCredential, None, ONCE, MAX_REQUEST;
    /// The credentials of the authentication service.
    GetAsCredentials -> GetAsCredentialsReply = 103,
        Authentication, None, None, REPEATABLE, MAX_REQUEST;
    /// The public keys that tokens are issued under.
    GetTokenKeys -> GetTokenKeysReply = 104,
        Authentication, None, None, REPEATABLE, MAX_REQUEST;
    /// Tokens, within the allowance.
    IssueTokens -> IssueTokensReply = 105,
        Authentication, FederatedCredential, None, ONCE, MAX_REQUEST, may_ask;
    /// Replaces the connection packages.
    PublishConnectionPackages -> Done = 106,
        Authentication, ClientCredential, Any, ONCE, MAX_REQUEST;
    /// One connection package of a user's client.
    GetConnectionPackage -> GetConnectionPackageReply = 107,
        Authentication, None, Any, ONCE, MAX_REQUEST;
    /// Puts a connection request into a client's direct queue.
    EnqueueDirect -> Done = 108,
        Authentication, None, Any, ONCE, MAX_REQUEST;
    /// Reads the direct queue.
    DequeueDirect -> DequeueReply = 109,
        Authentication, ClientCredential, None, REPEATABLE, MAX_REQUEST;

    /// The key that queue configurations are sealed to.
    GetConfigKey -> GetConfigKeyReply = 201,
        Queuing, None, None, REPEATABLE, MAX_REQUEST;
    /// The keys of the queuing service.
    GetQsKeys -> GetQsKeysReply = 202,
        Queuing, None, None, REPEATABLE, MAX_REQUEST;
    /// Creates pseudonymous user and client records with their queue.
    CreateUserRecord -> CreateUserRecordReply = 203,
        Queuing, None, Any, ONCE, MAX_REQUEST;
    /// Replaces the key packages.
    PublishKeyPackages -> Done = 204,
        Queuing, QsClient, Any, ONCE, MAX_REQUEST;
    /// One key package for each client of a user.
    GetKeyPackage -> GetKeyPackageReply = 205,
        Queuing, FriendshipToken, Any, ONCE, MAX_REQUEST;
    /// Reads the fan-out queue.
    Dequeue -> DequeueReply = 206,
        Queuing, QsClient, None, REPEATABLE, MAX_REQUEST;
    /// Delivers a frame of a federated stream.
    EnqueueFederated -> EnqueueFederatedReply = 207,
        Queuing, PeerFrame, None, REPEATABLE, MAX_LARGE_REQUEST, may_ask;
    /// Asks to be told when the fan-out queue grows.
    Listen -> Done = 208,
        Queuing, QsClient, None, REPEATABLE, MAX_REQUEST;

    /// The keys of the delivery service.
    GetDsKeys -> GetDsKeysReply = 301,
        Delivery, None, None, REPEATABLE, MAX_REQUEST;
    /// Reserves a group id.
    RequestGroupId -> RequestGroupIdReply = 302,
        Delivery, None, Local, ONCE, MAX_REQUEST;
    /// Creates a group.
    CreateGroup -> Done = 303,
        Delivery, Leaf, Local, ONCE, MAX_REQUEST;
    /// What a joiner needs besides its Welcome.
    WelcomeInfo -> WelcomeInfoReply = 304,
        Delivery, KeyPackage, Any, ONCE, MAX_REQUEST;
    /// What an external commit needs.
    ExternalCommitInfo -> ExternalCommitInfoReply = 305,
        Delivery, LeafOrGroupKey, Any, ONCE, MAX_REQUEST;
    /// Joins a group that awaits a connection.
    JoinConnectionGroup -> CommitReply = 306,
        Delivery, GroupKey, Any, ONCE, MAX_REQUEST;
    /// Adds users.
    AddUsers -> CommitReply = 307,
        Delivery, Leaf, Any, ONCE, MAX_LARGE_REQUEST, may_ask;
    /// Updates the sender's leaf, committing all pending proposals.
    UpdateClient -> CommitReply = 308,
        Delivery, Leaf, Any, ONCE, MAX_REQUEST;
    /// Sends an application message.
    SendMessage -> SendMessageReply = 309,
        Delivery, Leaf, Any, ONCE, MAX_REQUEST;
    /// Replaces the sender's queue configuration.
    UpdateQueueInfo -> Done = 310,
        Delivery, Leaf, Any, ONCE, MAX_REQUEST;
}
