//! Options after an announce (BEP 41): the path and query of the announce URL, which would
//! otherwise not reach a UDP tracker.

/// The most URL data that is read, in bytes. A passkey needs some dozens.
pub const MAX_URL_DATA: usize = 2048;

const END: u8 = 0;
const NOP: u8 = 1;
const URL_DATA: u8 = 2;

/// The URL data of these options, put together; empty if there is none.
///
/// Clients older than BEP 41 append junk to their announces. So nothing here is an error: reading
/// ends at the first option that is cut short, or that goes past [`MAX_URL_DATA`].
pub fn url_data(options: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut rest = options;
    while let Some((&kind, tail)) = rest.split_first() {
        rest = tail;
        match kind {
            END => break,
            NOP => continue,
            _ => {}
        }
        // Every other option has a length, so that unknown ones can be skipped.
        let Some((&len, tail)) = rest.split_first() else {
            break;
        };
        let Some((chunk, tail)) = tail.split_at_checked(len.into()) else {
            break;
        };
        rest = tail;
        if kind == URL_DATA {
            if data.len() + chunk.len() > MAX_URL_DATA {
                break;
            }
            data.extend_from_slice(chunk);
        }
    }
    data
}

/// Appends the options that carry `data`: chunks of up to 255 bytes, then the end. Nothing if
/// there is no data. A server may read no more than [`MAX_URL_DATA`] of it.
pub fn write_url_data(out: &mut Vec<u8>, data: &[u8]) {
    for chunk in data.chunks(u8::MAX.into()) {
        out.push(URL_DATA);
        out.push(chunk.len() as u8);
        out.extend_from_slice(chunk);
    }
    if !data.is_empty() {
        out.push(END);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn examples_of_bep_41() {
        assert_eq!(url_data(b"\x02\x0c/dir?a=b&c=d"), b"/dir?a=b&c=d");
        assert_eq!(
            url_data(b"\x01\x01\x02\x02/a\x01\x02\x02?b\x00\x02\x02xx"),
            b"/a?b"
        );
        assert_eq!(url_data(b"\x02\x00"), b"");
    }

    #[test]
    fn junk_ends_reading() {
        assert_eq!(url_data(b""), b"");
        assert_eq!(url_data(b"\x02"), b"");
        assert_eq!(url_data(b"\x02\x05/ab"), b"");
        assert_eq!(url_data(b"\x02\x02/a\x02\xff/b"), b"/a");
        assert_eq!(url_data(b"\0\0\x02\x02/a"), b"");
    }

    #[test]
    fn unknown_options_are_skipped() {
        assert_eq!(url_data(b"\x77\x03abc\x02\x02/a"), b"/a");
    }

    #[test]
    fn url_data_is_bounded() {
        let mut options = Vec::new();
        write_url_data(&mut options, &vec![b'a'; 60_000]);
        let data = url_data(&options);
        assert!(data.len() <= MAX_URL_DATA && data.len() > MAX_URL_DATA - 255);
    }

    proptest! {
        #[test]
        fn round_trip(data in vec(any::<u8>(), 0..=MAX_URL_DATA), junk in vec(any::<u8>(), 0..9)) {
            let mut options = Vec::new();
            write_url_data(&mut options, &data);
            prop_assert_eq!(&url_data(&options), &data);
            if !data.is_empty() {
                options.extend_from_slice(&junk);
                prop_assert_eq!(url_data(&options), data);
            }
        }

        #[test]
        fn no_input_panics(options in vec(any::<u8>(), 0..300)) {
            prop_assert!(url_data(&options).len() <= options.len());
        }
    }
}
