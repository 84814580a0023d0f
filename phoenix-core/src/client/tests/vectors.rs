//! PROTOCOL.md §11.2 — test vectors of what clients encrypt for each other (`phoenix-core/vectors`).

use super::super::messages::{
    AttributedWelcome, ConnectionRequest, ConnectionRequestContent, FriendshipPackage, Invitation,
    WelcomeAttribution, add_package_binding, connection_request_binding, friendship_package_binding,
    open_credential, seal_credential, welcome_attribution_binding,
};
use crate::{
    codec::{decode, encode},
    credentials::MemberCredential,
    crypto::{aead::EarKey, hpke::HpkePrivateKey, labels::Label},
    identifiers::{ClientId, ClientUuid, GroupId, GroupUuid, LeafIdentity, QsUserId, UserId, UserUuid},
    rng::Random,
    testing::vectors::{Vector, check, credentials::Chain},
    wire::queuing_service::FriendshipToken,
};

const FRIENDSHIP: EarKey = EarKey::from_bytes([0x31; 32]);
const GROUP: EarKey = EarKey::from_bytes([0x32; 32]);
const CREDENTIAL: EarKey = EarKey::from_bytes([0x33; 32]);
const IDENTITY: LeafIdentity = LeafIdentity([3; 16]);

fn group_id() -> GroupId {
    GroupId { uuid: GroupUuid([5; 16]), domain: "example.com".parse().unwrap() }
}

fn friendship_package() -> FriendshipPackage {
    let token = FriendshipToken(EarKey::from_bytes([0x34; 32]));
    FriendshipPackage { user: QsUserId([6; 16]), token, key: FRIENDSHIP }
}

fn member_credential(chain: &Chain) -> MemberCredential {
    MemberCredential { client_credential: chain.client.clone(), attribution_key: chain.leaf().1 }
}

/// A ciphertext under a key that clients share. `seed` decides its salt.
fn encrypted(name: &str, key: &EarKey, binding: &[u8], plaintext: &[u8], seed: u8) -> Vector {
    let sealed = key.seal(&mut Random::from_seed([seed; 32]), binding, plaintext).unwrap();
    assert_eq!(key.open(binding, &sealed).unwrap().as_slice(), plaintext);
    Vector::new(name)
        .encoded("key", key)
        .bytes("associated_data", binding)
        .bytes("plaintext", plaintext)
        .encoded("sealed", &sealed)
}

fn attribution(chain: &Chain) -> Vector {
    let invitation = Invitation {
        inviter: chain.client.client_id().clone(),
        group_id: group_id(),
        group_key: GROUP,
        credential_key: CREDENTIAL,
    };
    let attributed = AttributedWelcome { invitation, welcome: b"Welcome".to_vec().try_into().unwrap() };
    let signature = chain.client_key.sign(&attributed);
    assert_eq!(chain.client.verifying_key().verify(&attributed, &signature), Ok(()));
    let plaintext = encode(&WelcomeAttribution { invitation: attributed.invitation.clone(), signature });
    encrypted("WelcomeAttribution", &FRIENDSHIP, &welcome_attribution_binding(&group_id()), &plaintext, 3)
        .encoded("signed", &attributed)
}

fn connection_request(chain: &Chain) -> Vector {
    let domain = "b.example".parse().unwrap();
    let recipient =
        ClientId { user_id: UserId { uuid: UserUuid([7; 16]), domain }, uuid: ClientUuid([8; 16]) };
    let content = ConnectionRequestContent {
        sender: chain.client.clone(),
        recipient: recipient.clone(),
        group_id: group_id(),
        group_key: GROUP,
        credential_key: CREDENTIAL,
        friendship: friendship_package(),
    };
    let request = ConnectionRequest { signature: chain.client_key.sign(&content), content };
    let private = HpkePrivateKey::from_bytes(&[9; 32]).unwrap();
    let (binding, label) = (connection_request_binding(&recipient), Label::SEAL_CONNECTION);
    let ephemeral: [u8; 32] = Random::from_seed([4; 32]).array();
    let random = &mut Random::from_seed([4; 32]);
    let sealed = private.public_key().seal(random, label, &binding, &encode(&request)).unwrap();
    let opened = private.open(label, &binding, &sealed).unwrap();
    assert_eq!(decode::<ConnectionRequest>(&opened).as_ref(), Ok(&request));
    Vector::new("ConnectionRequest")
        .bytes("private_key", private.to_bytes().as_slice())
        .text("info", label.as_str())
        .bytes("associated_data", &binding)
        .encoded("plaintext", &request)
        .bytes("ephemeral_input", &ephemeral)
        .encoded("sealed", &sealed)
}

#[test]
fn what_clients_encrypt_for_each_other() {
    let chain = Chain::new();
    let member = member_credential(&chain);
    let random = &mut Random::from_seed([1; 32]);
    let sealed = seal_credential(random, &CREDENTIAL, &group_id(), &IDENTITY, &member).unwrap();
    let opened = open_credential(&CREDENTIAL, &group_id(), &IDENTITY, &sealed).unwrap();
    assert_eq!(opened, member);
    // The binding as the specification describes it: each part behind its length.
    let parts: [&[u8]; 3] = [b"member credential", &encode(&group_id()), &IDENTITY.0];
    let binding = parts.map(|part| [&(part.len() as u64).to_be_bytes(), part].concat()).concat();
    assert_eq!(CREDENTIAL.open(&binding, &sealed).unwrap().as_slice(), encode(&member));
    let vectors = [
        encrypted(
            "MemberCredential, add package",
            &FRIENDSHIP,
            &add_package_binding(&IDENTITY),
            &encode(&member),
            2,
        ),
        Vector::new("MemberCredential, group")
            .encoded("key", &CREDENTIAL)
            .bytes("associated_data", &binding)
            .encoded("plaintext", &member)
            .encoded("sealed", &sealed),
        encrypted(
            "FriendshipPackage",
            &CREDENTIAL,
            &friendship_package_binding(&group_id()),
            &encode(&friendship_package()),
            5,
        ),
        attribution(&chain),
        connection_request(&chain),
    ];
    check("clients.json", include_str!("../../../vectors/clients.json"), &vectors);
}
