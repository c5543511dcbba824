//! HTTP (BEP 3, BEP 48): a task per connection, a current-thread runtime per core. Regular requests are answered by
//! code of our own, all others come by hyper.

mod answer;
mod direct;
mod listener;
mod prefixed;
mod prepare;
mod regular;
mod service;

use std::{io, rc::Rc, sync::Arc};

pub use self::prepare::Action;
pub(super) use self::{
    prefixed::Prefixed,
    prepare::{Head, Prepared, prepare},
    service::CARRIES,
};

use socket2::Socket;
use tokio::sync::{mpsc, watch};

use self::{
    listener::{Connections, Source},
    service::HttpService,
};
use super::context::Context;
use crate::net;

/// Connections that may wait for a busy thread where they are dealt out.
const DEALT_CAPACITY: usize = 1024;

/// One of a server's HTTP threads, about to run.
pub(super) struct HttpThread {
    source: Source,
    connections: Arc<Connections>,
}

impl HttpThread {
    /// The threads of a server. Shares the listeners out: a set for each thread where there are as many, else the first
    /// thread accepts and deals to the others.
    pub(super) fn plan(
        context: &Context,
        mut listeners: Vec<Vec<Socket>>,
        threads: usize,
    ) -> Vec<Self> {
        let options = &context.options;
        // The rest is for the program that we are a guest of, and WebSockets may take half of all.
        let part = if options.websocket.is_some() { 4 } else { 2 };
        let fair = net::max_descriptors().map_or(usize::MAX, |most| most / part);
        let most = options.max_connections.min(fair);
        let connections = Connections::new(most, options.idle_timeout);
        let thread = |source| Self {
            source,
            connections: Arc::clone(&connections),
        };
        if listeners.len() > 1 || threads == 1 {
            return listeners
                .into_iter()
                .map(|own| thread(Source::Listeners(own)))
                .collect();
        }
        let own = listeners.pop().unwrap_or_default();
        let (dealers, dealt): (Vec<_>, Vec<_>) =
            (1..threads).map(|_| mpsc::channel(DEALT_CAPACITY)).unzip();
        std::iter::once(thread(Source::Dealer(own, dealers)))
            .chain(dealt.into_iter().map(|dealt| thread(Source::Dealt(dealt))))
            .collect()
    }

    /// Accepts until `accepting`, serves until `serving`.
    pub(super) fn run(
        self,
        context: &Arc<Context>,
        seed: u64,
        accepting: &watch::Receiver<bool>,
        serving: &watch::Receiver<bool>,
    ) -> io::Result<()> {
        let service = HttpService::new(Arc::clone(context), seed, serving.clone());
        let service = Rc::new(service);
        listener::run(self.source, &self.connections, &service, accepting, serving)
    }
}
