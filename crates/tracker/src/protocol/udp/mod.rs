//! The UDP tracker protocol (BEP 15) with its options (BEP 41), both sides.
//!
//! All numbers are big-endian. A server uses [`parse_request`] and the `write_..._response`
//! functions, a client [`parse_response`] and the `write_..._request` functions.

mod client_request;
mod client_response;
mod options;
mod reader;
mod request;
mod response;

pub use client_request::{write_announce_request, write_connect_request, write_scrape_request};
pub use client_response::{Response, ResponseError, ScrapeRow, parse_response, scrape_rows};
pub use options::{MAX_URL_DATA, url_data, write_url_data};
pub use request::{
    AnnounceRequest, Request, RequestError, RequestErrorKind, ScrapeRequest, parse_request,
};
pub use response::{
    AnnounceResponseHead, write_connect_response, write_error, write_scrape_head, write_scrape_row,
};

/// What a connect request carries in place of a connection id.
pub const PROTOCOL_ID: u64 = 0x0417_2710_1980;

/// The most info hashes in one scrape: 74 rows are what BEP 15 says fits a packet.
pub const MAX_SCRAPE_HASHES: usize = 74;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;
