'use strict'

const assert = require('node:assert')
const net = require('node:net')
const { once } = require('node:events')
const { test, SOCKET_PATHS } = require('./helpers/test')
const { next, nextValue, record } = require('./helpers/events')
const { UdpPeer, announceRequest, connectRequest, decodeReply, scrapeRequest, uint32 } = require('./helpers/udp')
const { announcePath, bencoded, percent, raw, request } = require('./helpers/http')
const { assertWarning, httpPort, randomHex, startServer, udpPort } = require('./helpers/subjects')

const hash = randomHex()
const id = randomHex()
const good = extra => announcePath({ infoHash: hash, peerId: id, ...extra })

// What is wrong with an HTTP request, its path, and the failure reason and warning for it.
const BAD_PATHS = [
  ['no query', '/announce', 'invalid info_hash'],
  ['no info_hash', announcePath({ peerId: id }), 'invalid info_hash'],
  ['a short info_hash', announcePath({ infoHash: hash.slice(2), peerId: id }), 'invalid info_hash'],
  ['a long info_hash', announcePath({ infoHash: hash + '00', peerId: id }), 'invalid info_hash'],
  ['a hex info_hash', `/announce?info_hash=${hash}&peer_id=${percent(Buffer.from(id, 'hex'))}&port=1`, 'invalid info_hash'],
  ['two info_hashes', `${good()}&info_hash=${percent(Buffer.from(hash, 'hex'))}`, 'invalid info_hash'],
  ['no peer_id', announcePath({ infoHash: hash }), 'invalid peer_id'],
  ['a short peer_id', announcePath({ infoHash: hash, peerId: id.slice(2) }), 'invalid peer_id'],
  ['no port', good({ port: undefined }), 'invalid port'],
  ['port 0', good({ port: 0 }), 'invalid port'],
  ['a negative port', good({ port: -1 }), 'invalid port'],
  ['port 65536', good({ port: 65536 }), 'invalid port'],
  ['a port of letters', good({ port: 'abc' }), 'invalid port'],
  ['an unknown event', good({ event: 'bogus' }), 'invalid event'],
  ['a hash that is bad and a port that is bad', announcePath({ infoHash: 'aa', peerId: 'bb', port: 0 }), 'invalid info_hash'],
  ['a short hash in a scrape', '/scrape?info_hash=abc', 'invalid info_hash'],
  ['one bad hash among good ones in a scrape', `/scrape?info_hash=${percent(Buffer.from(hash, 'hex'))}&info_hash=abc`, 'invalid info_hash']
]

for (const [what, path, reason] of BAD_PATHS) {
  test(`HTTP: ${what} gets "${reason}" and one warning`, async t => {
    const server = await startServer(t, { udp: false })
    const events = record(server, 'start', 'update', 'error')
    const warned = nextValue(server, 'warning')
    const answer = await bencoded(httpPort(server), path)
    assert.deepStrictEqual([...answer.keys()], ['failure reason'])
    assert.strictEqual(answer.get('failure reason').toString(), reason)
    assertWarning(await warned, reason)
    assert.strictEqual((await bencoded(httpPort(server), good({ event: 'started' }))).get('incomplete'), 1)
    await events.count('start', 1)
    assert.deepStrictEqual(events.names, ['start'])
  })
}

test('HTTP: an unknown path gets a failure reason that names it', async t => {
  const server = await startServer(t, { udp: false })
  const warned = nextValue(server, 'warning')
  const answer = await bencoded(httpPort(server), '/elsewhere?x=1')
  assert.strictEqual(answer.get('failure reason').toString(), 'invalid action in HTTP request: /elsewhere?x=1')
  assertWarning(await warned, /invalid action in HTTP request/)
})

test('HTTP: numbers at their limits are no trouble', async t => {
  const server = await startServer(t, { udp: false })
  const huge = '9'.repeat(400)
  for (const extra of [
    { left: huge }, { left: -1 }, { left: '1e400' }, { numwant: huge }, { numwant: `-${huge}` }, { uploaded: huge, downloaded: 'x' },
    { compact: huge }, { key: 'k'.repeat(500) }, { event: 'started', '%00': '%ff%fe' }, { 'a%': '%zz%' }, { '': '' }
  ]) {
    const answer = await bencoded(httpPort(server), good(extra))
    assert.ok(answer.has('peers'), JSON.stringify(extra))
  }
})

test('HTTP: names that are special in JavaScript are plain parameters', async t => {
  const server = await startServer(t, { udp: false })
  const updated = next(server, 'update')
  await bencoded(httpPort(server), good({ __proto__x: '1', constructor: 'a', toString: 'b', hasOwnProperty: 'c' }) + '&__proto__=evil')
  const [, params] = await updated
  assert.strictEqual(params.info_hash, hash)
  assert.strictEqual({}.evil, undefined)
  assert.notStrictEqual(Object.getPrototypeOf(params), 'evil')
})

for (const { name, opts } of SOCKET_PATHS) {
  test(`${name}: malformed HTTP does not harm the next client`, async t => {
    const server = await startServer(t, { udp: false, ...opts })
    server.on('warning', () => {})
    const errors = record(server, 'error')
    for (const bytes of [
      'garbage\r\n\r\n', Buffer.alloc(1024, 0xff), 'GET /announce HTTP/9.9\r\n\r\n', 'GET  HTTP/1.1\r\n\r\n',
      `GET ${good()} HTTP/1.1\r\nHost: x\r\nContent-Length: zz\r\n\r\n`,
      `GET /${'a'.repeat(200_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(20_000)}\r\n`
    ]) {
      const answer = await raw(httpPort(server), bytes)
      if (answer.length > 0) assert.match(answer.toString('latin1', 0, 20), /^HTTP\/1\.[01] 4\d\d /)
    }
    assert.ok((await bencoded(httpPort(server), good())).has('peers'))
    assert.strictEqual(errors.log.length, 0)
  })

  test(`${name}: a client that hangs up mid-request harms nobody`, async t => {
    const server = await startServer(t, { udp: false, ...opts })
    const errors = record(server, 'error')
    for (const bytes of ['', 'G', `GET ${good()}`, `GET ${good()} HTTP/1.1\r\nHost: x\r\n`, `GET ${good()} HTTP/1.1\r\nHost: x\r\n\r\n`]) {
      const socket = net.connect(httpPort(server), '127.0.0.1')
      await once(socket, 'connect')
      if (bytes) await new Promise(resolve => socket.write(bytes, resolve))
      socket.resetAndDestroy()
    }
    assert.ok((await bencoded(httpPort(server), good())).has('peers'))
    assert.strictEqual(errors.log.length, 0)
  })

  test(`${name}: an answer does not wait for the rest of the next request`, async t => {
    const server = await startServer(t, { udp: false, ...opts })
    const socket = net.connect(httpPort(server), '127.0.0.1')
    t.after(() => socket.destroy())
    socket.write(`GET ${good()} HTTP/1.1\r\nHost: x\r\n\r\nG`)
    const [answer] = await once(socket, 'data')
    assert.match(answer.toString('latin1'), /^HTTP\/1\.1 200 /)
  })

  test(`${name}: a client that sends for ever and reads nothing is cut off`, async t => {
    const server = await startServer(t, { udp: false, idleTimeout: 500, ...opts })
    const socket = net.connect(httpPort(server), '127.0.0.1').pause()
    t.after(() => socket.destroy())
    // By a reset or not.
    socket.on('error', () => {})
    const closed = new Promise(resolve => socket.on('close', resolve))
    const request = `GET ${good()} HTTP/1.1\r\nHost: x\r\n\r\n`
    // Each write ends within a request, so that the server always has the start of one.
    const requests = request.slice(1) + request.repeat(500) + request.slice(0, 1)
    const send = () => socket.write(requests, err => err || setImmediate(send))
    socket.write(request.slice(0, 1), send)
    await closed
  })

  test(`${name}: UDP packets that are too short or make no sense are refused with a warning`, async t => {
    const server = await startServer(t, { http: false, ...opts })
    const peer = await UdpPeer.open(t, udpPort(server))
    const connectionId = await peer.connect()
    const withAction = n => Buffer.concat([connectionId, uint32(n), uint32(7)])
    const announce = announceRequest({ connectionId, infoHash: hash, peerId: id })
    for (const [packet, message] of [
      [Buffer.from([1]), /too short/],
      [Buffer.alloc(15), /too short/],
      [Buffer.alloc(16), /invalid connection id/],
      [announce.subarray(0, 97), undefined],
      [announceRequest({ connectionId, infoHash: hash, peerId: id, event: 9 }), /invalid event/],
      [Buffer.concat([scrapeRequest({ connectionId, hashes: [hash] }), Buffer.from([1])]), /invalid scrape message/],
      [withAction(3), /Invalid action in UDP packet: 3/],
      [withAction(77), /Invalid action in UDP packet: 77/]
    ]) {
      const warned = nextValue(server, 'warning')
      assert.ok(await peer.isRefused(packet), packet.toString('hex'))
      assertWarning(await warned, message)
    }
    assert.deepStrictEqual(Object.keys(server.torrents), [])
    assert.strictEqual((await peer.announce({ infoHash: hash, peerId: id })).action, 1)
  })

  test(`${name}: random UDP packets of all sizes do not stop the server`, async t => {
    const server = await startServer(t, { http: false, ...opts })
    server.on('warning', () => {})
    const errors = record(server, 'error')
    const peer = await UdpPeer.open(t, udpPort(server))
    await peer.connect()
    let seed = 1
    const random = () => { seed = (seed * 1103515245 + 12345) & 0x7fffffff; return seed }
    for (let i = 0; i < 300; i++) {
      const packet = Buffer.from(Array.from({ length: random() % 1400 }, () => random() & 0xff))
      if (i % 2 && packet.length > 16) {
        peer.connectionId.copy(packet)
        packet.writeUInt32BE(i % 3, 8)
      }
      if (packet.length === 0) continue
      peer.send(packet)
      // Good ones among them may be answered; a connect tells that the server got this far.
      const transactionId = uint32(0x10000000 + i)
      peer.send(connectRequest(transactionId))
      for (;;) {
        const reply = await peer.receive()
        if (reply.subarray(4, 8).equals(transactionId)) break
      }
    }
    assert.strictEqual((await peer.announce({ infoHash: hash, peerId: id })).action, 1)
    assert.strictEqual(errors.log.length, 0)
  })
}

test('UDP: an empty datagram is no trouble', async t => {
  const server = await startServer(t, { http: false })
  server.on('warning', () => {})
  const peer = await UdpPeer.open(t, udpPort(server))
  assert.ok(await peer.isIgnored(Buffer.alloc(0)))
})

test('UDP: a scrape of no hash or far too many gets a bounded answer or none', async t => {
  const server = await startServer(t, { http: false })
  server.on('warning', () => {})
  const peer = await UdpPeer.open(t, udpPort(server))
  const connectionId = await peer.connect()
  for (const count of [0, 75, 1000]) {
    peer.send(scrapeRequest({ connectionId, hashes: Array.from({ length: count }, randomHex) }))
    const transactionId = uint32(count + 1)
    peer.send(connectRequest(transactionId))
    for (;;) {
      const reply = await peer.receive()
      if (reply.subarray(4, 8).equals(transactionId) && reply.readUInt32BE(0) === 0) break
      assert.ok(reply.length <= 8 + 74 * 12, `${reply.length} bytes for ${count} hashes`)
      assert.ok([2, 3].includes(decodeReply(reply).action))
    }
  }
})

test('rejected announces emit no event and make no swarm', async t => {
  const server = await startServer(t)
  const events = record(server, 'start', 'update', 'stop', 'complete', 'pause', 'undefined', 'warning')
  await bencoded(httpPort(server), good({ event: 'bogus' }))
  const peer = await UdpPeer.open(t, udpPort(server))
  const connectionId = await peer.connect()
  assert.ok(await peer.isRefused(announceRequest({ connectionId, infoHash: hash, peerId: id, event: 99 })))
  await events.count('warning', 2)
  assert.deepStrictEqual(events.names, ['warning', 'warning'])
  assert.deepStrictEqual(Object.keys(server.torrents), [])
})

test('warnings are rate-limited, and the next one tells how many were left out', async t => {
  const server = await startServer(t, { http: false })
  const warnings = record(server, 'warning')
  const started = record(server, 'start')
  const peer = await UdpPeer.open(t, udpPort(server))
  await peer.connect()
  const bad = Buffer.alloc(16)
  for (let i = 0; i < 1000; i++) {
    peer.send(bad)
    // Keeps the socket's buffer from running over.
    if (i % 50 === 49) await peer.connect()
  }
  await peer.announce({ infoHash: hash, peerId: id, event: 'started' })
  await started.count('start', 1)
  const { length } = warnings.log
  assert.ok(length >= 1, 'some come')
  // 100 a second; a slow machine takes a few seconds for the thousand.
  assert.ok(length <= 600, `${length} of 1000 came`)

  let sent = 1000
  while (!warnings.log.some(({ args: [err] }) => err.leftOut > 0)) {
    peer.send(bad)
    sent++
    await peer.connect()
  }
  const told = warnings.of('warning').reduce((sum, [err]) => sum + 1 + (err.leftOut ?? 0), 0)
  assert.ok(told > 500 && told <= sent, `${told} of ${sent}`)
  assert.strictEqual(warnings.of('warning')[0][0].from, `127.0.0.1:${peer.port}`)
})

test('without a warning listener bad input is no crash', async t => {
  const server = await startServer(t)
  await request(httpPort(server), '/announce')
  const peer = await UdpPeer.open(t, udpPort(server))
  assert.ok(await peer.isIgnored(Buffer.alloc(20)))
})
