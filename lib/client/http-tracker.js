'use strict'

const debug = require('../debug')
const { emitSafely } = require('../emit')
const { bytes } = require('../hex')
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

  _announceAsk (opts) {
    const { client } = this
    const params = {
      ...opts,
      compact: opts.compact ?? 1,
      info_hash: client._infoHashBuffer,
      peer_id: client._peerIdBuffer,
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
    emitSafely(this.client, 'update', { ...raw, announce: this.announceUrl, infoHash: this.client.infoHash })
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
    case 'number': case 'bigint': case 'boolean': value = String(value); break
    case 'string': break
    default: return ''
  }
  return PLAIN.test(value) ? value : escapeBytes(Buffer.from(value))
}

// Byte by byte: some trackers read nothing but `%XX` and the plainest characters.
const PLAIN = /^[\w.-]*$/
const ESCAPED = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte)
  return PLAIN.test(character) ? character : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`
})

function escapeBytes (bytes) {
  let text = ''
  for (const byte of bytes) text += ESCAPED[byte]
  return text
}

module.exports = HTTPTracker
