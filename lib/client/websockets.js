'use strict'

// The WebSockets of all clients on this thread. The sockets are the engine's, which shares them among
// all threads; what is here are this thread's shares in them.

const { clientError } = require('../errors')
const { hold } = require('../keep-alive')
const native = require('../native')
const { tlsRoots } = require('./tls-roots')

/** Events taken at a time: between two batches other work of the program gets its turn. */
const EVENTS_PER_TURN = 512

const MAX_ID = 2 ** 32

const shares = new Map()
let sockets = null
let lastId = 0
let rootsGiven = false

/**
 * One client's share in the socket of a tracker. From the attempt to connect to the loss of the
 * connection it keeps the process alive; the wait for the next attempt does not.
 *
 * Calls `onOpen()`, `onMessage(text)`, `onWarning(error)`, and `onDown(error, retries)` when the
 * connection is lost or none came about; `error` is undefined if that is not worth a warning.
 */
class SocketShare {
  #id
  #listener
  #release = hold()
  #onClosed = null

  constructor (target, listener) {
    sockets ??= new native.NativeWebSockets(() => setImmediate(drain))
    if (!rootsGiven && target.url.startsWith('wss:')) {
      rootsGiven = true
      sockets.setTlsRoots(tlsRoots())
    }
    do lastId = (lastId + 1) % MAX_ID
    while (shares.has(lastId))
    this.#id = lastId
    this.#listener = listener
    try {
      sockets.open(this.#id, target)
    } catch (err) {
      this.#release()
      throw err
    }
    shares.set(this.#id, this)
  }

  /** Sends a text; returns why it can't, if so. */
  send (message) {
    return sockets.send(this.#id, message) ?? undefined
  }

  /** Sends the scrape of these torrents (hexadecimal), likewise. */
  scrape (message, infoHashes) {
    return sockets.scrape(this.#id, message, infoHashes) ?? undefined
  }

  /** Ends it and calls back; what was sent still goes out. */
  close (cb) {
    this.#listener = null
    this.#onClosed = cb
    this.#hold()
    sockets.close(this.#id)
  }

  _on ({ kind, text, error, retries }) {
    switch (kind) {
      case 'open':
        this.#hold()
        return this.#listener?.onOpen()
      case 'message':
        return this.#listener?.onMessage(text)
      case 'warning':
        return this.#listener?.onWarning(clientError(error))
      case 'down':
        if (this.#onClosed !== null) return
        this.#release()
        return this.#listener?.onDown(error && clientError(error), retries)
      case 'closed':
        shares.delete(this.#id)
        this.#release()
        return this.#onClosed?.()
    }
  }

  #hold () {
    this.#release()
    this.#release = hold()
  }
}

function drain () {
  const events = sockets.take(EVENTS_PER_TURN)
  if (events.length === EVENTS_PER_TURN) setImmediate(drain)
  for (const event of events) {
    try {
      shares.get(event.id)?._on(event)
    } catch (err) {
      // A listener's. It surfaces as in any emitter, and the other events still arrive.
      process.nextTick(() => { throw err })
    }
  }
}

module.exports = SocketShare
