'use strict'

/**
 * A torrent's swarm, as it is in the engine's store at the time of each look.
 */
class Swarm {
  #native

  constructor (infoHash, native) {
    this.#native = native
    Object.defineProperties(this, {
      infoHash: { value: infoHash, enumerable: true },
      complete: { get: () => this.#native.swarm(infoHash)?.complete ?? 0, enumerable: true },
      incomplete: { get: () => this.#native.swarm(infoHash)?.incomplete ?? 0, enumerable: true },
      peers: { value: new SwarmPeers(infoHash, native), enumerable: true }
    })
  }
}

/** The peers of a swarm, by address (`ip:port`). */
class SwarmPeers {
  #infoHash
  #native

  constructor (infoHash, native) {
    this.#infoHash = infoHash
    this.#native = native
  }

  /** How many there are. */
  get length () {
    const swarm = this.#native.swarm(this.#infoHash)
    return swarm === null ? 0 : swarm.complete + swarm.incomplete
  }

  /** Their addresses. A copy: the cost is that of the whole swarm. */
  get keys () {
    return this.#native.peers(this.#infoHash).map(peer => peer.addr)
  }

  /** The peer of this address, or undefined. */
  peek (addr) {
    const peer = this.#native.peer(this.#infoHash, addr)
    if (peer === null) return undefined
    const { ip, port, peerId, complete } = peer
    return { type: 'peer', complete, peerId, ip, port, socket: undefined }
  }

  /** The peer of this address, or undefined. Looking does not count as an announce. */
  get (addr) {
    return this.peek(addr)
  }
}

/**
 * `server.torrents`: an object of swarms by info hash (hexadecimal), reading the store at each look.
 */
function torrentsView (native) {
  const target = Object.create(null)
  // A program that keeps `torrents[hash]` expects one object as long as the torrent lives; a weak
  // reference does it without holding a million of them.
  const views = new Map()
  const registry = new FinalizationRegistry(infoHash => {
    if (views.get(infoHash)?.deref() === undefined) views.delete(infoHash)
  })

  function view (infoHash) {
    let swarm = views.get(infoHash)?.deref()
    if (swarm === undefined) {
      swarm = new Swarm(infoHash, native)
      views.set(infoHash, new WeakRef(swarm))
      registry.register(swarm, infoHash)
    }
    return swarm
  }

  // The engine reads upper case as well; as keys, they would be second ones for the same torrents.
  const has = key => typeof key === 'string' && key === key.toLowerCase() && native.swarm(key) !== null
  return new Proxy(target, {
    has: (_, key) => has(key),
    get: (_, key) => has(key) ? view(key) : undefined,
    ownKeys: () => native.torrents(),
    getOwnPropertyDescriptor (_, key) {
      if (!has(key)) return undefined
      return { value: view(key), enumerable: true, configurable: true, writable: false }
    },
    deleteProperty (_, key) {
      if (typeof key === 'string') native.removeTorrent(key)
      return true
    },
    set: () => false,
    defineProperty: () => false
  })
}

module.exports = { Swarm, torrentsView }
