'use strict'

const { WebSocketServer: Base } = require('ws')

const { noticing } = require('./user-listeners')

const USER_EVENTS = new Set(['connection', 'headers', 'wsClientError'])

/**
 * `server.ws`: `ws`'s server, on the port of HTTP. While nobody listens to it and it has no options of
 * its own, the engine serves.
 */
class WebSocketServer extends noticing(Base, USER_EVENTS) {
  #http
  #sockets = new Set()
  #noServer

  /**
   * @param {object | undefined} options of `ws`
   * @param {() => void} onWanted called once somebody listens to connections
   * @param {() => number} count of the engine's sockets
   */
  constructor (options, { http, maxPayload, onWanted, onSocket, count }) {
    const fixed = { server: undefined, port: undefined, noServer: true }
    super({ perMessageDeflate: false, clientTracking: false, maxPayload, ...options, ...fixed })
    this.#http = http
    this.#noServer = Boolean(options?.noServer)
    this.clients ??= clientCount(count)
    this._notice(onWanted)
    this._on('connection', (socket, request) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.upgradeReq = request
      onSocket(socket)
    })
    // A server of the program's own.
    options?.server?.on('upgrade', (request, socket, head) => this._upgrade(request, socket, head))
  }

  /** `{ address, family, port }` while HTTP listens, else null. */
  address () {
    if (this.#noServer) throw new Error('address() unavailable with { noServer: true }')
    return this.#http.address()
  }

  /** An upgrade of HTTP that Node has read. */
  _upgrade (request, socket, head) {
    this.handleUpgrade(request, socket, head, connection => this.emit('connection', connection, request))
  }

  /** Sends all away. */
  _closed () {
    for (const socket of this.#sockets) {
      socket.close(1001, 'tracker is closing')
      // Who does not answer is gone all the same.
      const grace = setTimeout(() => socket.terminate(), 1000)
      socket.on('close', () => clearTimeout(grace))
    }
  }
}

// Without `clientTracking`: how many there are, and what `ws` does with a set.
function clientCount (count) {
  const hidden = { value: () => {} }
  return Object.defineProperties({}, { size: { get: count, enumerable: true }, add: hidden, delete: hidden })
}

module.exports = WebSocketServer
