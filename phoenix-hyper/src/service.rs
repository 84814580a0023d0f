//! A node as a hyper service: `POST /` with the bytes of a request, answered with the bytes of the response.

use std::{convert::Infallible, future::Future, pin::Pin};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    service::Service,
};
use phoenix_core::limits::MAX_LARGE_REQUEST;

use crate::{
    node::{Node, Surroundings},
    store::Store,
};

/// The media type of requests and answers.
pub const MEDIA_TYPE: &str = "application/vnd.phoenix";

/// Serves a node. Refusals of the protocol are answers like others, with status 200; other statuses say that no
/// request of the protocol was recognised.
pub struct HttpService<S, W>(Node<S, W>);

impl<S, W> Clone for HttpService<S, W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Store, W: Surroundings> HttpService<S, W> {
    /// A service for `node`.
    pub fn new(node: Node<S, W>) -> Self {
        Self(node)
    }

    async fn answer(self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != "/" {
            return status(StatusCode::NOT_FOUND);
        }
        if request.method() != Method::POST {
            let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        if request.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != MEDIA_TYPE) {
            return status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        match Limited::new(request.into_body(), MAX_LARGE_REQUEST).collect().await {
            Ok(body) => {
                let answer = self.0.serve(&body.to_bytes()).await;
                let mut response = Response::new(Full::new(answer.into()));
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
                response
            }
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                status(StatusCode::PAYLOAD_TOO_LARGE)
            }
            Err(_) => status(StatusCode::BAD_REQUEST),
        }
    }
}

fn status(code: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = code;
    response
}

impl<S: Store, W: Surroundings> Service<Request<Incoming>> for HttpService<S, W> {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}
