//! Asking the processor for memory ahead of its use.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "an instruction that has no safe form")
)]

/// Bytes that the processor moves at once.
const LINE: usize = 64;

/// Whether there is such an instruction: else looking ahead is time lost.
pub(crate) const WORKS: bool = cfg!(target_arch = "x86_64");

/// Has a value on its way into the cache. Changes nothing but time, and does nothing where there is no
/// such instruction to be had.
pub(crate) fn prefetch<T: ?Sized>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<i8>();
    for offset in (0..size_of_val(value)).step_by(LINE) {
        line(start.wrapping_add(offset));
    }
    // The last byte may lie on a line of its own.
    if size_of_val(value) % LINE != 1 {
        line(start.wrapping_add(size_of_val(value).saturating_sub(1)));
    }
}

#[cfg(target_arch = "x86_64")]
fn line(address: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: every x86-64 processor has it, and it never faults, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) }
}

#[cfg(not(target_arch = "x86_64"))]
const fn line(_address: *const i8) {}
