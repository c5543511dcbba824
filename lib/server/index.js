'use strict'

const EventEmitter = require('node:events')

const { emitSafely } = require('../emit')
const { trackerError, systemError } = require('../errors')
const { toHex } = require('../hex')
const { hold } = require('../keep-alive')
const native = require('../native')
const { WANT, decodeEvents } = require('./events')
const { parseListenArguments, resolveBinding } = require('./listen-options')
const Listener = require('./listener')
const { parseServerOptions } = require('./options')
const { torrentsView } = require('./swarm')
const { SocketFacade, WebSocketListener } = require('./websocket')

/** Events taken at a time: between two batches other work of the program gets its turn. */
const EVENTS_PER_TURN = 512

/**
 * A BitTorrent tracker over UDP (BEP 15), HTTP (BEP 3) and WebSocket, served by the engine's own threads.
 */
class Server extends EventEmitter {
  #native
  #maxNumwant
  #state = 'new' // then 'opening', 'open', 'closed'

  constructor (opts = {}) {
    super()
    const options = parseServerOptions(opts)
    this.#maxNumwant = options.maxNumwant
    this.intervalMs = options.intervalMs
    this.peersCacheLength = options.peersCacheLength
    this.peersCacheTtl = options.peersCacheTtl
    this._trustProxy = options.trustProxy
    this._listenCalled = false
    this.listening = false
    this.destroyed = false
    this.http = options.http || options.ws ? new Listener() : null
    this.udp4 = options.udp ? new Listener() : null
    this.udp6 = options.udp ? new Listener() : null
    this.udp = this.udp4 ?? undefined

    // The engine must not keep a server alive that the program has forgotten; while it listens the
    // program need not, since `openServers` holds it. No other function here may use `this`: those of
    // one scope keep alive what any of them uses.
    const self = new WeakRef(this)
    // Not in the ring itself: Node runs up to a thousand of them before it looks at timers and sockets.
    this.#native = new native.NativeServer(options.native, () => setImmediate(() => self.deref()?.#drain()))
    this.ws = options.ws ? new WebSocketListener(this.http, this.#native) : null
    this.torrents = torrentsView(this.#native)
  }

  /**
   * Starts listening: `listen([port | { http, udp }], [hostname | { http, udp, udp6 }], [onlistening])`.
   */
  listen (...args) {
    if (this._listenCalled || this.listening) {
      throw trackerError('server already listening', 'ERR_TRACKER_LISTENING')
    }
    const { onlistening, http, udp } = parseListenArguments(args)
    this._listenCalled = true
    if (onlistening !== undefined) this.once('listening', onlistening)
    if (this.http === null && this.udp4 === null) return
    this.#state = 'opening'
    const opened = hold()
    this.#open(http, udp).then(opened, err => {
      opened()
      if (this.#state === 'closed') return
      this.#state = 'new'
      // Out of the promise: without a listener it is an uncaught exception, as in any emitter.
      process.nextTick(() => { if (this.#state !== 'closed') this.emit('error', err) })
    })
  }

  /**
   * Stops listening and calls back when answers under way are finished and the ports are free.
   */
  close (cb = () => {}) {
    const state = this.#state
    this.#state = 'closed'
    this.listening = false
    this.destroyed = true
    if (state !== 'open') {
      const err = this.http === null || state === 'opening' ? null : notRunning()
      process.nextTick(cb, err)
      return
    }
    const closed = hold()
    for (const listener of [this.http, this.udp4, this.udp6]) listener?._closed()
    this.#native.close(() => {
      openServers.delete(this)
      closed()
      cb(null)
    })
  }

  /**
   * The swarm of a torrent: `cb(err, swarm)`, without a swarm if nobody is in it.
   *
   * @param {string | Uint8Array} infoHash
   */
  getSwarm (infoHash, cb) {
    const key = toHex(infoHash)
    process.nextTick(() => cb(null, Object.hasOwn(this.torrents, key) ? this.torrents[key] : undefined))
  }

  // The engine makes only the events that somebody listens to. `once` comes by way of `on`.

  on (event, listener) {
    return this.#wantAfter(() => super.on(event, listener))
  }

  addListener (event, listener) {
    return this.#wantAfter(() => super.addListener(event, listener))
  }

  prependListener (event, listener) {
    return this.#wantAfter(() => super.prependListener(event, listener))
  }

  off (event, listener) {
    return this.#wantAfter(() => super.off(event, listener))
  }

  removeListener (event, listener) {
    return this.#wantAfter(() => super.removeListener(event, listener))
  }

  removeAllListeners (...args) {
    return this.#wantAfter(() => super.removeAllListeners(...args))
  }

  // What the engine survived must not end a program that has no `error` listener.
  #heard ([event, ...args]) {
    return event === 'error' && this.listenerCount('error') === 0 ? ['warning', ...args] : [event, ...args]
  }

  #wantAfter (change) {
    change()
    let mask = 0
    for (const [event, bit] of Object.entries(WANT)) {
      if (this.listenerCount(event) > 0) mask |= bit
    }
    this.#native.setWanted(mask)
    return this
  }

  async #open (http, udp) {
    const [httpBinding, udpBinding] = await Promise.all([
      this.http === null ? undefined : resolveBinding(http),
      this.udp4 === null ? undefined : resolveBinding(udp)
    ])
    if (this.#state === 'closed') return
    const bound = this.#native.listen({ http: httpBinding, udp: udpBinding })
    if (bound.error) throw systemError(bound.error)
    openServers.add(this)
    this.#state = 'open'
    this.http?._opened(bound.http6 && httpBinding.v6 === '::' ? bound.http6 : bound.http4 ?? bound.http6)
    this.udp4?._opened(bound.udp4)
    this.udp6?._opened(bound.udp6)
    this.listening = true
    // Out of the promise, likewise.
    process.nextTick(() => {
      if (this.#state === 'open') emitSafely(this, 'listening')
      if (this.#state === 'open' && bound.noIpv6) {
        this.emit('warning', trackerError(
          'IPv6 is not available on this machine: listening on IPv4 alone', 'ERR_TRACKER_NO_IPV6'))
      }
    })
  }

  // Rung by the engine. The next ring comes only after a batch that was not full.
  #drain () {
    const { count, records } = this.#native.takeEvents(EVENTS_PER_TURN)
    // First: the engine does not ring again after a full batch, whatever becomes of this one.
    if (count === EVENTS_PER_TURN) setImmediate(() => this.#drain())
    decodeEvents(records, (...args) => {
      if (this.#state !== 'closed') emitSafely(this, ...this.#heard(args))
    }, this.#maxNumwant, id => new SocketFacade(this.#native, id))
  }
}

// A listening server lives on although its program holds no reference, as any of Node's does.
const openServers = new Set()

function notRunning () {
  return Object.assign(new Error('Server is not running.'), { code: 'ERR_SERVER_NOT_RUNNING' })
}

module.exports = Server
