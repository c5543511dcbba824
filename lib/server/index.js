'use strict'

const EventEmitter = require('events')

const { hold } = require('../keep-alive')
const { systemError, trackerError } = require('../errors')
const { toHex } = require('../hex')
const native = require('../native')
const { WANT, decodeEvents } = require('./events')
const { parseListenArguments, resolveBinding } = require('./listen-options')
const { parseServerOptions } = require('./options')
const { torrentsView } = require('./swarm')

/** Events taken at a time: between two batches other work of the program gets its turn. */
const EVENTS_PER_TURN = 512

/**
 * A BitTorrent tracker: UDP (BEP 15) and HTTP (BEP 3), served by the engine's own threads.
 */
class Server extends EventEmitter {
  #native
  #closeWaiters = null
  #release = null
  #draining = false

  constructor (opts = {}) {
    super()
    const options = parseServerOptions(opts)
    this.intervalMs = options.intervalMs
    this.peersCacheLength = options.peersCacheLength
    this.peersCacheTtl = options.peersCacheTtl
    this._trustProxy = options.trustProxy
    this._listenCalled = false
    this.listening = false
    this.destroyed = false
    this.http = options.http ? new Listener() : null
    this.udp4 = this.udp = options.udp ? new Listener() : null
    this.udp6 = options.udp ? new Listener() : null

    // Weak until `listen`: the engine's reference must not keep a forgotten server from collection.
    const self = new WeakRef(this)
    this.#native = new native.NativeServer(options.native, () => self.deref()?.#drain())
    this.torrents = torrentsView(this.#native)

    // The engine makes only the events that somebody listens to.
    this.on('newListener', event => this.#want(event))
    this.on('removeListener', () => this.#want())
  }

  /**
   * Starts listening: `listen([port | { http, udp }], [hostname | { http, udp, udp6 }], [onlistening])`.
   */
  listen (...args) {
    if (this._listenCalled || this.listening) throw new Error('server already listening')
    const { onlistening, http, udp } = parseListenArguments(args)
    this._listenCalled = true
    if (onlistening !== undefined) this.once('listening', onlistening)
    if (this.http === null && this.udp === null) return
    this.#release = hold()
    this.#listen(http, udp).catch(err => {
      this.#release()
      if (!this.destroyed) this.emit('error', err)
    })
  }

  /**
   * Stops listening, lets answers under way finish and calls back.
   */
  close (cb = () => {}) {
    const running = this._listenCalled && !this.destroyed && this.#release !== null
    this.listening = false
    this.destroyed = true
    if (!running) {
      const err = this.http === null ? null : notRunning()
      process.nextTick(cb, err)
      return
    }
    this.#native.close(() => {
      this.#release()
      cb()
    })
  }

  /**
   * The swarm of a torrent: `cb(err, swarm)`, without a swarm if nobody is in it.
   *
   * @param {string | Uint8Array} infoHash
   */
  getSwarm (infoHash, cb) {
    const key = toHex(infoHash)
    process.nextTick(() => cb(null, this.torrents[key]))
  }

  async #listen (http, udp) {
    const [httpBinding, udpBinding] = await Promise.all([
      this.http === null ? undefined : resolveBinding(http),
      this.udp === null ? undefined : resolveBinding(udp)
    ])
    if (this.destroyed) return
    const bound = this.#native.listen({ http: httpBinding, udp: udpBinding })
    if (bound.error) throw systemError(bound.error)
    this.http?._bound(bound.http)
    this.udp4?._bound(bound.udp4)
    this.udp6?._bound(bound.udp6)
    this.listening = true
    this.emit('listening')
    if (bound.v6Missing) {
      this.emit('warning', trackerError(
        `IPv6 is not available here: listening on IPv4 alone (${bound.v6Missing})`, 'ERR_TRACKER_NO_IPV6'))
    }
  }

  #want (added) {
    let mask = WANT[added] ?? 0
    for (const [event, bit] of Object.entries(WANT)) {
      if (this.listenerCount(event) > 0) mask |= bit
    }
    this.#native.setWanted(mask)
  }

  #drain () {
    if (this.#draining) return
    this.#draining = true
    this.#drainSome()
  }
}

module.exports = Server
