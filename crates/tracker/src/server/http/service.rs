//! From an HTTP request to its answer.

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Response, Uri,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    http::request::Parts,
};

use super::{super::{context::Context, events::{self, Announced, Event, Failure, HttpRequest, want}, running::panicked}, listener::Service};
use crate::{
    clock,
    protocol::http,
    swarm::Announce,
    tracker::Carries,
    types::{PeerAddr, Timestamp},
};

/// Most peers in an answer, whatever the rules say: some 20 KiB.
const MAX_PEERS: usize = 1000;

/// An echo of a bad request line is cut here.
const MAX_ECHO: usize = 1024;

/// Answers the requests of one thread.
pub(super) struct HttpService {
    context: Arc<Context>,
    rng: RefCell<fastrand::Rng>,
}

/// An answer, and what there is to tell about it.
struct Answer {
    body: Vec<u8>,
    announced: Option<Announced>,
}

impl HttpService {
    pub(super) fn new(context: Arc<Context>, seed: u64) -> Self {
        Self { context, rng: RefCell::new(fastrand::Rng::with_seed(seed)) }
    }
}
