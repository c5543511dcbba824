'use strict'

const EventEmitter = require('node:events')

/** A full swarm without a limit says so; 0 is what `lru` calls none. */
const NO_LIMIT = Infinity

/**
 * The peers of a swarm, by address (`ip:port`), or over WebSocket by peer id (hexadecimal): the part of
 * npm's `lru` that programs use, over the engine's store.
 *
 * Emits `evict` with `{ key, value }` for a peer that left without having said so: it was silent for too
 * long, or the swarm was full.
 */
class SwarmPeers extends EventEmitter {
  #infoHash
  #engine

  constructor (infoHash, engine) {
    super()
    this.#infoHash = infoHash
    this.#engine = engine
    const hidden = { enumerable: false, writable: true, configurable: true }
    Object.defineProperties(this, {
      max: { ...hidden, value: engine.peersCacheLength ?? NO_LIMIT },
      maxAge: { ...hidden, value: engine.peersCacheTtl }
    })
  }

  /** How many there are. */
  get length () {
    const swarm = this.#engine.native.swarm(this.#infoHash)
    return swarm === null ? 0 : swarm.complete + swarm.incomplete
  }

  /** Their keys. A copy: the cost is that of the whole swarm. */
  get keys () {
    return this.#engine.native.peers(this.#infoHash).map(peer => peer.key)
  }

  /** The peer of this key, or undefined. */
  peek (key) {
    const peer = typeof key === 'string' ? this.#engine.native.peer(this.#infoHash, key) : null
    if (peer === null) return undefined
    const { ip, port, peerId, complete, socket } = peer
    return {
      type: socket === undefined ? 'peer' : 'ws',
      complete,
      peerId,
      ip,
      port,
      socket: socket === undefined ? undefined : this.#engine.sockets.of(socket)
    }
  }

  /** The peer of this key, or undefined. Looking does not count as an announce. */
  get (key) {
    return this.peek(key)
  }

  /** Adds a peer, or changes it. */
  set (key, value) {
    const { peerId, ip, port, complete, socket } = value
    this.#engine.native.announce({
      infoHash: this.#infoHash,
      peerId,
      event: 2,
      left: complete ? 0 : 1,
      numwant: 0,
      ip: socket ? undefined : ip,
      port: socket ? undefined : port,
      socket: socket ? this.#engine.numberOf({ socket, ip, port }) : undefined
    })
    this.#engine.tellEvicted()
    return value
  }

  /** Removes a peer, and returns it. */
  remove (key) {
    const peer = this.peek(key)
    if (peer !== undefined) this.#engine.native.removePeer(this.#infoHash, key)
    return peer
  }

  /** Removes all. */
  clear () {
    this.#engine.native.clearSwarm(this.#infoHash)
  }

  /** Removes one peer, as if the swarm were full. */
  evict () {
    const [key] = this.keys
    if (key === undefined) return
    const value = this.remove(key)
    this.emit('evict', { key, value: { ...value, socket: null } })
  }

  // The engine reports the evictions of those swarms only that somebody listens to.

  on (event, listener) {
    return this.#watchAfter(() => super.on(event, listener))
  }

  addListener (event, listener) {
    return this.#watchAfter(() => super.addListener(event, listener))
  }

  prependListener (event, listener) {
    return this.#watchAfter(() => super.prependListener(event, listener))
  }

  off (event, listener) {
    return this.#watchAfter(() => super.off(event, listener))
  }

  removeListener (event, listener) {
    return this.#watchAfter(() => super.removeListener(event, listener))
  }

  removeAllListeners (...args) {
    return this.#watchAfter(() => super.removeAllListeners(...args))
  }

  #watchAfter (change) {
    const before = this.listenerCount('evict') > 0
    change()
    const after = this.listenerCount('evict') > 0
    if (after && !before) this.#engine.watch(this.#infoHash, this)
    if (before && !after) this.#engine.unwatch(this.#infoHash, this)
    return this
  }
}

module.exports = SwarmPeers
