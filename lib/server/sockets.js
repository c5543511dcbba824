'use strict'

const { bytes } = require('../hex')

/**
 * A peer's connection that the engine serves, for listeners, filters and swarms.
 */
class SocketFacade {
  #native
  #id

  constructor (native, id) {
    this.#native = native
    this.#id = id
    this.peerId = null
    this.infoHashes = []
    this.upgradeReq = null
  }

  /** Sends a text; nothing happens if the peer is gone. */
  send (text, cb) {
    this.#native.send(this.#id, String(text))
    if (typeof cb === 'function') process.nextTick(cb, null)
  }

  /** Closes the connection after what is queued. */
  close () {
    this.#native.closeSocket(this.#id)
  }
}

/**
 * The WebSockets of a server by the engine's numbers: those that it serves, and those that the program
 * does.
 */
class Sockets {
  #native
  #maxQueue
  #ids = new WeakMap()
  #facades = new Map()
  #external = new Map()
  #collected = new FinalizationRegistry(id => {
    if (this.#facades.get(id)?.deref() === undefined) this.#facades.delete(id)
  })

  /** @param {number} maxQueue bytes that may wait for a socket of the program's */
  constructor (native, maxQueue) {
    this.#native = native
    this.#maxQueue = maxQueue
  }

  /** The socket of this number, one object as long as somebody has it. */
  of (id) {
    const known = this.#external.get(id)?.socket ?? this.#facades.get(id)?.deref()
    if (known !== undefined) return known
    const facade = new SocketFacade(this.#native, id)
    this.#facades.set(id, new WeakRef(facade))
    this.#collected.register(facade, id)
    this.#ids.set(facade, id)
    return facade
  }

  /** The number of a socket; undefined of one that is not known. */
  idOf (socket) {
    return typeof socket === 'object' && socket !== null ? this.#ids.get(socket) : undefined
  }

  /** Whether the program serves any. */
  get hasExternal () {
    return this.#external.size > 0
  }

  /** Gives a number to a socket that the program serves; undefined if there are too many. */
  open (socket, { url = '/', headers = {}, ip, port }, close) {
    const pairs = Object.entries(headers).flatMap(([name, value]) => [name, String(value)])
    const id = this.#native.openSocket({ url, headers: pairs, ip, port })
    if (id === null) return undefined
    this.#external.set(id, { socket, close })
    this.#ids.set(socket, id)
    return id
  }

  /** It is gone. */
  closed (id) {
    const entry = this.#external.get(id)
    if (entry === undefined) return
    this.#external.delete(id)
    this.#ids.delete(entry.socket)
    this.#native.closed(id)
  }

  /** Has the engine handle a message. */
  message (id, data) {
    const text = typeof data === 'string' ? data : ArrayBuffer.isView(data) ? bytes(data).toString() : null
    this.#native.message(id, text)
    return text
  }

  /** Sends what the engine has for a socket of the program's. */
  deliver (id, text) {
    const entry = this.#external.get(id)
    if (entry === undefined) return
    const { socket, close } = entry
    // The engine counts what waits until it is handed out; from there on `ws` does.
    if (socket.bufferedAmount > this.#maxQueue) {
      this.#native.warn('ERR_TRACKER_SLOW_SOCKET', 'a WebSocket peer that reads too slowly was closed', null, null)
      return socket.terminate ? socket.terminate() : close()
    }
    socket.send(text, socket.onSend)
  }

  /** The engine wants it closed. */
  close (id) {
    this.#external.get(id)?.close()
  }
}

module.exports = { SocketFacade, Sockets }
