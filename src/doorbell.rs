use napi::{
    Result, Status,
    bindgen_prelude::Function,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};

/// A JavaScript function without arguments that any thread may have called, soon.
///
/// Weak: it keeps no process alive. One call per batch, never per event: each costs JavaScript a
/// scope, a microtask run and some microseconds.
pub(crate) type Doorbell = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Makes a doorbell that calls `function`.
pub(crate) fn doorbell(function: &Function<'_, (), ()>) -> Result<Doorbell> {
    function
        .build_threadsafe_function()
        .callee_handled::<false>()
        .weak::<true>()
        .build()
}

/// Rings it. A call that fails was made while Node tears down: nobody is left to hear it.
pub(crate) fn ring(doorbell: &Doorbell) {
    let _ = doorbell.call((), ThreadsafeFunctionCallMode::NonBlocking);
}
