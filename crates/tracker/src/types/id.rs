use std::{fmt, str::FromStr};

/// The 20 bytes that name a torrent: a SHA-1, or the first 20 bytes of a SHA-256 (BEP 52).
///
/// Chosen by whoever announces, so never a hash-table key without a secret seed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

/// The 20 bytes that a peer calls itself (BEP 20 has the conventions). Not proof of anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; 20]);

/// A text that is not 40 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 40 hexadecimal digits")]
pub struct ParseIdError;

macro_rules! id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse_hex(text.as_bytes()).map(Self)
            }
        }
    };
}

id!(InfoHash);
id!(PeerId);

fn parse_hex(text: &[u8]) -> Result<[u8; 20], ParseIdError> {
    if text.len() != 40 {
        return Err(ParseIdError);
    }
    let mut id = [0; 20];
    for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(id)
}

fn digit(text: u8) -> Result<u8, ParseIdError> {
    char::from(text)
        .to_digit(16)
        .map(|value| value as u8)
        .ok_or(ParseIdError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trip() {
        let text = "00ff10abcdef0123456789abcdef0123456789ab";
        assert_eq!(text.parse::<InfoHash>().unwrap().to_string(), text);
        assert_eq!(
            text.to_uppercase().parse::<PeerId>().unwrap().to_string(),
            text
        );
    }

    #[test]
    fn rejects_other_texts() {
        let forty = "zz".repeat(20);
        for text in [
            "",
            "00",
            "é",
            forty.as_str(),
            &"é".repeat(20),
            &"0".repeat(41),
        ] {
            assert_eq!(text.parse::<InfoHash>(), Err(ParseIdError), "{text}");
        }
    }
}
