//! The binding: JavaScript values to engine types and back, no logic.
