'use strict'

const debug = require('../debug')
const { emitSafely } = require('../emit')
const { bytes } = require('../hex')
const engine = require('./engine')
const Tracker = require('./tracker')

/** What is sent when the number of bytes left is not known: a leecher in any case. */
const LEFT_UNKNOWN = 16384

/** A tracker over HTTP (BEP 3, BEP 23). */
class HTTPTracker extends Tracker {
  #trackerId

  constructor (client, announceUrl) {
    super(client, announceUrl)
    const match = /\/announce[^/]*$/.exec(announceUrl)
    this.scrapeUrl = match === null
      ? null
      : `${announceUrl.slice(0, match.index)}/scrape${announceUrl.slice(match.index + '/announce'.length)}`
  }

  _submit (opts, done) {
    return engine.submit(this, this.#query(opts), done)
  }

  #query (opts) {
    const { client } = this
    const params = {
      ...opts,
      compact: opts.compact ?? 1,
      info_hash: idBytes(infoHashBytes, client.infoHash),
      peer_id: idBytes(peerIdBytes, client.peerId),
      port: client._port
    }
    if (params.left !== 0 && !params.left) params.left = LEFT_UNKNOWN
    params.key ??= client._keyText
    if (this.#trackerId !== undefined) params.trackerid = this.#trackerId
    return query(params)
  }

  _onAnnounce ({ raw, trackerId, peers }) {
    // If absent, the known one stays.
    if (trackerId !== undefined) this.#trackerId = trackerId
    // Made for this answer, and nobody else's: a copy would take as long as the rest of this.
    const update = raw ?? {}
    update.announce = this.announceUrl
    update.infoHash = this.client.infoHash
    emitSafely(this.client, 'update', update)
    this._emitPeers(peers)
  }

  _onScrape (rows) {
    for (const { raw, infoHash } of rows) {
      if (this.destroyed) return
      emitSafely(this.client, 'scrape', { ...raw, announce: this.announceUrl, infoHash })
    }
  }

  // The original's one `error`: the program asked for what this tracker can't do.
  _isFatal (error) {
    return error.code === 'ERR_TRACKER_SCRAPE_NOT_SUPPORTED'
  }
}

HTTPTracker.prototype._debug = debug('http-tracker')

/** As Node's querystring has it: an array is a key several times, what is no text or number is empty. */
function query (params) {
  let text = ''
  for (const key of Object.keys(params)) {
    const value = params[key]
    if (Array.isArray(value)) {
      for (const item of value.flat(Infinity)) text += pair(key, item)
    } else {
      text += pair(key, value)
    }
  }
  return text.slice(1)
}

function pair (key, value) {
  return `&${escape(key)}=${ArrayBuffer.isView(value) ? escapeBytes(bytes(value)) : escape(value)}`
}

function escape (value) {
  switch (typeof value) {
    case 'number':
      if (Number.isSafeInteger(value)) return String(value)
      value = String(value)
      break
    case 'bigint': case 'boolean': value = String(value); break
    case 'string': break
    default: return ''
  }
  return PLAIN.test(value) ? value : escapeBytes(Buffer.from(value))
}

// Byte by byte: some trackers read nothing but `%XX` and the plainest characters.
const PLAIN = /^[\w.-]*$/
const IS_PLAIN = Array.from({ length: 256 }, (_, byte) => PLAIN.test(String.fromCharCode(byte)))
const PERCENT = 37
const DIGITS = Buffer.from('0123456789ABCDEF')
/** Enough for an id. */
const room = Buffer.alloc(60)

function escapeBytes (bytes) {
  const text = 3 * bytes.length <= room.length ? room : Buffer.allocUnsafe(3 * bytes.length)
  let length = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (IS_PLAIN[byte]) {
      text[length++] = byte
    } else {
      text[length++] = PERCENT
      text[length++] = DIGITS[byte >> 4]
      text[length++] = DIGITS[byte & 15]
    }
  }
  return text.latin1Slice(0, length)
}

const infoHashBytes = Buffer.alloc(20)
const peerIdBytes = Buffer.alloc(20)

/** The bytes of an id, in the place of the last one. */
function idBytes (place, digits) {
  const length = place.write(String(digits), 'hex')
  return length === place.length ? place : place.subarray(0, length)
}

module.exports = HTTPTracker
