//! RFC 9807 §C.1.1 — the published vector, through the code of both sides.

use opaque_ke::{
    ServerSetup,
    rand::{self, CryptoRng, RngCore},
};

use super::super::{ClientLogin, ClientRegistration, OpaqueServer, suite::Stretching};
use crate::crypto::tests::vectors::{Script, hex};

impl RngCore for Script {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, target: &mut [u8]) {
        let rest = self.0.split_off(target.len());
        target.copy_from_slice(&self.0);
        self.0 = rest;
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(target);
        Ok(())
    }
}

impl CryptoRng for Script {}

/// Real test vector 1 (ristretto255-SHA512, 3DH): every message of both sides.
#[test]
fn published_vector() {
    let context = hex("4f50415155452d504f43");
    let user = hex("31323334");
    let password = hex("436f7272656374486f72736542617474657279537461706c65");
    let oprf_seed = hex(concat!(
        "f433d0227b0b9dd54f7c4422b600e764e47fb503f1f9a0f0a47c6606b054a7fd",
        "c65347f1a08f277e22358bbabe26f823fca82c7848e9a75661f4ec5d5c1989ef"
    ));
    let server_private = hex("47451a85372f8b3537e249d7b54188091fb18edde78094b43e2ba42b5eb89f0d");
    let server_public = hex("b2fe7af9f48cc502d016729d2fe25cdd433f2c4bc904660b2a382c9b79df1a78");
    let envelope_nonce = hex("ac13171b2f17bc2c74997f0fce1e1f35bec6b91fe2e12dbd323d23ba7a38dfec");
    let masking_nonce = hex("38fe59af0df2c79f57b8780278f5ae47355fe1f817119041951c80f612fdfc6d");
    let server_nonce = hex("71cd9960ecef2fe0d0f7494986fa3d8b2bb01963537e60efb13981e138e3d4a1");
    let client_nonce = hex("da7e07376d6d6f034cfa9bb537d11b8c6b4238c334333d1f0aebb380cae6a6cc");
    let client_seed = hex("82850a697b42a505f5b68fcdafce8c31f0af2b581f063cf1091933541936304b");
    let server_seed = hex("05a4f54206eef1ba2f615bc0aa285cb22f26d1153b5b40a1e85ff80da12f982f");
    let blind_registration = hex("76cfbfe758db884bebb33582331ba9f159720ca8784a2a070a265d9c2d6abe01");
    let blind_login = hex("6ecc102d2e7a7cf49617aad7bbe188556792d4acd60a1a8a8d2b65d4b0790308");

    let registration_request = hex("5059ff249eb1551b7ce4991f3336205bde44a105a032e747d21bf382e75f7a71");
    let registration_response = hex(concat!(
        "7408a268083e03abc7097fc05b587834539065e86fb0c7b6342fcf5e01e5b019",
        "b2fe7af9f48cc502d016729d2fe25cdd433f2c4bc904660b2a382c9b79df1a78"
    ));
    let registration_upload = hex(concat!(
        "76a845464c68a5d2f7e442436bb1424953b17d3e2e289ccbaccafb57ac5c3675",
        "1ac5844383c7708077dea41cbefe2fa15724f449e535dd7dd562e66f5ecfb958",
        "64eadddec9db5874959905117dad40a4524111849799281fefe3c51fa82785c5",
        "ac13171b2f17bc2c74997f0fce1e1f35bec6b91fe2e12dbd323d23ba7a38dfec",
        "634b0f5b96109c198a8027da51854c35bee90d1e1c781806d07d49b76de6a28b",
        "8d9e9b6c93b9f8b64d16dddd9c5bfb5fea48ee8fd2f75012a8b308605cdd8ba5"
    ));
    let ke1 = hex(concat!(
        "c4dedb0ba6ed5d965d6f250fbe554cd45cba5dfcce3ce836e4aee778aa3cd44d",
        "da7e07376d6d6f034cfa9bb537d11b8c6b4238c334333d1f0aebb380cae6a6cc",
        "6e29bee50701498605b2c085d7b241ca15ba5c32027dd21ba420b94ce60da326"
    ));
    let ke2 = hex(concat!(
        "7e308140890bcde30cbcea28b01ea1ecfbd077cff62c4def8efa075aabcbb471",
        "38fe59af0df2c79f57b8780278f5ae47355fe1f817119041951c80f612fdfc6d",
        "d6ec60bcdb26dc455ddf3e718f1020490c192d70dfc7e403981179d8073d1146",
        "a4f9aa1ced4e4cd984c657eb3b54ced3848326f70331953d91b02535af44d9fe",
        "dc80188ca46743c52786e0382f95ad85c08f6afcd1ccfbff95e2bdeb015b166c",
        "6b20b92f832cc6df01e0b86a7efd92c1c804ff865781fa93f2f20b446c8371b6",
        "71cd9960ecef2fe0d0f7494986fa3d8b2bb01963537e60efb13981e138e3d4a1",
        "c4f62198a9d6fa9170c42c3c71f1971b29eb1d5d0bd733e40816c91f7912cc4a",
        "660c48dae03e57aaa38f3d0cffcfc21852ebc8b405d15bd6744945ba1a93438a",
        "162b6111699d98a16bb55b7bdddfe0fc5608b23da246e7bd73b47369169c5c90"
    ));
    let ke3 = hex(concat!(
        "4455df4f810ac31a6748835888564b536e6da5d9944dfea9e34defb9575fe5e2",
        "661ef61d2ae3929bcf57e53d464113d364365eb7d1a57b629707ca48da18e442"
    ));
    let session_key = hex(concat!(
        "42afde6f5aca0cfa5c163763fbad55e73a41db6b41bc87b8e7b62214a8eedc67",
        "31fa3cb857d657ab9b3764b89a84e91ebcb4785166fbb02cedfcbdfda215b96f"
    ));

    // The public key for users who do not exist plays no part here: any valid one will do.
    let setup = ServerSetup::deserialize(&[oprf_seed, server_private, server_public].concat()).unwrap();
    let server = OpaqueServer { setup };
    // A scalar is drawn as 64 bytes, reduced.
    let scalar = |bytes: &[u8]| [bytes, &[0; 32]].concat();

    let mut script = Script(scalar(&blind_registration));
    let (client, request) = ClientRegistration::start_raw(&mut script, &password).unwrap();
    assert_eq!(request, registration_request);
    let response = server.registration_start(&user, &request).unwrap();
    assert_eq!(response, registration_response);
    let mut script = Script(envelope_nonce);
    let upload = client.finish_raw(&mut script, &password, &response, &Stretching::Identity).unwrap();
    assert_eq!(upload, registration_upload);
    let file = server.registration_finish(&upload).unwrap();

    let mut script = Script([scalar(&blind_login), client_seed, client_nonce].concat());
    let (client, request) = ClientLogin::start_raw(&mut script, &password).unwrap();
    assert_eq!(request, ke1);
    // The masking key for a user who does not exist is drawn in any case.
    let mut script = Script([vec![0; 64], masking_nonce, server_seed, server_nonce].concat());
    let (state, response) =
        server.login_start_raw(&mut script, &context, &user, Some(&file), &request).unwrap();
    assert_eq!(response, ke2);
    let mut script = Script(Vec::new());
    let (finalization, client_key) =
        client.finish_raw(&mut script, &context, &password, &response, &Stretching::Identity).unwrap();
    assert_eq!(finalization, ke3);
    assert_eq!(client_key.as_bytes().as_slice(), session_key);
    assert_eq!(OpaqueServer::login_finish_raw(&context, &state, &finalization).unwrap(), client_key);
}
