'use strict'

/**
 * `Base`, an emitter, that notices when a program listens to one of `events` for the first time.
 *
 * `once` comes by way of `on`, and so do the listeners of `Base`'s own constructor, which do not count.
 */
exports.noticing = (Base, events) => class extends Base {
  #onWanted = null
  #wanted = false

  /** Whether the program has such listeners. */
  get _isWanted () {
    return this.#wanted
  }

  on (event, listener) {
    super.on(event, listener)
    return notice(this, event)
  }

  addListener (event, listener) {
    super.addListener(event, listener)
    return notice(this, event)
  }

  prependListener (event, listener) {
    super.prependListener(event, listener)
    return notice(this, event)
  }

  /** From now on they count; `onWanted()` is called for the first. */
  _notice (onWanted) {
    this.#onWanted = onWanted
  }

  /** A listener of ours, which changes nothing. */
  _on (event, listener) {
    super.on(event, listener)
  }

  static _heard (emitter, event) {
    // The fields are not there yet while `Base`'s constructor runs.
    if (!(#wanted in emitter) || emitter.#onWanted === null || emitter.#wanted || !events.has(event)) return
    emitter.#wanted = true
    emitter.#onWanted()
  }
}

function notice (emitter, event) {
  emitter.constructor._heard(emitter, event)
  return emitter
}
