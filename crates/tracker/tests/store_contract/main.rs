//! What a store of swarms has to do, held against the real one and a naive model of it.

/// Cases for any store, as tests of the two in scope.
macro_rules! conformance {
    ($($case:ident,)*) => {
        mod store {
            $(#[test] fn $case() { super::$case::<super::Store>(); })*
        }

        /// The model has to pass too: it is what the property tests believe.
        mod model {
            $(#[test] fn $case() { super::$case::<super::Model>(); })*
        }
    };
}

mod answer;
mod ceilings;
mod census;
mod conformance;
mod evictions;
mod history;
mod lookup;
mod model;
mod properties;
mod selection;
mod sockets;
mod support;
mod threads;
