//! Operating-system errors in the shape that Node gives them.

use std::{error::Error, fmt, io, net::SocketAddr};

/// The longest chain of sources that is followed.
const MAX_SOURCES: usize = 16;

/// The reason of a network error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Text for people.
    pub message: String,
    /// Details, if the operating system reported the error.
    pub os: Option<OsError>,
}

/// The properties of Node's system errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsError {
    /// `ECONNREFUSED` and the like.
    pub code: &'static str,
    /// Negative, as libuv has it; `None` where the system gave no number.
    pub errno: Option<i32>,
    /// `connect`, `send`, `bind`, `read` or `getaddrinfo`.
    pub syscall: &'static str,
    /// The address, or the name that was looked up.
    pub address: Option<String>,
    /// The port.
    pub port: Option<u16>,
}

/// libuv's numbers for the two errors of name resolution.
const UV_EAI_AGAIN: i32 = -3001;
const UV_ENOTFOUND: i32 = -3008;

impl Cause {
    /// A reason that no system call reported.
    pub(super) fn text(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            os: None,
        }
    }

    /// A failed system call.
    pub(super) fn io(error: &io::Error, syscall: &'static str, addr: Option<SocketAddr>) -> Self {
        let code = code(error);
        let mut message = format!("{syscall} {code}");
        if let Some(addr) = addr {
            message = format!("{message} {addr}");
        }
        Self {
            message,
            os: Some(OsError {
                code,
                errno: error.raw_os_error().map(|number| -number),
                syscall,
                address: addr.map(|addr| addr.ip().to_string()),
                port: addr.map(|addr| addr.port()),
            }),
        }
    }

    /// A name that has no address.
    pub(super) fn lookup(name: &str, error: &io::Error) -> Self {
        // The standard library keeps the resolver's number to itself, but not its text.
        let (code, errno) = if error.to_string().contains("Temporary failure") {
            ("EAI_AGAIN", UV_EAI_AGAIN)
        } else {
            ("ENOTFOUND", UV_ENOTFOUND)
        };
        Self {
            message: format!("getaddrinfo {code} {name}"),
            os: Some(OsError {
                code,
                errno: Some(errno),
                syscall: "getaddrinfo",
                address: Some(name.to_owned()),
                port: None,
            }),
        }
    }

    /// A name that has no address of the families in question.
    pub(super) fn no_address(name: &str) -> Self {
        Self::lookup(name, &io::Error::other("no address"))
    }

    /// The deepest reason in a chain of errors: the system call if there is one in it.
    pub(super) fn of(
        error: &(dyn Error + 'static),
        syscall: &'static str,
        addr: Option<SocketAddr>,
    ) -> Self {
        let mut next = Some(error);
        let mut last = error;
        for _ in 0..MAX_SOURCES {
            let Some(error) = next else { break };
            if let Some(io) = error.downcast_ref::<io::Error>()
                && io.raw_os_error().is_some()
            {
                return Self::io(io, syscall, addr);
            }
            if let Some(cause) = error.downcast_ref::<Self>() {
                return cause.clone();
            }
            last = error;
            next = error.source();
        }
        Self::text(last.to_string())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Cause {}

fn code(error: &io::Error) -> &'static str {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => "ECONNREFUSED",
        Kind::ConnectionReset => "ECONNRESET",
        Kind::ConnectionAborted => "ECONNABORTED",
        Kind::HostUnreachable => "EHOSTUNREACH",
        Kind::NetworkUnreachable => "ENETUNREACH",
        Kind::NetworkDown => "ENETDOWN",
        Kind::NotConnected => "ENOTCONN",
        Kind::AddrInUse => "EADDRINUSE",
        Kind::AddrNotAvailable => "EADDRNOTAVAIL",
        Kind::BrokenPipe => "EPIPE",
        Kind::TimedOut => "ETIMEDOUT",
        // The same number on every Unix.
        Kind::PermissionDenied if error.raw_os_error() == Some(1) => "EPERM",
        Kind::PermissionDenied => "EACCES",
        Kind::InvalidInput => "EINVAL",
        Kind::WouldBlock => "EAGAIN",
        Kind::OutOfMemory => "ENOMEM",
        _ => match error.raw_os_error() {
            Some(23 | 24) => "EMFILE",
            _ => "EIO",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_shape() {
        let addr = "127.0.0.1:80".parse().unwrap();
        let error = io::Error::from(io::ErrorKind::ConnectionRefused);
        let cause = Cause::io(&error, "connect", Some(addr));
        assert_eq!(cause.to_string(), "connect ECONNREFUSED 127.0.0.1:80");
        let os = cause.os.unwrap();
        assert_eq!((os.code, os.port), ("ECONNREFUSED", Some(80)));
        assert_eq!(os.address.as_deref(), Some("127.0.0.1"));
        let cause = Cause::lookup("t.example", &io::Error::other("nope"));
        assert_eq!(cause.to_string(), "getaddrinfo ENOTFOUND t.example");
    }

    #[test]
    fn finds_the_system_call_in_a_chain() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);
        let refused =
            io::Error::from_raw_os_error(if cfg!(windows) { 10061 } else { libc_refused() });
        let cause = Cause::of(&Outer(refused), "connect", None);
        assert_eq!(cause.os.unwrap().code, "ECONNREFUSED");
        let cause = Cause::of(&Outer(io::Error::other("inner")), "connect", None);
        assert_eq!((cause.message.as_str(), cause.os), ("inner", None));
    }

    /// The number differs between Linux and the BSDs.
    fn libc_refused() -> i32 {
        if cfg!(target_os = "linux") { 111 } else { 61 }
    }
}
