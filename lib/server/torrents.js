'use strict'

const { inspect } = require('node:util')

/** Between two looks for swarms that have become pointless, so many are made at least. */
const LEAST_BETWEEN_SWEEPS = 1000

/**
 * `server.torrents`: an object of swarms by info hash (hexadecimal), reading the engine's store at each
 * look, and beside it the swarms that programs made.
 */
class Torrents {
  #native
  #make
  // A program that keeps `torrents[hash]` expects one object as long as the torrent lives; a weak
  // reference does it without holding a million of them.
  #views = new Map()
  #collected = new FinalizationRegistry(infoHash => {
    if (this.#views.get(infoHash)?.deref() === undefined) this.#views.delete(infoHash)
  })

  /** Swarms that were made by `createSwarm`, or put here by the program. */
  #kept = new Map()
  #sweepAt = LEAST_BETWEEN_SWEEPS

  /** @param {(infoHash: string) => object} make a swarm over the store */
  constructor (native, make) {
    this.#native = native
    this.#make = make
    this.view = this.#proxy()
  }

  has (infoHash) {
    return this.#kept.has(infoHash) || this.#native.swarm(infoHash) !== null
  }

  /** The swarm of a torrent that is there. */
  get (infoHash) {
    const kept = this.#kept.get(infoHash)
    if (kept !== undefined) return kept
    let found = this.#views.get(infoHash)?.deref()
    if (found === undefined) {
      found = this.#make(infoHash)
      this.#views.set(infoHash, new WeakRef(found))
      this.#collected.register(found, infoHash)
    }
    return found
  }

  /** Keeps a swarm although nobody is in it. */
  keep (infoHash, swarm) {
    this.#kept.set(infoHash, swarm)
    if (this.#kept.size >= this.#sweepAt) this.#sweep()
  }

  list () {
    const infoHashes = this.#native.torrents()
    if (this.#kept.size === 0) return infoHashes
    return [...new Set([...this.#kept.keys(), ...infoHashes])]
  }

  // The original keeps every swarm for good. Those are let go that have no peers and nobody's ear.
  #sweep () {
    for (const [infoHash, { peers }] of this.#kept) {
      const isPointless = peers?.length === 0 && peers.listenerCount?.('evict') === 0
      if (isPointless && this.#native.swarm(infoHash) === null) this.#kept.delete(infoHash)
    }
    this.#sweepAt = Math.max(LEAST_BETWEEN_SWEEPS, 2 * this.#kept.size)
  }

  #proxy () {
    // The console looks at the target of a proxy, not at what the proxy shows.
    const target = Object.defineProperty({}, inspect.custom, { value: () => ({ ...view }), configurable: true })
    // The engine reads upper case as well; as keys, they would be second ones for the same torrents.
    const has = key => typeof key === 'string' && (this.#kept.has(key) || (key === key.toLowerCase() && this.has(key)))
    const view = new Proxy(target, {
      has: (_, key) => has(key) || key in Object.prototype,
      get: (_, key, receiver) => has(key) ? this.get(key) : Reflect.get(Object.prototype, key, receiver),
      ownKeys: () => this.list(),
      getOwnPropertyDescriptor: (_, key) => {
        if (!has(key)) return undefined
        return { value: this.get(key), enumerable: true, configurable: true, writable: true }
      },
      deleteProperty: (_, key) => {
        if (typeof key !== 'string') return true
        this.#kept.delete(key)
        this.#native.removeTorrent(key)
        return true
      },
      set: (_, key, swarm) => {
        if (typeof key !== 'string') return false
        this.#kept.set(key, swarm)
        return true
      },
      defineProperty: (_, key, { value }) => {
        if (typeof key !== 'string' || value === undefined) return false
        this.#kept.set(key, value)
        return true
      },
      // A target that takes no more would have to list the store's keys itself from then on.
      preventExtensions: () => false,
      setPrototypeOf: () => false
    })
    return view
  }
}

module.exports = Torrents
