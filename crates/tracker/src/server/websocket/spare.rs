//! Buffers for what waits to be sent, used again by whichever socket needs one next.
//!
//! A busy socket fills one and empties it hundreds of times a second. To grow it by steps each time
//! took some 7 % of a message's processor time; for each socket to keep its own would cost the
//! memory of all the idle ones.

use std::cell::RefCell;

/// Most of a thread. With their sizes it is at most 2 MiB.
const MOST: usize = 64;

/// Larger ones are given back: they were for a flood, or a full scrape.
const LARGEST: usize = 32 * 1024;

/// Smaller ones are no gain.
const SMALLEST: usize = 1024;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer, which may have room.
pub(super) fn take() -> Vec<u8> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Gives one back that is not needed any more.
pub(super) fn give(mut buffer: Vec<u8>) {
    if !(SMALLEST..=LARGEST).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < MOST {
            spare.push(buffer);
        }
    });
}
