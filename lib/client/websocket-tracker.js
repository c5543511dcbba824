'use strict'

const debug = require('../debug')('websocket-tracker')
const { emitSafely } = require('../emit')
const { clientError, trackerError } = require('../errors')
const { toHex } = require('../hex')
const AgentSocket = require('./agent-socket')
const Offers = require('./offers')
const proxies = require('./proxies')
const Replies = require('./replies')
const socketPool = require('./socket-pool')
const Tracker = require('./tracker')
const webrtc = require('./webrtc-peer')
const SocketShare = require('./websockets')

/** Offers are slow to make and cost sockets. */
const MAX_OFFERS = 5

/** Peers that a tracker has offered us and that have not connected yet. */
const MAX_INBOUND = 50
const INBOUND_LIFE = 50 * 1000

/** Announces that wait for the socket to open; plain ones are merged into one. */
const MAX_QUEUED = 32

/** The tracker's interval is forced into this range, in milliseconds. */
const MIN_INTERVAL = 10 * 1000
const MAX_INTERVAL = 24 * 60 * 60 * 1000

const REPLY_TIMEOUT = 15 * 1000

/** What a tracker may have us warn of per minute. */
const MAX_WARNINGS = 20

const MAX_TEXT = 1024

/**
 * A WebTorrent tracker.
 *
 * The parent need not be a `Client`: it has `infoHash`, `_infoHashBinary`, `_peerIdBinary`,
 * `_defaultAnnounceOpts()` and `emit(name, value)`, and perhaps `_rtcConfig`, `_wrtc` and
 * `_proxyOpts`.
 */
class WebSocketTracker extends Tracker {
  #share = null
  #opening = null
  #isOpen = false
  /** Grows when announces whose offers are being made have become pointless. */
  #epoch = 0
  #queue = []
  #announces = new Replies(what => this.#timedOut(what))
  #scrapes = new Replies(what => this.#timedOut(what))
  #inbound = 0
  #offers = new Offers()
  #takesPart = false
  /** The counts of the last announce of `completed`, which those made before it take over. */
  #completed = null
  #trackerId
  #warnings = { minute: 0, count: 0 }

  constructor (client, announceUrl) {
    super(client, announceUrl)
    this.socket = socketPool.join(announceUrl)
    this.peers = this.#offers.peers
    this.reconnecting = false
    this.retries = 0
    this.reconnectTimer = null
  }

  /**
   * Announces: at once if the socket is open, when it opens if that is under way, and not at all
   * while it waits to connect again, for it announces then in any case.
   *
   * `done(err)` is for whoever has to know how it went.
   */
  announce (opts = {}, done) {
    if (this.destroyed) return
    this.#takesPart = opts.event !== 'stopped'
    if (this.reconnecting) return done?.(this.#notConnected())
    if (!this.#isOpen) return this.#enqueue({ opts, done })
    this.#announce(opts, done)
  }

  /** Scrapes the torrents of `opts.infoHash` (one or an array, hexadecimal), else the client's; as `announce`. */
  scrape (opts = {}, done) {
    if (this.destroyed) return
    const isList = Array.isArray(opts.infoHash) && opts.infoHash.length > 0
    const infoHashes = (isList ? opts.infoHash : [opts.infoHash || this.client.infoHash]).map(toHex)
    if (this.reconnecting) return done?.(this.#notConnected())
    const scrape = { infoHashes, isList }
    if (!this.#isOpen) return this.#enqueue({ scrape, done })
    this.#scrape(scrape, done)
  }

  /** Ends it; what was sent still goes out. Then calls back. */
  destroy (cb = () => {}) {
    if (this.destroyed) return cb(null)
    this.destroyed = true
    if (debug.enabled) debug('destroy %o', this.announceUrl)
    this._setRegular(0)
    clearImmediate(this.#opening)
    this.reconnecting = false
    this.#isOpen = false
    this.#epoch += 1
    this.#offers.clear()
    this.#queue = []
    this.#announces.close()
    this.#scrapes.close()
    socketPool.leave(this.socket)
    this.socket = null
    if (this.#share === null) return cb(null)
    this.#share.close(() => cb(null))
  }

  /**
   * Makes offers and calls back with `[{ offer, offer_id }]`. Programs replace it.
   */
  _generateOffers (numwant, cb) {
    const offers = []
    let waiting = Offers.room(numwant)
    const settle = offer => {
      if (offer !== undefined) offers.push(offer)
      waiting -= 1
      if (waiting === 0) cb(offers)
    }
    if (waiting === 0) return cb(offers)
    for (let left = waiting; left > 0; left--) this.#generateOffer(settle)
  }

  _createPeer (opts) {
    const { client } = this
    const peer = webrtc.createPeer({ trickle: false, config: client._rtcConfig, wrtc: client._wrtc, ...opts })
    // Until it is connected. From then on its errors are the program's.
    const onError = err => {
      this.#warn(trackerError(`Connection error: ${err.message}`, 'ERR_TRACKER_WEBRTC', { cause: err }))
      peer.destroy()
    }
    peer.once('error', onError)
    peer.once('connect', () => peer.removeListener('error', onError))
    return peer
  }

  _send (params) {
    const message = this.#message(params)
    if (message !== undefined) this.#sent(this.#share?.send(message))
  }

  _announceRegularly () {
    // Only a `Client` has tiers.
    if (this.client._announceRegularly) this.client._announceRegularly(this)
    else this.announce(this.client._defaultAnnounceOpts())
  }

  #announce (opts, done) {
    const { client } = this
    const params = {
      ...opts,
      action: 'announce',
      info_hash: client._infoHashBinary,
      peer_id: client._peerIdBinary
    }
    // JSON has no NaN, which is how a client without metadata has it: null would make it a seeder.
    if (opts.left == null || !Number.isFinite(Number(opts.left))) delete params.left
    if (this.#trackerId !== undefined) params.trackerid = this.#trackerId
    const reply = this.#announces.expect(done, opts.event ?? 'update', this.#replyTimeout)
    if (opts.event === 'stopped') {
      // What was to be said before would come after it, and make the peer come back.
      this.#epoch += 1
      return this.#sendAnnounce(params, reply)
    }
    if (opts.event === 'completed') {
      // Likewise, but its offers are wanted: whoever seeds starts and completes at once.
      this.#completed = { uploaded: opts.uploaded, downloaded: opts.downloaded, left: 0 }
      return this.#sendAnnounce(params, reply)
    }
    const numwant = Math.max(0, Math.min(Math.trunc(Number(opts.numwant ?? MAX_OFFERS)) || 0, MAX_OFFERS))
    const [epoch, completed] = [this.#epoch, this.#completed]
    let called = false
    this.#makeOffers(numwant, offers => {
      if (called) return
      called = true
      if (epoch !== this.#epoch) return reply.finish()
      const counts = completed === this.#completed ? {} : this.#completed
      this.#sendAnnounce({ ...params, ...counts, numwant, offers }, reply)
    })
  }

  #sendAnnounce (params, reply) {
    this.#announces.sent(reply)
    this._send(params)
  }

  #makeOffers (numwant, cb) {
    const loading = numwant > 0 ? webrtc.loading(this.client._wrtc) : null
    if (loading !== null) {
      loading.then(() => {
        if (!this.destroyed) this.#makeOffers(numwant, cb)
      })
      return
    }
    try {
      this._generateOffers(numwant, cb)
    } catch (err) {
      this.#warn(trackerError(`Connection error: ${err.message}`, 'ERR_TRACKER_WEBRTC', { cause: err }))
      // Without offers of its own a peer can still be found.
      cb([])
    }
  }

  #generateOffer (settle) {
    let peer
    try {
      peer = this._createPeer({ initiator: true })
    } catch (err) {
      this.#warn(trackerError(`Connection error: ${err.message}`, 'ERR_TRACKER_WEBRTC', { cause: err }))
      return process.nextTick(settle)
    }
    const offerId = this.#offers.add(peer)
    const onClose = () => settle()
    peer.once('signal', offer => {
      peer.removeListener('close', onClose)
      settle({ offer, offer_id: offerId })
    })
    peer.once('close', onClose)
  }

  #scrape ({ infoHashes, isList }, done) {
    const binary = infoHashes.map(toBinary)
    const message = this.#message({ action: 'scrape', info_hash: isList ? binary : binary[0] })
    try {
      this.#sent(this.#share.scrape(message, infoHashes))
      this.#scrapes.sent(this.#scrapes.expect(done, 'scrape', this.#replyTimeout))
    } catch (err) {
      // Nothing was sent, and the caller hears of it as of any other failure.
      const failure = trackerError(err.message, 'ERR_TRACKER_REQUEST')
      this.#warn(failure)
      done?.(failure)
    }
  }

  #enqueue (item) {
    if (this.#share === null && this.#opening === null) this.#open()
    if (this.#share === null && this.#opening === null) return item.done?.(this.#notConnected())
    const isPlain = ({ opts }) => opts !== undefined && opts.event === undefined
    if (isPlain(item)) {
      const at = this.#queue.findIndex(isPlain)
      if (at >= 0) this.#queue.splice(at, 1)[0].done?.(this.#notConnected())
    }
    if (this.#queue.length >= MAX_QUEUED) return item.done?.(this.#notConnected())
    this.#queue.push(item)
  }

  // Parents other than `Client` announce a moment before they know their info hash (p2pt).
  #open () {
    if (typeof this.client._infoHashBinary === 'string') return this.#connect()
    this.#opening = setImmediate(() => {
      this.#opening = null
      this.#connect()
      if (this.#share !== null) return
      for (const { done } of this.#queue.splice(0)) done?.(this.#notConnected())
    })
  }

  #connect () {
    const { client, announceUrl } = this
    if (debug.enabled) debug('connect to %o', announceUrl)
    const listener = {
      onOpen: () => this.#onOpen(),
      onMessage: text => this.#onMessage(text),
      onWarning: err => this.#warn(err),
      onDown: (err, retries) => this.#onDown(err, retries)
    }
    try {
      const { agents, problem, proxy } = proxies.route(client._proxyOpts, announceUrl)
      if (problem !== undefined) throw problem
      const target = {
        ...WebSocketTracker._timing,
        url: announceUrl,
        families: client._families,
        proxy,
        infoHash: toHex(Buffer.from(client._infoHashBinary, 'latin1')),
        peerId: toHex(Buffer.from(client._peerIdBinary, 'latin1'))
      }
      this.#share = agents === undefined
        ? new SocketShare(target, listener)
        : new AgentSocket(target, agents[new URL(announceUrl).protocol], listener)
    } catch (err) {
      // Not a URL that the engine can use, or no way to it.
      const code = err.code === 'ERR_TRACKER_PROXY' ? err.code : 'ERR_TRACKER_URL'
      process.nextTick(() => this.#warn(trackerError(err.message, code)))
    }
  }

  #onOpen () {
    this.#isOpen = true
    if (debug.enabled) debug('connected to %o', this.announceUrl)
    this.socket.connected = true
    this.retries = 0
    if (this.reconnecting) {
      this.reconnecting = false
      if (this.#takesPart) this._announceRegularly()
      return
    }
    for (const { opts, done, scrape } of this.#queue.splice(0)) {
      if (this.destroyed) return
      if (scrape !== undefined) this.#scrape(scrape, done)
      else this.#announce(opts, done)
    }
  }

  #onDown (err, retries) {
    this.#isOpen = false
    this.socket.connected = false
    this.reconnecting = true
    this.retries = retries
    if (debug.enabled) debug('no connection to %o, retry %d will come: %o', this.announceUrl, retries, err?.message ?? 'closed')
    this.#epoch += 1
    this.#offers.clear()
    const queued = this.#queue.splice(0)
    const failed = [this.#announces.takeAll(), this.#scrapes.takeAll()]
    if (err !== undefined) emitSafely(this.client, 'warning', err)
    const reason = err ?? this.#notConnected()
    for (const fail of failed) fail(reason)
    for (const { done } of queued) if (!this.destroyed) done?.(reason)
  }

  #onMessage (text) {
    if (debug.enabled) debug('received from %o: %o', this.announceUrl, text)
    let data
    try {
      data = JSON.parse(text)
    } catch {
      return this.#warn(trackerError('Invalid tracker response', 'ERR_TRACKER_RESPONSE'))
    }
    if (data.action === 'scrape') return this.#onScrape(data)
    const { client } = this
    if (data.info_hash !== client._infoHashBinary || data.peer_id === client._peerIdBinary) return

    const failure = data['failure reason']
    if (failure) {
      const err = trackerError(shown(failure), 'ERR_TRACKER_FAILURE')
      this.#warn(err)
      return this.#announces.received(err)
    }
    const warning = data['warning message']
    if (warning) this.#warn(trackerError(shown(warning), 'ERR_TRACKER_WARNING'))
    if (this.destroyed) return

    this.#onInterval(data.interval || data['min interval'])
    const trackerId = data['tracker id']
    // If absent, the known one stays.
    if (typeof trackerId === 'string' && trackerId) this.#trackerId = trackerId

    if (data.complete != null) {
      emitSafely(client, 'update', { ...data, announce: this.announceUrl, infoHash: client.infoHash })
    }
    if (typeof data.peer_id !== 'string' || data.peer_id.length !== 20) this.#announces.received()
    else if (data.answer) this.#onAnswer(data)
    else if (data.offer) this.#onOffer(data)
  }

  #onInterval (seconds) {
    // An object may throw where a number is asked of it.
    if (typeof seconds === 'object') return
    const ms = Number(seconds) * 1000
    if (!(ms > 0) || this.destroyed || this.client._fixedInterval) return
    this.setInterval(Math.min(Math.max(ms, this.client._minInterval ?? MIN_INTERVAL), MAX_INTERVAL))
  }

  #onOffer ({ offer, offer_id: offerId, peer_id: peerId }) {
    const description = webrtc.description(offer, 'offer')
    if (this.destroyed || description === null || this.#inbound >= MAX_INBOUND) return
    let peer
    try {
      peer = this._createPeer()
    } catch (err) {
      return this.#warn(trackerError(`Connection error: ${err.message}`, 'ERR_TRACKER_WEBRTC', { cause: err }))
    }
    this.#countInbound(peer)
    peer.once('signal', answer => {
      const { client } = this
      const params = {
        action: 'announce',
        info_hash: client._infoHashBinary,
        peer_id: client._peerIdBinary,
        to_peer_id: peerId,
        answer,
        offer_id: offerId
      }
      if (this.#trackerId !== undefined) params.trackerid = this.#trackerId
      this._send(params)
    })
    this.#found(peer, peerId, description)
  }

  #onAnswer ({ answer, offer_id: offerId, peer_id: peerId }) {
    const description = webrtc.description(answer, 'answer')
    if (this.destroyed || description === null) return
    const peer = this.#offers.take(offerId)
    if (peer !== undefined) this.#found(peer, peerId, description)
  }

  // The program hears of the peer first, so that it misses none of its events.
  #found (peer, peerId, description) {
    peer.id = Buffer.from(peerId, 'latin1').hexSlice()
    emitSafely(this.client, 'peer', peer)
    if (peer.destroyed) return
    try {
      peer.signal(description)
    } catch (err) {
      peer.destroy(err)
    }
  }

  #countInbound (peer) {
    this.#inbound += 1
    let counted = true
    const uncount = () => {
      if (!counted) return
      counted = false
      clearTimeout(timer)
      this.#inbound -= 1
    }
    const timer = setTimeout(uncount, INBOUND_LIFE)
    timer.unref()
    peer.once('connect', uncount)
    peer.once('close', uncount)
  }

  #onScrape ({ files }) {
    const hashes = Object.keys(files ?? {}).filter(key => key.length === 20)
    if (hashes.length === 0) {
      const err = trackerError('invalid scrape response', 'ERR_TRACKER_RESPONSE')
      this.#warn(err)
      return this.#scrapes.received(err)
    }
    for (const key of hashes) {
      if (this.destroyed) return
      const infoHash = Buffer.from(key, 'latin1').hexSlice()
      emitSafely(this.client, 'scrape', { ...files[key], announce: this.announceUrl, infoHash })
    }
    this.#scrapes.received()
  }

  get #replyTimeout () {
    return this.client._requestTimeout ?? REPLY_TIMEOUT
  }

  #timedOut (what) {
    const err = trackerError(`tracker request timed out (${what}) (${this.announceUrl})`, 'ERR_TRACKER_TIMEOUT')
    this.#warn(err)
    return err
  }

  #message (params) {
    if (this.destroyed) return undefined
    if (debug.enabled) debug('send to %o: %o', this.announceUrl, params)
    try {
      return JSON.stringify(params, (key, value) => typeof value === 'bigint' ? Number(value) : value)
    } catch (err) {
      this.#warn(trackerError(`cannot be sent: ${err.message}`, 'ERR_TRACKER_REQUEST'))
      return undefined
    }
  }

  #sent (problem) {
    if (problem !== undefined) this.#warn(trackerError(`${problem} (${this.announceUrl})`, 'ERR_TRACKER_REQUEST'))
  }

  #warn (err) {
    if (this.destroyed) return
    if (debug.enabled) debug('warning of %o: %o', this.announceUrl, err.message)
    const minute = Math.floor(Date.now() / 60_000)
    if (this.#warnings.minute !== minute) this.#warnings = { minute, count: 0 }
    this.#warnings.count += 1
    if (this.#warnings.count <= MAX_WARNINGS) emitSafely(this.client, 'warning', err)
  }

  #notConnected () {
    return clientError({ message: `Error connecting to ${this.announceUrl}`, code: 'ERR_TRACKER_NETWORK' })
  }
}

WebSocketTracker.prototype.DEFAULT_ANNOUNCE_INTERVAL = 30 * 1000

/** Who uses which socket, for the curious. */
WebSocketTracker._socketPool = socketPool.pool

/**
 * The clocks of sockets that are opened from now on, for tests: `connectMs`, `pingMs`,
 * `reconnectMinMs`, `reconnectMaxMs`, `reconnectJitterMs`.
 */
WebSocketTracker._timing = {}

function toBinary (infoHash) {
  return Buffer.from(infoHash, 'hex').latin1Slice()
}

// What is nested deeper than the stack is not shown.
function shown (value) {
  try {
    return String(typeof value === 'object' ? JSON.stringify(value) : value).slice(0, MAX_TEXT)
  } catch {
    return 'Invalid tracker response'
  }
}

module.exports = WebSocketTracker
