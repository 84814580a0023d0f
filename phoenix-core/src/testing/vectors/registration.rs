//! PROTOCOL.md §2.8, §6.3, §6.6 — a whole registration and the first tokens, request by request.

use rand_core::Rng as _;
use voprf_ng::{Group, OprfClient, Ristretto255};

use super::{NOW, Vector, check};
use crate::{
    codec::{Codec, encode},
    credentials::{
        ClientCredentialRequest,
        validation::{validate_as_credential_set, validate_client_credential},
    },
    crypto::{
        opaque::{ClientRegistration, PasswordHashing},
        tests::vectors::Script,
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

    /// Adds what the client has drawn to the last vector.
    fn drawn(&mut self, name: &str, value: &[u8]) {
        let vector = self.vectors.pop().unwrap();
        self.vectors.push(vector.bytes(name, value));
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
    // The blind is drawn as 64 bytes, reduced.
    let mut drawn = [0; 64];
    random.generator().clone().fill_bytes(&mut drawn);
    let (client, opaque_request) = ClientRegistration::start(random, PASSWORD).unwrap();
    let blind = <Ristretto255 as Group>::Scalar::from_bytes_mod_order_wide(&drawn).to_bytes();
    let blinded = OprfClient::<Ristretto255>::blind(PASSWORD, &mut Script(blind.to_vec())).unwrap();
    assert_eq!(blinded.message.serialize().as_slice(), opaque_request);
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
    exchange.drawn("blind", &blind);
    assert!(validate_client_credential(&reply.credential, &set, NOW).is_ok());
    person.credential = Some(reply.credential.clone());

    let response = reply.opaque_response.as_slice();
    let upload = client.finish(random, PASSWORD, response, PasswordHashing::default()).unwrap();
    let envelope_nonce = upload[96..128].to_vec();
    let finish = FinishRegistration {
        expires_at: reply.expires_at,
        opaque_upload: upload.try_into().unwrap(),
        queue_key: person.direct_queue.public_key(),
        connection_packages: vec![person.connection_package(random, NOW)].try_into().unwrap(),
    };
    let finish = Sample::new(&domain, &finish, Some(person.as_client()));
    assert_eq!(exchange.send::<Done>("finish_registration", &finish), Done);
    exchange.drawn("envelope_nonce", &envelope_nonce);

    let ask = Sample::new(&domain, &GetTokenKeys {}, None);
    let keys: GetTokenKeysReply = exchange.send("get_token_keys", &ask);
    let key = *keys.keys.iter().find(|key| key.scope == TokenScope::Local).unwrap();
    let (request, blinded) = TokenRequest::blind(random, key, 1).unwrap();
    // Its one pending token is stored as nonce, blind and blinded element.
    let stored = encode(&request);
    let (token_nonce, token_blind) = stored[stored.len() - 96..][..64].split_at(32);
    let credential = reply.credential;
    let issue = IssueTokens { key_id: key.id, blinded: blinded.try_into().unwrap(), credential };
    let issue = Sample::new(&domain, &issue, Some(person.as_client()));
    let reply: IssueTokensReply = exchange.send("issue_tokens", &issue);
    exchange.drawn("token_nonce", token_nonce);
    exchange.drawn("token_blind", token_blind);
    let tokens = request.finish(&reply.response).unwrap();
    exchange.vectors.push(Vector::new("token").encoded("token", &tokens[0]));
    check("registration.json", include_str!("../../../vectors/registration.json"), &exchange.vectors);
}
