'use strict'

const dgram = require('node:dgram')
const net = require('node:net')
const { once } = require('node:events')
const { Recorder } = require('./events')

const [CONNECT, UDP_ASSOCIATE] = [1, 3]
const [IPV4, DOMAIN] = [1, 3]

/**
 * A SOCKS5 proxy that records what it is asked for: `requests` has `{ command, host, port, isName, user }`, and a
 * `{ command: 'datagram', ... }` for each one from a client. Names are those in `hosts`.
 */
class SocksProxy {
  static async start (t, opts = {}) {
    const proxy = new SocksProxy(opts)
    proxy.server.listen(opts.port ?? 0, '127.0.0.1')
    await once(proxy.server, 'listening')
    t.after(() => proxy.stop())
    return proxy
  }

  constructor ({ auth, hosts = {}, refuse = 0 }) {
    this.auth = auth
    this.hosts = hosts
    this.refuse = refuse
    this.sockets = new Set()
    this.relays = new Set()
    this.server = net.createServer(socket => {
      this.sockets.add(socket)
      socket.on('error', () => {}).on('close', () => this.sockets.delete(socket))
      this.#serve(socket).catch(() => socket.destroy())
    })
    this.recorder = new Recorder(this.server, ['asked', 'associated'])
  }

  get port () {
    return this.server.address().port
  }

  get url () {
    const { user, password } = this.auth ?? {}
    return `socks5://${user ? `${user}:${password}@` : ''}127.0.0.1:${this.port}`
  }

  get requests () {
    return this.recorder.of('asked').map(([request]) => request)
  }

  /** Ends the connections of all clients, and with them the relays. */
  drop () {
    for (const socket of this.sockets) socket.destroy()
  }

  stop () {
    this.drop()
    return new Promise(resolve => this.server.close(resolve))
  }

  async #serve (socket) {
    const read = reader(socket)
    const [, count] = await read(2)
    const methods = await read(count)
    let user
    if (this.auth) {
      if (!methods.includes(2)) return socket.end(Buffer.from([5, 0xff]))
      socket.write(Buffer.from([5, 2]))
      user = (await read((await read(2))[1])).toString()
      const password = (await read((await read(1))[0])).toString()
      const isKnown = user === this.auth.user && password === this.auth.password
      socket.write(Buffer.from([1, isKnown ? 0 : 1]))
      if (!isKnown) return socket.end()
    } else {
      socket.write(Buffer.from([5, 0]))
    }
    const [, command, , kind] = await read(4)
    const isName = kind === DOMAIN
    const host = isName ? (await read((await read(1))[0])).toString() : (await read(4)).join('.')
    const port = (await read(2)).readUInt16BE()
    this.server.emit('asked', { command: command === CONNECT ? 'connect' : 'associate', host, port, isName, user })
    if (this.refuse) return socket.end(Buffer.from([5, this.refuse, 0, IPV4, 0, 0, 0, 0, 0, 0]))
    if (command === UDP_ASSOCIATE) return this.#associate(socket)
    const target = net.connect(port, this.hosts[host] ?? host)
    target.on('error', () => socket.end(Buffer.from([5, 5, 0, IPV4, 0, 0, 0, 0, 0, 0])))
    await once(target, 'connect')
    socket.write(Buffer.from([5, 0, 0, IPV4, 127, 0, 0, 1, 0, 80]))
    read.rest(target)
    target.pipe(socket)
    socket.on('close', () => target.destroy())
  }

  async #associate (socket) {
    const relay = dgram.createSocket('udp4')
    let client
    relay.on('message', (message, from) => {
      // Whoever comes first is the client.
      client ??= from
      if (from.port !== client.port) {
        const header = Buffer.from([0, 0, 0, IPV4, ...from.address.split('.').map(Number), from.port >> 8, from.port & 255])
        return relay.send(Buffer.concat([header, message]), client.port, client.address)
      }
      const isName = message[3] === DOMAIN
      const at = isName ? 5 + message[4] : 8
      const host = isName ? message.toString('latin1', 5, at) : message.subarray(4, 8).join('.')
      const port = message.readUInt16BE(at)
      this.server.emit('asked', { command: 'datagram', host, port, isName, from })
      relay.send(message.subarray(at + 2), port, this.hosts[host] ?? host)
    })
    relay.bind(0, '127.0.0.1')
    await once(relay, 'listening')
    socket.on('close', () => relay.close())
    const { port } = relay.address()
    // No address, as many proxies have it: their own.
    socket.write(Buffer.from([5, 0, 0, IPV4, 0, 0, 0, 0, port >> 8, port & 255]))
    this.server.emit('associated', port)
  }
}

/** `read(n)` resolves with the next bytes; `read.rest(target)` sends all others on. */
function reader (socket) {
  let buffered = Buffer.alloc(0)
  let wake = () => {}
  const onData = chunk => {
    buffered = Buffer.concat([buffered, chunk])
    wake()
  }
  socket.on('data', onData)
  const read = async n => {
    while (buffered.length < n) await new Promise(resolve => { wake = resolve })
    const bytes = buffered.subarray(0, n)
    buffered = buffered.subarray(n)
    return bytes
  }
  read.rest = target => {
    socket.off('data', onData)
    target.write(buffered)
    socket.pipe(target)
  }
  return read
}

module.exports = { SocksProxy }
