//! The binary as a process: its start, output, signals and end.

use std::{
    ffi::OsStr,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use phoenix_core::{
    codec::encode,
    identifiers::{Domain, RequestId},
    wire::{
        envelope::RequestEnvelope,
        operations::{RequestBody, Service},
    },
};
use phoenix_hyper::{
    environment::{now, seed},
    peers::{Override, Peers, Reach},
    tls::certificates_from_pem,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStderr, ChildStdout, Command},
    time::timeout,
};

/// Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The domain that is served.
pub const DOMAIN: &str = "example.localhost";

pub fn domain() -> Domain {
    DOMAIN.parse().unwrap()
}

/// Fails the test if `event` does not happen.
pub async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(PATIENCE, event).await.expect("it happens")
}

/// The binary with these arguments.
pub fn phoenix<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs the binary to its end.
pub async fn output<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    soon(phoenix(arguments).output()).await.unwrap()
}

/// Runs the binary to its end and checks the exit code. Returns standard output and standard error.
pub async fn ends_with<I: AsRef<OsStr>>(
    code: i32,
    arguments: impl IntoIterator<Item = I>,
) -> (String, String) {
    let output = output(arguments).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, error) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{error}");
    (out, error)
}

/// A homeserver that runs.
pub struct Running {
    child: Child,
    _output: Lines<BufReader<ChildStdout>>,
    log: Lines<BufReader<ChildStderr>>,
    /// The lines of the log that were read so far.
    pub logged: Vec<String>,
    /// The events that were printed until it was ready.
    pub events: Vec<Value>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    data: PathBuf,
}

impl Running {
    /// Starts a homeserver of [`DOMAIN`] in `data` and waits until it is ready.
    pub async fn start(data: &Path, more: &[&str]) -> Self {
        let arguments = ["serve", "--json", "--domain", DOMAIN, "--listen", "127.0.0.1:0"];
        let mut command = phoenix(arguments);
        command.args(["--admin", "127.0.0.1:0", "--data"]).arg(data).args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut events = Vec::new();
        let ready: Value = loop {
            let line = soon(output.next_line()).await.unwrap().expect("it gets ready");
            let event: Value = serde_json::from_str(&line).unwrap();
            events.push(event.clone());
            if event["event"] == "ready" {
                break event;
            }
        };
        assert_eq!(ready["domain"], DOMAIN);
        let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        let (address, admin) = (address("address"), address("admin"));
        Self {
            child,
            _output: output,
            log,
            logged: Vec::new(),
            events,
            address,
            admin,
            data: data.to_owned(),
        }
    }

    /// Peers that reach it.
    pub fn peers(&self) -> Peers {
        let pem = std::fs::read(self.data.join("certificate.pem")).unwrap();
        let place = Override { address: self.address, certificates: certificates_from_pem(&pem).unwrap() };
        Peers::new(Reach { overrides: [(domain(), place)].into(), ..Reach::default() }).unwrap()
    }

    /// Sends a request over TLS and returns the encoded answer.
    pub async fn ask<B: RequestBody>(&self, service: Service, body: &B) -> Vec<u8> {
        soon(self.peers().send(&domain(), service, request(body))).await.unwrap()
    }

    /// Fetches a path of the operator's address and returns the whole response.
    pub async fn admin(&self, path: &str) -> String {
        let mut stream = soon(TcpStream::connect(self.admin)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: admin\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.unwrap();
        answer
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for a line of the log.
    pub async fn logs(&mut self, part: &str) {
        loop {
            let line = soon(self.log.next_line()).await.unwrap().expect("it is logged");
            self.logged.push(line);
            if self.logged.last().unwrap().contains(part) {
                return;
            }
        }
    }

    /// Waits for the end of the process and reads the rest of its log.
    pub async fn ended(&mut self) -> ExitStatus {
        while let Some(line) = soon(self.log.next_line()).await.unwrap() {
            self.logged.push(line);
        }
        soon(self.child.wait()).await.unwrap()
    }

    /// Stops it in good order and returns its log.
    pub async fn stop(mut self) -> Vec<String> {
        self.signal("-TERM");
        assert_eq!(self.ended().await.code(), Some(0), "{:?}", self.logged);
        self.logged
    }
}

/// An encoded request.
pub fn request<B: RequestBody>(body: &B) -> Vec<u8> {
    let mut id = [0; 16];
    id.copy_from_slice(&seed()[..16]);
    encode(&RequestEnvelope::to(domain(), now(), RequestId(id), body).unsigned().unwrap())
}
