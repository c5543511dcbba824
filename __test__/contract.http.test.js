'use strict'

// What programs may expect of `onHttpRequest` in their own HTTP servers, of Node's own `server.http` and of the end of
// a server. CONTRACT.md names the statements.

const assert = require('node:assert')
const http = require('node:http')
const { once } = require('node:events')
const { setImmediate: turn } = require('node:timers/promises')
const { createServer, differs, startHttp, startServer } = require('./helpers/contract-subject')
const { callback, nextValue } = require('./helpers/events')
const { fromCompact } = require('./helpers/compact')
const { announcePath, bencoded, request, scrapePath } = require('./helpers/http')
const { httpPort, listen, randomHex, stranger, udpPort } = require('./helpers/subjects')
const { test } = require('./helpers/test')
const { UdpPeer } = require('./helpers/udp')
const { WsPeer, binary } = require('./helpers/websocket-peer')

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
