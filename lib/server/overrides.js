'use strict'

const { onWebSocketConnection } = require('./external-sockets')
const { onHttpRequest } = require('./http-requests')
const { onRequest } = require('./requests')
const { onUdpRequest } = require('./udp-requests')

/** The methods that programs replace on an instance, in a subclass or on the prototype, as they are by themselves. */
const DEFAULTS = {
  onHttpRequest,
  onUdpRequest,
  onWebSocketConnection,
  _onRequest: onRequest,
  getSwarm: defaultGetSwarm,
  createSwarm: defaultCreateSwarm
}

/** The swarm of a torrent: `cb(err, swarm)`, without a swarm if nobody is in it. */
function defaultGetSwarm (infoHash, cb) {
  const key = this._swarmKey(infoHash)
  process.nextTick(() => cb(null, this._torrents.has(key) ? this._torrents.get(key) : undefined))
}

/** Makes the swarm of a torrent: `cb(err, swarm)`. */
function defaultCreateSwarm (infoHash, cb) {
  const key = this._swarmKey(infoHash)
  process.nextTick(() => {
    // Two announces of a new torrent at once are in one swarm.
    if (!this._torrents.has(key)) this._torrents.keep(key, this._newSwarm(key))
    cb(null, this._torrents.get(key))
  })
}

/**
 * Gives a class these methods, such that what a program puts in their place is noticed: `onReplaced` is
 * called on an instance that has another one from now on.
 */
function defineOverridable (prototype, onReplaced) {
  const own = new WeakMap()
  for (const [name, method] of Object.entries(DEFAULTS)) {
    Object.defineProperty(prototype, name, {
      get () {
        return own.get(this)?.get(name) ?? method
      },
      set (value) {
        // The prototype of a subclass is an instance too, by `instanceof`.
        if (!Object.hasOwn(this, '_engine')) {
          // For all instances, or those of a subclass.
          Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true })
          return
        }
        if (!own.has(this)) own.set(this, new Map())
        own.get(this).set(name, value)
        onReplaced(this)
      },
      enumerable: false,
      configurable: true
    })
  }
}

/** Whether a server has its own. */
function isReplaced (server, name) {
  return server[name] !== DEFAULTS[name]
}

module.exports = { defineOverridable, isReplaced }
