'use strict'

const http = require('node:http')
const { once } = require('node:events')
const { encode } = require('./bencode')
const { Recorder } = require('./events')

/**
 * An HTTP tracker that answers what the test says. `answer(req, res)` returns a value to bencode, a Buffer, or
 * undefined when it has dealt with `res` itself. `requests` records `{ url, path, query, headers }`.
 */
class FakeHttpTracker {
  static async start (t, answer = () => ({ interval: 1800, complete: 0, incomplete: 0, peers: '' }), host = '127.0.0.1') {
    const tracker = new FakeHttpTracker(answer)
    tracker.server.listen(0, host)
    await once(tracker.server, 'listening')
    tracker.host = host.includes(':') ? `[${host}]` : host
    t.after(() => tracker.stop())
    return tracker
  }

  constructor (answer) {
    this.connections = 0
    this.server = http.createServer((req, res) => {
      this.server.emit('announced', parseRequest(req))
      res.on('error', () => {})
      const body = answer(req, res)
      if (body !== undefined) res.end(Buffer.isBuffer(body) ? body : encode(body))
    })
    this.server.on('connection', () => { this.connections++ })
    this.server.on('clientError', (err, socket) => socket.destroy(err))
    this.recorder = new Recorder(this.server, ['announced'])
  }

  get url () {
    return `http://${this.host}:${this.port}/announce`
  }

  get port () {
    return this.server.address().port
  }

  get requests () {
    return this.recorder.of('announced').map(([request]) => request)
  }

  async request (n = 1) {
    await this.recorder.count('announced', n)
    return this.requests[n - 1]
  }

  stop () {
    this.server.closeAllConnections()
    return new Promise(resolve => this.server.close(resolve))
  }
}

function parseRequest (req) {
  const [path, query = ''] = req.url.split('?')
  const pairs = query.split('&').filter(Boolean).map(pair => {
    const at = pair.indexOf('=')
    return at === -1 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
  })
  return { url: req.url, path, pairs, query: Object.fromEntries(pairs), headers: req.headers }
}

/** The bytes behind a percent-encoded value. */
function unpercent (text) {
  return Buffer.from(text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))), 'latin1')
}

module.exports = { FakeHttpTracker, unpercent }
