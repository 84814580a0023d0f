//! PROTOCOL.md §3.9 — the test vector of a registration (`phoenix-core/vectors`), with the protocol's own
//! parameters.

use opaque_ke::ClientRegistrationFinishParameters;

use super::super::{
    ClientRegistration, OpaqueServer, PasswordHashing,
    suite::{Stretching, Suite},
};
use crate::{
    codec::encode,
    crypto::tests::vectors::{Script, hex},
    identifiers::{UserId, UserUuid},
    testing::vectors::{Vector, check},
};

const PASSWORD: &[u8] = b"correct horse battery staple";

#[test]
fn registration() {
    let user = UserId { uuid: UserUuid([1; 16]), domain: "example.com".parse().unwrap() };
    let blind = hex("76cfbfe758db884bebb33582331ba9f159720ca8784a2a070a265d9c2d6abe01");
    let nonce = vec![3; 32];
    // A scalar is drawn as 64 bytes, reduced.
    let scalar = [blind.clone(), vec![0; 32]].concat();
    let server = OpaqueServer::from_seed(&[2; 32]);
    let (client, request) = ClientRegistration::start_raw(&mut Script(scalar.clone()), PASSWORD).unwrap();
    let response = server.registration_start(&encode(&user), &request).unwrap();

    // The library's own result has the export key, which the protocol does not use.
    let stretching = Stretching::Argon2(PasswordHashing::default());
    let parameters = ClientRegistrationFinishParameters { ksf: Some(&stretching), ..Default::default() };
    let read = opaque_ke::RegistrationResponse::deserialize(&response).unwrap();
    let library = opaque_ke::ClientRegistration::<Suite>::start(&mut Script(scalar), PASSWORD).unwrap();
    let whole = library.state.finish(&mut Script(nonce.clone()), PASSWORD, read, parameters).unwrap();
    let record = client.finish_raw(&mut Script(nonce.clone()), PASSWORD, &response, &stretching).unwrap();
    assert_eq!(whole.message.serialize().as_slice(), record);
    assert!(server.registration_finish(&record).is_ok());
    let vector = Vector::new("registration")
        .bytes("password", PASSWORD)
        .encoded("user_id", &user)
        .bytes("blind", &blind)
        .bytes("request", &request)
        .bytes("response", &response)
        .bytes("envelope_nonce", &nonce)
        .bytes("record", &record)
        .bytes("export_key", whole.export_key.as_slice());
    check("opaque.json", include_str!("../../../../vectors/opaque.json"), &[vector]);
}
