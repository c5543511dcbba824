use napi::{
    Result,
    bindgen_prelude::{Either, Uint8Array},
};
use napi_derive::napi;
use tracker::{
    client::{CarriedHttp, ClientError, Failure, MAX_BODY, MAX_MESSAGE, MAX_REDIRECTS, Proxy},
    protocol::websocket::{Response, parse_response},
};

use super::{
    invalid,
    reply::{NativeClientError, NativeResult},
    request::NativeTarget,
};

/// What those who carry requests themselves may take in.
#[napi(object, object_from_js = false)]
pub(crate) struct NativeCarrierLimits {
    pub body: u32,
    pub redirects: u32,
    pub message: u32,
}

/// A request over HTTP that JavaScript carries to the tracker, with an agent that only it can use.
#[napi]
pub struct NativeCarriedHttp {
    request: CarriedHttp,
    limits: tracker::client::schedule::IntervalLimits,
}

#[napi]
impl NativeCarriedHttp {
    #[napi(factory, catch_unwind)]
    pub fn announce(target: &NativeTarget, query: String) -> Self {
        Self {
            limits: target.limits(),
            request: CarriedHttp::new(target.announce_http(query)),
        }
    }

    /// Of torrents, of 40 digits each.
    #[napi(factory, catch_unwind)]
    pub fn scrape(target: &NativeTarget, info_hashes: Vec<String>) -> Result<Self> {
        Ok(Self {
            limits: target.limits(),
            request: CarriedHttp::new(target.scrape(&info_hashes)?),
        })
    }

    /// What to get, one after the other; or why nothing can be asked.
    #[napi(catch_unwind)]
    pub fn urls(&self) -> Either<Vec<String>, NativeClientError> {
        either(self.request.urls())
    }

    /// Where a redirect leads, or why it is not followed.
    #[napi(catch_unwind)]
    pub fn redirect(&self, from: String, location: String) -> Either<String, NativeClientError> {
        either(self.request.redirect(&from, &location))
    }

    /// What the bodies come to.
    #[napi(catch_unwind)]
    pub fn reply(&self, id: u32, bodies: Vec<Uint8Array>) -> NativeResult {
        NativeResult::new(id, self.limits, self.request.reply(&bodies))
    }
}

#[napi(catch_unwind)]
pub(crate) fn carrier_limits() -> NativeCarrierLimits {
    NativeCarrierLimits {
        body: MAX_BODY as u32,
        redirects: MAX_REDIRECTS as u32,
        message: MAX_MESSAGE as u32,
    }
}

/// A complaint that a WebSocket tracker's message is, or what is wrong with it.
#[napi(catch_unwind)]
pub(crate) fn check_web_socket_message(message: String) -> Option<NativeClientError> {
    let error = match parse_response(&message) {
        Ok(Response::Failure { reason }) => ClientError::Failure(Box::new(Failure {
            reason,
            ..Failure::default()
        })),
        Ok(_) => return None,
        Err(fault) => ClientError::WebSocketReply(fault),
    };
    Some(NativeClientError::new(&error))
}

/// Throws if this is not the URL of a proxy.
#[napi(catch_unwind)]
pub(crate) fn check_proxy(url: String) -> Result<()> {
    Proxy::parse(&url).map(drop).map_err(invalid)
}

fn either<T>(result: std::result::Result<T, ClientError>) -> Either<T, NativeClientError> {
    match result {
        Ok(value) => Either::A(value),
        Err(error) => Either::B(NativeClientError::new(&error)),
    }
}
