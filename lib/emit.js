'use strict'

/**
 * Emits an event that came in a batch. What a listener throws surfaces as an uncaught exception, as in
 * any emitter, but does not cost the others their events.
 */
exports.emitSafely = function emitSafely (emitter, ...args) {
  try {
    emitter.emit(...args)
  } catch (err) {
    process.nextTick(() => { throw err })
  }
}
