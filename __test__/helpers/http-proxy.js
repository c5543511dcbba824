'use strict'

const http = require('node:http')
const net = require('node:net')
const { once } = require('node:events')
const { Recorder } = require('./events')

/**
 * An HTTP proxy, for CONNECT and for plain requests. `requests` has `{ method, target, authorization }`. Names are
 * those in `hosts`.
 */
class HttpProxy {
  static async start (t, opts = {}) {
    const proxy = new HttpProxy(opts)
    proxy.server.listen(0, '127.0.0.1')
    await once(proxy.server, 'listening')
    proxy.port = proxy.server.address().port
    t.after(() => proxy.stop())
    return proxy
  }

  constructor ({ auth, hosts = {} }) {
    this.auth = auth
    this.hosts = hosts
    this.sockets = new Set()
    this.server = http.createServer((req, res) => this.#forward(req, res))
    this.server.on('connect', (req, socket, head) => this.#connect(req, socket, head))
    this.server.on('connection', socket => this.#track(socket))
    this.recorder = new Recorder(this.server, ['asked'])
  }

  get url () {
    const { user, password } = this.auth ?? {}
    return `http://${user ? `${user}:${password}@` : ''}127.0.0.1:${this.port}`
  }

  get requests () {
    return this.recorder.of('asked').map(([request]) => request)
  }

  stop () {
    for (const socket of this.sockets) socket.destroy()
    return new Promise(resolve => this.server.close(resolve))
  }

  #forward (req, res) {
    if (!this.#admit(req)) return res.writeHead(407).end()
    const { hostname, port, pathname, search } = new URL(req.url)
    const options = { host: this.#resolve(hostname), port, path: pathname + search, headers: req.headers }
    const target = http.get(options, answer => {
      res.writeHead(answer.statusCode, answer.headers)
      answer.pipe(res)
    })
    target.on('error', () => res.writeHead(502).end())
  }

  #connect (req, socket, head) {
    if (!this.#admit(req)) return socket.end('HTTP/1.1 407 Who are you\r\n\r\n')
    const { hostname, port } = new URL(`tcp://${req.url}`)
    const target = net.connect(port, this.#resolve(hostname))
    this.#track(target)
    target.on('error', () => socket.end('HTTP/1.1 502 Unreachable\r\n\r\n'))
    target.on('connect', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      target.write(head)
      target.pipe(socket).pipe(target)
    })
  }

  #admit (req) {
    const authorization = req.headers['proxy-authorization']
    this.server.emit('asked', { method: req.method, target: req.url, authorization })
    if (!this.auth) return true
    const { user, password } = this.auth
    return authorization === `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  }

  #resolve (hostname) {
    return this.hosts[hostname] ?? hostname
  }

  #track (socket) {
    this.sockets.add(socket)
    socket.on('error', () => {}).on('close', () => this.sockets.delete(socket))
  }
}

/** An `http.Agent` by way of an HTTP proxy's CONNECT. */
class TunnelAgent extends http.Agent {
  constructor (proxy) {
    super()
    this.proxy = proxy
  }

  createConnection ({ host, port }, cb) {
    tunnel(this.proxy, host, port, cb)
  }
}

/** A dispatcher of the undici in Node, likewise. */
async function tunnelDispatcher (proxy) {
  // It is made at the first use.
  await fetch('data:,')
  const { constructor: Agent } = globalThis[Symbol.for('undici.globalDispatcher.1')]
  return new Agent({ connect: ({ hostname, port }, cb) => tunnel(proxy, hostname, port || 80, cb) })
}

function tunnel (proxy, host, port, cb) {
  const { port: proxyPort, hostname } = new URL(proxy.url)
  const req = http.request({ host: hostname, port: proxyPort, method: 'CONNECT', path: `${host}:${port}` })
  req.on('error', cb)
  req.on('response', res => cb(new Error(`proxy said ${res.statusCode}`)))
  req.on('connect', (res, socket) => {
    if (res.statusCode === 200) return cb(null, socket)
    socket.destroy()
    cb(new Error(`proxy said ${res.statusCode}`))
  })
  req.end()
}

module.exports = { HttpProxy, TunnelAgent, tunnelDispatcher }
