'use strict'

const { trackerError } = require('../errors')
const { bytes, toHex } = require('../hex')
const { checkProxyOpts } = require('./proxies')

const MAX_MS = 2 ** 31 - 1

/**
 * The arguments of `new Client`, in either signature, as one object of options:
 *
 *     new Client({ infoHash, peerId, announce, port, ... })
 *     new Client(peerId, port, { infoHash, announce, length }, opts)    // up to version 7
 */
exports.clientOptions = function clientOptions (args) {
  return isPositional(args) ? positionalOptions(...args) : args[0] ?? {}
}

/** Whether the arguments are of the signature up to version 7. */
function isPositional (args) {
  return args.length >= 3 || typeof args[0] === 'string' || ArrayBuffer.isView(args[0])
}

exports.isPositional = isPositional

/**
 * The first two arguments of `Client.scrape`, likewise:
 *
 *     Client.scrape({ announce, infoHash }, cb)
 *     Client.scrape(announce, infoHash, cb)
 */
exports.scrapeArguments = function scrapeArguments (args) {
  const [opts, cb] = typeof args[0] === 'string'
    ? [{ announce: args[0], infoHash: args[1] }, args[2]]
    : args
  for (const name of ['infoHash', 'announce']) {
    if (!opts[name]) throw missing(name)
  }
  return [opts, cb]
}

/** Checks what every client needs, in the order and with the texts that users know. */
exports.checkOptions = function checkOptions (opts) {
  for (const name of ['peerId', 'infoHash', 'announce', 'port']) {
    if (!opts[name]) throw missing(name)
  }
  checkId(opts.peerId, 'peerId')
  checkId(opts.infoHash, 'infoHash')
  const port = Number(opts.port)
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw invalid('port', 'a number from 1 to 65535')
  if (opts.userAgent !== undefined && opts.userAgent !== null && typeof opts.userAgent !== 'string') {
    throw invalid('userAgent', 'a string')
  }
  if (opts.getAnnounceOpts && typeof opts.getAnnounceOpts !== 'function') {
    throw invalid('getAnnounceOpts', 'a function')
  }
  if (opts.families !== undefined && !['both', 'ipv4', 'ipv6'].includes(opts.families)) {
    throw invalid('families', '\'both\', \'ipv4\' or \'ipv6\'')
  }
  checkProxyOpts(opts.proxyOpts)
  for (const name of ['minInterval', 'requestTimeout']) {
    const value = opts[name]
    if (value === undefined) continue
    if (!(typeof value === 'number' && value > 0)) throw invalid(name, 'a number of milliseconds')
  }
}

/** A time option as the engine takes it; Infinity is as good as 24 days. */
exports.milliseconds = value => value === undefined ? undefined : Math.min(value, MAX_MS)

/**
 * The announce URLs: each once, without the slash at the end that some lists have.
 *
 * @returns {string[][]} tiers (BEP 12); a flat list is one tier
 */
exports.announceTiers = function announceTiers (announce) {
  const list = Array.isArray(announce) ? announce : [announce]
  const tiers = list.some(Array.isArray) ? list.map(tier => [].concat(tier)) : [list]
  const seen = new Set()
  return tiers
    .map(tier => tier.map(announceUrl).filter(url => !seen.has(url) && seen.add(url)))
    .filter(tier => tier.length > 0)
}

exports.isTiered = announce => Array.isArray(announce) && announce.some(Array.isArray)

function announceUrl (value) {
  const url = ArrayBuffer.isView(value) ? bytes(value).toString() : String(value)
  return url.endsWith('/') ? url.slice(0, -1) : url
}

// Torrents come from `parse-torrent` and the like, where `announce` may be inherited.
function positionalOptions (peerId, port, torrent, opts) {
  const { infoHash, announce, length } = torrent
  return {
    ...opts,
    peerId: typeof peerId === 'string' && peerId.length === 20 ? Buffer.from(peerId) : peerId,
    port,
    infoHash,
    announce: announce ?? [],
    torrentLength: length
  }
}

function checkId (value, name) {
  const valid = typeof value === 'string'
    ? /^[0-9a-fA-F]{40}$/.test(value)
    : ArrayBuffer.isView(value) && toHex(value).length === 40
  if (!valid) throw invalid(name, '20 bytes, or 40 hexadecimal digits')
}

function missing (name) {
  return trackerError(`Option \`${name}\` is required`, 'ERR_TRACKER_MISSING_OPTION')
}

function invalid (name, expected) {
  return Object.assign(
    new TypeError(`Option \`${name}\` must be ${expected}`), { code: 'ERR_TRACKER_INVALID_OPTION' })
}
