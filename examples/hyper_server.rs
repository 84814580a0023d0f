//! A homeserver within a hyper service of your own, beside a route of your own.
//!
//! `HttpService` checks hosts, sizes and times itself, and takes bodies of any type: here those of hyper. The
//! example asks the homeserver for its keys through a real socket, and ends. TLS is left to a proxy in front;
//! see `phoenix_hyper::server` for a server with TLS. Run it with `cargo run -p phoenix-examples --example
//! hyper_server`.

use std::{error::Error, io::Write, net::SocketAddr};

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes, client, server, service::Service, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use phoenix_core::{
    Config, Homeserver, Random, ServiceKeys,
    codec::encode,
    identifiers::{Domain, RequestId},
    wire::{
        envelope::{RequestEnvelope, ResponseEnvelope},
        queuing_service::{GetQsKeys, GetQsKeysReply},
    },
};
use phoenix_hyper::{
    environment::{System, now, seed},
    node::{Node, NodeLimits},
    peers::{Peers, Reach},
    service::{HttpService, MEDIA_TYPE},
    store::MemoryStore,
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
};

/// Serves `phoenix` beside `/hello`.
async fn serve(listener: TcpListener, phoenix: HttpService<MemoryStore, System>) {
    while let Ok((stream, _)) = listener.accept().await {
        let phoenix = phoenix.clone();
        let service = service_fn(move |request| {
            let phoenix = phoenix.clone();
            async move {
                match request.uri().path() {
                    "/hello" => Ok(Response::new(Full::from("hello\n"))),
                    _ => phoenix.call(request).await,
                }
            }
        });
        let connection = server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service);
        // With upgrades: clients that listen for signals turn the connection into a web socket.
        tokio::spawn(connection.with_upgrades());
    }
}

async fn fetch(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<Bytes, Box<dyn Error>> {
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?.into_body().collect().await?.to_bytes())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let domain: Domain = "example.com".parse()?;
    let keys = ServiceKeys::generate(&domain, &mut Random::from_seed(seed()), now());
    let homeserver = Homeserver::new(Config::new(domain.clone()), keys);
    // Other homeservers are found by name and authenticated by the public authorities.
    let system = System::new(Peers::new(Reach::default())?);
    let node =
        Node::new(homeserver, MemoryStore::default(), system, NodeLimits::default(), Handle::current());
    node.start();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, HttpService::new(node.clone())));

    let mut out = std::io::stdout();
    let hello = fetch(address, Request::get("/hello").body(Full::default())?).await?;
    out.write_all(&hello)?;
    let question = RequestEnvelope::to(domain, now(), RequestId([1; 16]), &GetQsKeys {}).unsigned()?;
    let request = Request::post("/").header("host", "qs.example.com").header("content-type", MEDIA_TYPE);
    let answer = fetch(address, request.body(Full::from(encode(&question)))?).await?;
    let keys = ResponseEnvelope::read::<GetQsKeysReply>(&answer)??.keys.content;
    writeln!(out, "{} publishes {} key(s)", keys.domain, keys.keys.len())?;
    node.drain().await;
    Ok(())
}
