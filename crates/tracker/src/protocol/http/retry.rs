/// When a client may try again after a failure (BEP 31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryIn {
    /// In this many minutes.
    Minutes(u32),
    /// Not at all.
    Never,
}
