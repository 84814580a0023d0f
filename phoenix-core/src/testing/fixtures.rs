//! Two homeservers, a user at each, tokens in stock, and requests that can be made wrong one part at a time.

use std::collections::BTreeMap;

use super::{
    people::{Leaf, Person, noon},
    world::{Recorded, World, homeserver},
};
use crate::{
    codec::{Codec, encode},
    config::Config,
    credentials::{ClientCredentialRequest, PublishedHpkeKey},
    crypto::{
        opaque::{ClientRegistration, PasswordHashing},
        sign::SigningKey,
        tokens::{Token, TokenRequest, TokenScope},
    },
    error::Refusal,
    identifiers::{Domain, RequestId},
    mls::key_package_reference,
    rng::Random,
    time::{DAY, ExpirationData, Timestamp},
    wire::{
        auth_service::{
            ConnectionPackage, FinishRegistration, GetTokenKeys, GetTokenKeysReply, InitRegistration,
            InitRegistrationReply, IssueTokens, IssueTokensReply,
        },
        envelope::{PROTOCOL_VERSION, RequestEnvelope, Sender, Signer},
        message::Done,
        operations::{OperationKind, RequestBody, TokenRule},
        queuing_service::{AddPackage, CreateUserRecord, CreateUserRecordReply, PublishKeyPackages},
    },
};

/// A valid request, before it is put into an envelope.
#[derive(Clone)]
pub struct Sample {
    /// The operation.
    pub kind: OperationKind,
    /// The homeserver that serves it.
    pub domain: Domain,
    /// The encoded body.
    pub body: Vec<u8>,
    /// The name and the key that sign it, if it is signed.
    pub signer: Option<(Sender, SigningKey)>,
}

impl Sample {
    /// Makes a request for `body`.
    pub fn new<B: RequestBody>(domain: &Domain, body: &B, signer: Option<(Sender, SigningKey)>) -> Self {
        Self { kind: B::KIND, domain: domain.clone(), body: encode(body), signer }
    }

    /// Returns the request as it travels.
    pub fn envelope(&self, now: Timestamp, request_id: RequestId, token: Option<Token>) -> RequestEnvelope {
        let mut envelope = RequestEnvelope {
            version: PROTOCOL_VERSION,
            operation: self.kind.code(),
            service_domain: self.domain.clone(),
            timestamp: now,
            request_id,
            token,
            authentication: None,
            body: self.body.clone().try_into().unwrap(),
        };
        self.sign(&mut envelope);
        envelope
    }

    /// Signs `envelope` as it is now, as the signer of this request.
    pub fn sign(&self, envelope: &mut RequestEnvelope) {
        if let Some((sender, key)) = &self.signer {
            envelope.sign(Signer { sender, key });
        }
    }
}

/// Two homeservers with a user each.
pub struct Fixture {
    /// The world of the homeservers.
    pub world: World,
    /// Alice's homeserver.
    pub home: Domain,
    /// Bob's homeserver.
    pub away: Domain,
    /// A user of `home`.
    pub alice: Person,
    /// A user of `away`.
    pub bob: Person,
    /// Draws everything that the users draw.
    pub random: Random,
    stock: BTreeMap<(Domain, bool), Vec<Token>>,
}

/// The password of all users.
pub const PASSWORD: &[u8] = b"correct horse battery staple";

impl Fixture {
    /// Sets up homeservers with the default settings, and users with accounts, records and tokens.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// As [`new`](Self::new), with these settings for both homeservers.
    pub fn with(settings: impl Fn(&mut Config)) -> Self {
        let mut random = Random::from_seed([42; 32]);
        let mut world = World::new(noon());
        let (home, away): (Domain, Domain) =
            ("home.example".parse().unwrap(), "away.example".parse().unwrap());
        for domain in [&home, &away] {
            world.add(homeserver(&mut random, domain, world.now, &settings));
        }
        let alice = person(&mut random, &world, &home);
        let bob = person(&mut random, &world, &away);
        let mut fixture = Self { world, home, away, alice, bob, random, stock: BTreeMap::new() };
        fixture.alice = fixture.register(&fixture.home.clone());
        fixture.bob = fixture.register(&fixture.away.clone());
        fixture.fill_stock();
        let alice = fixture.create_records(&record_request(&fixture.alice));
        (fixture.alice.user, fixture.alice.client) = (alice.user, alice.client);
        let bob = fixture.create_records(&record_request(&fixture.bob));
        (fixture.bob.user, fixture.bob.client) = (bob.user, bob.client);
        fixture
    }

    fn create_records(&mut self, request: &Sample) -> CreateUserRecordReply {
        self.answer(request).unwrap()
    }

    /// Returns a person at Alice's homeserver who is not registered yet.
    pub fn unregistered(&mut self) -> Person {
        person(&mut self.random, &self.world, &self.home)
    }

    /// Registers a new person at `domain`, who has an account and nothing else.
    pub fn register(&mut self, domain: &Domain) -> Person {
        let mut person = person(&mut self.random, &self.world, domain);
        let (finish, _) = self.registration(&mut person).unwrap();
        self.answer::<Done>(&finish).unwrap();
        person
    }

    /// Takes the first step of a registration. Returns the request for the last step, and the answer to the
    /// first.
    pub fn registration(&mut self, person: &mut Person) -> Result<(Sample, InitRegistrationReply), Refusal> {
        let (client, init) = self.init_registration(person);
        let reply: InitRegistrationReply = self.answer(&init)?;
        person.credential = Some(reply.credential.clone());
        let response = reply.opaque_response.as_slice();
        let upload = client.finish(&mut self.random, PASSWORD, response, PasswordHashing::CHEAP).unwrap();
        let packages: Vec<ConnectionPackage> =
            (0..3).map(|_| person.connection_package(&mut self.random, self.world.now)).collect();
        let finish = FinishRegistration {
            expires_at: reply.expires_at,
            opaque_upload: upload.try_into().unwrap(),
            queue_key: person.direct_queue.public_key(),
            connection_packages: packages.try_into().unwrap(),
        };
        Ok((Sample::new(person.domain(), &finish, Some(person.as_client())), reply))
    }

    /// Returns the request for the first step of a registration, with the password's state.
    pub fn init_registration(&mut self, person: &Person) -> (ClientRegistration, Sample) {
        let (client, opaque_request) = ClientRegistration::start(&mut self.random, PASSWORD).unwrap();
        let expiration = ExpirationData::starting(self.world.now, 90 * DAY);
        let id = person.client_id.clone();
        let init = InitRegistration {
            credential_request: ClientCredentialRequest::create(&person.key, id, expiration),
            opaque_request: opaque_request.try_into().unwrap(),
        };
        (client, Sample::new(person.domain(), &init, None))
    }

    /// Buys tokens of both homeservers and both scopes.
    fn fill_stock(&mut self) {
        for (buyer, seller) in [(false, false), (false, true), (true, false), (true, true)] {
            let seller = if seller { self.away.clone() } else { self.home.clone() };
            let (request, sample) = self.token_request(buyer, &seller, 100);
            let reply: IssueTokensReply = self.answer(&sample).unwrap();
            let local = (if buyer { &self.away } else { &self.home }) == &seller;
            self.stock.insert((seller, local), request.finish(&reply.response).unwrap());
        }
    }

    /// Returns a request for `count` tokens of `seller`, by Bob or by Alice.
    pub fn token_request(&mut self, by_bob: bool, seller: &Domain, count: usize) -> (TokenRequest, Sample) {
        let buyer = if by_bob { &self.bob } else { &self.alice };
        let scope = if buyer.domain() == seller { TokenScope::Local } else { TokenScope::Federated };
        let (credential, signer) = (buyer.credential().clone(), buyer.as_client());
        let keys: GetTokenKeysReply = self.answer(&Sample::new(seller, &GetTokenKeys {}, None)).unwrap();
        let key = keys.keys.iter().find(|key| key.scope == scope).unwrap();
        let (request, blinded) = TokenRequest::blind(&mut self.random, *key, count).unwrap();
        let body = IssueTokens { key_id: key.id, blinded: blinded.try_into().unwrap(), credential };
        (request, Sample::new(seller, &body, Some(signer)))
    }

    /// Takes a token of `domain` from the stock.
    pub fn token(&mut self, domain: &Domain, local: bool) -> Token {
        self.stock.get_mut(&(domain.clone(), local)).unwrap().pop().expect("tokens in stock")
    }

    /// Takes a token for `sample` from the stock, if it redeems one.
    pub fn token_for(&mut self, sample: &Sample) -> Option<Token> {
        match sample.kind.rules().token {
            TokenRule::None => None,
            TokenRule::Any | TokenRule::Local => Some(self.token(&sample.domain, true)),
        }
    }

    /// Draws a fresh name for a request.
    pub fn request_id(&mut self) -> RequestId {
        RequestId::random(&mut self.random)
    }

    /// Returns the bytes of a request that nothing is wrong with.
    pub fn bytes(&mut self, sample: &Sample) -> Vec<u8> {
        let (token, id) = (self.token_for(sample), self.request_id());
        encode(&sample.envelope(self.world.now, id, token))
    }

    /// Sends a request that nothing is wrong with.
    pub fn send(&mut self, sample: &Sample) -> Recorded {
        let bytes = self.bytes(sample);
        self.world.request(&sample.domain, &bytes)
    }

    /// As [`send`](Self::send). Returns the answer.
    pub fn answer<R: Codec>(&mut self, sample: &Sample) -> Result<R, Refusal> {
        self.send(sample).answer()
    }

    /// Returns a request that publishes `ordinary` key packages of `leaf` and a last resort, and their
    /// references.
    pub fn key_packages(&mut self, by_bob: bool, leaf: &Leaf, ordinary: usize) -> (Sample, Vec<Vec<u8>>) {
        let person = if by_bob { &self.bob } else { &self.alice };
        let not_after = self.world.now + 60 * DAY;
        let mut references = Vec::new();
        let packages: Vec<AddPackage> = (0..=ordinary)
            .map(|number| {
                let config = person.unbound(&mut self.random, not_after);
                let package = encode(&leaf.key_package(&config, number == ordinary));
                let crypto = crate::crypto::provider::MlsCrypto::new([1; 32]);
                references.push(key_package_reference(&crypto, &package).unwrap());
                let encrypted_credential =
                    person.friendship.0.seal(&mut self.random, b"", b"credential").unwrap();
                AddPackage { key_package: package.try_into().unwrap(), encrypted_credential }
            })
            .collect();
        let body = PublishKeyPackages {
            friendship_token: person.friendship.clone(),
            packages: packages.try_into().unwrap(),
        };
        (Sample::new(person.domain(), &body, Some(person.as_queue_owner())), references)
    }
}

/// Returns a request that creates the pseudonymous records of `person`.
pub fn record_request(person: &Person) -> Sample {
    let body = CreateUserRecord {
        user_key: person.user_key.verifying_key(),
        friendship_hash: person.friendship.hash(),
        client_key: person.client_key.verifying_key(),
        config_key: person.config_key.verifying_key(),
        queue_key: person.queue.public_key(),
    };
    Sample::new(person.domain(), &body, None)
}

fn person(random: &mut Random, world: &World, domain: &Domain) -> Person {
    let config_to: PublishedHpkeKey = world.servers[domain].homeserver.keys().config_keys().next().unwrap();
    Person::new(random, domain, config_to)
}
