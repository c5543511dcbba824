//! The HTTP tracker protocol (BEP 3, 7, 23, 24, 31, 48), both sides.
//!
//! HTTP itself is left to others: what comes in here is the query of a URL as raw bytes, or a body.

mod announce;
mod client_query;
mod client_reply;
mod client_scrape;
mod number;
mod query;
mod reply;
mod retry;
mod scan;
mod scrape;

pub use announce::{AnnounceQuery, QueryError, parse_announce};
pub use client_query::{append_escaped, append_query, escape, scrape_url};
pub use client_reply::{
    DecodedAnnounce, DecodedPeer, MAX_PEERS, PeerHost, ReplyError, parse_announce_reply,
};
pub use client_scrape::{DecodedFile, DecodedScrape, parse_scrape_reply};
pub use query::{MAX_PAIRS, decode, decode_exact, pairs};
pub use reply::{
    AnnounceReply, begin_peer_list, begin_peers_v4, begin_peers_v6, end_peer_list, write_failure,
    write_peer,
};
pub use retry::RetryIn;
pub use scrape::{begin_scrape, end_scrape, parse_scrape, write_scrape_file};
