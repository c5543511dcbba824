//! Asking the processor for memory ahead of its use.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "an instruction that has no safe form")
)]

/// Bytes that the processor moves at once.
const LINE: usize = 64;

/// Whether there is such an instruction: else looking ahead is time lost.
pub(crate) const WORKS: bool = cfg!(target_arch = "x86_64");

/// So many lines are asked for together, at most.
const MAX_LINES: usize = 512;

/// Lines of memory to be asked for. They are gathered first, and asked for together, because what is done in
/// between (to take a lock above all) would have the processor wait for each address to be translated.
pub(crate) struct Lines {
    addresses: [*const i8; MAX_LINES],
    count: usize,
}

impl Lines {
    pub(crate) const fn new() -> Self {
        Self {
            addresses: [std::ptr::null(); MAX_LINES],
            count: 0,
        }
    }

    /// Adds those of a value. It may be gone when they are asked for.
    pub(crate) fn add<T: ?Sized>(&mut self, value: &T) {
        let start = std::ptr::from_ref(value).cast::<i8>();
        let size = size_of_val(value);
        for offset in (0..size).step_by(LINE) {
            self.push(start.wrapping_add(offset));
        }
        // The last byte may lie on a line of its own.
        if size % LINE != 1 {
            self.push(start.wrapping_add(size.saturating_sub(1)));
        }
    }

    /// Has them on their way into the cache. Changes nothing but time, and does nothing where there is no such
    /// instruction to be had.
    pub(crate) fn fetch(&mut self) {
        for &address in &self.addresses[..self.count] {
            line(address);
        }
        self.count = 0;
    }

    fn push(&mut self, address: *const i8) {
        if let Some(next) = self.addresses.get_mut(self.count) {
            *next = address;
            self.count += 1;
        }
    }
}

/// Has a lock on its way into the cache, to be changed: it then need not be asked for again because another processor has
/// it too.
pub(crate) fn prefetch_lock<T>(value: &T) {
    line_to_change(std::ptr::from_ref(value).cast());
}

#[cfg(target_arch = "x86_64")]
fn line_to_change(address: *const i8) {
    // SAFETY: it never faults, whatever the address, and processors that do not have it take it for a nop. It
    // changes no memory, no flags and no registers.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(readonly, nostack, preserves_flags));
    }
}

#[cfg(not(target_arch = "x86_64"))]
const fn line_to_change(_address: *const i8) {}

#[cfg(target_arch = "x86_64")]
fn line(address: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: every x86-64 processor has it, and it never faults, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) }
}

#[cfg(not(target_arch = "x86_64"))]
const fn line(_address: *const i8) {}
