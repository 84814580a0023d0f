//! PROTOCOL.md §2, Requests and responses — all operations in one table: code, service, authentication,
//! token, size (PROTOCOL.md, Appendix A).
//!
//! A line of the table makes the operation's [`Rules`], which the dispatch enforces, its variant of
//! [`Request`], which the dispatch matches on, and its [`RequestBody`], which ties the body to the reply.
//! None can be there without the others.

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

/// A service of a homeserver. Each has an address of its own (§5, Finding a service).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The authentication service, by default at `as.` + domain.
    Authentication,
    /// The queuing service, by default at `qs.` + domain.
    Queuing,
    /// The delivery service, by default at `ds.` + domain.
    Delivery,
}

/// How a request proves who sent it (§6, Authentication modes; §7, Authentication modes; §8, Access and
/// authentication).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthenticationMode {
    /// No proof: the operation is public.
    None,
    /// By a signature with the key of a local client's credential.
    ClientCredential,
    /// By a signature with the key of the credential whose registration is under way.
    PendingCredential,
    /// By a signature with the key of the credential in the body, of this homeserver or another.
    FederatedCredential,
    /// By a signature with the key in a client record of the queuing service.
    QsClient,
    /// By the friendship token in the body.
    FriendshipToken,
    /// By a signature with a member's leaf key.
    Leaf,
    /// By a signature with a member's leaf key; while the group awaits a connection, by the group's key
    /// alone.
    LeafOrGroupKey,
    /// By a signature with the leaf key in a joiner's key package.
    KeyPackage,
    /// By the group's key in the body.
    GroupKey,
    /// By the signature of another homeserver's queuing service over the frame in the body.
    PeerFrame,
}

/// The token that an operation redeems (§6, Tokens).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRule {
    /// No token; one that comes along is ignored.
    None,
    /// A token of either scope.
    Any,
    /// A token of the local scope, which only local clients get.
    Local,
}

/// What holds for every request of an operation (PROTOCOL.md, Appendix A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The service that the request is sent to.
    pub service: Service,
    /// How the sender proves who it is.
    pub authentication: AuthenticationMode,
    /// The token that the request redeems.
    pub token: TokenRule,
    /// Whether the answer is remembered (§2, Idempotency): wherever a request changes something and is not
    /// repeatable by nature.
    pub remembered: bool,
    /// The most bytes of a request, envelope included.
    pub size_limit: usize,
    /// Whether the request may wait for the answer of another homeserver.
    pub may_ask: bool,
}

impl Rules {
    /// Whether the request's time must lie within the authentication window: wherever the request is signed
    /// or its answer is remembered (§2, Order of checks). A frame between homeservers has a time of its own.
    pub const fn timed(&self) -> bool {
        let own_time =
            matches!(self.authentication, AuthenticationMode::None | AuthenticationMode::PeerFrame);
        self.remembered || !own_time
    }
}

/// The body of a request: which operation it asks for, and what the reply is.
pub trait RequestBody: Codec {
    /// The operation that the body asks for.
    const KIND: OperationKind;
    /// The operation's reply, where the request is not refused.
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
        /// The operations of a homeserver, by their codes (PROTOCOL.md, Appendix A).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum OperationKind {
            $($(#[$meta])* $name = $code,)*
        }

        impl OperationKind {
            /// All operations, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the code on the wire, which is stable.
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// Returns the operation with this code, if there is one.
            pub fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Returns what holds for every request of the operation.
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

        /// The body of a request, once it is decoded: what the dispatch matches on.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Request {
            $($(#[$meta])* $name($name),)*
        }

        impl Request {
            /// Decodes the body of a request of this kind.
            ///
            /// # Errors
            /// [`Refusal::Malformed`] if the bytes are not the one encoding of such a body.
            pub fn read(kind: OperationKind, body: &[u8]) -> Result<Self, Refusal> {
                let request = match kind {
                    $(OperationKind::$name => decode(body).map(Self::$name),)*
                };
                request.map_err(|_| Refusal::Malformed)
            }

            /// Returns the operation that the body asks for.
            pub const fn kind(&self) -> OperationKind {
                match self {
                    $(Self::$name(_) => OperationKind::$name,)*
                }
            }
        }

        /// Calls a macro, by its name, with the names of all operations.
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
    /// Fetches the credentials of the authentication service.
    GetAsCredentials -> GetAsCredentialsReply = 103,
        Authentication, None, None, REPEATABLE, MAX_REQUEST;
    /// Fetches the public keys that tokens are issued under.
    GetTokenKeys -> GetTokenKeysReply = 104,
        Authentication, None, None, REPEATABLE, MAX_REQUEST;
    /// Issues tokens, within the allowance.
    IssueTokens -> IssueTokensReply = 105,
        Authentication, FederatedCredential, None, ONCE, MAX_REQUEST, may_ask;
    /// Replaces a client's connection packages.
    PublishConnectionPackages -> Done = 106,
        Authentication, ClientCredential, Any, ONCE, MAX_REQUEST;
    /// Fetches one connection package of a user's client.
    GetConnectionPackage -> GetConnectionPackageReply = 107,
        Authentication, None, Any, ONCE, MAX_REQUEST;
    /// Puts a connection request into a client's direct queue.
    EnqueueDirect -> Done = 108,
        Authentication, None, Any, ONCE, MAX_REQUEST;
    /// Reads a client's direct queue.
    DequeueDirect -> DequeueReply = 109,
        Authentication, ClientCredential, None, REPEATABLE, MAX_REQUEST;

    /// Fetches the key that queue configurations are sealed to.
    GetConfigKey -> GetConfigKeyReply = 201,
        Queuing, None, None, REPEATABLE, MAX_REQUEST;
    /// Fetches the keys of the queuing service.
    GetQsKeys -> GetQsKeysReply = 202,
        Queuing, None, None, REPEATABLE, MAX_REQUEST;
    /// Creates the records of a pseudonymous user and its first client, with the client's queue.
    CreateUserRecord -> CreateUserRecordReply = 203,
        Queuing, None, Any, ONCE, MAX_REQUEST;
    /// Replaces a client's key packages.
    PublishKeyPackages -> Done = 204,
        Queuing, QsClient, Any, ONCE, MAX_REQUEST;
    /// Fetches one key package for each client of a user.
    GetKeyPackage -> GetKeyPackageReply = 205,
        Queuing, FriendshipToken, Any, ONCE, MAX_REQUEST;
    /// Reads a client's fan-out queue.
    Dequeue -> DequeueReply = 206,
        Queuing, QsClient, None, REPEATABLE, MAX_REQUEST;
    /// Delivers a frame of a stream from another homeserver.
    EnqueueFederated -> EnqueueFederatedReply = 207,
        Queuing, PeerFrame, None, REPEATABLE, MAX_LARGE_REQUEST, may_ask;
    /// Asks to be told when a client's fan-out queue grows.
    Listen -> Done = 208,
        Queuing, QsClient, None, REPEATABLE, MAX_REQUEST;

    /// Fetches the keys of the delivery service.
    GetDsKeys -> GetDsKeysReply = 301,
        Delivery, None, None, REPEATABLE, MAX_REQUEST;
    /// Reserves an id for a new group.
    RequestGroupId -> RequestGroupIdReply = 302,
        Delivery, None, Local, ONCE, MAX_REQUEST;
    /// Creates a group under a reserved id.
    CreateGroup -> Done = 303,
        Delivery, Leaf, Local, ONCE, MAX_REQUEST;
    /// Fetches what a joiner needs besides its Welcome.
    WelcomeInfo -> WelcomeInfoReply = 304,
        Delivery, KeyPackage, Any, ONCE, MAX_REQUEST;
    /// Fetches what an external commit needs.
    ExternalCommitInfo -> ExternalCommitInfoReply = 305,
        Delivery, LeafOrGroupKey, Any, ONCE, MAX_REQUEST;
    /// Joins a group that awaits a connection.
    JoinConnectionGroup -> CommitReply = 306,
        Delivery, GroupKey, Any, ONCE, MAX_REQUEST;
    /// Adds users to a group.
    AddUsers -> CommitReply = 307,
        Delivery, Leaf, Any, ONCE, MAX_LARGE_REQUEST, may_ask;
    /// Updates the sender's leaf, and commits all pending proposals.
    UpdateClient -> CommitReply = 308,
        Delivery, Leaf, Any, ONCE, MAX_REQUEST;
    /// Sends an application message.
    SendMessage -> SendMessageReply = 309,
        Delivery, Leaf, Any, ONCE, MAX_REQUEST;
    /// Replaces the sender's queue configuration.
    UpdateQueueInfo -> Done = 310,
        Delivery, Leaf, Any, ONCE, MAX_REQUEST;
}
