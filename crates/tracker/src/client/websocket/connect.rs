//! From a URL to an open WebSocket.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, protocol::WebSocketConfig},
};

use super::{MAX_MESSAGE, WebSocketUrl};
use crate::client::{
    error::ClientError,
    os_error::Cause,
    proxy::{self, Proxy, socks5::Target},
    request::Families,
    resolve::{Family, Resolver},
    tls::TlsRoots,
    url::Host,
};

/// Idle sockets are many and messages small.
const BUFFER: usize = 4 * 1024;

/// Above it a write waits; one message more than the library wants to hold.
const MAX_WRITE_BUFFER: usize = 1024 * 1024;

/// A TCP connection, with or without TLS.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

pub(super) type Stream = WebSocketStream<Box<dyn Transport>>;

/// How to reach a tracker.
pub(super) struct Connector {
    pub(super) url: WebSocketUrl,
    pub(super) families: Families,
    pub(super) proxy: Option<Proxy>,
    pub(super) tls_roots: Option<TlsRoots>,
    pub(super) resolver: Arc<Resolver>,
    /// For TCP to one address.
    pub(super) connect_timeout: Duration,
}

impl Connector {
    pub(super) async fn connect(&self) -> Result<Stream, ClientError> {
        if self.url.is_tls() && self.tls_roots.is_none() {
            return Err(ClientError::TlsRoots);
        }
        let tcp = match &self.proxy {
            Some(proxy) => self.proxied(proxy).await?,
            None => self.tcp().await.map_err(|cause| self.failed(cause))?,
        };
        let transport: Box<dyn Transport> = if self.url.is_tls() {
            self.tls(tcp).await?
        } else {
            Box::new(tcp)
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_write_buffer_size(MAX_WRITE_BUFFER)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let upgraded = client_async_with_config(self.url.normal(), transport, Some(config)).await;
        match upgraded {
            Ok((stream, _)) => Ok(stream),
            Err(tungstenite::Error::Http(response)) => {
                let status = response.status().as_u16();
                Err(self.failed(Cause::text(format!("Unexpected server response: {status}"))))
            }
            Err(error) => Err(self.failed(Cause::of(&error, "read", None))),
        }
    }

    /// An error of the whole attempt.
    pub(super) fn failed(&self, cause: Cause) -> ClientError {
        ClientError::WebSocketConnect {
            cause,
            url: self.url.to_string(),
        }
    }

    async fn proxied(&self, proxy: &Proxy) -> Result<TcpStream, ClientError> {
        let target = Target {
            host: self.url.host().clone(),
            port: self.url.port(),
        };
        proxy::connect(proxy, &target, &self.resolver, self.connect_timeout)
            .await
            .map_err(|cause| ClientError::Proxy {
                cause,
                url: self.url.to_string(),
            })
    }

    async fn tcp(&self) -> Result<TcpStream, Cause> {
        let host = self.url.host();
        let addresses = self.resolver.resolve(host).await?;
        let mut failure = Cause::no_address(&host.to_string());
        for family in self.families.in_order() {
            for ip in addresses.iter().filter(|ip| Family::of(**ip) == *family) {
                let addr = SocketAddr::new(*ip, self.url.port());
                let attempt = timeout(self.connect_timeout, TcpStream::connect(addr)).await;
                match attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                    Ok(tcp) => {
                        // Answers are small and awaited. A socket without it still works.
                        let _ = tcp.set_nodelay(true);
                        return Ok(tcp);
                    }
                    Err(error) => failure = Cause::io(&error, "connect", Some(addr)),
                }
            }
        }
        self.resolver.forget(host);
        Err(failure)
    }

    async fn tls(&self, tcp: TcpStream) -> Result<Box<dyn Transport>, ClientError> {
        let roots = self.tls_roots.as_ref().ok_or(ClientError::TlsRoots)?;
        let config = roots
            .config()
            .ok_or_else(|| self.failed(Cause::text("TLS cannot be set up")))?;
        let name = match self.url.host() {
            Host::Ip(ip) => ServerName::from(*ip),
            Host::Name(name) => ServerName::try_from(name.clone())
                .map_err(|error| self.failed(Cause::text(error.to_string())))?,
        };
        let tls = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await;
        let tls = tls.map_err(|error| self.failed(Cause::of(&error, "read", None)))?;
        Ok(Box::new(tls))
    }
}
