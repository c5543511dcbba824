'use strict'

// The `params` that announce listeners get, as `bittorrent-tracker` makes them: keys, order and types.

const querystring = require('node:querystring')

const ACTION_ANNOUNCE = 1
const DEFAULT_NUMWANT = 50

// By the numbers of BEP 15; 4 is BEP 21's in libtorrent.
const UDP_EVENTS = ['update', 'completed', 'started', 'stopped', 'paused']

/** Of a UDP announce: BEP 15, with BEP 41's URL data. */
exports.udpParams = function udpParams (packet, addr, maxNumwant) {
  const port = packet.readUInt16BE(96)
  const { ip, port: ownPort } = splitAddr(addr)
  const params = {
    connectionId: Buffer.from(packet.subarray(0, 8)),
    action: ACTION_ANNOUNCE,
    transactionId: packet.readUInt32BE(12),
    type: 'udp',
    info_hash: packet.hexSlice(16, 36),
    peer_id: packet.hexSlice(36, 56),
    downloaded: readUInt64(packet, 56),
    left: readLeft(packet),
    uploaded: readUInt64(packet, 72),
    event: UDP_EVENTS[packet.readUInt32BE(80)],
    ip,
    key: packet.readUInt32BE(88),
    numwant: udpNumwant(packet.readInt32BE(92), maxNumwant),
    port: port || ownPort,
    addr,
    compact: 1
  }
  const url = urlData(packet)
  if (url !== '') addUrlData(params, url)
  return params
}

/** Of an HTTP announce: every key of the query, the known ones in their types. */
exports.httpParams = function httpParams (addr, request, maxNumwant) {
  const question = request.url.indexOf('?')
  const query = question === -1 ? '' : request.url.slice(question + 1)
  const params = parseBinaryQuery(query)
  const first = key => [].concat(params[key] ?? '')[0]
  params.type = 'http'
  params.action = ACTION_ANNOUNCE
  params.info_hash = Buffer.from(first('info_hash'), 'latin1').toString('hex')
  params.peer_id = Buffer.from(first('peer_id'), 'latin1').toString('hex')
  params.port = Number(params.port)
  // Without a value it is unknown, as to the engine.
  const left = Number(params.left || NaN)
  params.left = Number.isNaN(left) ? Infinity : left
  params.compact = Number(params.compact) || 0
  params.numwant = httpNumwant(params.numwant, maxNumwant)
  params.ip = request.ip
  params.addr = addr
  params.headers = request.headers
  params.httpReq = {
    method: request.method,
    url: request.url,
    headers: request.headers,
    socket: { remoteAddress: request.remoteAddress, remotePort: request.remotePort }
  }
  if (!params.event || params.event === 'empty') params.event = 'update'
  return params
}

/** As many pairs of a query as the engine reads. */
const MAX_PAIRS = 1000

/** Of a WebSocket announce: every key of the message, the known ones in their types. */
exports.wsParams = function wsParams (message, socket, request, maxNumwant) {
  const params = JSON.parse(message)
  params.type = 'ws'
  params.socket = socket
  params.action = ACTION_ANNOUNCE
  for (const key of ['info_hash', 'peer_id', 'to_peer_id']) {
    if (typeof params[key] === 'string') params[key] = Buffer.from(params[key], 'latin1').toString('hex')
  }
  // Anything else is unknown, as to the engine: an object may throw where a number is asked of it.
  const isCount = typeof params.left === 'number' || (typeof params.left === 'string' && params.left !== '')
  const left = isCount ? Number(params.left) : NaN
  params.left = Number.isNaN(left) ? Infinity : left
  params.numwant = Math.min(Array.isArray(params.offers) ? params.offers.length : 0, maxNumwant)
  params.compact = -1
  params.ip = request.ip
  params.port = request.remotePort
  params.addr = `${request.ip.includes(':') ? `[${request.ip}]` : request.ip}:${request.remotePort}`
  params.headers = request.headers
  if (!params.event || params.event === 'empty') params.event = 'update'
  return params
}

// Percent-encoded bytes become Latin-1 characters, since an info hash is no text.
function parseBinaryQuery (query) {
  const decoded = querystring.parse(query, '&', '=', { decodeURIComponent: decodeBytes, maxKeys: MAX_PAIRS })
  // Not by assignment, which a key named __proto__ would turn into a new prototype.
  return Object.fromEntries(Object.entries(decoded))
}

// As the engine does it. `unescape` would also take %uXXXX, and see another info hash than the store.
function decodeBytes (text) {
  return text.replace(/%([0-9a-f]{2})/gi, (_, digits) => String.fromCharCode(parseInt(digits, 16)))
}

function httpNumwant (value, maxNumwant) {
  const number = Number(value)
  if (value === undefined || value === '' || Number.isNaN(number) || number < 0) return DEFAULT_NUMWANT
  return Math.min(Math.trunc(number), maxNumwant)
}

function udpNumwant (number, maxNumwant) {
  return number < 0 ? DEFAULT_NUMWANT : Math.min(number, maxNumwant)
}

// All ones is how a client without metadata says that it does not know.
function readLeft (packet) {
  const left = readUInt64(packet, 64)
  return left === 2 ** 64 ? Infinity : left
}

// Exact up to 2^53, the nearest number above: a counter, not an identity.
function readUInt64 (buffer, at) {
  return buffer.readUInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4)
}

function splitAddr (addr) {
  const colon = addr.lastIndexOf(':')
  return { ip: addr.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(addr.slice(colon + 1)) }
}

const OPTION_END = 0
const OPTION_NOP = 1
const OPTION_URL_DATA = 2

// The engine has the same rules: an unknown option is skipped, one that is cut short ends them.
const MAX_URL_DATA = 2048

function urlData (packet) {
  let url = ''
  let at = 98
  while (at < packet.length) {
    const option = packet[at]
    if (option === OPTION_NOP) {
      at += 1
      continue
    }
    if (option === OPTION_END) break
    const length = packet[at + 1]
    if (length === undefined || at + 2 + length > packet.length) break
    if (option === OPTION_URL_DATA) {
      if (url.length + length > MAX_URL_DATA) break
      url += packet.latin1Slice(at + 2, at + 2 + length)
    }
    at += 2 + length
  }
  return url
}

// Path and query are there as sent, and the query's keys as over HTTP, so that a passkey is found
// in the same place; what the packet itself says is not overridden.
function addUrlData (params, url) {
  params.url = url
  const question = url.indexOf('?')
  if (question === -1) return
  for (const [key, value] of Object.entries(parseBinaryQuery(url.slice(question + 1)))) {
    if (!(key in params)) params[key] = value
  }
}
