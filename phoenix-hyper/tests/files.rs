//! A homeserver that runs out of files.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod support;

use std::{env, process::Command};

use phoenix_core::wire::operations::Service;
use phoenix_hyper::{server::ServerLimits, service::BodyLimits};
use support::{Running, assert_keys, key_request, soon};
use tokio::net::TcpStream;

/// Set in a process of its own with few files: the limit is one of the process, and other tests need more.
const FEW: &str = "PHOENIX_TEST_WITH_FEW_FILES";

/// `EMFILE`, which has the same number on every Unix.
const TOO_MANY_FILES: i32 = 24;

#[test]
fn a_server_survives_a_lack_of_files() {
    if env::var_os(FEW).is_some() {
        return serve_with_few();
    }
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64 && exec \"$0\" --exact a_server_survives_a_lack_of_files --nocapture"]);
    let output = command.arg(env::current_exe().unwrap()).env(FEW, "yes").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::main(flavor = "current_thread")]
async fn serve_with_few() {
    let a = Running::with_limits("a.localhost", ServerLimits::default(), BodyLimits::default()).await;
    let peers = a.peers();
    for _ in 0..3 {
        let mut files = Vec::new();
        let error = loop {
            match TcpStream::connect(a.address).await {
                Ok(stream) => files.push(stream),
                Err(error) => break error,
            }
        };
        // No file is left, for the server neither: the connections that were opened are not accepted.
        assert_eq!(error.raw_os_error(), Some(TOO_MANY_FILES), "{error}");
        assert!(soon(peers.connect(&a.domain, Service::Queuing)).await.is_err());
        drop(files);
        let answer = soon(peers.send(&a.domain, Service::Queuing, key_request(&a.domain))).await;
        assert_keys(&answer.unwrap(), &a.domain);
    }
}
