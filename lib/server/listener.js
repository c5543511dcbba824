'use strict'

const { hold } = require('../keep-alive')

/**
 * One of a server's listening sockets: where it is, and whether it keeps the process alive.
 */
class Listener {
  #address = null
  #refed = true
  #release = null

  /** `{ address, family, port }` while it listens, else null. */
  address () {
    return this.#address
  }

  /** Lets the process end although it listens. */
  unref () {
    this.#refed = false
    this.#release?.()
    this.#release = null
    return this
  }

  /** Takes `unref` back. */
  ref () {
    this.#refed = true
    this.#holdIfListening()
    return this
  }

  _opened (address) {
    this.#address = address ?? null
    this.#holdIfListening()
  }

  _closed () {
    this.#address = null
    this.#release?.()
    this.#release = null
  }

  #holdIfListening () {
    if (this.#refed && this.#address !== null) this.#release ??= hold()
  }
}

module.exports = Listener
