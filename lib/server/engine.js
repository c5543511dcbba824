'use strict'

const net = require('node:net')
const native = require('../native')
const { decodePeers } = require('./peer-rows')
const { decodeEvents } = require('./events')
const { Sockets } = require('./sockets')

/** Offers of an announce that are passed on, if the options don't say. */
const MAX_OFFERS = 20

/** The engine's default: torrents of one socket. */
const MAX_INFO_HASHES = 20_000

/** Likewise: bytes that may wait for a socket. */
const MAX_QUEUE = 2 ** 20

/**
 * What the parts of a server share: the engine's server, and the tables by which its numbers are known
 * here.
 */
class Engine {
  /** Swarms of which somebody hears evictions, by info hash. */
  #watched = new Map()
  /** Peers of sockets in swarms that the engine does not know, by socket. */
  #joined = new Map()

  constructor (options, onEvents) {
    this.native = new native.NativeServer(options.native, onEvents)
    this.sockets = new Sockets(this.native, options.native.webSocket?.maxQueue ?? MAX_QUEUE)
    this.maxNumwant = options.maxNumwant
    this.maxMessage = options.native.webSocket?.maxMessage
    this.maxInfoHashes = options.native.webSocket?.maxInfoHashes ?? MAX_INFO_HASHES
    this.maxOffers = options.native.webSocket?.maxOffers ?? MAX_OFFERS
    this.peersCacheLength = options.peersCacheLength
    this.peersCacheTtl = options.peersCacheTtl
    this.options = options.native
    /** What is called with a socket's `stopped` in swarms of the program's own: `(infoHash, peerId)`. */
    this.onLeft = null
  }

  decodePeers (rows) {
    return decodePeers(rows, id => this.sockets.of(id))
  }

  /** The number of a WebSocket; undefined if it is none of the engine's. */
  socketId (socket) {
    return this.sockets.idOf(socket)
  }

  /** The number of an announce's socket. One that nobody has seen yet gets one. */
  numberOf ({ socket, ip, port, headers }) {
    const id = this.sockets.idOf(socket)
    if (id !== undefined) return id
    const where = { headers, ip: net.isIP(ip) === 0 ? '0.0.0.0' : ip, port: port ?? 0 }
    return this.sockets.open(socket, where, () => socket.close?.()) ?? -1
  }

  /** How many peers a WebSocket's announce gets: no more than it has offers that are passed on. */
  offersPassedOn ({ offers, answer, event }, numwant) {
    if (!Array.isArray(offers)) return numwant
    return event === 'stopped' || answer ? 0 : Math.min(numwant, this.maxOffers)
  }

  watch (infoHash, peers) {
    const all = this.#watched.get(infoHash) ?? new Set()
    this.#watched.set(infoHash, all.add(peers))
    this.native.watch(infoHash)
  }

  unwatch (infoHash, peers) {
    const all = this.#watched.get(infoHash)
    all?.delete(peers)
    if (all?.size !== 0) return
    this.#watched.delete(infoHash)
    this.native.unwatch(infoHash)
  }

  isWatched (infoHash) {
    return this.#watched.has(infoHash)
  }

  /** Emits the evictions that have come about, before anything else happens. */
  tellEvicted () {
    if (this.#watched.size === 0) return
    decodeEvents(this.native.takeEvicted(), { onEvicted: evicted => this.evicted(evicted) })
  }

  evicted ({ infoHash, key, value }) {
    for (const peers of this.#watched.get(infoHash) ?? []) peers.emit('evict', { key, value })
  }

  /** A socket has announced a peer to a swarm that may be the program's. */
  joined ({ socket, info_hash: infoHash, peer_id: peerId, event }) {
    const peers = this.#joined.get(socket) ?? new Map()
    if (event === 'stopped') peers.delete(infoHash)
    else peers.set(infoHash, peerId)
    if (peers.size > 0) this.#joined.set(socket, peers)
    else this.#joined.delete(socket)
    socket.peerId ??= peerId
    if (Array.isArray(socket.infoHashes) && !socket.infoHashes.includes(infoHash)) socket.infoHashes.push(infoHash)
  }

  /** A socket is gone; its peers leave. */
  left (socket) {
    const peers = this.#joined.get(socket)
    if (peers === undefined) return
    this.#joined.delete(socket)
    for (const [infoHash, peerId] of peers) this.onLeft?.(infoHash, peerId)
  }

  /** Of an answer to an HTTP announce what options add, as the engine does. */
  announceExtras ({ ip }) {
    const { minIntervalMs, trackerId, externalIp } = this.options
    const extras = {}
    if (minIntervalMs !== undefined) extras['min interval'] = Math.max(1, Math.ceil(minIntervalMs / 1000))
    if (trackerId !== undefined) extras['tracker id'] = trackerId
    if (externalIp && net.isIPv4(ip)) extras['external ip'] = Buffer.from(ip.split('.').map(Number))
    return extras
  }
}

const engines = new WeakMap()

/** The engine of a server; of anything else one of its own, for a swarm that stands alone. */
function engineOf (server) {
  const known = engines.get(server)
  if (known !== undefined) return known
  const { peersCacheLength, peersCacheTtl = 20 * 60 * 1000 } = server ?? {}
  return new Engine({
    maxNumwant: 2 ** 32 - 1,
    peersCacheLength: peersCacheLength ?? Infinity,
    peersCacheTtl,
    native: {
      intervalMs: 600_000,
      peerTtlMs: peersCacheTtl,
      maxNumwant: 2 ** 32 - 1,
      maxPeersPerSwarm: Number.isInteger(peersCacheLength) && peersCacheLength > 0 ? peersCacheLength : undefined
    }
  }, () => {})
}

/** Says whose engine it is. */
function registerEngine (server, engine) {
  engines.set(server, engine)
}

module.exports = { Engine, engineOf, registerEngine }
