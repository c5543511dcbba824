'use strict'

const { inspect } = require('node:util')

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

/** The peers of a swarm, by address (`ip:port`), or over WebSocket by peer id (hexadecimal). */
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
    return this.#native.peers(this.#infoHash).map(peer => peer.key)
  }

  /** The peer of this address, or over WebSocket of this peer id, or undefined. */
  peek (addr) {
    const peer = typeof addr === 'string' ? this.#native.peer(this.#infoHash, addr) : null
    if (peer === null) return undefined
    const { ip, port, peerId, complete, socket } = peer
    return { type: socket === undefined ? 'peer' : 'ws', complete, peerId, ip, port }
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
  // The console looks at the target of a proxy, not at what the proxy shows.
  const target = Object.defineProperty({}, inspect.custom, { value: () => ({ ...view }), configurable: true })
  // A program that keeps `torrents[hash]` expects one object as long as the torrent lives; a weak
  // reference does it without holding a million of them.
  const views = new Map()
  const registry = new FinalizationRegistry(infoHash => {
    if (views.get(infoHash)?.deref() === undefined) views.delete(infoHash)
  })

  function swarm (infoHash) {
    let found = views.get(infoHash)?.deref()
    if (found === undefined) {
      found = new Swarm(infoHash, native)
      views.set(infoHash, new WeakRef(found))
      registry.register(found, infoHash)
    }
    return found
  }

  // The engine reads upper case as well; as keys, they would be second ones for the same torrents.
  const has = key => typeof key === 'string' && key === key.toLowerCase() && native.swarm(key) !== null
  const view = new Proxy(target, {
    has: (_, key) => has(key) || key in Object.prototype,
    get: (_, key, receiver) => has(key) ? swarm(key) : Reflect.get(Object.prototype, key, receiver),
    ownKeys: () => native.torrents(),
    getOwnPropertyDescriptor (_, key) {
      if (!has(key)) return undefined
      return { value: swarm(key), enumerable: true, configurable: true, writable: false }
    },
    deleteProperty (_, key) {
      if (typeof key === 'string') native.removeTorrent(key)
      return true
    },
    set: () => false,
    defineProperty: () => false,
    // A target that takes no more would have to list the store's keys itself from then on.
    preventExtensions: () => false,
    setPrototypeOf: () => false
  })
  return view
}

module.exports = { Swarm, torrentsView }
