//! PROTOCOL.md §2.8, §6.3, §6.6 — a whole registration and the first tokens, request by request.

use super::{NOW, Vector, check};
use crate::{
    codec::{Codec, encode},
    credentials::{
        ClientCredentialRequest,
        validation::{validate_as_credential_set, validate_client_credential},
    },
    crypto::{
        opaque::{ClientRegistration, PasswordHashing},
        tokens::{TokenRequest, TokenScope},
    },
    identifiers::{Domain, RequestId},
    rng::Random,
    testing::{
        fixtures::{PASSWORD, Sample},
        people::Person,
        world::{World, homeserver},
    },
    time::{DAY, ExpirationData},
    wire::{
        auth_service::{
            FinishRegistration, GetAsCredentials, GetAsCredentialsReply, GetTokenKeys, GetTokenKeysReply,
            InitRegistration, InitRegistrationReply, IssueTokens, IssueTokensReply,
        },
        message::Done,
    },
};

/// A homeserver, and the requests that were sent to it.
struct Exchange {
    world: World,
    vectors: Vec<Vector>,
}

impl Exchange {
    fn send<R: Codec>(&mut self, name: &str, sample: &Sample) -> R {
        let request_id = RequestId([self.vectors.len() as u8; 16]);
        let request = encode(&sample.envelope(NOW, request_id, None));
        let recorded = self.world.request(&sample.domain, &request);
        let reply = recorded.answer().unwrap();
        let vector = Vector::new(name).bytes("request", &request);
        self.vectors.push(vector.bytes("response", &recorded.reply.unwrap()));
        reply
    }
}

#[test]
fn registration() {
    let domain: Domain = "example.com".parse().unwrap();
    let random = &mut Random::from_seed([1; 32]);
    let server = homeserver(random, &domain, NOW, &|_| {});
    let config_to = server.keys().config_keys().next().unwrap();
    let mut person = Person::new(random, &domain, config_to);
    let mut exchange = Exchange { world: World::new(NOW), vectors: Vec::new() };
    exchange.world.add(server);
    exchange.vectors.push(
        Vector::new("client")
            .bytes("private_key", person.key.to_bytes().as_slice())
            .bytes("direct_queue_private_key", person.direct_queue.to_bytes().as_slice())
            .bytes("password", PASSWORD),
    );

    let ask = Sample::new(&domain, &GetAsCredentials {}, None);
    let set: GetAsCredentialsReply = exchange.send("get_as_credentials", &ask);
    let set = validate_as_credential_set(&set.credentials, &domain, NOW, None).unwrap();
    let (client, opaque_request) = ClientRegistration::start(random, PASSWORD).unwrap();
    let expiration = ExpirationData::starting(NOW, 365 * DAY);
    let init = InitRegistration {
        credential_request: ClientCredentialRequest::create(
            &person.key,
            person.client_id.clone(),
            expiration,
        ),
        opaque_request: opaque_request.try_into().unwrap(),
    };
    let reply: InitRegistrationReply = exchange.send("init_registration", &Sample::new(&domain, &init, None));
    assert!(validate_client_credential(&reply.credential, &set, NOW).is_ok());
    person.credential = Some(reply.credential.clone());

    let response = reply.opaque_response.as_slice();
    let upload = client.finish(random, PASSWORD, response, PasswordHashing::default()).unwrap();
    let finish = FinishRegistration {
        expires_at: reply.expires_at,
        opaque_upload: upload.try_into().unwrap(),
        queue_key: person.direct_queue.public_key(),
        connection_packages: vec![person.connection_package(random, NOW)].try_into().unwrap(),
    };
    let finish = Sample::new(&domain, &finish, Some(person.as_client()));
    assert_eq!(exchange.send::<Done>("finish_registration", &finish), Done);

    let ask = Sample::new(&domain, &GetTokenKeys {}, None);
    let keys: GetTokenKeysReply = exchange.send("get_token_keys", &ask);
    let key = *keys.keys.iter().find(|key| key.scope == TokenScope::Local).unwrap();
    let (request, blinded) = TokenRequest::blind(random, key, 1).unwrap();
    let credential = reply.credential;
    let issue = IssueTokens { key_id: key.id, blinded: blinded.try_into().unwrap(), credential };
    let issue = Sample::new(&domain, &issue, Some(person.as_client()));
    let reply: IssueTokensReply = exchange.send("issue_tokens", &issue);
    let tokens = request.finish(&reply.response).unwrap();
    exchange.vectors.push(Vector::new("token").encoded("token", &tokens[0]));
    check("registration.json", include_str!("../../../vectors/registration.json"), &exchange.vectors);
}
