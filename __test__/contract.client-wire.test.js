'use strict'

// What programs may expect of a client at HTTP and UDP trackers: what goes over the wire, what comes back.
// CONTRACT.md names the statements.

const assert = require('node:assert')
const { differs, isNew } = require('./helpers/contract-subject')
const { createClient } = require('./helpers/contract-client')
const { callback, nextValue, record } = require('./helpers/events')
const { FakeHttpTracker } = require('./helpers/fake-http-tracker')
const { FakeUdpTracker, answerWith, parseAnnounce, transactionOf } = require('./helpers/fake-udp-tracker')
const { test } = require('./helpers/test')
const { uint32 } = require('./helpers/udp')

const delayOf = tracker => tracker.interval._idleTimeout

// The wire.

test('HTTP: a call\'s own keys come first, in their order', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const client = await createClient(t, { announce: tracker.url })
  client.start({ mine: 'x', left: 5, another: 'y', compact: 0 })
  const { pairs } = await tracker.request()
  assert.deepStrictEqual(pairs.map(([name]) => name).filter(name => name !== 'key'), [
    'mine', 'left', 'another', 'compact', 'numwant', 'uploaded', 'downloaded', 'event', 'info_hash', 'peer_id', 'port'
  ])
  assert.strictEqual(Object.fromEntries(pairs).compact, '0')
})

test('HTTP: an empty user agent', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const client = await createClient(t, { announce: tracker.url })
  client.start()
  const { headers } = await tracker.request()
  assert.ok(!headers['user-agent'], headers['user-agent'])
})

test('HTTP: info_hash and peer_id are %XX in upper case, @ * / and + too', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const text = '@*/+ -_.~!\'()abcXYZ0'
  const client = await createClient(t, {
    announce: tracker.url, infoHash: 'ff'.repeat(20), peerId: Buffer.from(text).toString('hex')
  })
  client.start()
  const { query } = await tracker.request()
  assert.strictEqual(query.info_hash, '%FF'.repeat(20))
  assert.match(query.peer_id, /^%40%2A%2F%2B%20/)
  assert.match(query.peer_id, /abcXYZ0$/)
})

test('UDP: an announce without custom keys, ip and key', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const client = await createClient(t, { announce: tracker.url, port: 7777 })
  client.start({ mine: 'x' })
  const packet = await tracker.packet('announce')
  const { ip, event, left, port, numwant } = parseAnnounce(packet)
  assert.strictEqual(packet.length, 98)
  assert.deepStrictEqual([ip, event, left, port, numwant], [0, 2, 2n ** 64n - 1n, 7777, 50])
})

test('UDP: large numbers, as text as well', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const client = await createClient(t, { announce: tracker.url })
  client.start({ uploaded: 5_000_000_000_000, downloaded: '6000000000000', left: 2 ** 32 })
  const { uploaded, downloaded, left } = parseAnnounce(await tracker.packet('announce'))
  assert.deepStrictEqual([uploaded, downloaded, left], [5_000_000_000_000n, 6_000_000_000_000n, 2n ** 32n])
})

// What comes back.

test('update over HTTP: all keys, strings as bytes', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ interval: 1800, complete: 1, incomplete: 2, peers: '', mine: 'é', 'tracker id': 'x' }))
  const client = await createClient(t, { announce: tracker.url })
  client.start()
  const data = await nextValue(client, 'update')
  assert.deepStrictEqual(Object.keys(data).sort(), [
    'announce', 'complete', 'incomplete', 'infoHash', 'interval', 'mine', 'peers', 'tracker id'
  ])
  assert.ok(data.mine instanceof Uint8Array)
  assert.strictEqual(Buffer.from(data.mine).toString(), 'é')
  assert.deepStrictEqual([data.announce, data.complete, data.incomplete, data.interval], [tracker.url, 1, 2, 1800])
})

test('update over HTTP: infoHash is the client\'s', differs('peers in dictionary form, scrapes of other trackers and scrapes of several torrents over UDP come out as garbage'), async t => {
  const tracker = await FakeHttpTracker.start(t)
  const client = await createClient(t, { announce: tracker.url })
  client.start()
  assert.strictEqual((await nextValue(client, 'update')).infoHash, client.infoHash)
})

test('update over UDP has three keys, and a peer is address and port', async t => {
  const tracker = await FakeUdpTracker.start(t, { announce: answerWith(Buffer.from([1, 2, 3, 4, 0x1a, 0xe1])) })
  const client = await createClient(t, { announce: tracker.url })
  const events = record(client, 'update', 'peer')
  client.start()
  await events.count('peer', 1)
  assert.deepStrictEqual(events.log, [
    { name: 'update', args: [{ announce: tracker.url, complete: 2, incomplete: 3 }] }, { name: 'peer', args: ['1.2.3.4:6881'] }
  ])
})

test('the min interval of an HTTP answer counts where there is no interval', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ 'min interval': 1200, peers: '' }))
  const client = await createClient(t, { announce: tracker.url })
  client.start()
  await nextValue(client, 'update')
  assert.strictEqual(delayOf(client._trackers[0]), 1200_000)
})

test('peers6 over HTTP come with brackets', async t => {
  const peers6 = Buffer.concat([Buffer.from('20010db8000000000000000000000001', 'hex'), Buffer.from([0x1a, 0xe1])])
  const tracker = await FakeHttpTracker.start(t, () => ({ interval: 1800, peers: '', peers6 }))
  const client = await createClient(t, { announce: tracker.url })
  client.start()
  assert.match(await nextValue(client, 'peer'), /^\[2001:db8:(:|0:0:0:0:)1\]:6881$/)
})

test('UDP: only malformed answers are a warning that says so in the end', isNew, async t => {
  await Promise.all([
    [{ connect: (packet, reply) => reply(uint32(0), transactionOf(packet)) }, 'invalid udp handshake'],
    [{ announce: (packet, reply) => reply(uint32(1), transactionOf(packet), uint32(5)) }, 'invalid announce message'],
    [{ announce: (packet, reply) => reply(uint32(9), transactionOf(packet), Buffer.alloc(12)) }, 'tracker sent invalid action'],
    [{ announce: (packet, reply) => reply(uint32(1), Buffer.alloc(16)) }, 'tracker request timed out (started)']
  ].map(async ([answers, message]) => {
    const tracker = await FakeUdpTracker.start(t, answers)
    const client = await createClient(t, { announce: tracker.url, requestTimeout: 1000 })
    client.start()
    const err = await nextValue(client, 'warning')
    assert.strictEqual(err.message, `${message} (${tracker.url})`)
  }))
})

test('UDP: only malformed scrape answers, likewise', isNew, async t => {
  const tracker = await FakeUdpTracker.start(t, {
    scrape: (packet, reply) => reply(uint32(2), transactionOf(packet), Buffer.alloc(5))
  })
  const client = await createClient(t, { announce: tracker.url, requestTimeout: 1000 })
  client.scrape()
  assert.strictEqual((await nextValue(client, 'warning')).message, `invalid scrape message (${tracker.url})`)
})

test('UDP: the text of an error packet is a warning as it is', async t => {
  const tracker = await FakeUdpTracker.start(t, {
    announce: (packet, reply) => reply(uint32(3), transactionOf(packet), Buffer.from('go away'))
  })
  const client = await createClient(t, { announce: tracker.url })
  client.start()
  assert.strictEqual((await nextValue(client, 'warning')).message, 'go away')
})

test('HTTP: nobody there is a warning: fetch failed', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const { url } = tracker
  await tracker.stop()
  tracker.stop = () => {}
  const client = await createClient(t, { announce: url })
  client.start()
  assert.match((await nextValue(client, 'warning')).message, /^fetch failed/)
})

test('a stop that a tracker does not answer is no warning', async t => {
  const tracker = await FakeUdpTracker.start(t, { connect: () => {} })
  const client = await createClient(t, { announce: tracker.url })
  const events = record(client, 'warning', 'error')
  client.stop()
  await tracker.packet('connect')
  await callback(cb => client.destroy(cb))
  assert.deepStrictEqual(events.names, [])
})
