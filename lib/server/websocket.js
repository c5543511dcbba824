'use strict'

/**
 * The WebSocket part of a server: it shares the HTTP port.
 */
class WebSocketListener {
  #http

  constructor (http, native) {
    this.#http = http
    // Of `ws`'s server the part that programs show: how many there are.
    this.clients = Object.defineProperty({}, 'size', { get: () => native.sockets(), enumerable: true })
  }

  /** `{ address, family, port }` while it listens, else null. */
  address () {
    return this.#http.address()
  }
}

/**
 * A peer's connection, for listeners of its announces.
 */
class SocketFacade {
  #native
  #id

  constructor (native, id) {
    this.#native = native
    this.#id = id
  }

  /** Sends a text; nothing happens if the peer is gone. */
  send (text) {
    this.#native.send(this.#id, String(text))
  }

  /** Closes the connection after what is queued. */
  close () {
    this.#native.closeSocket(this.#id)
  }
}

module.exports = { SocketFacade, WebSocketListener }
