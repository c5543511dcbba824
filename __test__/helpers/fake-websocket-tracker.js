'use strict'

const { once } = require('node:events')
const { WebSocketServer } = require('ws')
const { Recorder } = require('./events')

/**
 * A WebSocket tracker that answers what the test says. `answer(message, socket)` returns an object to send as JSON,
 * or undefined for silence. `messages` records what came, parsed.
 */
class FakeWebSocketTracker {
  static async start (t, answer = reply, { port = 0, ...opts } = {}) {
    const tracker = new FakeWebSocketTracker(answer, { host: '127.0.0.1', port, ...opts })
    await once(tracker.server, 'listening')
    tracker.port = tracker.server.address().port
    t.after(() => tracker.stop())
    return tracker
  }

  constructor (answer, opts) {
    this.sockets = []
    this.server = new WebSocketServer(opts)
    this.server.on('connection', socket => {
      this.sockets.push(socket)
      socket.on('error', () => {})
      socket.on('close', code => this.server.emit('left', code))
      socket.on('message', bytes => {
        const message = JSON.parse(bytes)
        this.server.emit('message', message)
        const answered = answer(message, socket)
        if (answered !== undefined) socket.send(JSON.stringify(answered))
      })
      this.server.emit('joined', socket)
    })
    this.recorder = new Recorder(this.server, ['message', 'joined', 'left'])
  }

  get url () {
    return `ws://127.0.0.1:${this.port}/announce`
  }

  get messages () {
    return this.recorder.of('message').map(([message]) => message)
  }

  async message (n = 1) {
    await this.recorder.count('message', n)
    return this.messages[n - 1]
  }

  async socket (n = 1) {
    await this.recorder.count('joined', n)
    return this.sockets[n - 1]
  }

  /** Waits until as many sockets have been closed. */
  left (n = 1) {
    return this.recorder.count('left', n)
  }

  stop () {
    for (const socket of this.sockets) socket.terminate()
    return new Promise(resolve => this.server.close(resolve))
  }
}

/** What a tracker with nobody else in the swarm answers. */
function reply ({ action, info_hash: infoHash }) {
  if (action === 'announce') return { action, info_hash: infoHash, interval: 120, complete: 0, incomplete: 1 }
  const files = [].concat(infoHash).map((hash, n) => [hash, { complete: n, incomplete: 0, downloaded: 0 }])
  return { action, files: Object.fromEntries(files) }
}

const latin1 = hex => Buffer.from(hex, 'hex').latin1Slice()

module.exports = { FakeWebSocketTracker, latin1, reply }
