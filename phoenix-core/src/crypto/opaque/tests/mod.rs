//! PROTOCOL.md §3, Passwords — tests of OPAQUE, both sides together.

mod published_vector;
mod vectors;

use super::{ClientLogin, ClientRegistration, OpaqueError, OpaqueServer, PasswordHashing, SessionKey};
use crate::rng::Random;

const USER: &[u8] = b"alice@example.com";
const CHEAP: PasswordHashing = PasswordHashing::CHEAP;

fn register(server: &OpaqueServer, random: &mut Random, hashing: PasswordHashing) -> Vec<u8> {
    let (client, request) = ClientRegistration::start(random, b"password").unwrap();
    let response = server.registration_start(USER, &request).unwrap();
    let upload = client.finish(random, b"password", &response, hashing).unwrap();
    server.registration_finish(&upload).unwrap()
}

fn log_in(
    server: &OpaqueServer,
    random: &mut Random,
    user: &[u8],
    file: Option<&[u8]>,
    password: &[u8],
    hashing: PasswordHashing,
) -> Result<(SessionKey, SessionKey), OpaqueError> {
    let (client, request) = ClientLogin::start(random, password).unwrap();
    let (state, response) = server.login_start(random, user, file, &request).unwrap();
    let (finalization, client_key) = client.finish(random, password, &response, hashing)?;
    Ok((client_key, server.login_finish(&state, &finalization)?))
}

#[test]
fn the_right_password_makes_both_sides_agree() {
    let mut random = Random::from_seed([1; 32]);
    let server = OpaqueServer::from_seed(&[2; 32]);
    let file = register(&server, &mut random, CHEAP);
    // Another node, or the same after a restart.
    let server = OpaqueServer::from_seed(&[2; 32]);
    let (client, service) = log_in(&server, &mut random, USER, Some(&file), b"password", CHEAP).unwrap();
    assert_eq!(client, service);
    let (again, _) = log_in(&server, &mut random, USER, Some(&file), b"password", CHEAP).unwrap();
    assert_ne!(again, client);
    assert_eq!(format!("{client:?}"), "SessionKey(…)");
}

#[test]
fn anything_else_is_refused() {
    let mut random = Random::from_seed([3; 32]);
    let server = OpaqueServer::from_seed(&[4; 32]);
    let file = register(&server, &mut random, CHEAP);
    let other_server = OpaqueServer::from_seed(&[5; 32]);
    let costly = PasswordHashing { iterations: 2, ..CHEAP };
    let file = Some(file.as_slice());
    let mut refused = |server: &OpaqueServer, user: &[u8], file, password: &[u8], hashing| {
        let result = log_in(server, &mut random, user, file, password, hashing);
        assert_eq!(result.unwrap_err(), OpaqueError::InvalidLogin);
    };
    refused(&server, USER, file, b"Password", CHEAP);
    refused(&server, b"bob@example.com", file, b"password", CHEAP);
    refused(&server, USER, None, b"password", CHEAP);
    refused(&other_server, USER, file, b"password", CHEAP);
    refused(&server, USER, file, b"password", costly);
    let impossible = PasswordHashing { memory_kib: 0, iterations: 1 };
    let refused = log_in(&server, &mut random, USER, file, b"password", impossible);
    assert_eq!(refused.unwrap_err(), OpaqueError::InvalidHashing);
    for password in [vec![], vec![7; 65_536]] {
        assert!(ClientRegistration::start(&mut random, &password).is_err());
        assert!(ClientLogin::start(&mut random, &password).is_err());
    }
}

#[test]
fn an_attempt_accepts_its_own_last_message_only() {
    let mut random = Random::from_seed([6; 32]);
    let server = OpaqueServer::from_seed(&[7; 32]);
    let file = register(&server, &mut random, CHEAP);
    let mut attempt = || {
        let (client, request) = ClientLogin::start(&mut random, b"password").unwrap();
        let (state, response) = server.login_start(&mut random, USER, Some(&file), &request).unwrap();
        let (finalization, _) = client.finish(&mut random, b"password", &response, CHEAP).unwrap();
        (state, finalization)
    };
    let (first_state, first) = attempt();
    let (second_state, second) = attempt();
    assert!(server.login_finish(&first_state, &first).is_ok());
    assert_eq!(server.login_finish(&second_state, &first), Err(OpaqueError::InvalidLogin));
    assert_eq!(server.login_finish(&first_state, &second), Err(OpaqueError::InvalidLogin));
    for place in 0..second.len() {
        let mut changed = second.clone();
        changed[place] ^= 1;
        assert_eq!(server.login_finish(&second_state, &changed), Err(OpaqueError::InvalidLogin));
    }
}

#[test]
fn an_unknown_user_is_answered_alike() {
    let mut random = Random::from_seed([8; 32]);
    let server = OpaqueServer::from_seed(&[9; 32]);
    let file = register(&server, &mut random, CHEAP);
    let (_, request) = ClientLogin::start(&mut random, b"password").unwrap();
    let (known_state, known) = server.login_start(&mut random, USER, Some(&file), &request).unwrap();
    let (unknown_state, unknown) = server.login_start(&mut random, USER, None, &request).unwrap();
    assert_eq!((known.len(), known_state.len()), (unknown.len(), unknown_state.len()));
    // The first part, the user's OPRF, does not depend on whether there is a password file.
    assert_eq!(known[..32], unknown[..32]);
}

#[test]
fn garbage_is_refused_everywhere() {
    let mut random = Random::from_seed([10; 32]);
    let server = OpaqueServer::from_seed(&[11; 32]);
    let file = register(&server, &mut random, CHEAP);
    let (_, registration) = ClientRegistration::start(&mut random, b"password").unwrap();
    let (_, login) = ClientLogin::start(&mut random, b"password").unwrap();
    let garbage = |valid: &[u8]| {
        [vec![], vec![0; valid.len()], vec![0xff; valid.len()], [valid, &[0]].concat(), valid[1..].to_vec()]
    };
    let refused = OpaqueError::InvalidMessage;
    for bytes in garbage(&registration) {
        assert_eq!(server.registration_start(USER, &bytes), Err(refused));
        let (client, _) = ClientRegistration::start(&mut random, b"password").unwrap();
        assert_eq!(client.finish(&mut random, b"password", &bytes, CHEAP), Err(refused));
    }
    for bytes in garbage(&file) {
        assert_eq!(server.registration_finish(&bytes), Err(refused));
        assert_eq!(server.login_start(&mut random, USER, Some(&bytes), &login).unwrap_err(), refused);
    }
    for bytes in garbage(&login) {
        assert_eq!(server.login_start(&mut random, USER, Some(&file), &bytes).unwrap_err(), refused);
    }
    let (state, response) = server.login_start(&mut random, USER, Some(&file), &login).unwrap();
    for bytes in [vec![], vec![0; 63], vec![0; 65]] {
        assert_eq!(server.login_finish(&state, &bytes), Err(refused));
        assert_eq!(server.login_finish(&bytes, &[0; 64]), Err(refused));
    }
    for bytes in [vec![], [response.as_slice(), &[0]].concat(), response[1..].to_vec()] {
        let (client, _) = ClientLogin::start(&mut random, b"password").unwrap();
        assert_eq!(client.finish(&mut random, b"password", &bytes, CHEAP).unwrap_err(), refused);
    }
    // The client's own blinded element, sent back as the answer.
    let (client, request) = ClientRegistration::start(&mut random, b"password").unwrap();
    let response = server.registration_start(USER, &request).unwrap();
    let reflected = [&request, &response[32..]].concat();
    assert_eq!(client.finish(&mut random, b"password", &reflected, CHEAP), Err(refused));
}

#[test]
fn the_default_cost_works_and_differs_from_the_cheap_one() {
    let mut random = Random::from_seed([12; 32]);
    let server = OpaqueServer::from_seed(&[13; 32]);
    let hashing = PasswordHashing::default();
    let file = register(&server, &mut random, hashing);
    assert!(log_in(&server, &mut random, USER, Some(&file), b"password", hashing).is_ok());
    assert!(log_in(&server, &mut random, USER, Some(&file), b"password", CHEAP).is_err());
}
