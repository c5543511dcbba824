'use strict'

const http = require('node:http')
const net = require('node:net')

const { hold } = require('../keep-alive')
const { noticing } = require('./user-listeners')

/** Who listens to one of these wants to see requests or connections, and so Node has to have them. */
const USER_EVENTS = new Set([
  'request', 'upgrade', 'connection', 'connect', 'checkContinue', 'checkExpectation', 'clientError', 'dropRequest'
])

/** Answers under way have so long once the server closes, in milliseconds. */
const CLOSE_GRACE = 1000

/**
 * `server.http`: one of Node's servers, which the engine listens for until the program wants to have
 * requests itself.
 */
class HttpServer extends noticing(http.Server, USER_EVENTS) {
  /** Where the engine listens, or did. */
  #address = null
  #engineListens = false
  #refed = true
  #release = null
  /** For the other family's listening socket. */
  #second = null

  /** @param {() => void} onWanted called once somebody listens to requests */
  constructor (options, onWanted) {
    super(options)
    this._notice(onWanted)
    Object.defineProperty(this, 'listening', {
      get: () => this.#engineListens || Boolean(this._handle), enumerable: true, configurable: true
    })
  }

  address () {
    return this.#address ?? super.address()
  }

  ref () {
    this.#refed = true
    this.#holdIfListening()
    this.#second?.ref()
    return super.ref()
  }

  unref () {
    this.#refed = false
    this.#release?.()
    this.#release = null
    this.#second?.unref()
    return super.unref()
  }

  /** The engine listens there. */
  _opened (address) {
    this.#address = address ?? null
    this.#engineListens = this.#address !== null
    this.#holdIfListening()
  }

  /** Node listens itself; `host` undefined is all addresses. */
  _listen (port, host) {
    return new Promise((resolve, reject) => {
      super.once('error', reject)
      this.listen(port, host, () => {
        this.removeListener('error', reject)
        if (!this.#refed) super.unref()
        resolve()
      })
    })
  }

  /** Takes over the sockets that the engine has listened on. */
  _takeOver (listeners) {
    const { port } = this.#address
    this.#engineListens = false
    this.#release?.()
    this.#release = null
    const descriptors = [listeners?.v6, listeners?.v4].filter(fd => typeof fd === 'number')
    // Where there are no descriptors to hand over, the port is bound anew.
    if (descriptors.length === 0) this.listen(port)
    else this.listen({ fd: descriptors[0] })
    if (descriptors.length > 1) {
      // One server listens on one socket. Its connections are like any others.
      this.#second = net.createServer({ allowHalfOpen: true, noDelay: true }, socket => this.emit('connection', socket))
      this.#second.on('error', err => this.emit('error', err))
      this.#second.listen({ fd: descriptors[1] })
    }
    // Those who came before, and were not accepted yet.
    for (const fd of listeners?.accepted ?? []) {
      this.emit('connection', new net.Socket({ fd, readable: true, writable: true, allowHalfOpen: true }))
    }
    if (!this.#refed) this.unref()
  }

  /** The end. */
  _closed (cb) {
    const nodeListens = this._handle !== null && this._handle !== undefined
    this.#address = null
    this.#engineListens = false
    this.#release?.()
    this.#release = null
    this.#second?.close()
    if (!nodeListens) return cb()
    const grace = setTimeout(() => this.closeAllConnections(), CLOSE_GRACE)
    this.close(() => {
      clearTimeout(grace)
      cb()
    })
    this.closeIdleConnections()
  }

  #holdIfListening () {
    if (this.#refed && this.#engineListens) this.#release ??= hold()
  }
}

module.exports = HttpServer
