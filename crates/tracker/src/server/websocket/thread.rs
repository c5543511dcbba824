//! What the connections of a thread share.

use std::{
    cell::{RefCell, RefMut},
    rc::Rc,
    sync::Arc,
};

use tokio::sync::watch;

use crate::server::context::Context;

/// Bytes that are read at once. It bounds the work of a connection's turn as well.
const INPUT: usize = 64 * 1024;

/// What the connections of a thread share.
pub(crate) struct Thread {
    pub(super) context: Arc<Context>,
    pub(super) rng: Rc<RefCell<fastrand::Rng>>,
    /// Becomes true when the server closes.
    pub(super) stop: watch::Receiver<bool>,
    /// Where all of them read into: 10,000 buffers would be empty most of the time.
    input: RefCell<Vec<u8>>,
}

impl Thread {
    pub(crate) fn new(
        context: Arc<Context>,
        rng: Rc<RefCell<fastrand::Rng>>,
        stop: watch::Receiver<bool>,
    ) -> Rc<Self> {
        Rc::new(Self {
            context,
            rng,
            stop,
            input: RefCell::default(),
        })
    }

    /// The buffer to read into. Not to be held while another task may run.
    pub(super) fn input(&self) -> RefMut<'_, Vec<u8>> {
        let mut input = self.input.borrow_mut();
        input.resize(INPUT, 0);
        input
    }
}
