'use strict'

const net = require('node:net')

const DEFAULT_INTERVAL_MS = 10 * 60 * 1000
const DEFAULT_PEERS_CACHE_TTL_MS = 20 * 60 * 1000
const MAX_MS = 2 ** 31 - 1
const MAX_COUNT = 2 ** 32 - 1
const DEFAULT_MAX_NUMWANT = 82

/** Options in `ws` that the engine goes by. */
const OWN_WEB_SOCKET_OPTIONS = new Set([
  'interval', 'maxPayload', 'maxOffers', 'maxInfoHashes', 'maxSockets', 'maxSocketsPerIp', 'maxQueue', 'pingInterval',
  'idleTimeout', 'origins'
])

/**
 * Checks the options of `new Server(opts)` and sorts them into what JavaScript and what the engine
 * needs.
 */
exports.parseServerOptions = function parseServerOptions (opts) {
  if (typeof opts !== 'object' || opts === null) throw invalid('opts', 'an object')
  if (opts.filter && typeof opts.filter !== 'function') throw invalid('filter', 'a function')
  const udp = typeof opts.udp === 'object' && opts.udp !== null ? opts.udp : {}
  const intervalMs = ms(opts, 'interval') || DEFAULT_INTERVAL_MS
  const peersCacheLength = count(opts, 'peersCacheLength') ?? Infinity
  const maxNumwant = count(opts, 'maxNumwant') ?? DEFAULT_MAX_NUMWANT
  const peersCacheTtl = ms(opts, 'peersCacheTtl') || DEFAULT_PEERS_CACHE_TTL_MS
  const noServer = isObject(opts.ws) && Boolean(opts.ws.noServer)
  const takesHttp = opts.http !== false || (opts.ws !== false && !noServer)
  return {
    filter: opts.filter,
    // Statistics alone open no port, unless they are asked for.
    http: takesHttp || opts.stats === true,
    noServer,
    nodeHttp: isObject(opts.http) ? opts.http : undefined,
    nodeWs: webSocketServerOptions(opts.ws),
    ws: opts.ws !== false,
    udp: opts.udp !== false,
    trustProxy: Boolean(opts.trustProxy),
    intervalMs,
    peersCacheLength,
    peersCacheTtl,
    maxNumwant,
    native: {
      intervalMs,
      minIntervalMs: ms(opts, 'minInterval'),
      trackerId: text(opts, 'trackerId'),
      externalIp: Boolean(opts.externalIp),
      maxNumwant,
      fullScrapeLimit: fullScrapeLimit(opts),
      maxPeersPerSwarm: peersCacheLength === Infinity ? undefined : peersCacheLength,
      peerTtlMs: peersCacheTtl,
      completedTtlMs: ms(opts, 'completedTtl'),
      maxTorrents: count(opts, 'maxTorrents'),
      maxPeers: count(opts, 'maxPeers'),
      threads: count(opts, 'threads'),
      portable: Boolean(opts.portable),
      ...trustProxy(opts),
      trustUdpIp: Boolean(opts.trustUdpIp),
      connectionIdLifetimeMs: ms(opts, 'connectionIdLifetime'),
      maxConnections: count(opts, 'maxConnections'),
      idleTimeoutMs: ms(opts, 'idleTimeout') || undefined,
      pathPrefix: pathPrefix(opts),
      udpReceiveBuffer: count(udp, 'recvBufferSize'),
      udpSendBuffer: count(udp, 'sendBufferSize'),
      http: opts.http !== false,
      stats: opts.stats !== false && (takesHttp || opts.stats === true || opts.http === false),
      seed: count(opts, '_seed'),
      webSocket: opts.ws === false || noServer ? undefined : webSocketOptions(opts.ws)
    }
  }
}

/** What is told to `ws`'s server and not to the engine; undefined if there is nothing. */
function webSocketServerOptions (ws) {
  if (!isObject(ws)) return undefined
  const entries = Object.entries(ws).filter(([name]) => !OWN_WEB_SOCKET_OPTIONS.has(name))
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

function isObject (value) {
  return typeof value === 'object' && value !== null
}

function ms (opts, name) {
  const value = opts[name]
  if (value === undefined || value === null) return undefined
  const number = Number(value)
  // Infinity too: 24 days are as good as no end.
  if (number >= 0) return Math.min(number, MAX_MS)
  throw invalid(name, 'a number of milliseconds, 0 or more')
}

// 0 means none set, as it always has for `peersCacheLength`; Infinity says the same in words.
function count (opts, name) {
  const value = opts[name]
  if (value === undefined || value === null || value === Infinity) return undefined
  const number = Number(value)
  if (Number.isInteger(number) && number >= 0 && number <= MAX_COUNT) return number || undefined
  throw invalid(name, `a whole number from 0 to ${MAX_COUNT}`)
}

function text (opts, name) {
  const value = opts[name]
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  throw invalid(name, 'a string')
}

// Limits of `ws`'s own name where it has one: `maxPayload`.
function webSocketOptions (ws) {
  const opts = typeof ws === 'object' && ws !== null ? ws : {}
  return {
    intervalMs: ms(opts, 'interval') || undefined,
    maxMessage: count(opts, 'maxPayload'),
    maxOffers: count(opts, 'maxOffers'),
    maxInfoHashes: count(opts, 'maxInfoHashes'),
    maxSockets: count(opts, 'maxSockets'),
    maxSocketsPerIp: count(opts, 'maxSocketsPerIp'),
    maxQueue: count(opts, 'maxQueue'),
    pingIntervalMs: ms(opts, 'pingInterval') || undefined,
    idleTimeoutMs: ms(opts, 'idleTimeout') || undefined,
    origins: list(opts, 'origins')
  }
}

// `true` believes every proxy, a list only those.
function trustProxy ({ trustProxy }) {
  if (!Array.isArray(trustProxy)) return { trustProxy: Boolean(trustProxy) }
  const blocks = new net.BlockList()
  for (const entry of trustProxy) {
    try {
      // No looser than the engine, which reads them once more.
      const [, address, prefix] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(entry)
      const family = net.isIPv6(address) ? 'ipv6' : 'ipv4'
      blocks.addSubnet(address, prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix), family)
    } catch {
      throw invalid('trustProxy', `true, false or a list of addresses and networks (not ${String(entry)})`)
    }
  }
  return { trustedProxies: trustProxy.map(String) }
}

function list (opts, name) {
  const value = opts[name]
  if (value === undefined || value === null) return undefined
  if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value
  throw invalid(name, 'a list of strings')
}

function fullScrapeLimit ({ fullScrape }) {
  if (fullScrape === undefined || fullScrape === null) return undefined
  if (typeof fullScrape === 'boolean') return fullScrape ? MAX_COUNT : 0
  if (Number.isInteger(fullScrape) && fullScrape >= 0 && fullScrape <= MAX_COUNT) return fullScrape
  throw invalid('fullScrape', 'true, false or a number of torrents')
}

function pathPrefix (opts) {
  const prefix = text(opts, 'pathPrefix')
  if (prefix === undefined || prefix === '') return undefined
  if (/^\/[^?#\s]*[^?#\s/]$/.test(prefix)) return prefix
  throw invalid('pathPrefix', 'a path such as \'/tracker\', without a slash at its end')
}

function invalid (name, expected) {
  return Object.assign(
    new TypeError(`Option \`${name}\` must be ${expected}`), { code: 'ERR_TRACKER_INVALID_OPTION' })
}
