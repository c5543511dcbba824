//! The opening handshake (RFC 6455, section 4.2) on a request that hyper has read.

use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
    http::request::Parts,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Why a WebSocket connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The handshake breaks RFC 6455.
    #[error("invalid WebSocket handshake")]
    BadHandshake,
    /// Another version than 13.
    #[error("unsupported WebSocket version")]
    Version,
    /// The page's origin is not on the list.
    #[error("origin not allowed")]
    Origin,
    /// This address has too many sockets.
    #[error("too many sockets from this address")]
    TooManyFromIp,
    /// There are too many sockets.
    #[error("too many sockets")]
    TooMany,
}

/// Whether a request asks for WebSocket, however badly.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, &header::UPGRADE, "websocket")
}

/// Checks the handshake; the response that accepts it.
pub(crate) fn response(
    head: &Parts,
    origins: Option<&[String]>,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let headers = &head.headers;
    if head.method != hyper::Method::GET
        || head.version < hyper::Version::HTTP_11
        || !has_token(headers, &header::CONNECTION, "upgrade")
    {
        return Err(Refusal::BadHandshake);
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        return Err(Refusal::Version);
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .ok_or(Refusal::BadHandshake)?;
    if !is_key(key.as_bytes()) {
        return Err(Refusal::BadHandshake);
    }
    if !origin_allowed(headers.get(header::ORIGIN), origins) {
        return Err(Refusal::Origin);
    }
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|_| Refusal::BadHandshake)?;
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

impl Refusal {
    /// The response that refuses.
    pub(crate) fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.to_string())));
        *response.status_mut() = match self {
            Self::BadHandshake => StatusCode::BAD_REQUEST,
            Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::TooManyFromIp => StatusCode::TOO_MANY_REQUESTS,
            Self::TooMany => StatusCode::SERVICE_UNAVAILABLE,
        };
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
        response
    }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// Whether a key is 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let digits = key.strip_suffix(b"==").unwrap_or_default();
    digits.len() == 22
        && digits
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// Only browsers send an origin, and only for them it means something: a page cannot forge it.
fn origin_allowed(origin: Option<&HeaderValue>, origins: Option<&[String]>) -> bool {
    let (Some(origin), Some(origins)) = (origin, origins) else {
        return true;
    };
    origins
        .iter()
        .any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn head(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    const GOOD: [(&str, &str); 4] = [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn accepts_the_example_of_the_rfc() {
        let head = head(&GOOD);
        assert!(is_upgrade(&head.headers));
        let response = response(&head, None).unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(
            response.headers()["sec-websocket-accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn refuses_what_lacks_something() {
        for (missing, refusal) in [
            (1, Refusal::BadHandshake),
            (2, Refusal::Version),
            (3, Refusal::BadHandshake),
        ] {
            let mut headers = GOOD.to_vec();
            headers.remove(missing);
            assert_eq!(response(&head(&headers), None).unwrap_err(), refusal);
        }
    }

    #[test]
    fn refuses_other_keys_and_versions() {
        for key in [
            "",
            "==",
            "dGhlIHNhbXBsZSBub25jZQ==x",
            "dGhlIHNhbXBsZSBub25jZ!==",
        ] {
            let mut headers = GOOD;
            headers[3].1 = key;
            let refusal = response(&head(&headers), None).unwrap_err();
            assert_eq!(refusal, Refusal::BadHandshake, "{key}");
        }
        let mut head = head(&GOOD);
        head.version = hyper::Version::HTTP_10;
        assert_eq!(response(&head, None).unwrap_err(), Refusal::BadHandshake);
    }

    #[test]
    fn origins() {
        let allowed = ["https://a.example".to_owned()];
        for (origin, accepted) in [
            (Some("https://a.example"), true),
            (Some("https://A.example"), true),
            (Some("https://b.example"), false),
            (Some("null"), false),
            (None, true),
        ] {
            let mut headers = GOOD.to_vec();
            headers.extend(origin.map(|origin| ("origin", origin)));
            assert_eq!(
                response(&head(&headers), Some(&allowed)).is_ok(),
                accepted,
                "{origin:?}"
            );
        }
    }
}
