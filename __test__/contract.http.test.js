'use strict'

// What programs may expect where they put a server's parts into their own: `onHttpRequest`, `onUdpRequest`,
// `onWebSocketConnection`, `_onRequest`, Node's own `server.http` and `ws`'s `server.ws`. CONTRACT.md names the
// statements.

const assert = require('node:assert')
const EventEmitter = require('node:events')
const http = require('node:http')
const { once } = require('node:events')
const { setImmediate: turn } = require('node:timers/promises')
const WebSocket = require('ws')
const { createServer, differs, loadServer, startHttp, startServer, track } = require('./helpers/contract-subject')
const { callback, nextValue, record } = require('./helpers/events')
const { fromCompact } = require('./helpers/compact')
const { announcePath, bencoded, request, scrapePath } = require('./helpers/http')
const { httpPort, listen, randomHex, stranger, udpPort } = require('./helpers/subjects')
const { test } = require('./helpers/test')
const { UdpPeer, announceRequest } = require('./helpers/udp')
const { WsPeer, announce, binary, makeOffers } = require('./helpers/websocket-peer')

const OFF = { http: false, udp: false, ws: false, stats: false }

// No byte of it is changed by the original's encoding of keys.
const ASCII_HASH = '41'.repeat(20)

// onHttpRequest in servers of others.

test('onHttpRequest bound, in a plain HTTP server: announce and scrape', async t => {
  const server = await createServer(t, OFF)
  const port = await startHttp(t, server.onHttpRequest.bind(server))
  const peer = { ...stranger(), infoHash: ASCII_HASH }
  const started = once(server, 'start')
  const reply = await bencoded(port, announcePath({ ...peer, event: 'started', left: 0 }))
  assert.deepStrictEqual([...reply.keys()], ['complete', 'incomplete', 'interval', 'peers', 'peers6'])
  assert.deepStrictEqual(fromCompact(reply.get('peers')), ['127.0.0.1:6881'])
  assert.deepStrictEqual([reply.get('complete'), reply.get('incomplete'), reply.get('interval')], [1, 0, 600])
  const [addr, params] = await started
  assert.strictEqual(addr, '127.0.0.1:6881')
  assert.strictEqual(params.info_hash, peer.infoHash)
  const scrape = await bencoded(port, scrapePath(peer.infoHash))
  assert.strictEqual(scrape.get('files').get(binary(peer.infoHash)).get('complete'), 1)
  assert.strictEqual(scrape.get('flags').get('min_request_interval'), 600)
  assert.strictEqual(server.torrents[peer.infoHash].complete, 1)
})

test('onHttpRequest: the action option makes any path an announce or a scrape', async t => {
  const server = await createServer(t, OFF)
  const port = await startHttp(t, (req, res) => {
    server.onHttpRequest(req, res, { action: req.url.startsWith('/s3cret/a') ? 'announce' : 'scrape' })
  })
  const peer = { ...stranger(), infoHash: ASCII_HASH }
  const reply = await bencoded(port, announcePath({ ...peer, event: 'started' }, '/s3cret/a'))
  assert.strictEqual(reply.get('incomplete'), 1)
  const scrape = await bencoded(port, scrapePath(peer.infoHash).replace('/scrape', '/s3cret/b'))
  assert.strictEqual(scrape.get('files').get(binary(peer.infoHash)).get('incomplete'), 1)
})

test('onHttpRequest: the trustProxy option, or the server\'s, believes the first of x-forwarded-for', async t => {
  const headers = { 'x-forwarded-for': '203.0.113.7, 10.0.0.1' }
  for (const [opts, own, ip] of [[{}, {}, '127.0.0.1'], [{ trustProxy: true }, {}, '203.0.113.7'], [{}, { trustProxy: true }, '203.0.113.7']]) {
    const server = await createServer(t, { ...OFF, ...own })
    const port = await startHttp(t, (req, res) => server.onHttpRequest(req, res, opts))
    const started = once(server, 'start')
    await bencoded(port, announcePath({ ...stranger(), event: 'started' }), { headers })
    const [addr, params] = await started
    assert.strictEqual(addr, `${ip}:6881`)
    assert.strictEqual(params.ip, ip)
  }
})

test('onHttpRequest: what is wrong with a request is a failure reason and a warning', async t => {
  const server = await createServer(t, OFF)
  const port = await startHttp(t, (req, res) => server.onHttpRequest(req, res))
  const peer = stranger()
  for (const [path, message] of [
    ['/other?x=1', 'invalid action in HTTP request: /other?x=1'],
    [announcePath({ ...peer, infoHash: undefined }), 'invalid info_hash'],
    [announcePath({ ...peer, peerId: 'aa' }), 'invalid peer_id'],
    [announcePath({ ...peer, port: 65536 }), 'invalid port'],
    [announcePath({ ...peer, event: 'bogus' }), 'invalid event'],
    [scrapePath('aa'), 'invalid info_hash']
  ]) {
    const warned = nextValue(server, 'warning')
    const reply = await bencoded(port, path)
    assert.strictEqual(reply.get('failure reason')?.toString(), message, path)
    assert.strictEqual((await warned).message, message)
  }
})

test('onHttpRequest: params have the very request and response', async t => {
  const asked = []
  const server = await createServer(t, { ...OFF, filter: (infoHash, params, cb) => { asked.push(params); cb(null) } })
  const seen = []
  const port = await startHttp(t, (req, res) => {
    seen.push([req, res])
    server.onHttpRequest(req, res)
  })
  const started = once(server, 'start')
  await bencoded(port, announcePath({ ...stranger(), event: 'started' }))
  const [, params] = await started
  assert.strictEqual(asked[0], params)
  assert.strictEqual(params.httpReq, seen[0][0])
  assert.strictEqual(params.httpRes, seen[0][1])
  assert.strictEqual(params.headers, seen[0][0].headers)
})

test('onHttpRequest: peers meet those of the server\'s own sockets', async t => {
  const server = await startServer(t)
  const port = await startHttp(t, (req, res) => server.onHttpRequest(req, res))
  const { infoHash } = stranger()
  await bencoded(port, announcePath({ ...stranger(), infoHash, event: 'started', port: 7001 }))
  const reply = await bencoded(httpPort(server), announcePath({ ...stranger(), infoHash, event: 'started', port: 7002 }))
  assert.deepStrictEqual(fromCompact(reply.get('peers')).sort(), ['127.0.0.1:7001', '127.0.0.1:7002'])
  const udp = await UdpPeer.open(t, udpPort(server))
  const overUdp = await udp.announce({ ...stranger(), infoHash, event: 'started', port: 7003 })
  assert.strictEqual(overUdp.incomplete, 3)
})

test('onHttpRequest of a closed server ends the response with nothing', async t => {
  const server = await createServer(t, OFF)
  const port = await startHttp(t, (req, res) => server.onHttpRequest(req, res))
  await callback(cb => server.close(cb))
  const { body } = await request(port, announcePath({ ...stranger(), event: 'started' }))
  assert.strictEqual(body.length, 0)
})

// Replaced.

for (const when of ['before', 'after']) {
  test(`onHttpRequest replaced on the instance ${when} listen gets every request, and may call the original`, async t => {
    const server = await createServer(t)
    const replace = () => {
      const { onHttpRequest } = server
      server.onHttpRequest = (req, res, opts) => {
        if (req.url !== '/hello') return onHttpRequest.call(server, req, res, opts)
        res.setHeader('x-mine', 'yes')
        res.end('hello')
      }
    }
    if (when === 'before') replace()
    await listen(server)
    if (when === 'after') replace()
    const { body, headers } = await request(httpPort(server), '/hello')
    assert.strictEqual(body.toString(), 'hello')
    assert.strictEqual(headers['x-mine'], 'yes')
    const reply = await bencoded(httpPort(server), announcePath({ ...stranger(), event: 'started' }))
    assert.strictEqual(reply.get('incomplete'), 1)
  })

  test(`onUdpRequest replaced on the instance ${when} listen gets every packet, and may call the original`, async t => {
    const server = await createServer(t)
    const packets = []
    const replace = () => {
      const { onUdpRequest } = server
      server.onUdpRequest = (msg, rinfo) => {
        packets.push([msg, rinfo])
        onUdpRequest.call(server, msg, rinfo)
      }
    }
    if (when === 'before') replace()
    await listen(server)
    if (when === 'after') replace()
    const udp = await UdpPeer.open(t, udpPort(server))
    const reply = await udp.announce({ ...stranger(), event: 'started' })
    assert.strictEqual(reply.incomplete, 1)
    assert.deepStrictEqual(packets.map(([msg]) => msg.length), [16, 98])
    for (const [msg, { address, family, port, size }] of packets) {
      assert.ok(Buffer.isBuffer(msg))
      assert.deepStrictEqual({ address, family, port, size }, {
        address: '127.0.0.1', family: 'IPv4', port: udp.port, size: msg.length
      })
    }
  })

  test(`onWebSocketConnection replaced on the instance ${when} listen gets every socket, and may call the original`, async t => {
    const server = await createServer(t)
    const sockets = []
    const replace = () => {
      const { onWebSocketConnection } = server
      server.onWebSocketConnection = (socket, opts) => {
        sockets.push([socket, socket.upgradeReq.url])
        onWebSocketConnection.call(server, socket, opts)
      }
    }
    if (when === 'before') replace()
    await listen(server)
    if (when === 'after') replace()
    const peer = await WsPeer.open(t, server, { path: '/some/path' })
    const { infoHash } = stranger()
    assert.strictEqual((await peer.join(infoHash)).incomplete, 1)
    assert.strictEqual(sockets.length, 1)
    const [socket, url] = sockets[0]
    assert.strictEqual(url, '/some/path')
    assert.strictEqual(socket.peerId, peer.peerId)
    assert.deepStrictEqual(socket.infoHashes, [infoHash])
    assert.strictEqual(socket.ip, '127.0.0.1')
    assert.strictEqual(socket.upgradeReq, null)
    assert.strictEqual(server.torrents[infoHash].peers.peek(peer.peerId).socket, socket)
  })

  test(`_onRequest replaced on the instance ${when} listen alters every answer`, async t => {
    const server = await createServer(t)
    const replace = () => {
      const { _onRequest } = server
      server._onRequest = (params, cb) => {
        if (params.peer_id === 'ff'.repeat(20)) return cb(new Error('banned'))
        _onRequest.call(server, params, (err, response) => {
          if (err) return cb(err)
          if (params.action === 1) Object.assign(response, { interval: 42, 'min interval': 21 })
          cb(null, response)
        })
      }
    }
    if (when === 'before') replace()
    await listen(server)
    if (when === 'after') replace()
    server.on('warning', () => {})
    const peer = stranger()
    const reply = await bencoded(httpPort(server), announcePath({ ...peer, event: 'started' }))
    assert.deepStrictEqual([reply.get('interval'), reply.get('min interval'), reply.get('incomplete')], [42, 21, 1])
    const banned = await bencoded(httpPort(server), announcePath({ ...peer, peerId: 'ff'.repeat(20) }))
    assert.strictEqual(banned.get('failure reason').toString(), 'banned')
    const udp = await UdpPeer.open(t, udpPort(server))
    assert.strictEqual((await udp.announce({ ...stranger(), event: 'started' })).interval, 42)
    assert.strictEqual((await udp.announce({ ...stranger(), peerId: 'ff'.repeat(20) })).message, 'banned')
    const ws = await WsPeer.open(t, server)
    assert.strictEqual((await ws.join(randomHex()))['min interval'], 21)
  })
}

test('methods of a subclass of Server count like those on the instance', async t => {
  const Server = await loadServer()
  const calls = []
  class Mine extends Server {}
  for (const name of ['onHttpRequest', 'onUdpRequest', 'onWebSocketConnection', '_onRequest']) {
    Mine.prototype[name] = function (...args) {
      calls.push(name)
      return Server.prototype[name].apply(this, args)
    }
  }
  const server = await listen(track(t, new Mine({ stats: false })))
  await bencoded(httpPort(server), announcePath({ ...stranger(), event: 'started' }))
  assert.deepStrictEqual(calls.splice(0), ['onHttpRequest', '_onRequest'])
  const udp = await UdpPeer.open(t, udpPort(server))
  await udp.announce(stranger())
  assert.deepStrictEqual(calls.splice(0), ['onUdpRequest', '_onRequest', 'onUdpRequest', '_onRequest'])
  const ws = await WsPeer.open(t, server)
  await ws.join(randomHex())
  assert.deepStrictEqual(calls.splice(0), ['onWebSocketConnection', '_onRequest'])
})

// server.http

test('server.http is Node\'s own server', async t => {
  const server = await createServer(t)
  assert.ok(server.http instanceof http.Server)
  await listen(server)
  assert.strictEqual(server.http.listening, true)
  assert.strictEqual(typeof server.http.address().port, 'number')
})

test('a handler on server.http before listen has its own paths, the tracker the others', async t => {
  const server = await createServer(t)
  server.http.on('request', (req, res) => {
    if (req.url !== '/hello') return
    res.end('hello')
  })
  await listen(server)
  const { body } = await request(httpPort(server), '/hello')
  assert.strictEqual(body.toString(), 'hello')
  const reply = await bencoded(httpPort(server), announcePath({ ...stranger(), event: 'started' }))
  assert.strictEqual(reply.get('incomplete'), 1)
  const udp = await UdpPeer.open(t, udpPort(server))
  assert.strictEqual((await udp.announce(stranger())).incomplete, 1)
  const ws = await WsPeer.open(t, server)
  assert.strictEqual((await ws.join(randomHex())).incomplete, 1)
})

test('a handler on server.http after listen sees every request, one in front answers first', async t => {
  const server = await startServer(t)
  const port = httpPort(server)
  const { infoHash } = stranger()
  await bencoded(port, announcePath({ ...stranger(), infoHash, event: 'started', port: 7001 }))
  const urls = []
  server.http.on('request', req => urls.push(req.url))
  server.http.prependListener('request', (req, res) => {
    if (req.url === '/hello') res.end('hello')
  })
  assert.strictEqual(server.http.address().port, port)
  const { body } = await request(port, '/hello')
  assert.strictEqual(body.toString(), 'hello')
  const path = announcePath({ ...stranger(), infoHash, event: 'started', port: 7002 })
  const reply = await bencoded(port, path)
  assert.strictEqual(reply.get('incomplete'), 2)
  assert.deepStrictEqual(urls, ['/hello', path])
  const ws = await WsPeer.open(t, server)
  assert.strictEqual((await ws.join(randomHex())).incomplete, 1)
})

test('options for http.createServer are passed on', async t => {
  const server = await startServer(t, { http: { maxHeaderSize: 1024 } })
  const reply = await bencoded(httpPort(server), announcePath({ ...stranger(), event: 'started' }))
  assert.strictEqual(reply.get('incomplete'), 1)
  const { status } = await request(httpPort(server), '/announce', { headers: { 'x-long': 'x'.repeat(2000) } })
  assert.strictEqual(status, 431)
})

test('options for dgram.createSocket are taken', async t => {
  const server = await startServer(t, { udp: { reuseAddr: false, recvBufferSize: 65536, sendBufferSize: 65536 } })
  const udp = await UdpPeer.open(t, udpPort(server))
  assert.strictEqual((await udp.announce({ ...stranger(), event: 'started' })).incomplete, 1)
})

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

// Calls from outside.

test('onUdpRequest may be called; the answer goes to the sender', async t => {
  const server = await startServer(t)
  const udp = await UdpPeer.open(t, udpPort(server))
  const connectionId = await udp.connect()
  const peer = stranger()
  const started = once(server, 'start')
  const packet = announceRequest({ connectionId, ...peer, event: 'started' })
  server.onUdpRequest(packet, { address: '127.0.0.1', family: 'IPv4', port: udp.port, size: packet.length })
  const reply = await udp.receive()
  assert.strictEqual(reply.readUInt32BE(0), 1)
  assert.deepStrictEqual(reply.subarray(4, 8), packet.subarray(12, 16))
  const [addr, params] = await started
  assert.strictEqual(addr, '127.0.0.1:6881')
  assert.strictEqual(params.type, 'udp')
})

const requestParams = ({ infoHash, peerId, ...rest }) => ({
  type: 'http', action: 1, info_hash: infoHash, peer_id: peerId, ip: '10.0.0.1', port: 6881, addr: '10.0.0.1:6881',
  left: 1, numwant: 50, compact: 1, event: 'started', ...rest
})

test('_onRequest answers an announce in each form', async t => {
  const server = await createServer(t, OFF)
  server.on('start', () => assert.fail('events are for who received the request'))
  const peer = stranger()
  const ask = params => callback(cb => server._onRequest(requestParams({ ...peer, ...params }), cb))
  const [err, compact] = await ask({})
  assert.strictEqual(err, null)
  assert.deepStrictEqual(fromCompact(Buffer.from(compact.peers)), ['10.0.0.1:6881'])
  assert.strictEqual(compact.peers6.length, 0)
  assert.deepStrictEqual([compact.complete, compact.incomplete, compact.interval, compact.action], [0, 1, 600, 1])
  const [, list] = await ask({ compact: 0 })
  assert.strictEqual(list.peers.length, 1)
  assert.deepStrictEqual(Object.keys(list.peers[0]).sort(), ['ip', 'peer id', 'port'])
  assert.strictEqual(list.peers[0]['peer id'].length, 20)
  const [, whole] = await ask({ compact: -1 })
  assert.strictEqual(whole.peers[0].peerId, peer.peerId)
})

test('_onRequest answers connects and scrapes, and nothing else', async t => {
  const server = await createServer(t, OFF)
  const { infoHash } = stranger()
  assert.deepStrictEqual(await callback(cb => server._onRequest({ action: 0 }, cb)), [null, { action: 0 }])
  const [, scrape] = await callback(cb => server._onRequest({ action: 2, info_hash: [infoHash] }, cb))
  assert.deepStrictEqual(Object.values(scrape.files), [{ complete: 0, incomplete: 0, downloaded: 0 }])
  assert.deepStrictEqual(scrape.flags, { min_request_interval: 600 })
  for (const params of [{ action: 9 }, {}, undefined]) {
    const [err] = await callback(cb => server._onRequest(params, cb))
    assert.strictEqual(err.message, 'Invalid action')
  }
})

test('_onRequest without an event is an update, and `empty` too', async t => {
  const server = await createServer(t, OFF)
  for (const event of [undefined, '', 'empty']) {
    const params = requestParams({ ...stranger(), event })
    await callback(cb => server._onRequest(params, cb))
    assert.strictEqual(params.event, 'update')
  }
})

// The end.

test('close(callback) with nothing to close calls back with null', async t => {
  const server = await createServer(t, OFF)
  assert.deepStrictEqual(await callback(cb => server.close(cb)), [null])
  assert.strictEqual(server.destroyed, true)
})

test('close ends a server with handlers of its program, and frees the port', async t => {
  const server = await createServer(t)
  server.http.on('request', (req, res) => { if (req.url === '/hello') res.end('hello') })
  await listen(server)
  const port = httpPort(server)
  await request(port, '/hello')
  const [err] = await callback(cb => server.close(cb))
  assert.ifError(err)
  assert.strictEqual(server.listening, false)
  await assert.rejects(request(port, '/hello'), { code: 'ECONNREFUSED' })
})

test('close waits for an open WebSocket', differs('`close(cb)` waits until all sockets have left'), async t => {
  const server = await createServer(t, { ws: { clientTracking: true } })
  await listen(server)
  const peer = await WsPeer.open(t, server)
  await peer.join(randomHex())
  const [err] = await callback(cb => server.close(cb))
  assert.ifError(err)
  assert.strictEqual(await peer.closed, 1001)
})

test('servers of one process have torrents, peers and handlers of their own', async t => {
  const [one, two] = [await startServer(t), await createServer(t)]
  two.http.on('request', (req, res) => { if (req.url === '/two') res.end('two') })
  await listen(two)
  const peer = stranger()
  const seen = []
  for (const [name, server] of Object.entries({ one, two })) {
    server.on('start', addr => seen.push(name))
    await bencoded(httpPort(server), announcePath({ ...peer, event: 'started' }))
  }
  while (seen.length < 2) await turn()
  assert.deepStrictEqual(seen, ['one', 'two'])
  assert.strictEqual((await request(httpPort(two), '/two')).body.toString(), 'two')
  assert.match((await request(httpPort(one), '/two')).body.toString(), /invalid action in HTTP request/)
  await callback(cb => one.close(cb))
  assert.strictEqual((await bencoded(httpPort(two), announcePath(peer))).get('incomplete'), 1)
})
