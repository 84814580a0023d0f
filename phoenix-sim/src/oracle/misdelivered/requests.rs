//! Requests are sent where they belong.

use phoenix_core::{
    identifiers::Domain,
    wire::{envelope::RequestEnvelope, operations::Request},
};

use crate::oracle::violation::Violation;

/// Checks that a client's request is for the homeserver `to` that it is sent to.
pub(super) fn check(to: &Domain, envelope: &RequestEnvelope, request: &Request) -> Result<(), Violation> {
    let kind = request.kind();
    let violation = |whose: &Domain| {
        let what = format!("a client sends to {to} a {kind:?} that concerns {whose}");
        Err(Violation::now(
            "misdelivered",
            what,
            "A client sends a request to the homeserver that it concerns.",
        ))
    };
    if envelope.service_domain != *to {
        return violation(&envelope.service_domain);
    }
    match concerned(request) {
        Some(whose) if whose != to => violation(whose),
        _ => Ok(()),
    }
}

/// Returns the homeserver of the group, user or client that a request names, if it names one.
fn concerned(request: &Request) -> Option<&Domain> {
    Some(match request {
        Request::InitRegistration(body) => &body.credential_request.payload.client_id.user_id.domain,
        Request::PublishConnectionPackages(body) => &body.client_id.user_id.domain,
        Request::GetConnectionPackage(body) => &body.user_id.domain,
        Request::EnqueueDirect(body) => &body.client_id.user_id.domain,
        Request::DequeueDirect(body) => &body.client_id.user_id.domain,
        Request::CreateGroup(body) => &body.group.group_id.domain,
        Request::WelcomeInfo(body) => &body.group.group_id.domain,
        Request::ExternalCommitInfo(body) => &body.group.group_id.domain,
        Request::JoinConnectionGroup(body) => &body.group.group_id.domain,
        Request::AddUsers(body) => &body.group.group_id.domain,
        Request::UpdateClient(body) => &body.group.group_id.domain,
        Request::SendMessage(body) => &body.group.group_id.domain,
        Request::UpdateQueueInfo(body) => &body.group.group_id.domain,
        _ => return None,
    })
}
