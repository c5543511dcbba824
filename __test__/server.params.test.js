'use strict'

// The `params` of the announce events, over both transports.

const assert = require('node:assert')
const { test, needsIPv6 } = require('./helpers/test')
const { next, record } = require('./helpers/events')
const { UdpPeer } = require('./helpers/udp')
const { announcePath, bencoded } = require('./helpers/http')
const { httpPort, randomHex, startServer, stranger, udpPort } = require('./helpers/subjects')

test('an event comes with the address and the params of an HTTP announce', async t => {
  const server = await startServer(t)
  const [infoHash, peerId] = [randomHex(), randomHex()]
  const started = next(server, 'start')
  const path = announcePath({ infoHash, peerId, event: 'started', left: 7, downloaded: 3, uploaded: 2, numwant: 5, key: 'k1', custom: 'a%20b', ip: '203.0.113.9' })
  await bencoded(httpPort(server), path, { headers: { 'user-agent': 'test/1' } })
  const [addr, params] = await started
  assert.strictEqual(addr, '127.0.0.1:6881')
  assert.strictEqual(params.type, 'http')
  assert.strictEqual(params.action, 1)
  assert.strictEqual(params.info_hash, infoHash)
  assert.strictEqual(params.peer_id, peerId)
  assert.strictEqual(params.port, 6881)
  assert.strictEqual(params.left, 7)
  assert.strictEqual(params.compact, 1)
  assert.strictEqual(params.numwant, 5)
  assert.strictEqual(params.downloaded, '3')
  assert.strictEqual(params.uploaded, '2')
  assert.strictEqual(params.key, 'k1')
  assert.strictEqual(params.custom, 'a b')
  assert.strictEqual(params.event, 'started')
  assert.strictEqual(params.ip, '127.0.0.1')
  assert.strictEqual(params.addr, '127.0.0.1:6881')
  assert.strictEqual(params.headers['user-agent'], 'test/1')
  assert.strictEqual(params.httpReq.method, 'GET')
  assert.strictEqual(params.httpReq.url, path)
  assert.strictEqual(params.httpReq.headers['user-agent'], 'test/1')
  assert.strictEqual(typeof params.httpReq.socket.remoteAddress, 'string')
})

// The engine reads a query for the store, JavaScript reads it again for `params`: they have to agree.
for (const [what, infoHash] of [
  ['a plus', 'aaaaaaaaaaaaaaaaaaa+'],
  ['a per cent sign alone', 'aaaaaaaaaaaaaaaaaaa%'],
  ['a per cent sign before no digits', 'aaaaaaaaaaaaaaaaa%zz'],
  ['an escape that is JavaScript\'s alone', 'aaaaaaaaaaaaaa%u0041'],
  ['mixed cases', '%ffaaaaaaaaaaaaaaaaa%fFa']
]) {
  test(`params and store agree on an info hash with ${what}`, async t => {
    const server = await startServer(t, { udp: false })
    server.on('warning', () => {})
    const updates = record(server, 'update')
    const answer = await bencoded(httpPort(server), `/announce?info_hash=${infoHash}&peer_id=${'b'.repeat(20)}&port=1`)
    if (answer.has('failure reason')) return
    await updates.count('update', 1)
    assert.deepStrictEqual(updates.of('update').map(([, params]) => params.info_hash), Object.keys(server.torrents))
  })
}

for (const extra of ['&port=2', '&left=0', '&event=started', '&numwant=1', '&compact=0', `&peer_id=${'c'.repeat(20)}`]) {
  test(`params and store agree when ${extra.slice(0, 9)} comes twice`, async t => {
    const server = await startServer(t, { udp: false })
    server.on('warning', () => {})
    const events = record(server, 'update', 'start')
    const path = announcePath({ ...stranger(), port: 1, left: 5, event: 'update', numwant: 3 })
    const answer = await bencoded(httpPort(server), path + extra)
    if (answer.has('failure reason')) return
    await events.until(({ log }) => log.length === 1)
    const [{ name, args: [addr, params] }] = events.log
    const { complete, peers: { keys: [key] } } = server.torrents[params.info_hash]
    const { peerId } = server.torrents[params.info_hash].peers.peek(key)
    assert.strictEqual(addr, key)
    assert.strictEqual(params.addr, addr)
    assert.strictEqual(`127.0.0.1:${params.port}`, addr)
    assert.strictEqual(params.left === 0, complete === 1)
    assert.strictEqual(params.event, { start: 'started', update: 'update' }[name])
    assert.strictEqual(params.peer_id, peerId)
    // Which of two is meant nobody knows, so it is the number for none.
    assert.strictEqual(params.numwant, extra.startsWith('&numwant') ? 50 : 3)
    assert.ok(params.compact === 1 || params.compact === 0)
  })
}

test('known keys behind three hundred unknown ones are in params', async t => {
  const server = await startServer(t, { udp: false })
  const updated = next(server, 'update')
  const who = stranger()
  const [path, query] = announcePath(who).split('?')
  await bencoded(httpPort(server), `${path}?${Array.from({ length: 300 }, (_, i) => `x${i}=1&`).join('')}${query}`)
  const [, params] = await updated
  assert.strictEqual(params.info_hash, who.infoHash)
  assert.strictEqual(params.port, 6881)
})

test('a query cannot change what params is', async t => {
  const server = await startServer(t, { udp: false })
  const updated = next(server, 'update')
  await bencoded(httpPort(server), announcePath(stranger()) + '&__proto__=a&__proto__=b&type=udp&ip=1.2.3.4&addr=x&headers=y')
  const [, params] = await updated
  assert.ok([Object.prototype, null].includes(Object.getPrototypeOf(params)))
  assert.strictEqual(params.type, 'http')
  assert.strictEqual(params.ip, '127.0.0.1')
  assert.strictEqual(params.addr, '127.0.0.1:6881')
  assert.strictEqual(typeof params.headers, 'object')
})

test('headers in params are those of the request, whatever their names', async t => {
  const server = await startServer(t, { udp: false })
  const updated = next(server, 'update')
  const headers = { constructor: 'a', valueOf: 'b', __proto__x: 'c', 'x-two': ['d', 'e'] }
  await bencoded(httpPort(server), announcePath(stranger()), { headers })
  const [, params] = await updated
  assert.strictEqual(params.headers.constructor, 'a')
  assert.strictEqual(params.headers.valueof, 'b')
  assert.strictEqual(params.headers.__proto__x, 'c')
  assert.strictEqual(params.headers['x-two'], 'd, e')
})

test('HTTP params: defaults and limits', async t => {
  const server = await startServer(t)
  const announce = async extra => {
    const updated = next(server, 'update')
    await bencoded(httpPort(server), announcePath({ ...stranger(), left: undefined, compact: undefined, ...extra }))
    return (await updated)[1]
  }
  const params = await announce({})
  assert.strictEqual(params.left, Infinity)
  assert.strictEqual(params.compact, 0)
  assert.strictEqual(params.numwant, 50)
  assert.strictEqual((await announce({ numwant: 1000 })).numwant, 82)
  assert.strictEqual((await announce({ left: 'x' })).left, Infinity)
})

test('a left that is no number is no seeder', async t => {
  const server = await startServer(t)
  for (const left of ['NaN', 'x', undefined]) {
    const answer = await bencoded(httpPort(server), announcePath({ ...stranger(), left, event: 'started' }))
    assert.strictEqual(answer.get('incomplete'), 1, `left=${left}`)
    assert.strictEqual(answer.get('complete'), 0)
  }
})

test('an event comes with the address and the params of a UDP announce', async t => {
  const server = await startServer(t)
  const [infoHash, peerId] = [randomHex(), randomHex()]
  const peer = await UdpPeer.open(t, udpPort(server))
  const connectionId = await peer.connect()
  const started = next(server, 'start')
  await peer.announce({ infoHash, peerId, event: 'started', left: 7, downloaded: 3, uploaded: 2, numwant: 5, key: 0xfffffffe })
  const [addr, params] = await started
  assert.strictEqual(addr, '127.0.0.1:6881')
  assert.strictEqual(params.type, 'udp')
  assert.strictEqual(params.action, 1)
  assert.ok(connectionId.equals(params.connectionId))
  assert.strictEqual(typeof params.transactionId, 'number')
  assert.strictEqual(params.info_hash, infoHash)
  assert.strictEqual(params.peer_id, peerId)
  assert.strictEqual(params.left, 7)
  assert.strictEqual(params.downloaded, 3)
  assert.strictEqual(params.uploaded, 2)
  assert.strictEqual(params.event, 'started')
  assert.strictEqual(params.ip, '127.0.0.1')
  assert.strictEqual(params.key, 0xfffffffe)
  assert.strictEqual(params.numwant, 5)
  assert.strictEqual(params.port, 6881)
  assert.strictEqual(params.addr, '127.0.0.1:6881')
  assert.strictEqual(params.compact, 1)
})

test('addresses of IPv6 peers have brackets', needsIPv6, async t => {
  const server = await startServer(t)
  const viaHttp = next(server, 'start')
  await bencoded(httpPort(server), announcePath({ ...stranger(), event: 'started' }), { host: '::1' })
  const [httpAddr, httpParams] = await viaHttp
  assert.strictEqual(httpAddr, '[::1]:6881')
  assert.strictEqual(httpParams.ip, '::1')
  const viaUdp = next(server, 'start')
  const peer = await UdpPeer.open(t, server.udp6.address().port, '::1')
  await peer.announce({ ...stranger(), event: 'started' })
  const [udpAddr] = await viaUdp
  assert.strictEqual(udpAddr, '[::1]:6881')
})
