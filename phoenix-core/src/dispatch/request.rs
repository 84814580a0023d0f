//! From the bytes of a request to the operation that serves it: read, recall, authenticate, redeem, serve,
//! remember (PROTOCOL.md §2).

use crate::{
    auth_service as authentication,
    codec::encode,
    crypto::{kdf, labels::Label},
    delivery_service as delivery,
    error::{Advice, Refusal},
    federation::inbox,
    homeserver::Homeserver,
    operation::{Context, Interrupt, Lane, Operation, Transaction},
    queuing_service as queuing,
    request::{Call, Checks, redeem, remembered::Memory},
    store::Key,
    time::Timestamp,
    wire::{
        delivery_service::GroupAccess,
        envelope::{RequestEnvelope, ResponseEnvelope},
        operations::{Request, RequestBody, Rules, TokenRule},
    },
};

/// Begins to serve the request with these bytes.
pub(crate) fn accept(homeserver: &Homeserver, bytes: &[u8], now: Timestamp, seed: [u8; 32]) -> Operation {
    let read = RequestEnvelope::read(bytes).and_then(|(kind, envelope)| {
        let request = Request::read(kind, envelope.body.as_slice())?;
        Ok((kind, envelope, request))
    });
    let (kind, envelope, request) = match read {
        Ok(read) => read,
        Err(refusal) => {
            return Operation::finished(homeserver.clone(), Some(ResponseEnvelope::refused(&refusal)));
        }
    };
    let rules = kind.rules();
    let lane = lane(&envelope, &request);
    let bytes = bytes.to_vec();
    let (envelope_again, bytes_again) = (envelope.clone(), bytes.clone());
    Operation::new(
        homeserver.clone(),
        lane,
        rules.may_ask,
        (now, seed),
        Box::new(move |transaction, context| {
            serve(transaction, context, (&bytes, &envelope), &request).map(Some)
        }),
        Box::new(move |transaction, context, refusal| {
            let answer = ResponseEnvelope::refused(refusal);
            // Who is told to come back must not be told the same again.
            let final_word = !matches!(refusal.advice(), Advice::Retry(_));
            if rules.remembered && final_word && transaction.remembers_refusal() {
                Memory::of(&bytes_again, &envelope_again, context).remember(transaction, context, &answer);
            }
            Some(answer)
        }),
    )
}

type Served = Result<Vec<u8>, Interrupt>;

/// One pass over a request.
fn serve(
    transaction: &mut Transaction,
    context: &mut Context,
    (bytes, envelope): (&[u8], &RequestEnvelope),
    request: &Request,
) -> Served {
    if envelope.service_domain != *context.domain() {
        return Err(Refusal::WrongHomeserver.into());
    }
    let rules = request.kind().rules();
    let memory = Memory::of(bytes, envelope, context);
    if rules.timed() {
        check_time(context, envelope)?;
    }
    prefetch(transaction, context, (rules, &memory, envelope))?;
    if rules.remembered
        && let Some(answer) = memory.recall(transaction)?
    {
        return Ok(answer);
    }
    let checks = Checks::new(rules);
    let answer = dispatch(transaction, context, (envelope, &checks), request)?;
    if !checks.authenticated.get() || !checks.redeemed.get() {
        debug_assert!(false, "{:?} answers without having checked all that its rules say", request.kind());
        return Err(Refusal::Internal.into());
    }
    if rules.remembered {
        memory.remember(transaction, context, &answer);
    }
    Ok(answer)
}

/// Fetches the rows that the envelope names in one round, before anything is decrypted or verified: no pass
/// that has done so has to come again for them. Nothing is decided by it.
fn prefetch(
    transaction: &mut Transaction,
    context: &Context,
    (rules, memory, envelope): (Rules, &Memory, &RequestEnvelope),
) -> Result<(), Interrupt> {
    let answer = rules.remembered.then(|| memory.row());
    let token = envelope.token.as_ref().filter(|_| rules.token != TokenRule::None);
    let nullifier = token.and_then(|token| redeem::row(context, token));
    let rows: Vec<Key> = answer.into_iter().chain(nullifier).collect();
    transaction.prefetch(&rows)
}

fn check_time(context: &Context, envelope: &RequestEnvelope) -> Result<(), Refusal> {
    let (now, times) = (context.now, &context.config().times);
    if envelope.timestamp + times.request_past < now || envelope.timestamp > now + times.request_future {
        return Err(Refusal::OutsideTimeWindow { now });
    }
    Ok(())
}

/// The operations, each to the function that serves it.
#[rustfmt::skip]
fn dispatch(
    transaction: &mut Transaction,
    context: &mut Context,
    (envelope, checks): (&RequestEnvelope, &Checks),
    request: &Request,
) -> Served {
    macro_rules! to {
        ($body:expr, $function:path) => {
            answer($function(transaction, context, &Call { envelope, body: $body, checks }), $body)
        };
    }
    match request {
        Request::InitRegistration(body) => to!(body, authentication::registration::init_registration),
        Request::FinishRegistration(body) => to!(body, authentication::registration::finish_registration),
        Request::GetAsCredentials(body) => to!(body, authentication::keys::get_as_credentials),
        Request::GetTokenKeys(body) => to!(body, authentication::tokens::get_token_keys),
        Request::IssueTokens(body) => to!(body, authentication::tokens::issue_tokens),
        Request::PublishConnectionPackages(body) => to!(body, authentication::connections::publish_connection_packages),
        Request::GetConnectionPackage(body) => to!(body, authentication::connections::get_connection_package),
        Request::EnqueueDirect(body) => to!(body, authentication::direct_queue::enqueue_direct),
        Request::DequeueDirect(body) => to!(body, authentication::direct_queue::dequeue_direct),

        Request::GetConfigKey(body) => to!(body, queuing::keys::get_config_key),
        Request::GetQsKeys(body) => to!(body, queuing::keys::get_qs_keys),
        Request::CreateUserRecord(body) => to!(body, queuing::records::create_user_record),
        Request::PublishKeyPackages(body) => to!(body, queuing::key_packages::publish_key_packages),
        Request::GetKeyPackage(body) => to!(body, queuing::key_packages::get_key_package),
        Request::Dequeue(body) => to!(body, queuing::dequeue::dequeue),
        Request::Listen(body) => to!(body, queuing::dequeue::listen),
        Request::EnqueueFederated(body) => to!(body, inbox::enqueue_federated),

        Request::GetDsKeys(body) => to!(body, delivery::keys::get_ds_keys),
        Request::RequestGroupId(body) => to!(body, delivery::create::request_group_id),
        Request::CreateGroup(body) => to!(body, delivery::create::create_group),
        Request::WelcomeInfo(body) => to!(body, delivery::welcome::welcome_info),
        Request::ExternalCommitInfo(body) => to!(body, delivery::external::external_commit_info),
        Request::JoinConnectionGroup(body) => to!(body, delivery::external::join_connection_group),
        Request::AddUsers(body) => to!(body, delivery::membership::add_users),
        Request::UpdateClient(body) => to!(body, delivery::membership::update_client),
        Request::SendMessage(body) => to!(body, delivery::message::send_message),
        Request::UpdateQueueInfo(body) => to!(body, delivery::message::update_queue_info),
    }
}

/// Encodes a reply; `_body` ties its type to the request's.
fn answer<B: RequestBody>(reply: Result<B::Reply, Interrupt>, _body: &B) -> Served {
    reply.map(|reply| ResponseEnvelope::reply(&reply))
}

/// What the request will contend for: its group, its queue, its account, or nothing.
fn lane(envelope: &RequestEnvelope, request: &Request) -> Lane {
    let group = |group: &GroupAccess| Lane::Of(encode(&group.group_id));
    let of = |parts: &[&[u8]]| Lane::Of(kdf::hash(Label::ROW_NAME, parts).to_vec());
    match request {
        Request::GetAsCredentials(_) | Request::GetTokenKeys(_) | Request::GetConfigKey(_) => Lane::Free,
        Request::GetQsKeys(_) | Request::GetDsKeys(_) | Request::RequestGroupId(_) => Lane::Free,
        Request::CreateUserRecord(_) => Lane::Free,
        Request::InitRegistration(body) => {
            let user_id = &body.credential_request.payload.client_id.user_id;
            of(&[b"registrations", &[authentication::registration::shard(user_id)]])
        }
        Request::FinishRegistration(_) => match &envelope.authentication {
            Some(authentication) => of(&[&encode(&authentication.sender)]),
            None => Lane::Free,
        },
        Request::IssueTokens(body) => Lane::Of(encode(&body.credential.payload().client_id)),
        Request::PublishConnectionPackages(body) => Lane::Of(encode(&body.client_id.user_id)),
        Request::GetConnectionPackage(body) => Lane::Of(encode(&body.user_id)),
        Request::EnqueueDirect(body) => of(&[b"direct", &encode(&body.client_id)]),
        // Not with those who fill the queue: however many they are, its owner does not wait behind them.
        Request::DequeueDirect(body) => of(&[b"direct reading", &encode(&body.client_id)]),
        Request::PublishKeyPackages(_) | Request::Dequeue(_) | Request::Listen(_) => {
            match &envelope.authentication {
                Some(authentication) => of(&[&encode(&authentication.sender)]),
                None => Lane::Free,
            }
        }
        Request::GetKeyPackage(body) => Lane::Of(encode(&body.user)),
        Request::EnqueueFederated(body) => {
            of(&[b"stream", &encode(&body.frame.content.source), &encode(&body.frame.content.stream_id)])
        }
        Request::CreateGroup(body) => group(&body.group),
        Request::WelcomeInfo(body) => group(&body.group),
        Request::ExternalCommitInfo(body) => group(&body.group),
        Request::JoinConnectionGroup(body) => group(&body.group),
        Request::AddUsers(body) => group(&body.group),
        Request::UpdateClient(body) => group(&body.group),
        Request::SendMessage(body) => group(&body.group),
        Request::UpdateQueueInfo(body) => group(&body.group),
    }
}
