//! A tunnel through an HTTP proxy (RFC 9110, section 9.3.6).

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Credentials, authority, connect::broken, socks5::Target};
use crate::client::os_error::Cause;

/// The head of an answer; proxies send a few hundred bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Asks for a connection to the target.
pub(super) async fn handshake(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    credentials: Option<&Credentials>,
    target: &Target,
) -> Result<(), Cause> {
    let written = stream
        .write_all(request(credentials, target).as_bytes())
        .await;
    written.map_err(|error| broken(&error))?;
    let mut head = Vec::with_capacity(256);
    // Byte by byte: what follows the head is the tracker's.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(Cause::text("the proxy's answer is too long"));
        }
        let byte = stream.read_u8().await;
        head.push(byte.map_err(|error| broken(&error))?);
    }
    match status(&head) {
        Some(200..300) => Ok(()),
        Some(407) => Err(Cause::text("the proxy refuses the user or password (407)")),
        Some(status) => Err(Cause::text(format!("the proxy refuses ({status})"))),
        None => Err(Cause::text("the proxy does not speak HTTP")),
    }
}

fn request(credentials: Option<&Credentials>, target: &Target) -> String {
    let authority = authority(&target.host, target.port);
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if let Some(Credentials { user, password }) = credentials {
        let token = base64(format!("{user}:{password}").as_bytes());
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&token);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

fn status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let [b'0' | b'1', b' ', code @ ..] = rest else {
        return None;
    };
    let digits = str::from_utf8(code.get(..3)?).ok()?;
    let status = digits.parse().ok()?;
    (100..600).contains(&status).then_some(status)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| {
            bits << 8 | usize::from(chunk.get(at).copied().unwrap_or_default())
        });
        for at in 0..4 {
            let digit = ALPHABET.get(bits >> (18 - 6 * at) & 63).copied();
            let digit = digit.filter(|_| at <= chunk.len());
            text.push(char::from(digit.unwrap_or(b'=')));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::client::url::Host;

    fn answered(bytes: &[u8]) -> Result<(), Cause> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut ours, mut theirs) = tokio::io::duplex(1 << 20);
            theirs.write_all(bytes).await.unwrap();
            theirs.shutdown().await.unwrap();
            let target = Target {
                host: Host::Name("t.example".into()),
                port: 80,
            };
            handshake(&mut ours, None, &target).await
        })
    }

    proptest! {
        #[test]
        fn no_answer_panics(start in "(HTTP/1\\.[01] |)", rest in vec(any::<u8>(), 0..300)) {
            let _ = answered(&[start.as_bytes(), &rest].concat());
        }
    }

    #[test]
    fn answers() {
        assert!(answered(b"HTTP/1.1 200 Connection established\r\n\r\nrest").is_ok());
        assert!(answered(b"HTTP/1.0 200\r\nVia: x\r\n\r\n").is_ok());
        let failed = |bytes: &[u8]| answered(bytes).unwrap_err().message;
        assert!(failed(b"HTTP/1.1 407 Who\r\n\r\n").contains("password"));
        assert!(failed(b"HTTP/1.1 503 No\r\n\r\n").contains("503"));
        assert!(failed(b"HTTP/1.1 099 No\r\n\r\n").contains("HTTP"));
        assert!(failed(b"HTTP/1.1 200").contains("ended"));
        let endless = [&b"HTTP/1.1 200 OK\r\n"[..], &b"x: y\r\n".repeat(100_000)].concat();
        assert!(failed(&endless).contains("too long"));
    }

    #[test]
    fn requests() {
        for (bytes, wanted) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("\u{ff}?>", "w78/Pg=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), wanted);
        }
        let credentials = Credentials {
            user: "u".into(),
            password: "p".into(),
        };
        let target = Target {
            host: Host::Ip("::1".parse().unwrap()),
            port: 80,
        };
        assert_eq!(
            request(Some(&credentials), &target),
            "CONNECT [::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
        );
    }
}
