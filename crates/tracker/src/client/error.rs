//! What can go wrong with a request, in the words that the original's users know.

use super::{
    os_error::Cause,
    schedule::{Intervals, RetryIn},
};
use crate::protocol::{udp::ResponseError, websocket};

/// The one result of a request that failed, or a complaint about a reply that was usable.
///
/// The `Display` texts are interface: where the original has a text for the case, it is that one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The tracker refused (`failure reason`, or a UDP error packet); its text as it is.
    #[error("{}", .0.reason)]
    Failure(Box<Failure>),
    /// An HTTP status other than 200.
    #[error("Non-200 response code {status} from {url}")]
    Status {
        /// The status.
        status: u16,
        /// The announce URL.
        url: String,
    },
    /// An empty HTTP body. (The missing space is the original's.)
    #[error("Invalid tracker response from{url}")]
    EmptyBody {
        /// The announce URL.
        url: String,
    },
    /// A body that is not bencode, or breaks the decoder's limits.
    #[error("Error decoding tracker response: {0}")]
    Decode(String),
    /// A body longer than the limit, after inflation.
    #[error("tracker response is longer than {limit} bytes ({url})")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
        /// The announce URL.
        url: String,
    },
    /// More redirects than allowed, or one that leads nowhere.
    #[error("too many or bad redirects ({url})")]
    Redirect {
        /// The announce URL.
        url: String,
    },
    /// A tracker on the internet redirected to an address of the local network.
    #[error("redirect to the private address {host} refused ({url})")]
    RedirectRefused {
        /// Where the redirect led.
        host: String,
        /// The announce URL.
        url: String,
    },
    /// An HTTP scrape reply without a torrent.
    #[error("invalid scrape response")]
    InvalidScrape,
    /// The scrape URL cannot be had from the announce URL. The original emits it as `error`.
    #[error("scrape not supported {url}")]
    ScrapeNotSupported {
        /// The announce URL.
        url: String,
    },
    /// No HTTP exchange took place: name resolution, connecting or TLS failed.
    #[error("fetch failed")]
    Fetch(Cause),
    /// The connection ended in the middle of a body.
    #[error("terminated")]
    Terminated(Cause),
    /// A UDP packet could not be sent, or the tracker's name not be resolved.
    #[error("{cause} ({url})")]
    Udp {
        /// The reason.
        cause: Cause,
        /// The announce URL.
        url: String,
    },
    /// The HTTP request ran out of time. (The original aborts it, hence the text.)
    #[error("This operation was aborted")]
    HttpTimeout,
    /// The tracker was silent over UDP.
    #[error("tracker request timed out ({what}) ({url})")]
    UdpTimeout {
        /// The announce's event; `update` or `scrape` where there is none.
        what: &'static str,
        /// The announce URL.
        url: String,
    },
    /// All that came over UDP was wrong.
    #[error("{fault} ({url})")]
    UdpReply {
        /// What was wrong with the last packet.
        fault: ResponseError,
        /// The announce URL.
        url: String,
    },
    /// No WebSocket came about: name resolution, TCP, TLS or the upgrade failed.
    #[error("Error connecting to {url}")]
    WebSocketConnect {
        /// The reason.
        cause: Cause,
        /// The announce URL.
        url: String,
    },
    /// The tracker closed the WebSocket with a code that blames us.
    #[error("tracker closed the connection: {code} {reason} ({url})")]
    WebSocketClosed {
        /// The code (RFC 6455, section 7.4).
        code: u16,
        /// The tracker's text.
        reason: String,
        /// The announce URL.
        url: String,
    },
    /// The tracker answered no ping, or took nothing in.
    #[error("tracker is silent ({url})")]
    WebSocketSilent {
        /// The announce URL.
        url: String,
    },
    /// A WebSocket frame or message that makes no sense.
    #[error("{0}")]
    WebSocketReply(websocket::ResponseError),
    /// The way through the proxy failed, and there is no other. Nothing reached the tracker.
    #[error("proxy failed: {cause} ({url})")]
    Proxy {
        /// The reason.
        cause: Cause,
        /// The announce URL.
        url: String,
    },
    /// An interval that is negative or absurd; the rest of the reply is used.
    #[error("tracker sent an invalid interval: {value} ({url})")]
    Interval {
        /// The value in seconds.
        value: i64,
        /// The announce URL.
        url: String,
    },
    /// Peers that are not whole addresses; the rest of the reply is used.
    #[error("tracker sent invalid peers: {detail} ({url})")]
    Peers {
        /// What is wrong.
        detail: String,
        /// The announce URL.
        url: String,
    },
    /// TLS is needed (an `https:` URL or a redirect to one) and the request brought no roots.
    #[error("no TLS root certificates were given")]
    TlsRoots,
    /// The `User-Agent` cannot be a header.
    #[error("invalid user agent")]
    UserAgent,
    /// [`RequestHandle::abort`](super::RequestHandle::abort) was called, or the engine ended.
    #[error("This operation was aborted")]
    Aborted,
}

/// A tracker's refusal, with what it says about the next attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The text, at most [`MAX_TEXT`] bytes.
    pub reason: String,
    /// BEP 31.
    pub retry_in: Option<RetryIn>,
    /// Some trackers send intervals with a refusal, and mean them.
    pub intervals: Intervals,
}

/// Texts from a tracker are cut after this many bytes: they end up in logs.
pub const MAX_TEXT: usize = 1024;

impl ClientError {
    /// A stable name for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Failure(_) => "ERR_TRACKER_FAILURE",
            Self::Status { .. } => "ERR_TRACKER_STATUS",
            Self::EmptyBody { .. }
            | Self::InvalidScrape
            | Self::UdpReply { .. }
            | Self::WebSocketReply(_) => "ERR_TRACKER_RESPONSE",
            Self::WebSocketClosed { .. } => "ERR_TRACKER_CLOSED",
            Self::Decode(_) => "ERR_TRACKER_DECODE",
            Self::TooLarge { .. } => "ERR_TRACKER_TOO_LARGE",
            Self::Redirect { .. } => "ERR_TRACKER_REDIRECT",
            Self::RedirectRefused { .. } => "ERR_TRACKER_REDIRECT_REFUSED",
            Self::ScrapeNotSupported { .. } => "ERR_TRACKER_SCRAPE_NOT_SUPPORTED",
            Self::Fetch(_)
            | Self::Terminated(_)
            | Self::Udp { .. }
            | Self::WebSocketConnect { .. } => "ERR_TRACKER_NETWORK",
            Self::HttpTimeout | Self::UdpTimeout { .. } | Self::WebSocketSilent { .. } => {
                "ERR_TRACKER_TIMEOUT"
            }
            Self::Proxy { .. } => "ERR_TRACKER_PROXY",
            Self::Interval { .. } => "ERR_TRACKER_INTERVAL",
            Self::Peers { .. } => "ERR_TRACKER_PEERS",
            Self::TlsRoots => "ERR_TRACKER_TLS_ROOTS",
            Self::UserAgent => "ERR_TRACKER_USER_AGENT",
            Self::Aborted => "ERR_TRACKER_ABORTED",
        }
    }

    /// Whether the application need not hear of it: it does not matter to a client that leaves
    /// whether a silent UDP tracker took note.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::UdpTimeout { what, .. } if *what == "stopped")
    }

    /// What lies below a network error; becomes the `cause` of the JavaScript error.
    pub const fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Fetch(cause)
            | Self::Terminated(cause)
            | Self::Udp { cause, .. }
            | Self::WebSocketConnect { cause, .. }
            | Self::Proxy { cause, .. } => Some(cause),
            _ => None,
        }
    }

    /// When the tracker may be asked again, if it said so while it refused (BEP 31).
    pub fn retry_in(&self) -> Option<RetryIn> {
        match self {
            Self::Failure(failure) => failure.retry_in,
            _ => None,
        }
    }

    /// The intervals that came with a refusal.
    pub fn intervals(&self) -> Intervals {
        match self {
            Self::Failure(failure) => failure.intervals,
            _ => Intervals::default(),
        }
    }
}

/// A tracker's bytes as bounded text.
pub(super) fn bounded_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..MAX_TEXT).unwrap_or(bytes));
    text.trim_end_matches('\0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_originals() {
        let url = || "udp://t.example:80".to_owned();
        let timeout = |what| ClientError::UdpTimeout { what, url: url() };
        assert_eq!(
            timeout("started").to_string(),
            "tracker request timed out (started) (udp://t.example:80)"
        );
        assert!(timeout("stopped").is_silent() && !timeout("started").is_silent());
        let fault = ResponseError::InvalidConnect;
        assert_eq!(
            ClientError::UdpReply { fault, url: url() }.to_string(),
            "invalid udp handshake (udp://t.example:80)"
        );
        assert_eq!(
            ClientError::EmptyBody { url: url() }.to_string(),
            "Invalid tracker response fromudp://t.example:80"
        );
    }

    #[test]
    fn texts_are_bounded() {
        assert_eq!(
            bounded_text(b"Connection ID missmatch.\0"),
            "Connection ID missmatch."
        );
        assert_eq!(bounded_text(&[b'a'; 5000]).len(), MAX_TEXT);
        assert_eq!(bounded_text(b"\xff"), "\u{fffd}");
    }
}
