'use strict'

const { trackerError } = require('../errors')
const SwarmPeers = require('./swarm-peers')
const { engineOf } = require('./engine')

/** By the numbers of BEP 15. */
const EVENTS = { update: 0, completed: 1, started: 2, stopped: 3, paused: 4 }

const METHODS = {
  update: '_onAnnounceUpdate',
  completed: '_onAnnounceCompleted',
  started: '_onAnnounceStarted',
  stopped: '_onAnnounceStopped',
  paused: '_onAnnouncePaused'
}

/**
 * A torrent's swarm, as it is in the engine's store at the time of each look.
 *
 * Programs subclass it: `announce` and `scrape`, or what `announce` is made of: a method for each event,
 * and `_getPeers`.
 */
class Swarm {
  #engine

  /**
   * @param {string} infoHash hexadecimal
   * @param {object} server a `Server`; of anything else only `peersCacheLength` and `peersCacheTtl` are
   *   read, for a swarm that stands alone
   */
  constructor (infoHash, server) {
    this.#engine = engineOf(server)
    this.infoHash = infoHash
    const counts = () => this.#engine.native.swarm(infoHash)
    Object.defineProperties(this, {
      complete: { get: () => counts()?.complete ?? 0, set: overwrite('complete'), enumerable: true, configurable: true },
      incomplete: { get: () => counts()?.incomplete ?? 0, set: overwrite('incomplete'), enumerable: true, configurable: true }
    })
    this.peers = new SwarmPeers(infoHash, this.#engine)
  }

  /** Takes an announce in: `cb(err, { complete, incomplete, peers })`. */
  announce (params, cb = () => {}) {
    const method = METHODS[params.event]
    if (method === undefined || !Object.hasOwn(METHODS, params.event)) return cb(new Error('invalid event'))
    const failure = this.#isWhole(method) ? this.#announceWhole(params, cb) : this.#announceInParts(method, params, cb)
    if (failure) cb(refused(failure))
  }

  /** The counts: `cb(null, { complete, incomplete, downloaded })`. */
  scrape (params, cb) {
    const { complete, incomplete, downloaded } = this.#engine.native.swarm(this.infoHash) ??
      { complete: 0, incomplete: 0, downloaded: 0 }
    cb(null, { complete, incomplete, downloaded })
  }

  _onAnnounceStarted (params, peer, id) {
    this.#change(params, 'started')
  }

  _onAnnounceStopped (params, peer, id) {
    this.#change(params, 'stopped')
  }

  _onAnnounceCompleted (params, peer, id) {
    this.#change(params, 'completed')
  }

  _onAnnounceUpdate (params, peer, id) {
    this.#change(params, 'update')
  }

  _onAnnouncePaused (params, peer, id) {
    this.#change(params, 'paused')
  }

  /** Peers for an announce: of WebSockets without the announcer, or those with an address. */
  _getPeers (numwant, ownPeerId, isWebRTC) {
    const count = Math.min(Math.max(Math.trunc(Number(numwant)) || 0, 0), 2 ** 32 - 1)
    return this.#engine.decodePeers(
      this.#engine.native.select(this.infoHash, isWebRTC ? ownPeerId : undefined, count))
  }

  // One call into the engine does it all, unless the program has a part of its own.
  #isWhole (method) {
    return this[method] === Swarm.prototype[method] && this._getPeers === Swarm.prototype._getPeers
  }

  #announceWhole (params, cb) {
    const answer = this.#announceNative(params, params.event, params.numwant)
    if (answer.failure) return answer.failure
    const { complete, incomplete, peers } = answer
    cb(null, { complete, incomplete, peers: this.#engine.decodePeers(peers) })
  }

  #announceInParts (method, params, cb) {
    const id = params.type === 'ws' ? params.peer_id : params.addr
    this[method](params, this.peers.get(id), id)
    cb(null, {
      complete: this.complete,
      incomplete: this.incomplete,
      peers: this._getPeers(params.numwant, params.peer_id, params.type === 'ws')
    })
  }

  #change (params, event) {
    const { failure } = this.#announceNative(params, event, 0)
    if (failure) throw refused(failure)
  }

  #announceNative (params, event, numwant) {
    const { native } = this.#engine
    const isSocket = params.type === 'ws'
    if (isSocket && this.#engine.isLeaving(params)) return this.#counts()
    if (isSocket && !params.socket) return this.#announceGone(params, event)
    const wanted = isSocket ? this.#engine.offersPassedOn(params, numwant) : numwant
    const { ip, port } = params.ip === undefined ? splitAddr(params.addr) : params
    const answer = native.announce({
      infoHash: this.infoHash,
      peerId: params.peer_id,
      event: EVENTS[event],
      // Rounded up: only who has nothing left is a seeder.
      left: Number.isFinite(params.left) && params.left >= 0 ? Math.ceil(params.left) : undefined,
      numwant: Number.isFinite(wanted) ? wanted : undefined,
      ip: isSocket ? undefined : ip,
      port: isSocket ? undefined : port,
      udp: params.type === 'udp',
      socket: isSocket ? this.#engine.numberOf(params) : undefined
    })
    this.#engine.tellEvicted()
    return answer
  }

  // Of a socket that is gone only this can be said.
  #announceGone (params, event) {
    if (event === 'stopped') this.#engine.native.removePeer(this.infoHash, params.peer_id)
    return this.#counts()
  }

  #counts () {
    return { complete: this.complete, incomplete: this.incomplete, peers: Buffer.alloc(0) }
  }
}

// The one thing that the store refuses: what a socket may announce has a limit.
function refused (failure) {
  return trackerError(failure, 'ERR_TRACKER_TOO_MANY_INFO_HASHES')
}

function splitAddr (addr) {
  const colon = addr.lastIndexOf(':')
  return { ip: addr.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(addr.slice(colon + 1)) }
}

// A subclass may keep counts of its own.
function overwrite (name) {
  return function (value) {
    Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true })
  }
}

module.exports = Swarm
