'use strict'

/**
 * Emits an event with one value that came in a batch. What a listener throws surfaces as an uncaught exception, as
 * in any emitter, but does not cost the others their events.
 */
exports.emitSafely = function emitSafely (emitter, event, value) {
  try {
    emitter.emit(event, value)
  } catch (err) {
    surface(err)
  }
}

/** The same for an event with any number of values. */
exports.emitAllSafely = function emitAllSafely (emitter, ...args) {
  try {
    emitter.emit(...args)
  } catch (err) {
    surface(err)
  }
}

/** Throws what a program's function has thrown when everything else is done. */
function surface (err) {
  process.nextTick(() => { throw err })
}

exports.surface = surface
