'use strict'

const assert = require('node:assert')
const { describe } = require('node:test')
const { setImmediate: turn } = require('node:timers/promises')
const { test } = require('./helpers/test')
const { callback, nextValue, record } = require('./helpers/events')
const { announcePath, bencoded } = require('./helpers/http')
const { ROOT, start: startProgram } = require('./helpers/processes')
const { assertWarning, httpPort, randomHex, startServer } = require('./helpers/subjects')
const { FrameSocket, OP, handshake } = require('./helpers/websocket-frames')
const { WsPeer, announce, binary, counts, makeOffers, settleAll, untilCount } = require('./helpers/websocket-peer')

const start = (t, opts) => startServer(t, { udp: false, ws: true, ...opts })

/** More than the kernel keeps for a connection that nobody reads. */
const FLOOD = 12 << 20

/** A message of exactly so many bytes, which is a scrape. */
function scrapeOf (length) {
  const bare = JSON.stringify({ action: 'scrape', info_hash: 'a'.repeat(20), pad: '' })
  return `${bare.slice(0, -2)}${'x'.repeat(length - bare.length)}"}`
}

for (const [opts, limit] of [[{ ws: true }, 64 * 1024], [{ ws: { maxPayload: 1000 } }, 1000]]) {
  test(`a message may have ${limit} bytes with ${JSON.stringify(opts)}`, async t => {
    const server = await start(t, opts)
    const peer = await WsPeer.open(t, server)
    assert.strictEqual((await peer.ask(scrapeOf(limit))).action, 'scrape')
    const infoHash = randomHex()
    await peer.join(infoHash)
    const warned = nextValue(server, 'warning')
    peer.send(scrapeOf(limit + 1))
    await peer.closed
    assertWarning(await warned, /WebSocket closed/)
    await untilCount(server, infoHash, 0)
  })
}

for (const [opts, limit] of [[{ ws: true }, 20], [{ ws: { maxOffers: 3 } }, 3]]) {
  test(`of an announce, ${limit} offers are passed on with ${JSON.stringify(opts)}`, async t => {
    const server = await start(t, opts)
    const infoHash = randomHex()
    const [sender, crowd] = [await WsPeer.open(t, server), await WsPeer.open(t, server)]
    for (let i = 0; i < 30; i++) await crowd.join(infoHash, { peerId: randomHex() })
    const offers = makeOffers(30)
    assert.strictEqual((await sender.join(infoHash, { offers })).incomplete, 31)
    const received = (await settleAll([sender, crowd]))[1].map(message => message.offer_id)
    assert.deepStrictEqual(received.sort(), offers.slice(0, limit).map(offer => offer.offer_id).sort())
  })
}

test('info hashes per socket', async t => {
  const server = await start(t, { ws: { maxInfoHashes: 3 } })
  const warnings = record(server, 'warning')
  const hashes = Array.from({ length: 4 }, randomHex)
  const peer = await WsPeer.open(t, server)
  for (const infoHash of hashes.slice(0, 3)) assert.strictEqual((await peer.join(infoHash)).incomplete, 1)
  const refused = {
    action: 'announce', 'failure reason': 'too many info hashes on one socket', info_hash: binary(hashes[3])
  }
  assert.deepStrictEqual(await peer.join(hashes[3]), refused)
  assert.deepStrictEqual(counts(server, hashes[3]), [0, 0])
  assert.strictEqual((await peer.join(hashes[0], { peerId: randomHex() }))['failure reason'], refused['failure reason'])
  await warnings.count('warning', 2)
  for (const [err] of warnings.of('warning')) assertWarning(err, refused['failure reason'])

  // Those that are known may go on, and one that leaves makes room.
  assert.strictEqual((await peer.announce({ infoHash: hashes[0] })).incomplete, 1)
  assert.strictEqual((await peer.announce({ infoHash: hashes[3], event: 'stopped' })).incomplete, 0)
  await peer.announce({ infoHash: hashes[1], event: 'stopped' })
  assert.strictEqual((await peer.join(hashes[3])).incomplete, 1)
  const another = await WsPeer.open(t, server)
  assert.strictEqual((await another.join(hashes[1])).incomplete, 1, 'each socket has a limit of its own')
})

test('sockets in all: one more is refused with 503 until one leaves', async t => {
  const server = await start(t, { ws: { maxSockets: 2 } })
  const [first] = [await WsPeer.open(t, server), await WsPeer.open(t, server)]
  const warned = nextValue(server, 'warning')
  const refused = await handshake(t, httpPort(server))
  assert.strictEqual(refused.status, 503, refused.body)
  assertWarning(await warned)
  assert.ok((await bencoded(httpPort(server), announcePath({ infoHash: randomHex(), peerId: randomHex() }))).has('peers'))
  assert.strictEqual(server.ws.clients.size, 2)
  await first.close()
  while (server.ws.clients.size > 1) await turn()
  assert.strictEqual((await handshake(t, httpPort(server))).status, 101)
})

test('sockets in all: no more than half of the descriptors that the program may have', {
  skip: process.platform !== 'linux' && 'the limit is read from /proc'
}, async t => {
  const child = startProgram(t, '/bin/sh', ['-c', 'ulimit -n 256 && exec "$0" -e "$1" "$2"', process.execPath, `
    const { Server } = require(process.argv[1])
    const server = new Server({ udp: false, ws: true })
    server.listen(0, '127.0.0.1', () => console.log('port', server.http.address().port))`, ROOT])
  const port = Number(/\d+/.exec(await child.line(/port \d+/))[0])
  for (let i = 0; i < 128; i++) assert.strictEqual((await handshake(t, port)).status, 101)
  assert.strictEqual((await handshake(t, port)).status, 503)
})

test('sockets per address: one more is refused with 429, also through a proxy', async t => {
  const server = await start(t, { trustProxy: true, ws: { maxSocketsPerIp: 2 } })
  server.on('warning', () => {})
  const from = ip => handshake(t, httpPort(server), { headers: { 'x-forwarded-for': ip } })
  assert.strictEqual((await from('192.0.2.1')).status, 101)
  const { socket } = await from('192.0.2.1')
  assert.strictEqual((await from('192.0.2.1')).status, 429)
  assert.strictEqual((await from('192.0.2.2')).status, 101)
  // A home has a /64 of IPv6 addresses.
  for (const [ip, status] of [
    ['2001:db8::1', 101], ['2001:db8::2', 101], ['2001:db8:0:0:ffff::3', 429], ['2001:db8:0:1::1', 101], ['::ffff:192.0.2.2', 101], ['192.0.2.2', 429]
  ]) assert.strictEqual((await from(ip)).status, status, ip)
  const before = server.ws.clients.size
  socket.stream.destroy()
  while (server.ws.clients.size === before) await turn()
  assert.strictEqual((await from('192.0.2.1')).status, 101)
})

test('a peer that reads too slowly is closed, and others never wait', async t => {
  const server = await start(t, { ws: { maxQueue: 256 * 1024 } })
  const infoHash = randomHex()
  const slow = await notReading(t, server, infoHash)
  const sender = await WsPeer.open(t, server)
  await sender.join(infoHash)
  const offer = { sdp: 'x'.repeat(60_000) }
  const warned = nextValue(server, 'warning')
  let sent = 0
  while (counts(server, infoHash)[1] === 2 && sent < 2 * FLOOD) {
    // The reply is not behind what the slow one does not take.
    assert.strictEqual((await sender.announce({ infoHash, offers: [{ offer, offer_id: `${sent}` }] })).action, 'announce')
    sent += 60_000
  }
  const err = await warned
  assertWarning(err)
  assert.strictEqual(err.code, 'ERR_TRACKER_SLOW_SOCKET')
  assert.strictEqual(err.from, `127.0.0.1:${slow.stream.localPort}`)
  await untilCount(server, infoHash, 1)
  slow.stream.resume()
  await slow.closed
})

test('a reply that does not fit into the queue closes its own socket', async t => {
  const server = await start(t, { ws: { maxQueue: 2000 } })
  server.on('warning', () => {})
  const [peer, other] = [await WsPeer.open(t, server), await WsPeer.open(t, server)]
  peer.send({ action: 'scrape', info_hash: Array.from({ length: 200 }, () => binary(randomHex())) })
  await peer.closed
  assert.strictEqual((await other.join(randomHex())).incomplete, 1)
})

test('close() does not wait for a peer that does not read', async t => {
  const server = await start(t, { ws: { maxQueue: 4 * FLOOD } })
  await flooded(t, server)
  const [err] = await callback(cb => server.close(cb))
  assert.strictEqual(err, null)
})

test('a peer that does not read is found dead, whatever waits for it', async t => {
  const server = await start(t, { ws: { maxQueue: 4 * FLOOD, pingInterval: 500 } })
  server.on('warning', () => {})
  const { infoHash } = await flooded(t, server)
  await untilCount(server, infoHash, 1)
})

// They wait most of the time, so all of them at once.
describe('pings and idle time', { concurrency: true }, () => {
  test('pings find a socket that is dead; one that answers stays', async t => {
    const server = await start(t, { ws: { pingInterval: 700 } })
    const [infoHash, peerId] = [randomHex(), randomHex()]
    const alive = await WsPeer.open(t, server)
    await alive.join(infoHash)
    const dead = await FrameSocket.open(t, httpPort(server))
    dead.sendJson(announce({ infoHash, peerId, left: 1 }))
    const opcodes = []
    for (let frame; (frame = await dead.next()) !== undefined;) opcodes.push(frame.opcode)
    assert.deepStrictEqual(opcodes.slice(0, 2), [OP.text, OP.ping])
    await untilCount(server, infoHash, 1)
    assert.ok(server.torrents[infoHash].peers.get(alive.peerId))
    assert.strictEqual((await alive.announce({ infoHash })).incomplete, 1)
  })

  test('whatever comes in answers a ping', async t => {
    const server = await start(t, { ws: { pingInterval: 700 } })
    const socket = await FrameSocket.open(t, httpPort(server))
    for (const answer of [OP.ping, OP.text, OP.pong]) {
      let frame
      do frame = await socket.next(); while (frame && frame.opcode !== OP.ping)
      assert.ok(frame, 'still open')
      socket.send(answer, answer === OP.text ? '{}' : '')
    }
  })

  test('an idle socket is closed although it answers pings', async t => {
    const server = await start(t, { ws: { pingInterval: 50, idleTimeout: 200 } })
    const infoHash = randomHex()
    const idle = await WsPeer.open(t, server)
    await idle.join(infoHash)
    assert.strictEqual(await idle.closed, 1001)
    await untilCount(server, infoHash, 0)
  })

  test('the idle timeout does not wait for a ping', async t => {
    const server = await start(t, { ws: { idleTimeout: 200 } })
    const idle = await WsPeer.open(t, server)
    assert.strictEqual(await idle.closed, 1001)
  })

  test('a socket that sends messages is not idle', async t => {
    const server = await start(t, { ws: { idleTimeout: 800 } })
    const peer = await WsPeer.open(t, server)
    const until = Date.now() + 1700
    while (Date.now() < until) await peer.settle()
    assert.strictEqual((await peer.join(randomHex())).incomplete, 1)
  })
})

test('only pages of the origins on the list may connect', async t => {
  const server = await start(t, { ws: { origins: ['https://good.example', 'http://localhost:8080'] } })
  server.on('warning', () => {})
  for (const [origin, status] of [
    ['https://good.example', 101], ['http://localhost:8080', 101], [undefined, 101], ['HTTPS://GOOD.EXAMPLE', 101],
    ['https://bad.example', 403], ['http://good.example', 403], ['https://good.example.bad.example', 403], ['https://good.example:444', 403],
    ['https://sub.good.example', 403], ['null', 403], ['', 403], ['*', 403], ['https://good.example, https://bad.example', 403]
  ]) {
    const answer = await handshake(t, httpPort(server), { headers: { origin } })
    assert.strictEqual(answer.status, status, `${origin}`)
  }
})

test('an empty list of origins keeps all pages out, no list none', async t => {
  for (const [ws, status] of [[{ origins: [] }, 403], [{}, 101], [{ origins: null }, 101]]) {
    const server = await start(t, { ws })
    server.on('warning', () => {})
    assert.strictEqual((await handshake(t, httpPort(server), { headers: { origin: 'https://a.example' } })).status, status)
    assert.strictEqual((await handshake(t, httpPort(server))).status, 101)
  }
})

for (const opts of [
  { maxPayload: -1 }, { maxPayload: 'x' }, { maxOffers: 1.5 }, { maxSockets: {} }, { maxQueue: NaN }, { pingInterval: -1 }, { idleTimeout: 'long' },
  { interval: -5 }, { origins: 'https://a.example' }, { origins: [1] }
]) {
  test(`the option ws: ${JSON.stringify(opts)} is refused`, t => {
    const { Server } = require('./helpers/subjects')
    assert.throws(() => new Server({ ws: opts }), { code: 'ERR_TRACKER_INVALID_OPTION' })
  })
}

/** A peer in the swarm that reads nothing. */
async function notReading (t, server, infoHash) {
  const socket = await FrameSocket.open(t, httpPort(server))
  socket.sendJson(announce({ infoHash, peerId: randomHex(), left: 1 }))
  await socket.nextJson()
  socket.stream.pause()
  return socket
}

/** A swarm of two, of which one does not read all that waits for it. */
async function flooded (t, server) {
  const infoHash = randomHex()
  await notReading(t, server, infoHash)
  const sender = await WsPeer.open(t, server)
  await sender.join(infoHash)
  const offer = { sdp: 'x'.repeat(60_000) }
  for (let sent = 0; sent < FLOOD; sent += 60_000) await sender.announce({ infoHash, offers: [{ offer, offer_id: `${sent}` }] })
  return { infoHash, sender }
}
