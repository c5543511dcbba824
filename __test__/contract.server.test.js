'use strict'

// What programs may expect of a server: its properties, the order of keys in `params`, its answers and its messages.
// CONTRACT.md names the statements.

const assert = require('node:assert')
const EventEmitter = require('node:events')
const { once } = require('node:events')
const { setImmediate: turn } = require('node:timers/promises')
const { TRANSPORTS, createServer, differs, loadServer, startServer, track } = require('./helpers/contract-subject')
const { callback, nextValue } = require('./helpers/events')
const { fromCompact } = require('./helpers/compact')
const { announcePath, bencoded, request, scrapePath } = require('./helpers/http')
const { httpPort, listen, randomHex, stranger, udpPort } = require('./helpers/subjects')
const { test } = require('./helpers/test')
const { UdpPeer, announceRequest, scrapeRequest, uint32 } = require('./helpers/udp')
const { WsPeer, announce, binary } = require('./helpers/websocket-peer')

// Properties.

test('a server\'s properties, by the options', async t => {
  const filter = (infoHash, params, cb) => cb(null)
  const server = await createServer(t, {
    interval: 1000, trustProxy: true, filter, peersCacheLength: 5, peersCacheTtl: 6000
  })
  assert.ok(server instanceof EventEmitter)
  const expected = {
    intervalMs: 1000,
    peersCacheLength: 5,
    peersCacheTtl: 6000,
    listening: false,
    destroyed: false,
    _trustProxy: true,
    _filter: filter,
    _listenCalled: false
  }
  for (const [name, value] of Object.entries(expected)) assert.strictEqual(server[name], value, name)
  assert.deepStrictEqual(Object.keys(server.torrents), [])
  assert.strictEqual(server.udp, server.udp4)
  assert.ok(server.udp6)
})

test('what is off is null, but `udp` is undefined', async t => {
  const server = await createServer(t, { http: false, udp: false, ws: false })
  const { http, udp, udp4, udp6, ws } = server
  assert.deepStrictEqual([http, udp, udp4, udp6, ws], [null, undefined, null, null, null])
})

test('true and objects turn a transport on', async t => {
  for (const on of [true, {}]) {
    const server = await createServer(t, { http: on, udp: on, ws: on })
    assert.ok(server.http && server.udp && server.ws)
  }
})

test('WebSocket alone has an HTTP server too', async t => {
  const server = await createServer(t, { http: false, udp: false, ws: true })
  assert.ok(server.http)
  assert.strictEqual(server.udp, undefined)
})

test('listening, _listenCalled and destroyed follow the life of a server', async t => {
  const server = await createServer(t)
  const states = []
  const note = () => states.push([server._listenCalled, server.listening, server.destroyed])
  note()
  const listening = once(server, 'listening')
  server.listen()
  note()
  assert.deepStrictEqual(await listening, [])
  note()
  const closed = callback(cb => server.close(cb))
  note()
  await closed
  assert.deepStrictEqual(states, [
    [false, false, false], [true, false, false], [true, true, false], [true, false, true]
  ])
})

test('a second listen throws, whatever became of the first', async t => {
  const server = await startServer(t)
  assert.throws(() => server.listen(), { message: 'server already listening' })
})

test('Server.Swarm is a class', async () => {
  const Server = await loadServer()
  assert.strictEqual(typeof Server.Swarm, 'function')
  for (const name of ['announce', 'scrape', '_onAnnounceStarted', '_onAnnounceStopped', '_onAnnounceCompleted', '_onAnnounceUpdate', '_onAnnouncePaused', '_getPeers']) {
    assert.strictEqual(typeof Server.Swarm.prototype[name], 'function', name)
  }
})

test('a server\'s methods can be called by name, bound and late', async t => {
  const server = await createServer(t, { http: false, udp: false, ws: false })
  const names = [
    'listen', 'close', 'createSwarm', 'getSwarm', 'onHttpRequest', 'onUdpRequest', 'onWebSocketConnection', '_onRequest'
  ]
  for (const name of names) assert.strictEqual(typeof server[name], 'function', name)
})

test('a Server is made with new', async () => {
  const Server = await loadServer()
  assert.throws(() => Server({}), { name: 'TypeError', message: 'Class constructor Server cannot be invoked without \'new\'' })
})

test('options are optional', async t => {
  const Server = await loadServer()
  const server = track(t, new Server())
  assert.strictEqual(server.intervalMs, 600_000)
  assert.strictEqual(server._trustProxy, false)
  assert.strictEqual(server._filter, undefined)
})

// `params`, with and without a filter, which takes another way to the same event.

const WAYS = {
  'without a filter': {},
  'with a filter': { filter: (infoHash, params, cb) => cb(null) }
}

for (const [way, opts] of Object.entries(WAYS)) {
  test(`HTTP params: the query's keys, then those that are made of them, ${way}`, async t => {
    const server = await startServer(t, opts)
    const peer = stranger()
    const started = once(server, 'start')
    await bencoded(httpPort(server), announcePath({ ...peer, numwant: 5, mine: 'x', event: 'started' }))
    const [addr, params] = await started
    const [keys, rest] = [Object.keys(params), ['httpReq', 'httpRes']]
    assert.deepStrictEqual(keys.filter(key => !rest.includes(key)), [
      'info_hash', 'peer_id', 'port', 'uploaded', 'downloaded', 'left', 'compact', 'numwant', 'mine', 'event',
      'type', 'action', 'ip', 'addr', 'headers'
    ])
    assert.strictEqual(keys.indexOf('httpReq'), keys.indexOf('headers') + 1)
    assert.strictEqual(addr, params.addr)
    const expected = {
      info_hash: peer.infoHash, peer_id: peer.peerId, port: 6881, uploaded: '0', left: 16384, compact: 1, numwant: 5, mine: 'x',
      type: 'http', action: 1, ip: '127.0.0.1'
    }
    for (const [key, value] of Object.entries(expected)) assert.strictEqual(params[key], value, key)
  })

  test(`HTTP params: what the query leaves out, ${way}`, async t => {
    const server = await startServer(t, opts)
    const updated = once(server, 'start')
    const missing = { uploaded: undefined, downloaded: undefined, left: undefined, compact: undefined }
    await bencoded(httpPort(server), announcePath({ ...stranger(), ...missing, event: 'started' }))
    const [, params] = await updated
    assert.deepStrictEqual(Object.keys(params).filter(key => !key.startsWith('http')), [
      'info_hash', 'peer_id', 'port', 'event', 'type', 'action', 'left', 'compact', 'numwant', 'ip', 'addr', 'headers'
    ])
    const { left, compact, numwant } = params
    assert.deepStrictEqual({ left, compact, numwant }, { left: Infinity, compact: 0, numwant: 50 })
  })

  test(`UDP params: keys in the order of the packet, ${way}`, async t => {
    const server = await startServer(t, opts)
    const peer = await UdpPeer.open(t, udpPort(server))
    const connectionId = await peer.connect()
    const one = stranger()
    const started = once(server, 'start')
    await peer.announce({ ...one, downloaded: 1, left: 2, uploaded: 3, event: 'started', key: 4, numwant: 5 })
    const [addr, params] = await started
    assert.deepStrictEqual(Object.keys(params), [
      'connectionId', 'action', 'transactionId', 'type', 'info_hash', 'peer_id', 'downloaded', 'left', 'uploaded', 'event',
      'ip', 'key', 'numwant', 'port', 'addr', 'compact'
    ])
    const { connectionId: id, transactionId, ...rest } = params
    assert.deepStrictEqual(Buffer.from(id), connectionId)
    assert.strictEqual(typeof transactionId, 'number')
    assert.deepStrictEqual(rest, {
      action: 1, type: 'udp', info_hash: one.infoHash, peer_id: one.peerId, downloaded: 1, left: 2, uploaded: 3,
      event: 'started', ip: '127.0.0.1', key: 4, numwant: 5, port: 6881, addr: '127.0.0.1:6881', compact: 1
    })
    assert.strictEqual(addr, params.addr)
  })

  test(`WebSocket params: the message's keys, then those that are made of them, ${way}`, async t => {
    const server = await startServer(t, opts)
    const peer = await WsPeer.open(t, server)
    const { infoHash } = stranger()
    const started = once(server, 'start')
    const offers = [{ offer: { type: 'offer', sdp: 'x' }, offer_id: 'y' }]
    await peer.ask({
      ...announce({ infoHash, peerId: peer.peerId }), numwant: 7, event: 'started', offers, left: 3, mine: { a: [1] }
    })
    const [addr, params] = await started
    assert.deepStrictEqual(Object.keys(params), [
      'action', 'info_hash', 'peer_id', 'numwant', 'event', 'offers', 'left', 'mine',
      'type', 'socket', 'compact', 'ip', 'port', 'addr', 'headers'
    ])
    const { socket, headers, port, addr: from, ...rest } = params
    assert.deepStrictEqual(rest, {
      action: 1, info_hash: infoHash, peer_id: peer.peerId, numwant: 1, event: 'started', offers, left: 3, mine: { a: [1] },
      type: 'ws', compact: -1, ip: '127.0.0.1'
    })
    assert.strictEqual(from, `127.0.0.1:${port}`)
    assert.strictEqual(typeof headers['sec-websocket-key'], 'string')
    assert.strictEqual(addr, peer.peerId)
    const answered = peer.next()
    socket.send('{"from":"the program"}')
    assert.deepStrictEqual(await answered, { from: 'the program' })
  })
}

test('scrape params, as a replaced _onRequest gets them', async t => {
  const server = await createServer(t)
  const asked = []
  const { _onRequest } = server
  server._onRequest = (params, cb) => {
    if (params.action === 2) asked.push(params)
    _onRequest.call(server, params, cb)
  }
  await listen(server)
  const [one, two] = ['41'.repeat(20), '42'.repeat(20)]
  await bencoded(httpPort(server), scrapePath(one))
  await bencoded(httpPort(server), '/scrape')
  const udp = await UdpPeer.open(t, udpPort(server))
  await udp.scrape(one, two)
  const ws = await WsPeer.open(t, server)
  await ws.ask({ action: 'scrape', info_hash: binary(one) })
  // Of a scrape of everything the original writes down what that is.
  const [single, everything, overUdp, overWs] = asked
  assert.deepStrictEqual([single.type, single.action, single.info_hash], ['http', 2, [one]])
  assert.match(single.httpReq.url, /^\/scrape\?info_hash=/)
  assert.ok(everything.info_hash === undefined || everything.info_hash.length === 0)
  assert.deepStrictEqual([overUdp.type, overUdp.action, overUdp.info_hash], ['udp', 2, [one, two]])
  assert.deepStrictEqual([overWs.type, overWs.action, overWs.info_hash], ['ws', 2, [one]])
})

for (const [transport, join] of Object.entries(TRANSPORTS)) {
  test(`${transport}: an event comes after the answer is made, with what each is called`, async t => {
    const server = await startServer(t)
    const peer = stranger()
    const seen = []
    for (const name of ['start', 'update', 'complete', 'pause', 'stop']) {
      server.on(name, (addr, params) => seen.push([name, params.event, params.info_hash]))
    }
    for (const event of ['started', 'update', 'completed', 'paused', 'stopped']) await join(t, server, { ...peer, event, left: 0 })
    while (seen.length < 5) await turn()
    assert.deepStrictEqual(seen, [
      ['start', 'started', peer.infoHash], ['update', 'update', peer.infoHash], ['complete', 'completed', peer.infoHash],
      ['pause', 'paused', peer.infoHash], ['stop', 'stopped', peer.infoHash]
    ])
  })
}

// Answers.

test('HTTP: keys and values of an answer in both forms', async t => {
  const server = await startServer(t)
  const peer = stranger()
  const compact = await bencoded(httpPort(server), announcePath({ ...peer, event: 'started' }))
  assert.deepStrictEqual([...compact.keys()], ['complete', 'incomplete', 'interval', 'peers', 'peers6'])
  assert.deepStrictEqual(fromCompact(compact.get('peers')), ['127.0.0.1:6881'])
  assert.strictEqual(compact.get('peers6').length, 0)
  const list = await bencoded(httpPort(server), announcePath({ ...peer, compact: 0 }))
  assert.deepStrictEqual([...list.keys()], ['complete', 'incomplete', 'interval', 'peers'])
  const [entry] = list.get('peers')
  assert.deepStrictEqual([...entry.keys()], ['ip', 'peer id', 'port'])
  assert.deepStrictEqual([entry.get('ip').toString(), entry.get('port')], ['127.0.0.1', 6881])
})

test('HTTP: status 200, also for a refusal', async t => {
  const server = await startServer(t)
  server.on('warning', () => {})
  for (const path of [announcePath(stranger()), '/announce', '/other']) {
    assert.strictEqual((await request(httpPort(server), path)).status, 200)
  }
})

test('HTTP: peers as a list have raw peer ids', differs('info hashes and peer ids in answers are re-encoded as UTF-8'), async t => {
  const server = await startServer(t)
  const peer = { ...stranger(), peerId: 'ff'.repeat(20) }
  const list = await bencoded(httpPort(server), announcePath({ ...peer, event: 'started', compact: 0 }))
  assert.strictEqual(list.get('peers')[0].get('peer id').toString('hex'), peer.peerId)
})

test('WebSocket: an answer, and none to an announce with an answer', async t => {
  const server = await startServer(t, { interval: 100_000 })
  const peer = await WsPeer.open(t, server)
  const { infoHash } = stranger()
  assert.deepStrictEqual(await peer.join(infoHash), {
    complete: 0, incomplete: 1, action: 'announce', interval: 20, info_hash: binary(infoHash)
  })
  server.on('warning', () => {})
  peer.answer({ info_hash: binary(infoHash), peer_id: binary(randomHex()), offer_id: 'x' })
  assert.deepStrictEqual(await peer.settle(), [])
})

test('WebSocket: a scrape', async t => {
  const server = await startServer(t)
  const peer = await WsPeer.open(t, server)
  const { infoHash } = stranger()
  await peer.join(infoHash)
  assert.deepStrictEqual(await peer.ask({ action: 'scrape', info_hash: [binary(infoHash)] }), {
    action: 'scrape',
    files: { [binary(infoHash)]: { complete: 0, incomplete: 1, downloaded: 0 } },
    flags: { min_request_interval: 600 }
  })
})

// Messages.

test('UDP: what is malformed is a warning with these words, and gets no answer', async t => {
  const server = await startServer(t)
  const peer = await UdpPeer.open(t, udpPort(server))
  const connectionId = await peer.connect()
  const one = stranger()
  for (const [packet, message] of [
    [Buffer.alloc(15), 'received packet is too short'],
    [Buffer.concat([Buffer.alloc(8, 1), uint32(1), uint32(7), Buffer.alloc(82)]), 'received packet with invalid connection id'],
    [announceRequest({ connectionId, ...one, event: 9 }), 'invalid event'],
    [Buffer.concat([scrapeRequest({ connectionId, hashes: [one.infoHash] }), Buffer.from([1])]), 'invalid scrape message'],
    [Buffer.concat([connectionId, uint32(77), uint32(7)]), 'Invalid action in UDP packet: 77']
  ]) {
    const warned = nextValue(server, 'warning')
    assert.ok(await peer.isRefused(packet), message)
    assert.strictEqual((await warned).message, message)
  }
})

test('WebSocket: what is malformed is answered without an action, and a warning', async t => {
  const server = await startServer(t)
  const peer = await WsPeer.open(t, server)
  const good = announce({ infoHash: randomHex(), peerId: peer.peerId })
  for (const [message, reason] of [
    [{ action: 'bogus' }, 'invalid action in WS request: bogus'],
    [{ ...good, info_hash: 'short' }, 'invalid info_hash'],
    [{ ...good, peer_id: 'short' }, 'invalid peer_id'],
    [{ ...good, answer: { type: 'answer' } }, 'invalid `to_peer_id` (required with `answer`)'],
    [{ action: 'scrape', info_hash: 'short' }, 'invalid info_hash']
  ]) {
    const warned = nextValue(server, 'warning')
    assert.deepStrictEqual(await peer.ask(message), { 'failure reason': reason })
    assert.strictEqual((await warned).message, reason)
  }
})

test('WebSocket: an event that there is not is answered with action and info hash', async t => {
  const server = await startServer(t)
  const peer = await WsPeer.open(t, server)
  const { infoHash } = stranger()
  const warned = nextValue(server, 'warning')
  assert.deepStrictEqual(await peer.join(infoHash, { event: 'bogus' }), {
    action: 'announce', 'failure reason': 'invalid event', info_hash: binary(infoHash)
  })
  assert.strictEqual((await warned).message, 'invalid event')
})

test('an answer to a peer that is not there is a warning', differs('an answer goes to the `to_peer_id`'), async t => {
  const server = await startServer(t)
  const peer = await WsPeer.open(t, server)
  const { infoHash } = stranger()
  await peer.join(infoHash)
  const warned = nextValue(server, 'warning')
  peer.answer({ info_hash: binary(infoHash), peer_id: binary(randomHex()), offer_id: 'x' })
  assert.strictEqual((await warned).code, 'ERR_TRACKER_UNKNOWN_OFFER')
})

test('a server that cannot listen says so by an error event', async t => {
  const taken = await startServer(t, { udp: false })
  const server = await createServer(t, { udp: false, ws: false })
  const failed = once(server, 'error')
  server.listen(httpPort(taken))
  const [err] = await failed
  assert.strictEqual(err.code, 'EADDRINUSE')
  assert.strictEqual(server.listening, false)
})

test('listen takes ports and hostnames by transport', async t => {
  const server = await createServer(t)
  await listen(server, { http: 0, udp: 0 }, { http: '127.0.0.1', udp: '127.0.0.1' })
  assert.strictEqual(server.http.address().address, '127.0.0.1')
  assert.strictEqual(server.udp4.address().address, '127.0.0.1')
  assert.strictEqual(typeof server.udp6.address().port, 'number')
})
