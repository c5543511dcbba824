'use strict'

// Where Node listens for HTTP, and where programs serve sockets themselves: what strangers may do to that.

const assert = require('node:assert')
const EventEmitter = require('node:events')
const { once } = require('node:events')
const net = require('node:net')
const { setImmediate: turn } = require('node:timers/promises')
const WebSocket = require('ws')
const { Server, closeServer, httpPort, listen, randomHex, stranger } = require('./helpers/subjects')
const { callback, nextValue } = require('./helpers/events')
const { request } = require('./helpers/http')
const { test } = require('./helpers/test')
const { WsPeer, announce, binary } = require('./helpers/websocket-peer')

/** A server for which Node listens. */
async function start (t, opts) {
  const server = new Server({ udp: false, stats: false, http: {}, ...opts })
  t.after(() => closeServer(server))
  server.on('warning', () => {})
  return listen(server)
}

/** A WebSocket on which anything can be sent. */
async function rawSocket (t, server, headers = '') {
  const socket = net.connect(httpPort(server), '127.0.0.1')
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`)
  const [head] = await once(socket, 'data')
  return { socket, head: head.toString() }
}

test('a socket that is refused may send nonsense', async t => {
  const server = await start(t, { ws: { maxSocketsPerIp: 1 } })
  await WsPeer.open(t, server)
  const { socket } = await rawSocket(t, server)
  socket.write(Buffer.from('ffff010203', 'hex'))
  await once(socket, 'close')
})

test('a forbidden origin is refused, and its socket may break', async t => {
  const server = await start(t, { ws: { origins: ['https://good.example'] } })
  for (let i = 0; i < 20; i++) {
    const { socket, head } = await rawSocket(t, server, 'Origin: https://bad.example\r\n')
    assert.match(head, /^HTTP\/1\.1 403 /)
    socket.resetAndDestroy()
  }
  const good = new WebSocket(`ws://127.0.0.1:${httpPort(server)}`, { origin: 'https://good.example' })
  await once(good, 'open')
  good.terminate()
})

test('a list of trusted proxies trusts nobody else', async t => {
  const server = await start(t, { trustProxy: ['10.0.0.0/8'] })
  const started = once(server, 'start')
  const peer = await WsPeer.open(t, server, { headers: { 'x-forwarded-for': '203.0.113.66' } })
  await peer.join(randomHex())
  assert.strictEqual((await started)[1].ip, '127.0.0.1')
})

test('silent peers leave a server that never listens', async t => {
  const server = new Server({ http: false, udp: false, ws: false, peersCacheTtl: 1 })
  t.after(() => callback(cb => server.close(cb)))
  const socket = Object.assign(new EventEmitter(), { ip: '203.0.113.1', port: '80', send () {}, close () {} })
  server.onWebSocketConnection(socket)
  const { infoHash, peerId } = stranger()
  const started = once(server, 'start')
  socket.emit('message', JSON.stringify(announce({ infoHash, peerId, left: 1, event: 'started' })))
  await started
  while (server.torrents[infoHash]?.incomplete > 0) await turn()
  socket.emit('close')
})

test('a socket is not heard any more once it is to be closed', async t => {
  const server = await start(t, { ws: { maxPayload: 200 } })
  const sent = []
  const socket = Object.assign(new EventEmitter(), { ip: '203.0.113.1', port: 1, send: text => sent.push(text), close () {} })
  server.onWebSocketConnection(socket)
  socket.emit('message', 'x'.repeat(201))
  socket.emit('message', JSON.stringify({ action: 'scrape', info_hash: binary(randomHex()) }))
  await turn()
  await turn()
  assert.deepStrictEqual(sent, [])
  socket.emit('close')
})

test('a filter with rest parameters has time to call back', async t => {
  const check = (infoHash, params, cb) => cb(new Error('not here'))
  const server = await start(t, { filter: async (...args) => { setImmediate(() => check(...args)) } })
  const peer = await WsPeer.open(t, server)
  const { infoHash } = stranger()
  assert.strictEqual((await peer.join(infoHash))['failure reason'], 'not here')
  assert.deepStrictEqual(Object.keys(server.torrents), [])
})

test('statistics come late for who has been answered', async t => {
  const server = new Server({ udp: false })
  t.after(() => closeServer(server))
  server.http.on('request', (req, res) => setImmediate(() => res.end('mine')))
  await listen(server)
  assert.strictEqual((await request(httpPort(server), '/stats')).body.toString(), 'mine')
  await request(httpPort(server), '/stats')
})

test('close in the middle of listen leaves the port free', async () => {
  const server = new Server({ udp: false, http: {} })
  server.listen(0)
  await turn()
  await callback(cb => server.close(cb))
  while (server.http.listening) await turn()
})

test('an upgrade on a server of the program\'s own is taken', async t => {
  const http = require('node:http')
  const own = http.createServer()
  const server = new Server({ http: false, udp: false, stats: false, ws: { server: own } })
  assert.ok(server.ws)
  await new Promise(resolve => own.listen(0, '127.0.0.1', resolve))
  t.after(() => { own.closeAllConnections(); own.close() })
  const peer = await WsPeer.open(t, { http: own })
  assert.strictEqual((await peer.join(randomHex())).incomplete, 1)
  const warned = nextValue(server, 'warning')
  peer.send('x')
  await warned
  await peer.close()
  await callback(cb => server.close(cb))
})

/** As little of a WebSocket as a server asks for. */
function fakeSocket (props) {
  const sent = []
  return Object.assign(new EventEmitter(), { ip: '203.0.113.1', port: 1, sent, send: text => sent.push(text), close () {}, ...props })
}

test('a socket for which there is no room is nobody else\'s', async t => {
  const server = await start(t, { ws: { maxSockets: 1 } })
  const peer = await WsPeer.open(t, server)
  const infoHash = randomHex()
  await peer.join(infoHash)
  const swarm = server.torrents[infoHash]
  const stray = fakeSocket()
  swarm.announce({ type: 'ws', event: 'started', peer_id: randomHex(), left: 1, numwant: 0, ip: '203.0.113.1', port: 1, socket: stray })
  assert.deepStrictEqual(swarm.peers.keys, [peer.peerId])
})

test('sockets that a program serves leave with close', async () => {
  const server = new Server({ http: false, udp: false, ws: false })
  const socket = fakeSocket()
  server.onWebSocketConnection(socket)
  const { infoHash, peerId } = stranger()
  const started = once(server, 'start')
  socket.emit('message', JSON.stringify(announce({ infoHash, peerId, left: 1, event: 'started' })))
  await started
  assert.strictEqual(server.torrents[infoHash].incomplete, 1)
  await callback(cb => server.close(cb))
  assert.strictEqual(server.torrents[infoHash]?.incomplete ?? 0, 0)
})

test('a socket of the program\'s that reads too slowly is ended', async t => {
  const server = new Server({ http: false, udp: false, ws: false })
  t.after(() => callback(cb => server.close(cb)))
  const socket = fakeSocket({ bufferedAmount: 2 ** 20 + 1 })
  server.onWebSocketConnection(socket)
  const ended = new Promise(resolve => { socket.terminate = resolve })
  const warned = once(server, 'warning')
  socket.emit('message', JSON.stringify({ action: 'scrape', info_hash: binary(randomHex()) }))
  await ended
  assert.strictEqual((await warned)[0].code, 'ERR_TRACKER_SLOW_SOCKET')
  assert.deepStrictEqual(socket.sent, [])
})

test('a hand-over in the middle of many connections loses none', async t => {
  const server = new Server({ udp: false, stats: false, threads: 4 })
  t.after(() => closeServer(server))
  await listen(server)
  const port = httpPort(server)
  const asked = Array.from({ length: 200 }, () => request(port, '/hello'))
  server.http.on('request', (req, res) => res.end('hello'))
  const answers = await Promise.all(asked)
  // Whoever came to the engine first was told that there is no such path.
  for (const { body } of answers) assert.match(body.toString(), /^hello$|invalid action/)
  assert.strictEqual((await request(port, '/hello')).body.toString(), 'hello')
})
