'use strict'

const crypto = require('node:crypto')
const EventEmitter = require('node:events')

const debug = require('../debug')('client')
const { trackerError } = require('../errors')
const { toHex } = require('../hex')
const engine = require('./engine')
const HTTPTracker = require('./http-tracker')
const {
  announceTiers, checkOptions, clientOptions, isPositional, isTiered, milliseconds, scrapeArguments
} = require('./options')
const Tiers = require('./tiers')
const UDPTracker = require('./udp-tracker')
const webrtc = require('./webrtc-peer')
const WebSocketTracker = require('./websocket-tracker')

const DEFAULT_NUMWANT = 50

const TRACKERS = {
  'http:': HTTPTracker,
  'https:': HTTPTracker,
  'udp:': UDPTracker,
  'ws:': WebSocketTracker,
  'wss:': WebSocketTracker
}

/**
 * A BitTorrent tracker client: announces one torrent to its trackers and finds peers by them.
 */
class Client extends EventEmitter {
  constructor (...args) {
    super()
    const opts = clientOptions(args)
    checkOptions(opts)

    this.peerId = typeof opts.peerId === 'string' ? opts.peerId : toHex(opts.peerId)
    this.infoHash = toHex(opts.infoHash)
    this.destroyed = false
    /** The engine's: it runs until this client is destroyed. */
    this._usesEngine = false
    this._port = Number(opts.port)
    // A number that outlives changes of address, so that a tracker knows who we are (BEP 7, BEP 15).
    // In a small integer: larger ones are an object each.
    this._key = crypto.randomInt(2 ** 32) | 0
    this._setOptions(opts)

    const tiers = announceTiers(opts.announce).map(tier => tier.map(url => this._createTracker(url)).filter(Boolean))
    // Not in one piece with the list that it is made of, which has room for more.
    this._trackers = tiers.flat().slice()
    if (isTiered(opts.announce)) this._tiers = new Tiers(tiers)
    if (debug.enabled) debug('new client of %s at %o', this.infoHash, this._trackers.map(tracker => tracker.announceUrl))
  }

  /** Joins the swarm at the trackers and announces regularly from now on. */
  start (opts) {
    this._announce(this._optsWithEvent(opts, 'started'))
    this.setInterval(this._fixedInterval)
  }

  /** Leaves the swarm. */
  stop (opts) {
    this._announce(this._optsWithEvent(opts, 'stopped'))
  }

  /** Tells the trackers that the download is complete. */
  complete (opts) {
    if (this.torrentLength !== undefined) opts = { ...opts, downloaded: opts?.downloaded ?? this.torrentLength }
    this._announce(this._optsWithEvent(opts, 'completed'))
  }

  /** Announces now, between the regular times. */
  update (opts) {
    const { event, ...rest } = this._defaultAnnounceOpts(opts)
    this._announce(rest)
  }

  /** Asks the trackers for the numbers of the client's torrent, or of `opts.infoHash` (one or several). */
  scrape (opts = {}) {
    this._scrape(opts)
  }

  /** Announces every so many milliseconds; 0 for never, nothing for half an hour. A tracker's answer changes it. */
  setInterval (intervalMs) {
    if (this._tiers !== null) return this._tiers.setInterval(intervalMs)
    const trackers = this._trackers
    for (let i = 0; i < trackers.length; i++) trackers[i].setInterval(intervalMs)
  }

  /** Ends the client; what is under way has a second to arrive. Then calls back. */
  destroy (cb) {
    if (this.destroyed) return
    this.destroyed = true
    if (debug.enabled) debug('destroy the client of %s', this.infoHash)
    const trackers = this._trackers
    this._trackers = []
    this._getAnnounceOpts = null
    let left = trackers.length
    const destroyed = () => {
      left -= 1
      if (left > 0) return
      engine.unuse(this)
      // Never before this function returns, and never in the midst of a tracker's work.
      if (cb) queueMicrotask(() => cb(null))
    }
    if (left === 0) return destroyed()
    for (const tracker of trackers) tracker.destroy(destroyed)
  }

  // Made when asked for: a program may have ten thousand clients.

  get _peerIdBuffer () {
    return Buffer.from(this.peerId, 'hex')
  }

  set _peerIdBuffer (value) {
    own(this, '_peerIdBuffer', value)
  }

  get _infoHashBuffer () {
    return Buffer.from(this.infoHash, 'hex')
  }

  set _infoHashBuffer (value) {
    own(this, '_infoHashBuffer', value)
  }

  get _peerIdBinary () {
    return this._peerIdBuffer.latin1Slice()
  }

  set _peerIdBinary (value) {
    own(this, '_peerIdBinary', value)
  }

  get _infoHashBinary () {
    return this._infoHashBuffer.latin1Slice()
  }

  set _infoHashBinary (value) {
    own(this, '_infoHashBinary', value)
  }

  get _keyText () {
    keyBytes.writeInt32BE(this._key)
    return keyBytes.hexSlice().toUpperCase()
  }

  // Of versions 6 and 7.

  get peerIdBuffer () {
    return this._peerIdBuffer
  }

  get infoHashBuffer () {
    return this._infoHashBuffer
  }

  // The caller's object is filled in, as ever, if it can be.
  _defaultAnnounceOpts (opts = {}) {
    if (!Object.isExtensible(opts)) opts = { ...opts }
    opts.numwant ??= this._numWant ?? DEFAULT_NUMWANT
    opts.uploaded ??= 0
    opts.downloaded ??= 0
    if (this.torrentLength !== undefined) opts.left ??= Math.max(0, this.torrentLength - opts.downloaded)
    return this._getAnnounceOpts ? { ...opts, ...this._getAnnounceOpts() } : opts
  }

  // A copy with one more property is made, and read, in a slow way of V8's: only what is the program's is copied.
  _optsWithEvent (opts, event) {
    const filled = this._defaultAnnounceOpts(opts)
    const isOurs = filled !== opts && this._defaultAnnounceOpts === defaultAnnounceOpts
    const own = isOurs ? filled : { ...filled }
    own.event = event
    return own
  }

  _scrape (opts, done) {
    if (debug.enabled) debug('scrape %o', opts.infoHash ?? this.infoHash)
    for (const tracker of this._trackers) tracker.scrape(opts, done)
  }

  /** By a tracker's timer. */
  _announceRegularly (tracker) {
    const opts = this._defaultAnnounceOpts()
    if (this._tiers === null) tracker.announce(opts)
    else this._tiers.announce(opts)
  }

  // Those that are left out stay the prototype's.
  _setOptions (opts) {
    if (opts.getAnnounceOpts) this._getAnnounceOpts = opts.getAnnounceOpts
    if (opts.userAgent !== undefined) this._userAgent = opts.userAgent
    if (opts.rtcConfig !== undefined) this._rtcConfig = opts.rtcConfig
    if (opts.wrtc !== undefined) this._wrtc = webrtc.wrtcOption(opts.wrtc)
    if (opts.minInterval !== undefined) this._minInterval = milliseconds(opts.minInterval)
    if (opts.requestTimeout !== undefined) this._requestTimeout = milliseconds(opts.requestTimeout)
    if (opts.families !== undefined) this._families = opts.families
    if (opts.proxyOpts !== undefined) this._proxyOpts = opts.proxyOpts
    // Of the signature up to version 7.
    if (opts.torrentLength !== undefined) this.torrentLength = opts.torrentLength
    if (opts.numWant !== undefined) this._numWant = opts.numWant
    if (opts.interval !== undefined) this._fixedInterval = opts.interval
  }

  _toInfoHash (value) {
    return toHex(value)
  }

  _announce (opts) {
    if (debug.enabled) debug('announce %s: %o', this.infoHash, opts)
    if (this._tiers !== null) return this._tiers.announce(opts)
    // By numbers, here and where many announces pass: to walk an iterator is several times as much to compile.
    const trackers = this._trackers
    for (let i = 0; i < trackers.length; i++) trackers[i].announce(opts)
  }

  _createTracker (announceUrl) {
    const { Tracker, problem } = trackerClass(announceUrl)
    const hasNoPeers = Tracker === WebSocketTracker && !webrtc.isAvailable(this._wrtc)
    if (problem === undefined && !hasNoPeers) return new Tracker(this, announceUrl)
    const warning = hasNoPeers
      ? webrtcError(announceUrl, this._wrtc)
      : trackerError(`${problem}: ${announceUrl}`, 'ERR_TRACKER_URL')
    if (debug.enabled) debug('leave out a tracker: %o', warning.message)
    // Later, when the program has had the chance to listen.
    queueMicrotask(() => this.emit('warning', warning))
    return null
  }
}

// As it is here: a program may put another in its place, for a client or for all.
const defaultAnnounceOpts = Client.prototype._defaultAnnounceOpts

// What nearly no client has of its own. A program may have ten thousand.
Object.assign(Client.prototype, {
  torrentLength: undefined,
  _tiers: null,
  _getAnnounceOpts: undefined,
  _userAgent: undefined,
  _rtcConfig: undefined,
  _wrtc: undefined,
  _minInterval: undefined,
  _requestTimeout: undefined,
  _families: undefined,
  _proxyOpts: undefined,
  _numWant: undefined,
  _fixedInterval: undefined
})

/**
 * Scrapes a tracker without a client: `cb(err, data)`, with an object per info hash if there are several.
 *
 * @returns {Client} a client that is destroyed when the answer is there
 */
Client.scrape = function scrape (...args) {
  const [opts, cb] = scrapeArguments(args)
  const infoHashes = [].concat(opts.infoHash)
  const client = new Client({ ...opts, infoHash: infoHashes[0], peerId: DUMMY_PEER_ID, port: DUMMY_PORT })
  const wanted = new Set(infoHashes.map(toHex))
  const results = {}

  const finish = once(err => {
    // What comes after the answer is nobody's concern.
    client.removeAllListeners().on('warning', () => {}).on('error', () => {})
    client.destroy()
    if (err) cb(err)
    else cb(null, wanted.size === 1 ? Object.values(results)[0] : results)
  })

  client.on('error', finish).on('warning', finish).on('scrape', data => {
    if (wanted.has(data.infoHash)) results[data.infoHash] = data
  })
  client._scrape({ infoHash: infoHashes }, err => {
    if (err !== undefined) return finish(err)
    if (Object.keys(results).length > 0) return finish(null)
    finish(trackerError('tracker knows none of the torrents', 'ERR_TRACKER_RESPONSE'))
  })
  return client
}

function once (fn) {
  return (...args) => {
    const first = fn
    fn = undefined
    first?.(...args)
  }
}

/** Gives an object a property of its own, as if its class had none of that name. */
function own (object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
}

const keyBytes = Buffer.alloc(4)

const DUMMY_PEER_ID = Buffer.from('01234567890123456789')
const DUMMY_PORT = 6881

/** The class for a tracker, or what is wrong with its URL. Most programs have one list for all their torrents. */
function trackerClass (announceUrl) {
  let known = trackerClasses.get(announceUrl)
  if (known === undefined) {
    known = findTrackerClass(announceUrl)
    if (trackerClasses.size >= MAX_TRACKER_CLASSES) trackerClasses.clear()
    trackerClasses.set(announceUrl, known)
  }
  return known
}

const trackerClasses = new Map()
const MAX_TRACKER_CLASSES = 256

function findTrackerClass (announceUrl) {
  let url
  try {
    url = new URL(announceUrl)
  } catch {
    // The parser takes a port out of range for a fault of the whole.
    const port = /^[a-z]+:\/\/[^/?#]*:(\d+)(?:[/?#]|$)/i.exec(announceUrl)?.[1]
    return { problem: port > 65535 ? 'Invalid tracker port' : 'Invalid tracker URL' }
  }
  if (url.port === '0') return { problem: 'Invalid tracker port' }
  if (!Object.hasOwn(TRACKERS, url.protocol)) return { problem: 'Unsupported tracker protocol' }
  return { Tracker: TRACKERS[url.protocol] }
}

// Who switched it off knows why; others learn what is missing.
function webrtcError (announceUrl, wrtc) {
  const hint = wrtc === false ? '' : ` (no WebRTC: ${webrtc.HINT})`
  return trackerError(`Unsupported tracker protocol: ${announceUrl}${hint}`, 'ERR_TRACKER_WEBRTC')
}

// Up to version 7 the class was a function, and some programs leave out `new`.
const Callable = new Proxy(Client, {
  apply (Class, self, args) {
    if (isPositional(args)) return new Class(...args)
    throw new TypeError('Class constructor Client cannot be invoked without \'new\'')
  },
  // As what is not a plain function it would give each client a hidden class of its own: 3 KB, and slow.
  construct (Class, args, newTarget) {
    return newTarget === Callable ? new Class(...args) : Reflect.construct(Class, args, newTarget)
  }
})
Client.prototype.constructor = Callable

module.exports = Callable
