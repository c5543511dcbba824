//! The WebTorrent tracker protocol: JSON messages over WebSocket. There is no BEP; the rules are what
//! `bittorrent-tracker` does.
//!
//! Byte strings (info hashes, peer ids) are JSON strings of as many code points below 256. What peers
//! say to each other (`offer`, `answer`: WebRTC session descriptions) is passed on as the slice that
//! it came as, never parsed and printed again.

mod client_response;
pub mod frame;
mod object;
mod request;
mod response;
mod scan;
mod text;

pub use client_response::{Response, ResponseError, parse_response};
pub use request::{
    Announce, Answer, MAX_OFFER_ID, Offer, OfferId, Request, RequestError, Scrape, info_hash_of,
    parse_request,
};
pub use response::{
    Signature, begin_scrape, end_scrape, write_announce_response, write_answer, write_failure,
    write_offer, write_scrape_file,
};
