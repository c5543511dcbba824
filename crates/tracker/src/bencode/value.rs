use std::fmt;

/// A decoded document; its strings are slices of the input.
#[derive(Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// `i-3e`
    Int(i64),
    /// `4:spam`
    Bytes(&'a [u8]),
    /// `l...e`
    List(Vec<Self>),
    /// `d...e`, in the order of the document. The order is not checked, since some trackers do
    /// not sort; nor is uniqueness.
    Dict(Vec<(&'a [u8], Self)>),
}

impl<'a> Value<'a> {
    /// The value under this key, if this is a dictionary that has it. Of several the last one
    /// counts, as in most decoders.
    pub fn get(&self, key: &[u8]) -> Option<&Self> {
        self.as_dict()?
            .iter()
            .rev()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// The integer, if this is one.
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// The string's bytes, if this is one.
    pub const fn as_bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The list's values, if this is one.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The dictionary's entries in the order of the document, if this is one.
    pub fn as_dict(&self) -> Option<&[(&'a [u8], Self)]> {
        match self {
            Self::Dict(dict) => Some(dict),
            _ => None,
        }
    }
}

/// Strings as text with escapes: bencode is read by people in error messages and failed tests.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => int.fmt(f),
            Self::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::List(list) => f.debug_list().entries(list).finish(),
            Self::Dict(dict) => f
                .debug_map()
                .entries(dict.iter().map(|(key, value)| (Value::Bytes(key), value)))
                .finish(),
        }
    }
}
