'use strict'

// What programs may expect of `ws`'s own `server.ws` and of `onWebSocketConnection`, which takes their sockets.
// CONTRACT.md names the statements.

const assert = require('node:assert')
const EventEmitter = require('node:events')
const http = require('node:http')
const { once } = require('node:events')
const { setImmediate: turn } = require('node:timers/promises')
const WebSocket = require('ws')
const { createServer, startServer } = require('./helpers/contract-subject')
const { callback, nextValue, record } = require('./helpers/events')
const { randomHex, stranger } = require('./helpers/subjects')
const { test } = require('./helpers/test')
const { WsPeer, announce, binary, makeOffers } = require('./helpers/websocket-peer')

const OFF = { http: false, udp: false, ws: false, stats: false }

// server.ws

test('server.ws is a WebSocketServer of npm\'s ws, with the address of HTTP', async t => {
  const server = await startServer(t)
  assert.strictEqual(server.ws.constructor.name, 'WebSocketServer')
  assert.strictEqual(typeof server.ws.handleUpgrade, 'function')
  assert.strictEqual(server.ws.options.perMessageDeflate, false)
  assert.deepStrictEqual(server.ws.address(), server.http.address())
  const connected = once(server.ws, 'connection')
  const peer = await WsPeer.open(t, server)
  const [socket, req] = await connected
  assert.strictEqual(typeof socket.send, 'function')
  assert.strictEqual(req.method, 'GET')
  assert.strictEqual((await peer.join(randomHex())).incomplete, 1)
})

test('options for WebSocketServer are passed on', async t => {
  const server = await startServer(t, {
    ws: { path: '/socket', clientTracking: true, verifyClient: ({ req }) => req.headers['x-key'] === 'good' }
  })
  const headers = { 'x-key': 'good' }
  const peer = await WsPeer.open(t, server, { path: '/socket', headers })
  assert.strictEqual((await peer.join(randomHex())).incomplete, 1)
  assert.strictEqual(server.ws.clients.size, 1)
  await assert.rejects(WsPeer.open(t, server, { path: '/other', headers }))
  await assert.rejects(WsPeer.open(t, server, { path: '/socket' }))
})

test('maxPayload closes a socket whose message is longer', async t => {
  const server = await startServer(t, { ws: { maxPayload: 200 } })
  server.on('warning', () => {})
  const peer = await WsPeer.open(t, server)
  peer.send('x'.repeat(201))
  assert.strictEqual(await peer.closed, 1009)
})

test('ws: { noServer: true } leaves upgrades to the program', async t => {
  const server = await createServer(t, { ...OFF, ws: { noServer: true } })
  assert.strictEqual(server.http, null)
  assert.throws(() => server.ws.address(), { message: 'address() unavailable with { noServer: true }' })
  const own = http.createServer()
  own.on('upgrade', (req, socket, head) => {
    server.ws.handleUpgrade(req, socket, head, ws => server.ws.emit('connection', ws, req))
  })
  await new Promise(resolve => own.listen(0, '127.0.0.1', resolve))
  t.after(() => callback(cb => own.close(cb)))
  const peer = await WsPeer.open(t, { http: own })
  const { infoHash } = stranger()
  assert.strictEqual((await peer.join(infoHash)).incomplete, 1)
  await peer.close()
  while (server.torrents[infoHash]?.incomplete > 0) await turn()
})

test('a program can make its own WebSocketServer and hand over its sockets', async t => {
  const server = await createServer(t, OFF)
  const own = http.createServer()
  const wss = new WebSocket.WebSocketServer({ noServer: true })
  own.on('upgrade', (req, socket, head) => wss.handleUpgrade(req, socket, head, ws => {
    ws.ip = '203.0.113.5'
    server.onWebSocketConnection(ws)
  }))
  await new Promise(resolve => own.listen(0, '127.0.0.1', resolve))
  t.after(() => callback(cb => own.close(cb)))
  const started = once(server, 'start')
  const [one, two] = [await WsPeer.open(t, { http: own }), await WsPeer.open(t, { http: own })]
  const { infoHash } = stranger()
  await one.join(infoHash)
  const [addr, params] = await started
  assert.strictEqual(addr, one.peerId)
  assert.strictEqual(params.ip, '203.0.113.5')
  await two.join(infoHash, { offers: makeOffers(1) })
  const offer = await one.next()
  const answer = one.answer(offer)
  assert.deepStrictEqual((await two.next()).answer, answer)
  await one.close()
  await two.close()
  while (server.torrents[infoHash]?.incomplete > 0) await turn()
})

/** As little of a WebSocket as a server asks for. */
class FakeSocket extends EventEmitter {
  constructor (props) {
    super()
    Object.assign(this, props)
    this.sent = record(this, 'sent')
    this.fails = undefined
  }

  send (text, cb) {
    if (this.fails) return cb(this.fails)
    this.emit('sent', JSON.parse(text))
    cb?.()
  }

  close () {
    this.emit('close')
  }

  async message (n) {
    await this.sent.count('sent', n)
    return this.sent.of('sent')[n - 1][0]
  }

  announce (params) {
    this.emit('message', JSON.stringify(announce({ left: 1, event: 'started', ...params })))
  }
}

test('onWebSocketConnection takes whatever is like a WebSocket', async t => {
  const server = await createServer(t, OFF)
  const headers = { 'user-agent': 'test' }
  const socket = new FakeSocket({
    upgradeReq: { headers, url: '/x', method: 'GET', connection: { remoteAddress: '::ffff:198.51.100.1', remotePort: 4321 } }
  })
  server.onWebSocketConnection(socket)
  assert.strictEqual(socket.peerId, null)
  assert.deepStrictEqual(socket.infoHashes, [])
  assert.strictEqual(typeof socket.onSend, 'function')
  const peer = stranger()
  const started = once(server, 'start')
  socket.announce(peer)
  assert.deepStrictEqual(await socket.message(1), {
    complete: 0, incomplete: 1, action: 'announce', interval: 120, info_hash: binary(peer.infoHash)
  })
  const [addr, params] = await started
  assert.strictEqual(addr, peer.peerId)
  assert.strictEqual(params.socket, socket)
  assert.strictEqual(params.headers, headers)
  assert.deepStrictEqual([params.ip, params.port, params.addr], ['198.51.100.1', 4321, '198.51.100.1:4321'])
  assert.deepStrictEqual([socket.peerId, socket.infoHashes], [peer.peerId, [peer.infoHash]])
  assert.deepStrictEqual([socket.ip, socket.port, socket.addr], ['198.51.100.1', 4321, '198.51.100.1:4321'])
  assert.strictEqual(socket.headers, headers)
  assert.strictEqual(socket.upgradeReq, null)

  socket.emit('close')
  assert.strictEqual(socket.destroyed, true)
  assert.strictEqual(socket.peerId, null)
  assert.strictEqual(server.torrents[peer.infoHash]?.incomplete ?? 0, 0)
  assert.strictEqual(socket.listenerCount('message'), 0)
  assert.strictEqual(socket.listenerCount('close'), 0)
})

test('onWebSocketConnection: without upgradeReq the caller\'s ip, port and headers count', async t => {
  const server = await createServer(t, OFF)
  const headers = { 'x-mine': '1' }
  const socket = new FakeSocket({ ip: '203.0.113.9', port: 99, headers })
  server.onWebSocketConnection(socket)
  const peer = stranger()
  const started = once(server, 'start')
  socket.announce(peer)
  const [, params] = await started
  assert.deepStrictEqual([params.ip, params.port, params.headers], ['203.0.113.9', 99, headers])
  const { ip, port } = server.torrents[peer.infoHash].peers.peek(peer.peerId)
  assert.deepStrictEqual([ip, port], ['203.0.113.9', 99])
})

test('onWebSocketConnection: the trustProxy option believes x-forwarded-for', async t => {
  const server = await createServer(t, OFF)
  const socket = new FakeSocket({
    upgradeReq: {
      headers: { 'x-forwarded-for': '203.0.113.7, 10.0.0.1' }, connection: { remoteAddress: '127.0.0.1', remotePort: 1 }
    }
  })
  server.onWebSocketConnection(socket, { trustProxy: true })
  const started = once(server, 'start')
  socket.announce(stranger())
  assert.strictEqual((await started)[1].ip, '203.0.113.7')
})

test('onWebSocketConnection: sockets of both kinds meet', async t => {
  const server = await startServer(t)
  const socket = new FakeSocket({ ip: '203.0.113.9', port: 99 })
  server.onWebSocketConnection(socket)
  const mine = stranger()
  socket.announce(mine)
  await socket.message(1)
  const peer = await WsPeer.open(t, server)
  await peer.join(mine.infoHash, { offers: makeOffers(1) })
  const offer = await socket.message(2)
  assert.deepStrictEqual(Object.keys(offer).sort(), ['action', 'info_hash', 'offer', 'offer_id', 'peer_id'])
  assert.strictEqual(offer.peer_id, binary(peer.peerId))
  socket.emit('message', JSON.stringify(announce({
    ...mine, toPeerId: peer.peerId, offer_id: offer.offer_id, answer: { type: 'answer', sdp: 'yes' }
  })))
  const answer = await peer.next()
  assert.deepStrictEqual(answer.answer, { type: 'answer', sdp: 'yes' })
  assert.strictEqual(answer.peer_id, binary(mine.peerId))
})

test('onWebSocketConnection: a failed send or an error of the socket is a warning, and the peer leaves', async t => {
  for (const fail of [
    socket => { socket.fails = new Error('broken pipe'); socket.emit('message', JSON.stringify({ action: 'scrape', info_hash: 'x'.repeat(20) })) },
    socket => socket.emit('error', new Error('broken pipe'))
  ]) {
    const server = await createServer(t, OFF)
    const socket = new FakeSocket({ ip: '203.0.113.9', port: 99 })
    server.onWebSocketConnection(socket)
    const peer = stranger()
    socket.announce(peer)
    await socket.message(1)
    const warned = nextValue(server, 'warning')
    fail(socket)
    assert.strictEqual((await warned).message, 'broken pipe')
    assert.strictEqual(server.torrents[peer.infoHash]?.incomplete ?? 0, 0)
    assert.strictEqual(socket.destroyed, true)
  }
})
