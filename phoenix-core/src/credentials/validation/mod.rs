//! PROTOCOL.md §4, Validation — validation: one function for each kind of material, each of which returns a
//! type that nothing else can construct, or the precise reason.
//!
//! | material | function | result |
//! | --- | --- | --- |
//! | an authentication service's set | [`validate_as_credential_set`] | [`ValidatedAsCredentials`] |
//! | a queuing service's set | [`validate_qs_key_set`] | [`ValidatedQsKeys`] |
//! | a delivery service's set | [`validate_ds_key_set`] | [`ValidatedDsKeys`] |
//! | a client's request for a credential | [`validate_client_credential_request`] | [`ValidatedClientCredentialRequest`] |
//! | a client's credential | [`validate_client_credential`] | [`ValidatedClientCredential`] |
//! | a leaf's credential, by a member | [`validate_leaf_credential`] | [`ValidatedLeaf`] |
//! | a leaf's credential, by a delivery service | [`validate_leaf_possession`] | [`ValidatedPseudonym`] |
//!
//! Cheap checks (domain, times, names) come first and signatures last, so that what is refused costs little.

mod authorities;
mod checks;
mod clients;
mod leaves;
mod services;

pub use authorities::{ValidatedAsCredentials, validate_as_credential_set};
pub use clients::{
    ValidatedClientCredential, ValidatedClientCredentialRequest, validate_client_credential,
    validate_client_credential_request,
};
pub use leaves::{ValidatedLeaf, ValidatedPseudonym, validate_leaf_credential, validate_leaf_possession};
pub use services::{ValidatedDsKeys, ValidatedQsKeys, validate_ds_key_set, validate_qs_key_set};
