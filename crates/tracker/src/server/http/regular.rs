//! Requests as nearly all are: a GET without a body. They are read and answered without hyper, which
//! takes more time for such a request than the tracker does.

use std::{io::Write, mem::MaybeUninit};

use httparse::{Header, Request};
use httpdate::HttpDate;

use super::listener::MAX_HEADERS;
use crate::{bencode::encode::decimal, clock, types::Timestamp};

/// Room for the headers of a request.
pub(super) type HeaderSlots<'a> = [MaybeUninit<Header<'a>>; MAX_HEADERS];

/// A request without a body or anything else that has to be negotiated.
pub(super) struct RegularRequest<'a, 'h> {
    pub(super) target: &'a str,
    /// The peer wants the connection closed after the answer.
    pub(super) closes: bool,
    /// How many bytes it takes.
    pub(super) length: usize,
    headers: &'h [Header<'a>],
}

impl<'a, 'h> RegularRequest<'a, 'h> {
    pub(super) const fn slots() -> HeaderSlots<'a> {
        [const { MaybeUninit::uninit() }; MAX_HEADERS]
    }

    /// The request at the beginning of `input`, if it is regular, and all of it is there. Whatever is
    /// unusual in any way is left to hyper, so that this need not know the rules for it.
    pub(super) fn parse(input: &'a [u8], slots: &'h mut HeaderSlots<'a>) -> Option<Self> {
        let mut request = Request::new(&mut []);
        let status = request.parse_with_uninit_headers(input, slots).ok()?;
        let httparse::Status::Complete(length) = status else {
            return None;
        };
        let target = request.path?;
        if request.method != Some("GET") || request.version != Some(1) || !is_plain(target) {
            return None;
        }
        let headers: &'h [Header<'a>] = request.headers;
        let mut closes = false;
        for header in headers {
            match Kind::of(header.name) {
                Kind::Other => {}
                Kind::Connection if header.value.eq_ignore_ascii_case(b"close") => closes = true,
                Kind::Connection if header.value.eq_ignore_ascii_case(b"keep-alive") => {}
                Kind::Connection | Kind::Irregular => return None,
            }
        }
        Some(Self {
            target,
            closes,
            length,
            headers,
        })
    }

    /// The lines of `X-Forwarded-For`.
    pub(super) fn forwarded(&self) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case("x-forwarded-for"))
            .map(|header| header.value)
    }
}

/// What a header's name says about a request.
enum Kind {
    Connection,
    /// There is a body, or another protocol is wanted.
    Irregular,
    Other,
}

impl Kind {
    fn of(name: &str) -> Self {
        // By the length first: it rules nearly all headers out.
        match name.len() {
            6 if name.eq_ignore_ascii_case("expect") => Self::Irregular,
            7 if name.eq_ignore_ascii_case("upgrade") => Self::Irregular,
            10 if name.eq_ignore_ascii_case("connection") => Self::Connection,
            14 if name.eq_ignore_ascii_case("content-length") => Self::Irregular,
            17 if name.eq_ignore_ascii_case("transfer-encoding") => Self::Irregular,
            _ => Self::Other,
        }
    }
}

/// Whether a target is a path and a query of characters that any parser takes as they are.
fn is_plain(target: &str) -> bool {
    // To the end, whatever comes: the compiler then looks at many bytes at a time, and an announce's two hundred take
    // a sixth of the time.
    let other = |found, byte| found | !is_plain_byte(byte);
    target.starts_with('/') && !target.bytes().fold(false, other)
}

#[expect(
    clippy::needless_bitwise_bool,
    reason = "a branch would have the loop look at one byte at a time"
)]
fn is_plain_byte(byte: u8) -> bool {
    // Not `"`, `#`, `<`, `>`, `` ` ``, `{`, `|`, `}`: hyper has rules of its own for each.
    (byte == b'!')
        | (b'$'..=b';').contains(&byte)
        | (byte == b'=')
        | (b'?'..=b'_').contains(&byte)
        | byte.is_ascii_lowercase()
        | (byte == b'~')
}

/// The head of an answer, as hyper writes it.
#[derive(Default)]
pub(super) struct ResponseHead {
    date: Vec<u8>,
    /// When `date` was made.
    at: Option<Timestamp>,
}

impl ResponseHead {
    /// Appends the head of an answer with a body of `length` bytes.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, length: usize, closes: bool, now: Timestamp) {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n");
        if closes {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"content-length: ");
        decimal(out, length as u64);
        out.extend_from_slice(b"\r\ndate: ");
        out.extend_from_slice(self.date(now));
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// Written anew once a second.
    fn date(&mut self, now: Timestamp) -> &[u8] {
        if self.at != Some(now) {
            self.date.clear();
            // To memory: it can't fail.
            let _ = write!(self.date, "{}", HttpDate::from(clock::time_of_day()));
            self.at = Some(now);
        }
        &self.date
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// The target, whether it closes, and how many bytes are left.
    fn parse(input: &str) -> Option<(&str, bool, usize)> {
        let mut slots = RegularRequest::slots();
        let request = RegularRequest::parse(input.as_bytes(), &mut slots)?;
        Some((request.target, request.closes, input.len() - request.length))
    }

    #[test]
    fn regular_requests() {
        for (input, expected) in [
            (
                "GET /announce?a=%00 HTTP/1.1\r\n\r\n",
                ("/announce?a=%00", false, 0),
            ),
            (
                "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: y\r\n\r\nGET /b",
                ("/", false, 6),
            ),
            (
                "GET /a HTTP/1.1\r\nconnection: CLOSE\r\n\r\n",
                ("/a", true, 0),
            ),
            (
                "GET /a HTTP/1.1\r\nConnection: Keep-Alive\r\n\r\n",
                ("/a", false, 0),
            ),
        ] {
            assert_eq!(parse(input), Some(expected), "{input:?}");
        }
    }

    #[test]
    fn others_are_left_to_hyper() {
        for input in [
            "",
            "GET /a HTTP/1.1\r\n",
            "GET /a HTTP/1.0\r\n\r\n",
            "HEAD /a HTTP/1.1\r\n\r\n",
            "POST /a HTTP/1.1\r\n\r\n",
            "GET http://host/a HTTP/1.1\r\n\r\n",
            "GET * HTTP/1.1\r\n\r\n",
            "GET /a#b HTTP/1.1\r\n\r\n",
            "GET /{a} HTTP/1.1\r\n\r\n",
            "GET /`a HTTP/1.1\r\n\r\n",
            "GET /\u{e9} HTTP/1.1\r\n\r\n",
            "GET /a HTTP/1.1\r\nno colon\r\n\r\n",
            "GET /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
            "GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET /a HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
            "GET /a HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            "GET /a HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\n\r\n",
        ] {
            assert_eq!(parse(input), None, "{input:?}");
        }
        let many = "a: b\r\n".repeat(MAX_HEADERS + 1);
        assert_eq!(parse(&format!("GET /a HTTP/1.1\r\n{many}\r\n")), None);
    }

    #[test]
    fn targets_of_plain_characters() {
        const PLAIN: &[u8] = b"!$%&'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_\
            abcdefghijklmnopqrstuvwxyz~";
        for byte in 0..0x80_u8 {
            // At each place of what may be looked at together, and of what is left over.
            for place in 1..70 {
                let mut target = vec![b'a'; 70];
                target[0] = b'/';
                target[place] = byte;
                let target = String::from_utf8(target).unwrap();
                assert_eq!(
                    is_plain(&target),
                    PLAIN.contains(&byte),
                    "{byte:#x} at {place}"
                );
            }
        }
        assert!(!is_plain("announce") && !is_plain(""));
    }

    #[test]
    fn forwarded_addresses() {
        let input =
            b"GET / HTTP/1.1\r\nx-forwarded-for: a, b\r\nHost: x\r\nX-Forwarded-For: c\r\n\r\n";
        let mut slots = RegularRequest::slots();
        let request = RegularRequest::parse(input, &mut slots).unwrap();
        assert_eq!(
            request.forwarded().collect::<Vec<_>>(),
            [&b"a, b"[..], b"c"]
        );
    }

    #[test]
    fn heads_have_the_time() {
        let mut head = ResponseHead::default();
        let mut out = Vec::new();
        head.write(&mut out, 12, false, Timestamp::from_secs(1));
        let text = String::from_utf8(out.clone()).unwrap();
        let (before, rest) = text.split_once("date: ").unwrap();
        assert_eq!(
            before,
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 12\r\n"
        );
        let date = httpdate::parse_http_date(rest.strip_suffix("\r\n\r\n").unwrap()).unwrap();
        let age = clock::time_of_day().duration_since(date).unwrap();
        assert!(age.as_secs() < 60, "{age:?}");

        // Not before the next second.
        for (now, date) in [(1, &b"then"[..]), (2, &head.date.clone())] {
            head.date = b"then".to_vec();
            out.clear();
            head.write(&mut out, 0, true, Timestamp::from_secs(now));
            let text = [
                &b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n"[..],
                b"content-length: 0\r\ndate: ",
                date,
                b"\r\n\r\n",
            ];
            // The time of day may have moved on by now.
            assert_eq!(out.len(), text.concat().len());
            assert_eq!(out == text.concat(), now == 1 || head.date == date);
        }
    }

    /// A line that is a header, or nearly.
    fn line() -> impl Strategy<Value = String> {
        let name = "Connection|Upgrade|Expect|Host|Content-Length|X-Forwarded-For|[a-zA-Z -]{0,12}";
        let value = "close|keep-alive|[ -~]{0,12}";
        (name, ": ?", value).prop_map(|(name, colon, value)| name + &colon + &value + "\r\n")
    }

    fn is_irregular(line: &str) -> bool {
        let (name, _) = line.split_once(':').unwrap_or_default();
        matches!(Kind::of(name), Kind::Irregular)
    }

    proptest! {
        #[test]
        fn no_input_panics(
            target in "[ -~]{0,20}",
            lines in vec(line(), 0..4),
            rest in vec(any::<u8>(), 0..20),
        ) {
            let head = format!("GET /{target} HTTP/1.1\r\n{}\r\n", lines.concat());
            let input = [head.as_bytes(), &rest].concat();
            let mut slots = RegularRequest::slots();
            if let Some(request) = RegularRequest::parse(&input, &mut slots) {
                prop_assert_eq!(request.length, head.len());
                prop_assert_eq!(request.target, format!("/{target}"));
                let is_odd = target.contains(['#', ' ', '"', '{']);
                prop_assert!(!is_odd && !lines.iter().any(|line| is_irregular(line)));
            }
        }
    }
}
