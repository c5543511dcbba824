'use strict'

const assert = require('node:assert')
const { test, needsIPv6, SOCKET_PATHS } = require('./helpers/test')
const { UdpPeer, announceRequest, connectRequest, decodeReply, scrapeRequest } = require('./helpers/udp')
const { randomHex, startServer, stranger, udpPort } = require('./helpers/subjects')

for (const { name, opts } of SOCKET_PATHS) {
  const start = (t, more) => startServer(t, { http: false, ...opts, ...more })

  test(`${name}: connect answers 16 bytes with an id of its own`, async t => {
    const server = await start(t)
    const peer = await UdpPeer.open(t, udpPort(server))
    const transactionId = Buffer.from('deadbeef', 'hex')
    const reply = await peer.exchange(connectRequest(transactionId))
    assert.strictEqual(reply.length, 16)
    assert.strictEqual(reply.readUInt32BE(0), 0)
    assert.ok(reply.subarray(4, 8).equals(transactionId))
    assert.notStrictEqual(reply.toString('hex', 8), '0000041727101980')
  })

  test(`${name}: announce gives counts, interval and the peer itself`, async t => {
    const server = await start(t)
    const peer = await UdpPeer.open(t, udpPort(server))
    const infoHash = randomHex()
    const first = await peer.announce({ infoHash, peerId: randomHex(), event: 'started', port: 1 })
    assert.strictEqual(first.action, 1)
    assert.strictEqual(first.interval, 600)
    assert.strictEqual(first.incomplete, 1)
    assert.strictEqual(first.complete, 0)
    assert.deepStrictEqual(first.peers, ['127.0.0.1:1'])
    const second = await peer.announce({ infoHash, peerId: randomHex(), event: 'started', left: 0, port: 2 })
    assert.strictEqual(second.complete, 1)
    assert.deepStrictEqual(second.peers.sort(), ['127.0.0.1:1', '127.0.0.1:2'])
  })

  test(`${name}: the reply carries the request's transaction id`, async t => {
    const server = await start(t)
    const peer = await UdpPeer.open(t, udpPort(server))
    const connectionId = await peer.connect()
    const transactionId = Buffer.from('01020304', 'hex')
    const reply = await peer.exchange(announceRequest({ connectionId, transactionId, ...stranger() }))
    assert.ok(decodeReply(reply).transactionId.equals(transactionId))
  })

  test(`${name}: scrape answers in the order asked, zeros for the unknown`, async t => {
    const server = await start(t)
    const peer = await UdpPeer.open(t, udpPort(server))
    const [a, b] = [randomHex(), randomHex()]
    await peer.announce({ infoHash: a, peerId: randomHex(), event: 'started', port: 1 })
    await peer.announce({ infoHash: a, peerId: randomHex(), event: 'completed', left: 0, port: 1 })
    await peer.announce({ infoHash: b, peerId: randomHex(), event: 'started', port: 2 })
    const { files } = await peer.scrape(b, randomHex(), a)
    assert.deepStrictEqual(files, [
      { complete: 0, downloaded: 0, incomplete: 1 },
      { complete: 0, downloaded: 0, incomplete: 0 },
      { complete: 1, downloaded: 1, incomplete: 0 }
    ])
  })

  test(`${name}: a connection id is reused for many requests, but not by another address`, async t => {
    const server = await start(t)
    const peer = await UdpPeer.open(t, udpPort(server))
    await peer.connect()
    for (let i = 0; i < 10; i++) {
      const { action } = await peer.announce({ ...stranger() })
      assert.strictEqual(action, 1)
    }
    // The port is no part of the id: NATs change it.
    const samePlace = await UdpPeer.open(t, udpPort(server))
    samePlace.connectionId = peer.connectionId
    assert.strictEqual((await samePlace.announce({ ...stranger() })).action, 1)
  })

  test(`${name}: wrong connection ids get no answer and change nothing`, async t => {
    const server = await start(t)
    const peer = await UdpPeer.open(t, udpPort(server))
    const connectionId = await peer.connect()
    const flipped = Buffer.from(connectionId)
    flipped[7] ^= 1
    for (const id of [Buffer.alloc(8), Buffer.from('0000041727101980', 'hex'), flipped]) {
      assert.ok(await peer.isIgnored(announceRequest({ connectionId: id, ...stranger() })))
      assert.ok(await peer.isIgnored(scrapeRequest({ connectionId: id, hashes: [randomHex()] })))
    }
    assert.deepStrictEqual(Object.keys(server.torrents), [])
  })

  test(`${name}: IPv6 announces get IPv6 peers`, needsIPv6, async t => {
    const server = await start(t)
    const infoHash = randomHex()
    const v4 = await UdpPeer.open(t, udpPort(server))
    const v6 = await UdpPeer.open(t, server.udp6.address().port, '::1')
    await v4.announce({ infoHash, peerId: randomHex(), port: 4 })
    const one = await v6.announce({ infoHash, peerId: randomHex(), port: 6 })
    assert.deepStrictEqual(one.peers, ['[::1]:6'])
    assert.strictEqual(one.incomplete, 2, 'one swarm for both families')
    assert.deepStrictEqual((await v4.announce({ infoHash, peerId: randomHex(), port: 4 })).peers, ['127.0.0.1:4'])
  })

  test(`${name}: a burst from several sockets loses no answer`, async t => {
    const server = await start(t)
    const infoHash = randomHex()
    const peers = await Promise.all(Array.from({ length: 8 }, () => UdpPeer.open(t, udpPort(server))))
    await Promise.all(peers.map(peer => peer.connect()))
    const replies = await Promise.all(peers.map(async (peer, n) => {
      for (let i = 0; i < 25; i++) await peer.announce({ infoHash, peerId: randomHex(), port: n * 25 + i + 1 })
      return peer.announce({ infoHash, peerId: randomHex(), port: n * 25 + 1 })
    }))
    assert.ok(replies.every(({ action }) => action === 1))
    assert.strictEqual(server.torrents[infoHash].incomplete, 200)
  })
}

test('num_want is exact up to 82, 50 when -1, none when 0', async t => {
  const server = await startServer(t, { http: false })
  const peer = await UdpPeer.open(t, udpPort(server))
  const infoHash = randomHex()
  for (let port = 1; port <= 90; port++) await peer.announce({ infoHash, peerId: randomHex(), port, numwant: 1 })
  for (const [numwant, count] of [[1, 1], [10, 10], [82, 82], [1000, 82], [-1, 50], [0, 0]]) {
    const { peers } = await peer.announce({ infoHash, peerId: randomHex(), port: 1, numwant })
    assert.strictEqual(peers.length, count, `num_want ${numwant}`)
    assert.strictEqual(new Set(peers).size, count)
  }
})

test('an answer over IPv6 stays under the smallest MTU', needsIPv6, async t => {
  const server = await startServer(t, { http: false })
  const peer = await UdpPeer.open(t, server.udp6.address().port, '::1')
  const infoHash = randomHex()
  for (let port = 1; port <= 90; port++) await peer.announce({ infoHash, peerId: randomHex(), port, numwant: 1 })
  const { peers, length } = await peer.announce({ infoHash, peerId: randomHex(), port: 1, numwant: 200 })
  assert.strictEqual(peers.length, 67)
  assert.ok(length + 40 + 8 <= 1280)
})

test('64-bit counters arrive whole', async t => {
  const server = await startServer(t, { http: false })
  const peer = await UdpPeer.open(t, udpPort(server))
  const started = paramsOf(server, 'start')
  await peer.announce({
    ...stranger(), event: 'started', left: 5_000_000_000_000, downloaded: 3_000_000_000, uploaded: 4_294_836_224
  })
  const params = await started
  assert.strictEqual(params.left, 5_000_000_000_000)
  assert.strictEqual(params.downloaded, 3_000_000_000)
  assert.strictEqual(params.uploaded, 4_294_836_224)
})

test('a left with only high bits set is no seeder', async t => {
  const server = await startServer(t, { http: false })
  const peer = await UdpPeer.open(t, udpPort(server))
  const reply = await peer.announce({ ...stranger(), event: 'started', left: 2n ** 32n })
  assert.strictEqual(reply.complete, 0)
  assert.strictEqual(reply.incomplete, 1)
})

test('the ip field is not trusted', async t => {
  const server = await startServer(t, { http: false })
  const peer = await UdpPeer.open(t, udpPort(server))
  const { peers } = await peer.announce({ ...stranger(), ip: 0xcb007107 })
  assert.deepStrictEqual(peers, ['127.0.0.1:6881'])
})

test('port 0 means the port that the packet came from', async t => {
  const server = await startServer(t, { http: false })
  const peer = await UdpPeer.open(t, udpPort(server))
  const { peers } = await peer.announce({ ...stranger(), port: 0 })
  assert.deepStrictEqual(peers, [`127.0.0.1:${peer.port}`])
})

test('bytes after an announce, URL data or junk, do no harm', async t => {
  const server = await startServer(t, { http: false })
  const peer = await UdpPeer.open(t, udpPort(server))
  const path = Buffer.from('/announce?passkey=1')
  for (const options of [
    Buffer.concat([Buffer.from([2, path.length]), path, Buffer.from([0])]),
    Buffer.from([2]), Buffer.from([2, 255, 1]), Buffer.from([1, 1, 1, 0]), Buffer.from([0xee, 0xff, 0, 0, 0]),
    Buffer.alloc(500, 0xff)
  ]) {
    const { action } = await peer.announce({ ...stranger(), options })
    assert.strictEqual(action, 1)
  }
})

test('a scrape of 74 hashes is answered whole', async t => {
  const server = await startServer(t, { http: false })
  const peer = await UdpPeer.open(t, udpPort(server))
  const { files } = await peer.scrape(...Array.from({ length: 74 }, randomHex))
  assert.strictEqual(files.length, 74)
})

test('UDP and HTTP peers of a torrent are in one swarm', async t => {
  const { bencoded, announcePath } = require('./helpers/http')
  const { fromCompact } = require('./helpers/compact')
  const server = await startServer(t)
  const infoHash = randomHex()
  const peer = await UdpPeer.open(t, udpPort(server))
  await peer.announce({ infoHash, peerId: randomHex(), event: 'started', port: 1 })
  const answer = await bencoded(server.http.address().port, announcePath({ infoHash, peerId: randomHex(), event: 'started', port: 2 }))
  assert.strictEqual(answer.get('incomplete'), 2)
  assert.deepStrictEqual(fromCompact(answer.get('peers')).sort(), ['127.0.0.1:1', '127.0.0.1:2'])
})

function paramsOf (server, name) {
  return new Promise(resolve => server.once(name, (addr, params) => resolve(params)))
}
