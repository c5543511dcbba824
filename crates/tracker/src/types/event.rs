/// Why a peer announces (BEP 3, BEP 21).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AnnounceEvent {
    /// A regular announce, with no event named.
    #[default]
    Update = 0,
    /// The download has just been completed.
    Completed = 1,
    /// The peer joins.
    Started = 2,
    /// The peer leaves.
    Stopped = 3,
    /// A partial seed (BEP 21): wants no more pieces, is not complete. Number 4 over UDP is what
    /// libtorrent sends; no BEP gives one.
    Paused = 4,
}

impl AnnounceEvent {
    /// The event of this number in a UDP announce (BEP 15).
    pub const fn from_udp(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Update,
            1 => Self::Completed,
            2 => Self::Started,
            3 => Self::Stopped,
            4 => Self::Paused,
            _ => return None,
        })
    }

    /// The number of this event in a UDP announce (BEP 15).
    pub const fn to_udp(self) -> u32 {
        self as u32
    }

    /// The event of this name in a query or message. The empty name is [`Self::Update`], as is
    /// `empty`, which some clients send in full.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"" | b"empty" | b"update" => Self::Update,
            b"completed" => Self::Completed,
            b"started" => Self::Started,
            b"stopped" => Self::Stopped,
            b"paused" => Self::Paused,
            _ => return None,
        })
    }

    /// The name of this event on the wire; `None` for a regular announce, which names none.
    pub const fn wire_name(self) -> Option<&'static str> {
        match self {
            Self::Update => None,
            Self::Completed => Some("completed"),
            Self::Started => Some("started"),
            Self::Stopped => Some("stopped"),
            Self::Paused => Some("paused"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn udp_numbers_round_trip() {
        for number in 0..5 {
            assert_eq!(AnnounceEvent::from_udp(number).unwrap().to_udp(), number);
        }
        assert_eq!(AnnounceEvent::from_udp(5), None);
    }

    #[test]
    fn names_round_trip() {
        for number in 1..5 {
            let event = AnnounceEvent::from_udp(number).unwrap();
            assert_eq!(
                AnnounceEvent::from_name(event.wire_name().unwrap().as_bytes()),
                Some(event)
            );
        }
        assert_eq!(AnnounceEvent::from_name(b""), Some(AnnounceEvent::Update));
        assert_eq!(AnnounceEvent::from_name(b"bogus"), None);
    }
}
