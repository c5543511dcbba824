'use strict'

const { emitSafely } = require('../emit')
const engine = require('./engine')
const Regular = require('./regular')

/** A stop sent with the destroy has this long to arrive, in milliseconds. */
const DESTROY_TIMEOUT = 1000

/** In milliseconds: half an hour. */
const DEFAULT_INTERVAL = 30 * 60 * 1000

/**
 * What a client has to do with one tracker: requests, the timer, and what comes of them. Each kind has a
 * `_debug` of its own namespace.
 */
class Tracker extends Regular {
  constructor (client, announceUrl) {
    super()
    this.client = client
    this.announceUrl = announceUrl
    this.destroyed = false
    /** The number of the one request under way, of all but few trackers; 0 for none. */
    this._request = 0
    /** Whether the default interval begins when a request is done that names none. */
    this._awaitsInterval = false
  }

  /**
   * Announces. `done(err)` is for whoever has to know how it went.
   *
   * @param {object} opts not changed
   */
  announce (opts, done) {
    if (this.destroyed) return
    if (this._debug.enabled) this._debug('request %o', { url: this.announceUrl, announce: opts })
    this._began(this._submit(opts, done))
  }

  /**
   * Scrapes the torrents of `opts.infoHash` (one or an array, hexadecimal), else the client's. `done(err)`
   * is called when all that the tracker told of has been emitted.
   */
  scrape (opts, done) {
    if (this.destroyed) return
    const infoHashes = [].concat(opts.infoHash ?? [])
    const scrape = infoHashes.length > 0 ? infoHashes.map(this.client._toInfoHash) : [this.client.infoHash]
    if (this._debug.enabled) this._debug('request %o', { url: this.announceUrl, scrape })
    this._began(engine.submit(this, scrape, done))
  }

  /**
   * Announces every so many milliseconds from now on; 0 for never, nothing for the default. Keeps no
   * process alive.
   */
  setInterval (intervalMs) {
    // A tracker that is being asked nearly always names one: no timer is set for the moment until then. By itself a
    // request ends long before the default is over; one that has to wait for its turn so long gets no other behind it.
    this._awaitsInterval = intervalMs == null && this._request !== 0 && !this.destroyed &&
      this.client._requestTimeout === undefined && this.DEFAULT_ANNOUNCE_INTERVAL === DEFAULT_INTERVAL
    if (!this._awaitsInterval) this._setRegular(this.destroyed ? 0 : intervalMs ?? this.DEFAULT_ANNOUNCE_INTERVAL)
    else if (this._line !== null) this._setRegular(0)
  }

  get interval () {
    this._beginInterval()
    return super.interval
  }

  set interval (value) {
    this._awaitsInterval = false
    super.interval = value
  }

  /** Lets requests under way finish, for a second at most, and calls back. */
  destroy (cb) {
    if (this.destroyed) return cb(null)
    this.destroyed = true
    this._awaitsInterval = false
    if (this._debug.enabled) this._debug('destroy %o', this.announceUrl)
    this._setRegular(0)
    if (this._request === 0) return cb(null)
    this._whenIdle = cb
    engine.abort(this._request, DESTROY_TIMEOUT)
    this._others?.forEach(id => engine.abort(id, DESTROY_TIMEOUT))
  }

  /** The default, if it waits: the answer has named none, or a program asks for the timer. */
  _beginInterval () {
    if (!this._awaitsInterval) return
    this._awaitsInterval = false
    this._setRegular(DEFAULT_INTERVAL)
  }

  _began (id) {
    if (this._request === 0) this._request = id
    else (this._others ??= []).push(id)
  }

  _ended (id) {
    const others = this._others
    if (this._request === id) this._request = others?.shift() ?? 0
    else others.splice(others.indexOf(id), 1)
    if (others?.length === 0) this._others = null
  }

  /** By the engine, when a request is done. */
  _onResult (id, isAnnounce, result, done) {
    this._ended(id)
    try {
      if (!this.destroyed) this._report(result, isAnnounce, done)
    } finally {
      this._beginInterval()
    }
    if (this._request === 0) this._whenIdle?.(null)
  }

  /** The same for an announce that went as it should, with what `_onAnnounce` takes. */
  _onPlainResult (id, intervalMs, answer, done) {
    this._ended(id)
    if (!this.destroyed) {
      // Before anything of the program's: without an interval it would announce no more.
      if (intervalMs !== undefined && !this.client._fixedInterval) this.setInterval(intervalMs)
      this._beginInterval()
      if (this._debug.enabled) this._log({ announce: answer, intervalMs, warnings: [] })
      this._onAnnounce(answer)
      done?.()
    }
    if (this._request === 0) this._whenIdle?.(null)
  }

  _report (result, isAnnounce, done) {
    if (this._debug.enabled) this._log(result)
    const { error } = result
    if (error !== undefined) {
      if (!result.silent) emitSafely(this.client, this._isFatal(error) ? 'error' : 'warning', error)
    } else if (result.warningMessage !== undefined) {
      emitSafely(this.client, 'warning', Object.assign(new Error(result.warningMessage), { code: 'ERR_TRACKER_WARNING' }))
    }
    for (const warning of result.warnings) emitSafely(this.client, 'warning', warning)
    // A listener may have destroyed the client.
    if (this.destroyed) return
    const { intervalMs } = result
    if (isAnnounce && intervalMs !== undefined && !this.client._fixedInterval) this.setInterval(intervalMs)
    if (error === undefined) {
      if (isAnnounce) this._onAnnounce(result.announce)
      else this._onScrape(result.scrape)
    }
    done?.(error)
  }

  _log ({ error, announce, scrape, intervalMs, warnings }) {
    for (const warning of warnings) this._debug('warning of %o: %o', this.announceUrl, warning.message)
    if (error !== undefined) return this._debug('%o failed: %o', this.announceUrl, error.message)
    this._debug('%o answered: %o', this.announceUrl, { ...(announce ?? { scrape }), intervalMs })
  }

  _emitPeers (peers) {
    for (let i = 0; i < peers.length; i++) {
      if (this.destroyed) return
      emitSafely(this.client, 'peer', peers[i])
    }
  }

  /** Whether it has an interval, or will have. */
  get _isRegular () {
    return this._awaitsInterval || this._line !== null
  }

  _announceRegularly () {
    this.client._announceRegularly(this)
  }

  _isFatal () {
    return false
  }
}

Tracker.prototype.DEFAULT_ANNOUNCE_INTERVAL = DEFAULT_INTERVAL

// What nearly no tracker ever has of its own.

/** The numbers of requests begun while another was under way. */
Tracker.prototype._others = null
Tracker.prototype._whenIdle = null

module.exports = Tracker
