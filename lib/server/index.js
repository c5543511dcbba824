'use strict'

const EventEmitter = require('node:events')

const debug = require('../debug')('server')
const { emitAllSafely } = require('../emit')
const { trackerError, systemError } = require('../errors')
const { toHex } = require('../hex')
const { hold } = require('../keep-alive')
const { Engine, registerEngine } = require('./engine')
const { ASK, WANT, decodeEvents } = require('./events')
const { parseListenArguments, resolveBinding } = require('./listen-options')
const Listener = require('./listener')
const HttpServer = require('./node-http')
const { parseServerOptions } = require('./options')
const { defineOverridable, isReplaced } = require('./overrides')
const Questions = require('./questions')
const BaseSwarm = require('./swarm')
const Torrents = require('./torrents')

/** Events taken at a time: between two batches other work of the program gets its turn. */
const EVENTS_PER_TURN = 512

/** Between two rounds of housekeeping where the engine has no thread for it, in milliseconds. */
const HOUSEKEEPING = 1000

/** For tests of the way through JavaScript. */
const FORCED = process.env.TRACKER_FORCE_JAVASCRIPT === '1'

/**
 * A BitTorrent tracker over UDP (BEP 15), HTTP (BEP 3) and WebSocket, served by the engine's own threads.
 */
class Server extends EventEmitter {
  #options
  #questions
  #ws
  #housekeeping = null
  #draining = false
  #state = 'new' // then 'opening', 'open', 'closed'
  /** Node listens for HTTP, not the engine. */
  #isNode = false

  constructor (opts = {}) {
    super()
    const options = parseServerOptions(opts)
    this.#options = options
    this.intervalMs = options.intervalMs
    this.peersCacheLength = options.peersCacheLength
    this.peersCacheTtl = options.peersCacheTtl
    this._trustProxy = options.trustProxy
    this._listenCalled = false
    this.listening = false
    this.destroyed = false

    // The engine must not keep a server alive that the program has forgotten; while it listens the
    // program need not, since `openServers` holds it. No other function here may use `this`: those of
    // one scope keep alive what any of them uses.
    const self = new WeakRef(this)
    // Not in the ring itself: Node runs up to a thousand of them before it looks at timers and sockets.
    const engine = new Engine(options, () => setImmediate(() => self.deref()?.#drain()))
    hide(this, '_engine', engine)
    registerEngine(this, engine)
    hide(this, '_filterFunction', options.filter)
    this.http = options.http ? new HttpServer(options.nodeHttp ?? {}, () => self.deref()?.#toNode()) : null
    this.udp4 = options.udp ? new Listener() : null
    this.udp6 = options.udp ? new Listener() : null
    this.udp = this.udp4 ?? undefined
    const torrents = new Torrents(engine.native, infoHash => self.deref()?._newSwarm(infoHash))
    hide(this, '_torrents', torrents)
    this.torrents = torrents.view
    this.#questions = new Questions(this, engine)
    engine.onLeft = (infoHash, peerId) => self.deref()?.#left(infoHash, peerId)
    this.#refresh()
    if (debug.enabled) debug('new server: %o', { http: options.http, udp: options.udp, ws: options.ws })
  }

  /** The class of swarms, which programs replace. */
  static get Swarm () {
    return swarmClass
  }

  static set Swarm (value) {
    swarmClass = value
    for (const server of openServers) server.#refresh()
  }

  /** `ws`'s server, on the port of HTTP; null if WebSocket is off. */
  get ws () {
    if (!this.#options.ws) return null
    if (this.#ws === undefined) {
      const WebSocketServer = require('./node-ws')
      const { native } = this._engine
      this.#ws = new WebSocketServer(this.#options.nodeWs, {
        http: this.http,
        maxPayload: this._engine.maxMessage ?? 65_536,
        onWanted: () => this.#toNode(),
        onSocket: socket => this.onWebSocketConnection(socket, { trustProxy: this._trustProxy }),
        count: () => native.sockets()
      })
    }
    return this.#ws
  }

  /** What is asked about announces. */
  get _filter () {
    return this._filterFunction
  }

  set _filter (filter) {
    this._filterFunction = filter
    this.#refresh()
  }

  /** Whether announces and scrapes are answered by `_onRequest`, not by the engine alone. */
  get _usesJavaScript () {
    return FORCED || swarmClass !== BaseSwarm ||
      isReplaced(this, '_onRequest') || isReplaced(this, 'getSwarm') || isReplaced(this, 'createSwarm')
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
    this.#refresh()
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
    if (debug.enabled) debug('close')
    this.#state = 'closed'
    this.listening = false
    this.destroyed = true
    clearInterval(this.#housekeeping)
    const { native } = this._engine
    if (state !== 'open') {
      const err = this.http === null || state === 'opening' ? null : notRunning()
      native.close(() => {})
      process.nextTick(cb, err)
      return
    }
    const closed = hold()
    for (const listener of [this.udp4, this.udp6]) listener?._closed()
    this.#ws?._closed()
    const httpClosed = new Promise(resolve => this.http === null ? resolve() : this.http._closed(resolve))
    native.close(() => httpClosed.then(() => process.nextTick(() => {
      openServers.delete(this)
      closed()
      cb(null)
    })))
  }

  /** All torrents that a scrape without a hash lists; null if there are too many. */
  _allTorrents () {
    return this._engine.native.fullScrape()
  }

  _swarmKey (infoHash) {
    return toHex(infoHash)
  }

  _newSwarm (infoHash) {
    return new swarmClass(infoHash, this)
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

  /**
   * Emits what waits, in a turn of its own. The engine's bell keeps no program running; after something was
   * said to sockets that the program serves, there may be nothing else that does.
   */
  _drainSoon () {
    if (this.#draining || !this._engine.sockets.hasExternal) return
    this.#draining = true
    setImmediate(() => {
      this.#draining = false
      this.#drain()
    })
  }

  /** Something of it has been replaced. */
  _replaced () {
    this.#refresh()
    if (isReplaced(this, 'onHttpRequest') || isReplaced(this, 'onWebSocketConnection')) this.#toNode()
  }

  // What the engine survived must not end a program that has no `error` listener.
  #heard ([event, ...args]) {
    return event === 'error' && this.listenerCount('error') === 0 ? ['warning', ...args] : [event, ...args]
  }

  #wantAfter (change) {
    change()
    this.#refresh()
    return this
  }

  // Tells the engine what is in use.
  #refresh () {
    let mask = 0
    for (const [event, bit] of Object.entries(WANT)) {
      if (this.listenerCount(event) > 0) mask |= bit
    }
    if (this._filter) mask |= ASK.announces
    if (this._usesJavaScript) mask |= ASK.announces | ASK.scrapes | ASK.gone
    if (isReplaced(this, 'onUdpRequest')) mask |= ASK.packets
    this._engine.native.setWanted(mask)
  }

  /** Whether Node has to listen for HTTP. */
  #wantsNode () {
    const { nodeHttp, nodeWs, noServer } = this.#options
    return nodeHttp !== undefined || (nodeWs !== undefined && !noServer) ||
      this.http._isWanted || Boolean(this.#ws?._isWanted) ||
      isReplaced(this, 'onHttpRequest') || isReplaced(this, 'onWebSocketConnection')
  }

  async #open (http, udp) {
    const [httpBinding, udpBinding] = await Promise.all([
      this.http === null ? undefined : resolveBinding(http),
      this.udp4 === null ? undefined : resolveBinding(udp)
    ])
    if (this.#state === 'closed') return
    // From here to the end of the engine's `listen` nothing else runs.
    this.#isNode = this.http !== null && this.#wantsNode()
    const bound = this.#bind({ http: this.#isNode ? undefined : httpBinding, udp: udpBinding })
    openServers.add(this)
    if (this.#isNode) {
      try {
        await this.#listenByNode(http, httpBinding)
      } catch (err) {
        openServers.delete(this)
        this._engine.native.close(() => {})
        throw err
      }
      if (this.#state === 'closed') {
        openServers.delete(this)
        return this.http._closed(() => {})
      }
    } else {
      this.http?._opened(bound.http6 && httpBinding.v6 === '::' ? bound.http6 : bound.http4 ?? bound.http6)
    }
    this.#state = 'open'
    this.udp4?._opened(bound.udp4)
    this.udp6?._opened(bound.udp6)
    this.listening = true
    if (debug.enabled) debug('listening: %o', { http: this.http?.address(), udp: bound.udp4 ?? bound.udp6, node: this.#isNode })
    // Out of the promise, likewise.
    process.nextTick(() => {
      if (this.#state === 'open') emitAllSafely(this, 'listening')
      if (this.#state === 'open' && bound.noIpv6) {
        this.emit('warning', trackerError(
          'IPv6 is not available on this machine: listening on IPv4 alone', 'ERR_TRACKER_NO_IPV6'))
      }
    })
  }

  #bind (bindings) {
    const bound = this._engine.native.listen(bindings)
    if (bound.error) throw systemError(bound.error)
    return bound
  }

  #listenByNode ({ port }, { v4, v6 }) {
    this.#serveByNode()
    const isAny = v4 === '0.0.0.0' && v6 === '::'
    return this.http._listen(port, isAny ? undefined : v4 ?? v6)
  }

  // What the program does not answer.
  #serveByNode () {
    const { http, ws: takesWs, noServer, native } = this.#options
    this._startHousekeeping()
    if (!http) return
    this.http._on('error', err => { if (this.listening) this.emit('error', err) })
    this.http._on('request', (req, res) => {
      if (res.headersSent || res.writableEnded) return
      if (this.#isOurs(req, native)) return this.onHttpRequest(req, res, { trustProxy: this._trustProxy })
      // Without HTTP there is nothing else on this port, but for what the program makes of it.
      res.statusCode = 404
      res.end('404 Not Found')
    })
    if (!takesWs || noServer) return
    const { origins } = native.webSocket
    this.http._on('upgrade', (request, socket, head) => {
      if (isAllowed(request.headers.origin, origins)) this.ws._upgrade(request, socket, head)
      else forbid(socket)
    })
  }

  #isOurs ({ method, url }, { http, stats }) {
    return http || (stats && method === 'GET' && (url === '/stats' || url === '/stats.json'))
  }

  // The program has handlers from now on.
  #toNode () {
    if (this.#isNode || this.http === null || this.#state !== 'open') return
    this.#isNode = true
    if (debug.enabled) debug('the program has handlers: Node listens for HTTP from now on')
    this.#serveByNode()
    this.http._takeOver(this._engine.native.handOver())
  }

  /** Has silent peers expire, for a server that the engine has no listening threads for. */
  _startHousekeeping () {
    if (this.#housekeeping !== null || this.destroyed) return
    const self = new WeakRef(this)
    const timer = setInterval(() => {
      const server = self.deref()
      if (server === undefined) clearInterval(timer)
      else server._engine.native.housekeep()
    }, HOUSEKEEPING).unref()
    this.#housekeeping = timer
  }

  // A WebSocket is gone; so its peers leave the swarms of the program.
  #left (infoHash, peerId) {
    if (!this._usesJavaScript) return
    this.getSwarm(infoHash, (err, swarm) => {
      if (!err && swarm) swarm.announce({ type: 'ws', event: 'stopped', numwant: 0, peer_id: peerId })
    })
  }

  // Rung by the engine. The next ring comes only after a batch that was not full.
  #drain () {
    const { count, records } = this._engine.native.takeEvents(EVENTS_PER_TURN)
    // First: the engine does not ring again after a full batch, whatever becomes of this one.
    if (count === EVENTS_PER_TURN) setImmediate(() => this.#drain())
    const { maxNumwant, sockets } = this._engine
    const safely = call => (...args) => {
      if (this.#state === 'closed') return
      try {
        call(...args)
      } catch (err) {
        // A listener's, or a filter's. It surfaces as in any emitter, and the others still get theirs.
        process.nextTick(() => { throw err })
      }
    }
    decodeEvents(records, {
      maxNumwant,
      socketOf: id => sockets.of(id),
      onEvent: (...args) => { if (this.#state !== 'closed') emitAllSafely(this, ...this.#heard(args)) },
      onQuestion: safely((id, params) => this.#questions.onQuestion(id, params)),
      onInquiry: safely((...args) => this.#questions.onInquiry(...args)),
      onPacket: safely((msg, address, port) => {
        const family = address.includes(':') ? 'IPv6' : 'IPv4'
        this.onUdpRequest(msg, { address, family, port, size: msg.length })
      }),
      onDeliver: safely((id, text) => sockets.deliver(id, text)),
      onClose: safely(id => sockets.close(id)),
      onGone: safely(id => this._engine.left(sockets.of(id))),
      onEvicted: safely(evicted => this._engine.evicted(evicted))
    })
  }
}

defineOverridable(Server.prototype, server => server._replaced())

let swarmClass = BaseSwarm

// A listening server lives on although its program holds no reference, as any of Node's does.
const openServers = new Set()

function hide (object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false })
}

// The socket is Node's raw one, which nobody else looks after.
function forbid (socket) {
  socket.on('error', () => {})
  socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n')
  setTimeout(() => socket.destroy(), HOUSEKEEPING).unref()
}

// Only browsers send an origin.
function isAllowed (origin, origins) {
  if (origin === undefined || origins === undefined) return true
  return origins.some(allowed => allowed.toLowerCase() === origin.toLowerCase())
}

function notRunning () {
  return Object.assign(new Error('Server is not running.'), { code: 'ERR_SERVER_NOT_RUNNING' })
}

module.exports = Server
