/// One open WebSocket, numbered by the process that accepted it.
///
/// Numbers rise and are never used again: of two sockets the one with the higher number is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);
