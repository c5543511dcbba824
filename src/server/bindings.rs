use std::io;

use napi::{Error, Result, Status};
use napi_derive::napi;
use tracker::{
    net::FamilyAddrs,
    server::{Addrs, Bindings, StartError},
};

use crate::system_error::error_code;

/// Where to listen; a transport that is left out is off.
#[napi(object)]
pub struct NativeBindings {
    pub http: Option<NativeBinding>,
    pub udp: Option<NativeBinding>,
}

/// Addresses, as numbers in text form, and a port.
#[napi(object)]
pub struct NativeBinding {
    pub port: u16,
    pub v4: Option<String>,
    pub v6: Option<String>,
    pub v6_optional: bool,
}

/// An address in the form of Node's `server.address()`.
#[napi(object)]
pub struct NativeAddress {
    pub address: String,
    pub family: String,
    pub port: u16,
}

/// A system error's parts, from which JavaScript makes one of Node's shape.
#[napi(object)]
pub struct NativeSystemError {
    pub code: String,
    pub syscall: Option<String>,
    pub address: Option<String>,
    pub port: Option<u16>,
    pub message: String,
}

/// What came of it: addresses, or an error.
#[napi(object)]
#[derive(Default)]
pub struct NativeBound {
    pub error: Option<NativeSystemError>,
    pub http4: Option<NativeAddress>,
    pub http6: Option<NativeAddress>,
    pub udp4: Option<NativeAddress>,
    pub udp6: Option<NativeAddress>,
    pub no_ipv6: Option<bool>,
}

impl NativeBindings {
    pub fn into_engine(self) -> Result<Bindings> {
        Ok(Bindings {
            http: self.http.map(NativeBinding::into_engine).transpose()?,
            udp: self.udp.map(NativeBinding::into_engine).transpose()?,
        })
    }
}

impl NativeBinding {
    fn into_engine(self) -> Result<(FamilyAddrs, u16)> {
        let v4 = self
            .v4
            .map(|text| text.parse())
            .transpose()
            .map_err(bad_address)?;
        let v6 = self.v6.map(|text| parse_scoped(&text)).transpose()?;
        Ok((
            FamilyAddrs {
                v4,
                v6,
                v6_optional: self.v6_optional,
            },
            self.port,
        ))
    }
}

/// `fe80::1%2`: an address and, for a link-local one, the number of its interface.
fn parse_scoped(text: &str) -> Result<(std::net::Ipv6Addr, u32)> {
    let (address, scope) = text.split_once('%').unwrap_or((text, "0"));
    Ok((
        address.parse().map_err(bad_address)?,
        scope.parse().map_err(bad_address)?,
    ))
}

fn bad_address(error: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, error.to_string())
}

impl NativeBound {
    pub fn listening(addrs: Addrs) -> Self {
        let address = |addr: std::net::SocketAddr| NativeAddress {
            address: addr.ip().to_string(),
            family: if addr.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned(),
            port: addr.port(),
        };
        Self {
            error: None,
            http4: addrs.http4.map(address),
            http6: addrs.http6.map(address),
            udp4: addrs.udp4.map(address),
            udp6: addrs.udp6.map(address),
            no_ipv6: Some(addrs.no_ipv6),
        }
    }

    pub fn failed(error: StartError) -> Self {
        let error = match error {
            StartError::Bind(error) => NativeSystemError {
                address: Some(error.addr.ip().to_string()),
                port: Some(error.addr.port()),
                ..system_error(error.syscall, &error.source)
            },
            StartError::System { what, source } => system_error(what, &source),
        };
        Self {
            error: Some(error),
            ..Self::default()
        }
    }
}

fn system_error(syscall: &str, source: &io::Error) -> NativeSystemError {
    NativeSystemError {
        code: error_code(source),
        syscall: Some(syscall.to_owned()),
        address: None,
        port: None,
        message: source.to_string(),
    }
}
