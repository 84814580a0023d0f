//! PROTOCOL.md §11.15 — which function carries out which intent.

use super::{
    account, connections, credentials, direct_queue,
    event::IntentId,
    fan_out_queue, groups, joining, key_packages, membership,
    pass::{Interrupt, Pass},
    processing,
    state::{Intent, State, Want},
    tokens,
};

/// Runs the function of an intent.
pub(super) fn run(pass: &mut Pass<'_>, want: &Want) -> Result<(), Interrupt> {
    match want {
        Want::Register { password } => account::register(pass, password.0.as_slice()),
        Want::Connect { user } => connections::connect(pass, user),
        Want::HandleRequest { request } => connections::handle_request(pass, request),
        Want::Accept { request } => connections::accept(pass, request),
        Want::CreateGroup => groups::create_group(pass),
        Want::Invite { group, users } => membership::invite(pass, group, users),
        Want::Update { group } => membership::update(pass, group),
        Want::Send { group, text } => membership::send(pass, group, text.as_slice()),
        Want::Join { delivery } => joining::join(pass, delivery),
        Want::Follow { group } => processing::follow(pass, group),
        Want::ReadQueues => direct_queue::read_both(pass),
        Want::ReadFanOutQueue => fan_out_queue::read(pass),
        Want::StockTokens { domain, count } => tokens::stock(pass, domain, *count),
        Want::FetchTokens { domain } => tokens::fetch(pass, domain),
        Want::FetchAsCredentials { domain } => credentials::fetch_as_credentials(pass, domain),
        Want::FetchQsKeys { domain } => credentials::fetch_qs_keys(pass, domain),
        Want::PublishKeyPackages => key_packages::publish(pass),
        Want::BindQueue { group } => joining::bind_queue(pass, group),
    }
}

/// Takes back what an intent that has failed or is cancelled began and cannot leave behind.
pub(super) fn clean_up(state: &mut State, id: IntentId, intent: &Intent) {
    groups::forget_unfinished(state, intent);
    joining::forget_unentered(state, intent);
    membership::give_up(state, id, intent);
}
