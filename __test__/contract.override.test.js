'use strict'

// What programs may expect where they replace or call what handles requests: `onHttpRequest`, `onUdpRequest`,
// `onWebSocketConnection`, `_onRequest`. CONTRACT.md names the statements.

const assert = require('node:assert')
const { once } = require('node:events')
const { createServer, loadServer, startServer, track } = require('./helpers/contract-subject')
const { callback } = require('./helpers/events')
const { fromCompact } = require('./helpers/compact')
const { announcePath, bencoded, request } = require('./helpers/http')
const { httpPort, listen, randomHex, stranger, udpPort } = require('./helpers/subjects')
const { test } = require('./helpers/test')
const { UdpPeer, announceRequest } = require('./helpers/udp')
const { WsPeer } = require('./helpers/websocket-peer')

const OFF = { http: false, udp: false, ws: false, stats: false }

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
