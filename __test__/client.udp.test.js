'use strict'

const assert = require('node:assert')
const dgram = require('node:dgram')
const { once } = require('node:events')
const { test, needsIPv6 } = require('./helpers/test')
const { callback, nextValue, record } = require('./helpers/events')
const { FakeUdpTracker, answerWith, parseAnnounce, transactionOf } = require('./helpers/fake-udp-tracker')
const { EVENTS, MAGIC, uint32 } = require('./helpers/udp')
const { assertWarning, createClient, randomHex } = require('./helpers/subjects')

test('connect, then announce with the id of the tracker', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const [infoHash, peerId] = [randomHex(), randomHex()]
  const client = createClient(t, { announce: tracker.url, infoHash, peerId })
  client.start({ left: 5_000_000_000_000, downloaded: 3_000_000_000, uploaded: 2 })
  const connect = await tracker.packet('connect')
  assert.strictEqual(connect.length, 16)
  assert.ok(connect.subarray(0, 8).equals(MAGIC))
  const packet = await tracker.packet('announce')
  const announce = parseAnnounce(packet)
  assert.ok(announce.connectionId.equals(tracker.connectionId))
  assert.ok(!announce.transactionId.equals(transactionOf(connect)), 'a new transaction id for each request')
  assert.strictEqual(announce.infoHash, infoHash)
  assert.strictEqual(announce.peerId, peerId)
  assert.strictEqual(announce.left, 5_000_000_000_000n)
  assert.strictEqual(announce.downloaded, 3_000_000_000n)
  assert.strictEqual(announce.uploaded, 2n)
  assert.strictEqual(announce.event, EVENTS.started)
  assert.strictEqual(announce.ip, 0)
  assert.strictEqual(announce.numwant, 50)
  assert.strictEqual(announce.port, 6881)
  assert.strictEqual(packet.length, 98, 'nothing after the announce when the URL has no path')
})

for (const [method, event] of [['start', 'started'], ['stop', 'stopped'], ['complete', 'completed'], ['update', 'update']]) {
  test(`${method}() sends event ${event}`, async t => {
    const tracker = await FakeUdpTracker.start(t)
    const client = createClient(t, { announce: tracker.url })
    client[method]()
    assert.strictEqual(parseAnnounce(await tracker.packet('announce')).event, EVENTS[event])
  })
}

test('an unknown left is all ones, and so is NaN', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const client = createClient(t, { announce: tracker.url })
  for (const [n, opts] of [[1, undefined], [2, { left: NaN }]]) {
    client.update(opts)
    assert.strictEqual(parseAnnounce(await tracker.packet('announce', n)).left, 2n ** 64n - 1n)
  }
})

test('update is exactly announce, complete and incomplete, and comes before the peers', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'update', 'peer')
  client.start()
  await events.count('peer', 1)
  assert.deepStrictEqual(events.log, [
    { name: 'update', args: [{ announce: tracker.url, complete: 2, incomplete: 3 }] }, { name: 'peer', args: ['10.0.0.1:6881'] }
  ])
})

test('the key is random and stays the same for a client', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const keys = []
  for (let i = 0; i < 2; i++) {
    const client = createClient(t, { announce: tracker.url })
    for (const method of ['start', 'update']) {
      client[method]()
      await nextValue(client, 'update')
      keys.push(parseAnnounce(tracker.of('announce').at(-1)).key)
    }
  }
  assert.strictEqual(keys[0], keys[1])
  assert.strictEqual(keys[2], keys[3])
  // Two random 32-bit numbers are alike once in four thousand million runs.
  assert.notStrictEqual(keys[0], keys[2])
})

test('a connection id is used again, by other clients too', async t => {
  const tracker = await FakeUdpTracker.start(t)
  for (let i = 0; i < 3; i++) {
    const client = createClient(t, { announce: tracker.url })
    client.start()
    await nextValue(client, 'update')
  }
  assert.strictEqual(tracker.of('announce').length, 3)
  assert.strictEqual(tracker.of('connect').length, 1)
})

test('path and query of the URL are sent as BEP 41 data', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const long = `/announce/${'p'.repeat(300)}?passkey=a%20b`
  for (const [n, path] of [[1, '/announce?passkey=1'], [2, long]]) {
    createClient(t, { announce: tracker.url + path }).start()
    const { options } = parseAnnounce(await tracker.packet('announce', n))
    assert.strictEqual(urlData(options), path)
  }
})

test('an announce over IPv6, with 18-byte peers', needsIPv6, async t => {
  const tracker = await FakeUdpTracker.start(t, {
    announce: answerWith(Buffer.from('20010db8000000000000000000000001' + '1ae1', 'hex'))
  }, '::1')
  const client = createClient(t, { announce: tracker.url })
  client.start()
  assert.strictEqual(await nextValue(client, 'peer'), '[2001:db8::1]:6881')
})

test('peers with port 0 are left out', async t => {
  const tracker = await FakeUdpTracker.start(t, {
    announce: answerWith(Buffer.from([10, 0, 0, 1, 0, 0, 10, 0, 0, 2, 0, 9]))
  })
  const client = createClient(t, { announce: tracker.url })
  client.start()
  assert.strictEqual(await nextValue(client, 'peer'), '10.0.0.2:9')
})

test('scrape: one event for each hash, in order', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const hashes = [randomHex(), randomHex(), randomHex()]
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'scrape')
  client.scrape({ infoHash: hashes })
  const packet = await tracker.packet('scrape')
  assert.strictEqual(packet.toString('hex', 16), hashes.join(''))
  await events.count('scrape', 3)
  assert.deepStrictEqual(events.of('scrape').flat(), hashes.map((infoHash, i) => (
    { announce: tracker.url, infoHash, complete: i + 1, downloaded: 10 * (i + 1), incomplete: 100 * (i + 1) }
  )))
})

test('scrape of one hash, and of the client\'s own', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const client = createClient(t, { announce: tracker.url })
  const other = randomHex()
  for (const [opts, infoHash] of [[{ infoHash: other }, other], [undefined, client.infoHash]]) {
    client.scrape(opts)
    assert.strictEqual((await nextValue(client, 'scrape')).infoHash, infoHash)
  }
})

test('more hashes than a packet holds are asked for in several', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const hashes = Array.from({ length: 100 }, randomHex)
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'scrape')
  client.scrape({ infoHash: hashes })
  await events.count('scrape', 100)
  assert.deepStrictEqual(events.of('scrape').map(([{ infoHash }]) => infoHash).sort(), [...hashes].sort())
  assert.ok(tracker.of('scrape').every(packet => packet.length <= 16 + 74 * 20))
})

test('an error packet is a warning with its text', async t => {
  const tracker = await FakeUdpTracker.start(t, {
    announce: (packet, reply) => reply(uint32(3), transactionOf(packet), Buffer.from('access denied\0'))
  })
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'update', 'error')
  client.start()
  assertWarning(await nextValue(client, 'warning'), 'access denied')
  assert.deepStrictEqual(events.names, [])
})

test('an error packet drops the connection id: the next announce connects again', async t => {
  let refuse = true
  const tracker = await FakeUdpTracker.start(t, {
    announce: (packet, reply) => {
      if (refuse) reply(uint32(3), transactionOf(packet), Buffer.from('Connection ID mismatch'))
      else reply(uint32(1), transactionOf(packet), uint32(1800), uint32(0), uint32(1))
    }
  })
  const client = createClient(t, { announce: tracker.url })
  const refused = nextValue(client, 'warning')
  client.start()
  await refused
  refuse = false
  tracker.connectionId = Buffer.from('0102030405060708', 'hex')
  const updated = new Promise(resolve => client.once('update', resolve))
  client.update()
  await updated
  assert.ok(parseAnnounce(tracker.of('announce').at(-1)).connectionId.equals(tracker.connectionId))
})

for (const [what, forge] of [
  ['a wrong transaction id', packet => [uint32(1), uint32(transactionOf(packet).readUInt32BE() ^ 1), uint32(1800), uint32(66), uint32(66)]],
  ['a packet that is too short', packet => [uint32(1), transactionOf(packet)]],
  ['a few stray bytes', () => [Buffer.from('xyz')]],
  ['a connect response', packet => [uint32(0), transactionOf(packet), Buffer.alloc(8)]]
]) {
  test(`${what} before the true answer is passed over`, async t => {
    const tracker = await FakeUdpTracker.start(t, {
      announce: (packet, reply) => {
        reply(...forge(packet))
        reply(uint32(1), transactionOf(packet), uint32(1800), uint32(3), uint32(2))
      }
    })
    const client = createClient(t, { announce: tracker.url })
    client.start()
    const { complete } = await nextValue(client, 'update')
    assert.strictEqual(complete, 2)
  })
}

test('an answer from another port than the tracker\'s is not taken', async t => {
  const stranger = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  t.after(() => stranger.close())
  await once(stranger, 'listening')
  const tracker = await FakeUdpTracker.start(t, {
    announce: (packet, reply, { packets }) => {
      const forged = Buffer.concat([uint32(1), transactionOf(packet), uint32(1800), uint32(66), uint32(66)])
      stranger.send(forged, packets.at(-1).from.port, '127.0.0.1', () => {
        reply(uint32(1), transactionOf(packet), uint32(1800), uint32(3), uint32(2))
      })
    }
  })
  const client = createClient(t, { announce: tracker.url })
  client.start()
  assert.strictEqual((await nextValue(client, 'update')).complete, 2)
})

test('stop() and destroy() in one tick still tell the tracker', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'update', 'peer', 'warning', 'error')
  client.stop()
  const [err] = await callback(cb => client.destroy(cb))
  assert.ok(!err, `${err}`)
  assert.strictEqual(parseAnnounce(await tracker.packet('announce')).event, EVENTS.stopped)
  assert.deepStrictEqual(events.names, [])
})

test('destroy does not wait long for a tracker that is silent', async t => {
  const tracker = await FakeUdpTracker.start(t, { connect: () => {} })
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'update', 'warning', 'error')
  client.start()
  await tracker.packet('connect')
  const [err] = await callback(cb => client.destroy(cb))
  assert.ok(!err, `${err}`)
  assert.deepStrictEqual(events.names, [])
})

test('setInterval announces again', async t => {
  const tracker = await FakeUdpTracker.start(t, {
    announce: (packet, reply) => reply(uint32(1), transactionOf(packet), uint32(0), uint32(0), uint32(1))
  })
  const client = createClient(t, { announce: tracker.url })
  client.setInterval(20)
  assert.strictEqual(parseAnnounce(await tracker.packet('announce', 3)).event, EVENTS.update)
})

/** The URL data of BEP 41 options, which have to end in an end option or with the packet. */
function urlData (options) {
  const chunks = []
  for (let at = 0; at < options.length;) {
    if (options[at] === 0) break
    if (options[at] === 1) { at++; continue }
    assert.strictEqual(options[at], 2)
    const length = options[at + 1]
    assert.ok(at + 2 + length <= options.length)
    chunks.push(options.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return Buffer.concat(chunks).toString()
}
