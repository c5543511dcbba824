'use strict'

// A server's WebSocket part for programs: where it listens, what its listeners get, whom it believes.

const assert = require('node:assert')
const { once } = require('node:events')
const { setImmediate: turn } = require('node:timers/promises')
const WebSocket = require('ws')
const { test, needsIPv6 } = require('./helpers/test')
const { callback, next, nextValue, record } = require('./helpers/events')
const { announcePath, bencoded, request, scrapePath } = require('./helpers/http')
const { Server, assertWarning, closeServer, httpPort, listen, randomHex, startServer } = require('./helpers/subjects')
const { FrameSocket, OP, frame, handshake } = require('./helpers/websocket-frames')
const { WsPeer, announce, binary, counts, makeOffers, settleAll, untilCount, wsUrl } = require('./helpers/websocket-peer')

const start = (t, opts) => startServer(t, { udp: false, ws: true, ...opts })

test('WebSocket is on by default, at the port of HTTP', async t => {
  const server = new Server({ udp: false })
  t.after(() => closeServer(server))
  assert.strictEqual(server.ws.address(), null)
  assert.strictEqual(server.ws.clients.size, 0)
  await listen(server, 0)
  assert.deepStrictEqual(server.ws.address(), server.http.address())
  const peer = await WsPeer.open(t, server)
  assert.strictEqual((await peer.join(randomHex())).incomplete, 1)
  assert.ok((await bencoded(httpPort(server), announcePath({ infoHash: randomHex(), peerId: randomHex() }))).has('peers'))
})

test('a server with WebSocket that is forgotten is collected', async () => {
  let collected = 0
  const registry = new FinalizationRegistry(() => { collected += 1 })
  for (let made = 0; collected === 0; made++) {
    assert.ok(made < 500, 'no server was collected')
    registry.register(new Server({ udp: false }))
    await turn()
  }
})

test('without WebSocket a handshake is a request like others', async t => {
  const server = await startServer(t, { udp: false, ws: false })
  server.on('warning', () => {})
  assert.ok(!server.ws)
  const socket = new WebSocket(wsUrl(server))
  const [err] = await once(socket, 'error')
  assert.match(err.message, /Unexpected server response: 200/)
})

test('WebSocket alone: other requests get 404', async t => {
  const server = await startServer(t, { http: false, udp: false, ws: true })
  const events = record(server, 'start', 'update', 'error')
  assert.ok(server.ws.address().port > 0)
  for (const path of ['/', '/announce', announcePath({ infoHash: randomHex(), peerId: randomHex() }), scrapePath(randomHex()), '/stats']) {
    const { status, body } = await request(server.ws.address().port, path)
    assert.deepStrictEqual([status, body.toString()], [404, '404 Not Found'], path)
  }
  assert.deepStrictEqual(Object.keys(server.torrents), [])
  const peer = await WsPeer.open(t, server)
  await peer.join(randomHex())
  await events.count('start', 1)
  assert.deepStrictEqual(events.names, ['start'])
})

for (const path of ['/', '/announce', '/scrape', '/a/b?c=d&e=%ff', `/${'x'.repeat(5000)}`, '//', '/%00']) {
  test(`any path will do: ${path.slice(0, 20)}`, async t => {
    const server = await start(t, { pathPrefix: '/tracker' })
    const peer = await WsPeer.open(t, server, { path })
    assert.strictEqual((await peer.join(randomHex())).action, 'announce')
  })
}

test('IPv6', needsIPv6, async t => {
  const server = await start(t)
  const peer = await WsPeer.open(t, server, { host: '[::1]' })
  const started = next(server, 'start')
  await peer.join(randomHex())
  const [, params] = await started
  assert.strictEqual(params.ip, '::1')
  assert.strictEqual(params.addr, `[::1]:${peer.socket._socket.localPort}`)
})

test('ws.clients.size counts open sockets', async t => {
  const server = await start(t)
  const peers = []
  for (let count = 1; count <= 5; count++) {
    peers.push(await WsPeer.open(t, server))
    assert.strictEqual(server.ws.clients.size, count)
  }
  for (let count = 4; count >= 0; count--) {
    await peers[count].close()
    while (server.ws.clients.size > count) await turn()
    assert.strictEqual(server.ws.clients.size, count)
  }
})

test('events come with the peer id, and with all keys of the message', async t => {
  const server = await start(t)
  const infoHash = randomHex()
  const peer = await WsPeer.open(t, server, { headers: { 'user-agent': 'a browser', 'x-own': ['1', '2'] } })
  const port = peer.socket._socket.localPort
  const offers = makeOffers(3)
  const steps = [
    ['start', { event: 'started', uploaded: 1, downloaded: '2', left: 3, offers, own: { key: [1] } }],
    ['update', { left: '5' }],
    ['update', { event: 'empty' }],
    ['update', { event: '', left: null }],
    ['complete', { event: 'completed', left: 0 }],
    ['pause', { event: 'paused', left: 0 }],
    ['stop', { event: 'stopped', left: 0 }]
  ]
  for (const [event, message] of steps) {
    const heard = next(server, event)
    await peer.announce({ infoHash, left: undefined, ...message })
    const [addr, params] = await heard
    assert.strictEqual(addr, peer.peerId)
    const { socket, headers, ...rest } = params
    assert.strictEqual(typeof socket.send, 'function')
    assert.strictEqual(headers['user-agent'], 'a browser')
    assert.strictEqual(headers['x-own'], '1, 2')
    assert.strictEqual(headers.upgrade, 'websocket')
    assert.deepStrictEqual(rest, {
      ...message,
      event: ['', 'empty', undefined].includes(message.event) ? 'update' : message.event,
      type: 'ws',
      action: 1,
      info_hash: infoHash,
      peer_id: peer.peerId,
      left: { 0: 0, 3: 3, 5: 5 }[message.left] ?? Infinity,
      numwant: message.offers?.length ?? 0,
      compact: -1,
      ip: '127.0.0.1',
      port,
      addr: `127.0.0.1:${port}`
    })
  }
})

test('`numwant` of the event has the server\'s limit', async t => {
  const server = await start(t, { maxNumwant: 2 })
  const peer = await WsPeer.open(t, server)
  const started = next(server, 'start')
  await peer.join(randomHex(), { offers: makeOffers(5), numwant: 50 })
  assert.strictEqual((await started)[1].numwant, 2)
})

test('the first announce is a `start`, one after `stopped` as well; `stopped` of a stranger is none', async t => {
  const server = await start(t)
  const events = record(server, 'start', 'stop', 'update', 'complete')
  const infoHash = randomHex()
  const peer = await WsPeer.open(t, server)
  for (const event of ['started', 'started', undefined, 'stopped', 'started']) await peer.announce({ infoHash, event })
  await events.until(() => events.log.length === 5)
  assert.deepStrictEqual(events.names, ['start', 'start', 'update', 'stop', 'start'])
})

test('`params.socket` sends to the peer and closes its connection', async t => {
  const server = await start(t)
  const infoHash = randomHex()
  const peer = await WsPeer.open(t, server)
  const started = next(server, 'start')
  await peer.join(infoHash)
  const [, { socket }] = await started
  socket.send(JSON.stringify({ action: 'own', text: 'é😀\u0000' }))
  assert.deepStrictEqual(await peer.next(), { action: 'own', text: 'é😀\u0000' })
  socket.send('{"last":1}')
  socket.close()
  assert.deepStrictEqual(await peer.next(), { last: 1 }, 'what is queued still goes out')
  assert.strictEqual(await peer.closed, 1000)
  await untilCount(server, infoHash, 0)
  while (server.ws.clients.size > 0) await turn()
  // To nobody, and to nobody else who came later.
  const later = await WsPeer.open(t, server)
  socket.send('{"late":1}')
  socket.close()
  assert.deepStrictEqual(await later.settle(), [])
  await closeServer(server)
  socket.send('{"late":2}')
  socket.close()
})

test('a listener that throws or closes the server harms no socket', async t => {
  const server = await start(t)
  const closed = new Promise(resolve => server.once('update', () => server.close(resolve)))
  const peer = await WsPeer.open(t, server)
  await peer.announce({ infoHash: randomHex() })
  assert.strictEqual(await closed, null)
  assert.strictEqual(await peer.closed, 1001)
})

test('the swarm shows WebSocket peers by peer id', async t => {
  const server = await start(t)
  const infoHash = randomHex()
  const [leecher, seeder] = [await WsPeer.open(t, server), await WsPeer.open(t, server)]
  await leecher.join(infoHash)
  await seeder.join(infoHash, { left: 0 })
  const httpPeer = randomHex()
  await bencoded(httpPort(server), announcePath({ infoHash, peerId: httpPeer, port: 7001 }))
  const { peers } = server.torrents[infoHash]
  assert.strictEqual(peers.length, 3)
  assert.deepStrictEqual(peers.keys.sort(), [leecher.peerId, seeder.peerId, '127.0.0.1:7001'].sort())
  const { socket, ...peer } = peers.get(leecher.peerId)
  assert.strictEqual(typeof socket.send, 'function')
  assert.deepStrictEqual(peer, {
    type: 'ws', complete: false, peerId: leecher.peerId, ip: '127.0.0.1', port: leecher.socket._socket.localPort
  })
  assert.strictEqual(peers.get(seeder.peerId).complete, true)
  assert.strictEqual(peers.get(httpPeer), undefined, 'a peer of another kind has an address')
  delete server.torrents[infoHash]
  assert.strictEqual((await leecher.announce({ infoHash })).incomplete, 1, 'a torrent that was removed starts anew')
})

test('close() ends open sockets with 1001 and takes their peers along', async t => {
  const server = await start(t)
  const infoHash = randomHex()
  const peers = []
  for (let i = 0; i < 10; i++) {
    const peer = await WsPeer.open(t, server)
    await peer.join(infoHash)
    peers.push(peer)
  }
  // One that never says goodbye back, one within a message, one within its handshake.
  const mute = await FrameSocket.open(t, httpPort(server))
  const half = await FrameSocket.open(t, httpPort(server))
  half.write(frame(OP.text, '{"action":"announce"', { fin: false }))
  half.write(frame(OP.continuation, 'x').subarray(0, 3))
  const port = httpPort(server)
  assert.deepStrictEqual(await callback(cb => server.close(cb)), [null])
  assert.deepStrictEqual(await Promise.all(peers.map(peer => peer.closed)), peers.map(() => 1001))
  assert.strictEqual(await mute.closed, 1001)
  await half.closed
  assert.deepStrictEqual(counts(server, infoHash), [0, 0])
  assert.strictEqual(server.ws.clients.size, 0)
  assert.strictEqual(server.ws.address(), null)
  const refused = new WebSocket(`ws://127.0.0.1:${port}/`)
  assert.strictEqual((await once(refused, 'error'))[0].code, 'ECONNREFUSED')
})

test('a peer that is not heard of for the cache\'s time leaves the swarm, and its socket stays', async t => {
  const server = await start(t, { peersCacheTtl: 1000 })
  const infoHash = randomHex()
  const [a, b] = [await WsPeer.open(t, server), await WsPeer.open(t, server)]
  await a.join(infoHash)
  await untilCount(server, infoHash, 0)
  await b.join(infoHash)
  await a.join(infoHash, { offers: makeOffers(1) })
  assert.deepStrictEqual((await settleAll([a, b])).map(messages => messages.length), [0, 1])
})

test('peersCacheLength bounds a swarm of WebSocket peers as well', async t => {
  const server = await start(t, { peersCacheLength: 3 })
  const infoHash = randomHex()
  const peer = await WsPeer.open(t, server)
  for (let i = 0; i < 10; i++) await peer.join(infoHash, { peerId: randomHex() })
  assert.deepStrictEqual(counts(server, infoHash), [0, 3])
  await peer.close()
  await untilCount(server, infoHash, 0)
})

// Who the client is: by connection, header, and whom the server trusts. `undefined` for a request that is refused.
const PROXIES = [
  [undefined, '1.1.1.1', '127.0.0.1'],
  [false, '1.1.1.1', '127.0.0.1'],
  [true, undefined, '127.0.0.1'],
  [true, '1.1.1.1', '1.1.1.1'],
  [true, '1.1.1.1, 2.2.2.2', '1.1.1.1'],
  [true, '::ffff:1.1.1.1', '1.1.1.1'],
  [true, '2001:db8::1', '2001:db8::1'],
  [true, 'unknown', undefined],
  [['127.0.0.1'], '1.1.1.1', '1.1.1.1'],
  [['127.0.0.0/8'], '6.6.6.6, 1.1.1.1', '1.1.1.1'],
  [['127.0.0.0/8', '10.0.0.0/8'], '6.6.6.6, 1.1.1.1, 10.1.2.3', '1.1.1.1'],
  [['127.0.0.0/8', '2001:db8::/32'], '6.6.6.6, 1.1.1.1, 2001:db8::7, 127.0.0.9', '1.1.1.1'],
  [['127.0.0.0/8'], '127.0.0.5', '127.0.0.5'],
  [['127.0.0.0/8'], undefined, '127.0.0.1'],
  [['127.0.0.0/8'], 'x, 1.1.1.1', '1.1.1.1'],
  [['127.0.0.0/8'], '1.1.1.1, x', undefined],
  [['10.0.0.0/8'], '1.1.1.1', '127.0.0.1'],
  [[], '1.1.1.1', '127.0.0.1'],
  [['::1'], '1.1.1.1', '127.0.0.1']
]

for (const [trustProxy, forwarded, ip] of PROXIES) {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  test(`trustProxy ${JSON.stringify(trustProxy)}, x-forwarded-for ${forwarded}: ${ip ?? 'refused'}`, async t => {
    const server = await start(t, { trustProxy })
    server.on('warning', () => {})
    const infoHash = randomHex()
    const path = announcePath({ infoHash, peerId: randomHex(), port: 7001, event: 'started' })
    if (ip === undefined) {
      assert.ok((await bencoded(httpPort(server), path, { headers })).has('failure reason'))
      assert.strictEqual((await handshake(t, httpPort(server), { headers })).status, 400)
      assert.deepStrictEqual(Object.keys(server.torrents), [])
      return
    }
    const shown = ip.includes(':') ? `[${ip}]` : ip
    const overHttp = next(server, 'start')
    await bencoded(httpPort(server), path, { headers })
    const [addr, http] = await overHttp
    assert.deepStrictEqual([addr, http.ip], [`${shown}:7001`, ip])
    const peer = await WsPeer.open(t, server, { headers })
    const overWs = next(server, 'start')
    await peer.join(infoHash)
    const [, params] = await overWs
    assert.deepStrictEqual([params.ip, params.addr], [ip, `${shown}:${peer.socket._socket.localPort}`])
    assert.strictEqual(server.torrents[infoHash].peers.get(peer.peerId).ip, ip)
  })
}

test('several x-forwarded-for lines are one list', async t => {
  const server = await start(t, { trustProxy: ['127.0.0.1', '10.0.0.0/8'] })
  const started = next(server, 'start')
  const headers = { 'x-forwarded-for': ['6.6.6.6', '1.1.1.1, 10.0.0.1', '10.0.0.2'] }
  await request(httpPort(server), announcePath({ infoHash: randomHex(), peerId: randomHex(), event: 'started' }), { headers })
  assert.strictEqual((await started)[1].ip, '1.1.1.1')
})

for (const entry of ['', 'x', '1.2.3', '1.2.3.4/33', '::/129', '1.2.3.4/-1', '1.2.3.4/', '1.2.3.4/1e1', '1.2.3.4/8/8', ' 1.2.3.4', '1.2.3.4/08.0', 7, null, {}]) {
  test(`trustProxy with the entry ${JSON.stringify(entry)} is refused`, t => {
    const options = { trustProxy: ['127.0.0.1', entry], udp: false }
    assert.throws(() => new Server(options), { code: 'ERR_TRACKER_INVALID_OPTION', message: /^Option `trustProxy` must be / })
  })
}

test('an IPv4-mapped proxy address is that IPv4 address', async t => {
  const server = await start(t, { trustProxy: ['::ffff:127.0.0.1'] })
  const started = next(server, 'start')
  const headers = { 'x-forwarded-for': '1.1.1.1' }
  await request(httpPort(server), announcePath({ infoHash: randomHex(), peerId: randomHex(), event: 'started' }), { headers })
  assert.strictEqual((await started)[1].ip, '1.1.1.1')
})

test('a refused handshake is a warning with the connection\'s address', async t => {
  const server = await start(t, { ws: { origins: [] } })
  const warned = nextValue(server, 'warning')
  await handshake(t, httpPort(server), { headers: { origin: 'https://a.example' } })
  const err = await warned
  assertWarning(err, 'origin not allowed')
  assert.match(err.from, /^127\.0\.0\.1:\d+$/)
})

test('many sockets at once, each with its own swarm and one in common', async t => {
  const server = await start(t)
  const common = randomHex()
  const peers = await Promise.all(Array.from({ length: 100 }, () => WsPeer.open(t, server)))
  await Promise.all(peers.map(async peer => {
    assert.strictEqual((await peer.join(randomHex())).incomplete, 1)
    peer.send(announce({ infoHash: common, peerId: peer.peerId, left: 1 }))
  }))
  await settleAll(peers)
  assert.deepStrictEqual(counts(server, common), [0, 100])
  const scraped = await peers[0].ask({ action: 'scrape', info_hash: binary(common) })
  assert.strictEqual(scraped.files[binary(common)].incomplete, 100)
  await Promise.all(peers.map(peer => peer.close()))
  await untilCount(server, common, 0)
  while (server.ws.clients.size > 0) await turn()
  assert.deepStrictEqual(Object.keys(server.torrents).filter(hash => counts(server, hash)[1] > 0), [])
})
