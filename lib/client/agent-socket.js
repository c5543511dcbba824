'use strict'

// A WebSocket by way of an `http.Agent`, which only JavaScript can use: the npm package `ws` instead of
// the engine's sockets. One for each torrent, as an agent may be different for each.

const { isUtf8 } = require('node:buffer')

const { clientError } = require('../errors')
const { hold } = require('../keep-alive')
const native = require('../native')

/** Bytes that wait to be sent to a tracker that takes nothing in. */
const MAX_OUTBOX = 1 << 20

/** Nonsense that a tracker may send over one connection. */
const MAX_FAULTS = 8

/** Codes of an end that blames nobody (RFC 6455): done, going away, none, lost, restart, try again. */
const PLAIN_CLOSES = new Set([1000, 1001, 1005, 1006, 1012, 1013])

/** The engine's clocks, in milliseconds. */
const TIMING = {
  connectMs: 30 * 1000,
  pingMs: 30 * 1000,
  reconnectMinMs: 10 * 1000,
  reconnectMaxMs: 60 * 60 * 1000,
  reconnectJitterMs: 5 * 60 * 1000
}

/** How long a goodbye may take. */
const CLOSE_MS = 1000

/**
 * What `SocketShare` is for the engine's sockets, with the same listener.
 */
class AgentSocket {
  #url
  #agent
  #timing
  #listener
  #ws = null
  #release = () => {}
  #timer = null
  #retries = 0
  #faults = 0
  #error
  #isOpen = false
  #onClosed = null

  constructor (target, agent, listener) {
    this.#url = target.url
    this.#agent = agent
    this.#timing = { ...TIMING, ...target }
    this.#listener = listener
    this.#connect()
  }

  /** Sends a text; returns why it can't, if so. */
  send (message) {
    if (!this.#isOpen) return undefined
    if (this.#ws.bufferedAmount > MAX_OUTBOX) return 'the tracker reads too slowly'
    this.#ws.send(message, () => {})
    return undefined
  }

  scrape (message) {
    return this.send(message)
  }

  /** Ends it and calls back; what was sent still goes out. */
  close (cb) {
    this.#listener = null
    this.#onClosed = cb
    clearTimeout(this.#timer)
    const ws = this.#ws
    if (ws === null) return setImmediate(() => this.#finish())
    this.#timer = setTimeout(() => this.#drop(), CLOSE_MS)
    if (this.#isOpen) ws.close()
    else this.#drop()
  }

  #connect () {
    const WebSocket = require('ws')
    this.#release = hold()
    this.#error = undefined
    this.#faults = 0
    try {
      this.#ws = new WebSocket(this.#url, {
        agent: this.#agent,
        followRedirects: false,
        maxPayload: native.carrierLimits().message,
        perMessageDeflate: false
      })
    } catch (err) {
      this.#release()
      throw err
    }
    this.#timer = setTimeout(() => this.#fail(this.#proxyError('timed out')), this.#timing.connectMs)
    this.#ws
      .on('open', () => this.#onOpen())
      .on('message', (data, isBinary) => this.#onMessage(data, isBinary))
      .on('ping', () => this.#heard())
      .on('pong', () => this.#heard())
      .on('error', err => this.#onError(err))
      .on('close', (code, reason) => this.#onClose(code, reason))
  }

  #onOpen () {
    this.#isOpen = true
    this.#retries = 0
    this.#heard()
    this.#listener?.onOpen()
  }

  /** A tracker that is silent is pinged, and given up after as long again. */
  #heard () {
    if (this.#onClosed !== null) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#ws.ping(() => {})
      this.#timer = setTimeout(
        () => this.#fail(clientError({ message: `tracker is silent (${this.#url})`, code: 'ERR_TRACKER_TIMEOUT' })),
        this.#timing.pingMs)
    }, this.#timing.pingMs)
  }

  #onMessage (data, isBinary) {
    this.#heard()
    if (this.#listener === null) return
    // The engine reads it first, as if it had come over a socket of its own.
    const text = !isBinary || isUtf8(data) ? data.toString() : ''
    const complaint = native.checkWebSocketMessage(text)
    if (complaint === null) return this.#listener.onMessage(text)
    this.#listener.onWarning(clientError(complaint))
    this.#faults += 1
    if (this.#faults >= MAX_FAULTS) this.#drop()
  }

  #onError (err) {
    if (!this.#isOpen) {
      this.#error ??= this.#proxyError(err.message || err.code, err)
    } else if (err.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') {
      const limit = native.carrierLimits().message
      this.#error = clientError({ message: `tracker response is longer than ${limit} bytes (${this.#url})`, code: 'ERR_TRACKER_TOO_LARGE' })
    } else if (String(err.code).startsWith('WS_ERR_')) {
      this.#error = clientError({ message: 'Invalid tracker response', code: 'ERR_TRACKER_RESPONSE' })
    }
  }

  #onClose (code, reason) {
    clearTimeout(this.#timer)
    this.#release()
    this.#ws = null
    if (this.#onClosed !== null) return this.#finish()
    if (this.#isOpen && this.#error === undefined && !PLAIN_CLOSES.has(code)) {
      const message = `tracker closed the connection: ${code} ${reason} (${this.#url})`
      this.#error = clientError({ message, code: 'ERR_TRACKER_CLOSED' })
    }
    this.#isOpen = false
    const { reconnectMinMs, reconnectMaxMs, reconnectJitterMs } = this.#timing
    const backoff = Math.min(reconnectMinMs * 2 ** Math.min(this.#retries, 30), reconnectMaxMs)
    const delay = backoff + Math.random() * reconnectJitterMs
    const retries = this.#retries++
    this.#timer = setTimeout(() => this.#connect(), delay)
    this.#timer.unref()
    this.#listener?.onDown(this.#error, retries)
  }

  #fail (err) {
    this.#error ??= err
    this.#drop()
  }

  #drop () {
    this.#ws?.terminate()
  }

  #finish () {
    clearTimeout(this.#timer)
    const cb = this.#onClosed
    this.#onClosed = () => {}
    cb()
  }

  #proxyError (why, err) {
    const cause = err && { message: String(err.message), ...(typeof err.code === 'string' && { code: err.code }) }
    return clientError({ message: `proxy failed: ${why} (${this.#url})`, code: 'ERR_TRACKER_PROXY', cause })
  }
}

module.exports = AgentSocket
