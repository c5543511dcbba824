use super::{ANNOUNCE, CONNECT, ERROR, SCRAPE};

/// The fixed part of an announce response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnounceResponseHead {
    /// From the request.
    pub transaction_id: u32,
    /// When to announce again, in seconds.
    pub interval: u32,
    /// Peers that are not complete.
    pub leechers: u32,
    /// Peers that are complete.
    pub seeders: u32,
}

impl AnnounceResponseHead {
    /// Appends 20 bytes. The caller appends the peers: 6 bytes each to a client that asked over
    /// IPv4, 18 to one that asked over IPv6.
    pub fn write(&self, out: &mut Vec<u8>) {
        head(out, ANNOUNCE, self.transaction_id);
        for field in [self.interval, self.leechers, self.seeders] {
            out.extend_from_slice(&field.to_be_bytes());
        }
    }
}

/// Appends a whole connect response.
pub fn write_connect_response(out: &mut Vec<u8>, transaction_id: u32, connection_id: u64) {
    head(out, CONNECT, transaction_id);
    out.extend_from_slice(&connection_id.to_be_bytes());
}

/// Appends the fixed part of a scrape response; one row per hash asked for follows.
pub fn write_scrape_head(out: &mut Vec<u8>, transaction_id: u32) {
    head(out, SCRAPE, transaction_id);
}

/// Appends a swarm's row: peers that are complete, downloads ever completed, other peers.
pub fn write_scrape_row(out: &mut Vec<u8>, seeders: u32, completed: u32, leechers: u32) {
    for field in [seeders, completed, leechers] {
        out.extend_from_slice(&field.to_be_bytes());
    }
}

/// Appends a whole error response.
pub fn write_error(out: &mut Vec<u8>, transaction_id: u32, message: &str) {
    head(out, ERROR, transaction_id);
    out.extend_from_slice(message.as_bytes());
}

fn head(out: &mut Vec<u8>, action: u32, transaction_id: u32) {
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&transaction_id.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_packets() {
        let mut out = Vec::new();
        write_connect_response(&mut out, 0x0102_0304, 0x1122_3344_5566_7788);
        assert_eq!(
            out,
            b"\0\0\0\0\x01\x02\x03\x04\x11\x22\x33\x44\x55\x66\x77\x88"
        );

        out.clear();
        AnnounceResponseHead {
            transaction_id: 0x0102_0304,
            interval: 1800,
            leechers: 2,
            seeders: 3,
        }
        .write(&mut out);
        assert_eq!(
            out,
            b"\0\0\0\x01\x01\x02\x03\x04\0\0\x07\x08\0\0\0\x02\0\0\0\x03"
        );

        out.clear();
        write_scrape_head(&mut out, 7);
        write_scrape_row(&mut out, 1, 2, 3);
        assert_eq!(out, b"\0\0\0\x02\0\0\0\x07\0\0\0\x01\0\0\0\x02\0\0\0\x03");

        out.clear();
        write_error(&mut out, 7, "no");
        assert_eq!(out, b"\0\0\0\x03\0\0\0\x07no");
    }
}
