use std::io::{Error, ErrorKind};

/// The name that Node gives to a system error, such as `EADDRINUSE`, on every system alike.
///
/// By kind, since numbers differ between systems; JavaScript looks up Node's own number and text.
pub(crate) fn error_code(error: &Error) -> String {
    let name = match error.kind() {
        ErrorKind::AddrInUse => "EADDRINUSE",
        ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        ErrorKind::PermissionDenied => "EACCES",
        ErrorKind::ConnectionRefused => "ECONNREFUSED",
        ErrorKind::ConnectionReset => "ECONNRESET",
        ErrorKind::ConnectionAborted => "ECONNABORTED",
        ErrorKind::HostUnreachable => "EHOSTUNREACH",
        ErrorKind::NetworkUnreachable => "ENETUNREACH",
        ErrorKind::NetworkDown => "ENETDOWN",
        ErrorKind::TimedOut => "ETIMEDOUT",
        ErrorKind::NotConnected => "ENOTCONN",
        ErrorKind::BrokenPipe => "EPIPE",
        ErrorKind::InvalidInput => "EINVAL",
        ErrorKind::OutOfMemory => "ENOMEM",
        ErrorKind::Unsupported => "ENOTSUP",
        _ => return uncommon(error),
    };
    name.to_owned()
}

fn uncommon(error: &Error) -> String {
    // Numbers of Linux and macOS, which differ for the second and third.
    match error.raw_os_error() {
        Some(24) if cfg!(unix) => "EMFILE",
        Some(97) if cfg!(target_os = "linux") => "EAFNOSUPPORT",
        Some(47) if cfg!(target_vendor = "apple") => "EAFNOSUPPORT",
        _ => "UNKNOWN",
    }
    .to_owned()
}
