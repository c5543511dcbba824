'use strict'

// The client of versions 0.1 to 7: `new Client(peerId, port, torrent, opts)`. CONTRACT.md names the statements; those
// that concern the wire are in client.options.test.js.

const assert = require('node:assert')
const { callback, nextValue, record } = require('./helpers/events')
const { FakeHttpTracker, unpercent } = require('./helpers/fake-http-tracker')
const { FakeUdpTracker } = require('./helpers/fake-udp-tracker')
const { Client, destroyClient, randomHex } = require('./helpers/subjects')
const { test } = require('./helpers/test')

const positional = (t, ...args) => {
  const client = new Client(...args)
  t.after(() => destroyClient(client))
  return client
}

test('positional: told from options by three arguments, or by a first one that is text or bytes', t => {
  const torrent = { infoHash: randomHex(), announce: [] }
  for (const peerId of [randomHex(), Buffer.from(randomHex(), 'hex'), new Uint8Array(20), '-TS0001-abcdefghijkl']) {
    assert.strictEqual(positional(t, peerId, 6881, torrent).infoHash, torrent.infoHash)
    assert.strictEqual(positional(t, peerId, 6881, torrent, {}).infoHash, torrent.infoHash)
  }
})

test('positional: bad arguments are a TypeError', () => {
  for (const torrent of [undefined, null]) {
    assert.throws(() => new Client(randomHex(), 6881, torrent), TypeError)
  }
  assert.throws(() => new Client(randomHex(), 6881), TypeError)
  assert.throws(() => new Client(randomHex(), 6881, { infoHash: 'short' }), TypeError)
})

test('positional: the torrent\'s info hash is text or bytes', t => {
  const infoHash = randomHex()
  for (const given of [infoHash, infoHash.toUpperCase(), Buffer.from(infoHash, 'hex')]) {
    assert.strictEqual(positional(t, randomHex(), 6881, { infoHash: given }).infoHash, infoHash)
  }
})

test('positional: ids in both forms, under the names of that time and of now', t => {
  const [infoHash, peerId] = [randomHex(), randomHex()]
  const client = positional(t, peerId, 6881, { infoHash, length: 5 })
  assert.deepStrictEqual([client.peerId, client.infoHash, client.torrentLength], [peerId, infoHash, 5])
  assert.ok(Buffer.isBuffer(client.peerIdBuffer) && Buffer.isBuffer(client.infoHashBuffer))
  assert.strictEqual(client.peerIdBuffer.toString('hex'), peerId)
  assert.strictEqual(client.infoHashBuffer.toString('hex'), infoHash)
})

test('positional: the methods of that time, and the events', async t => {
  const udp = await FakeUdpTracker.start(t)
  const client = positional(t, randomHex(), 6881, { infoHash: randomHex(), length: 10, announce: udp.url })
  const events = record(client, 'update', 'peer', 'scrape')
  client.start()
  await events.count('peer', 1)
  assert.deepStrictEqual(events.log, [
    { name: 'update', args: [{ announce: udp.url, complete: 2, incomplete: 3 }] }, { name: 'peer', args: ['10.0.0.1:6881'] }
  ])
  client.scrape()
  await events.count('scrape', 1)
  assert.strictEqual(events.of('scrape')[0][0].complete, 1)
  client.setInterval(100_000)
  client.update()
  client.complete()
  client.stop()
  await callback(cb => client.destroy(cb))
  assert.strictEqual(client.destroyed, true)
})

test('positional: numwant is 50, or the option numWant', async t => {
  const http = await FakeHttpTracker.start(t)
  const torrent = { infoHash: randomHex(), announce: [http.url] }
  positional(t, randomHex(), 6881, torrent).start()
  assert.strictEqual((await http.request(1)).query.numwant, '50')
  positional(t, randomHex(), 6881, torrent, { numWant: 80 }).start()
  assert.strictEqual((await http.request(2)).query.numwant, '80')
})

test('positional: the interval option is milliseconds, and the timer is there from start on', t => {
  const torrent = { infoHash: randomHex(), announce: 'http://127.0.0.1:1/announce' }
  const client = positional(t, randomHex(), 6881, torrent, { interval: 77_000 })
  client.on('warning', () => {})
  client.start()
  assert.strictEqual(client._trackers[0].interval._idleTimeout, 77_000)
  assert.strictEqual(client._trackers[0].interval.hasRef(), false)
})

test('positional: rtcConfig, wrtc and getAnnounceOpts are options too', t => {
  const opts = { rtcConfig: { a: 1 }, wrtc: { b: 2 }, getAnnounceOpts: () => ({}) }
  const client = positional(t, randomHex(), 6881, { infoHash: randomHex() }, opts)
  assert.deepStrictEqual([client._rtcConfig, client._wrtc, client._getAnnounceOpts], [
    opts.rtcConfig, opts.wrtc, opts.getAnnounceOpts
  ])
})

test('positional: a failure of a tracker is a warning, as it has been since 2.x', async t => {
  const http = await FakeHttpTracker.start(t, () => ({ 'failure reason': 'no' }))
  const client = positional(t, randomHex(), 6881, { infoHash: randomHex(), announce: http.url })
  client.start()
  const err = await nextValue(client, 'warning')
  assert.ok(err instanceof Error)
  assert.strictEqual(err.message, 'no')
})

test('positional: Client.scrape of several hashes', async t => {
  const udp = await FakeUdpTracker.start(t)
  const hashes = [randomHex(), randomHex()]
  const [err, results] = await callback(cb => Client.scrape(udp.url, hashes, cb))
  assert.ifError(err)
  assert.deepStrictEqual(Object.keys(results).sort(), [...hashes].sort())
})

test('positional: as torrent-stream calls it', async t => {
  const http = await FakeHttpTracker.start(t)
  const tracker = { Client: require('..').Client }
  const torrent = { infoHash: randomHex(), announce: [http.url, 'bad url'], name: 'x' }
  const id = '-TS0008-1234567890ab'
  const client = new tracker.Client(Buffer.from(id), 6881, Object.create(torrent))
  t.after(() => destroyClient(client))
  const errors = []
  client.on('error', err => errors.push(err)).on('warning', () => {})
  client.torrentLength = 1234
  client.start()
  const { query } = await http.request()
  assert.deepStrictEqual([unpercent(query.peer_id).toString(), query.left], [id, '1234'])
  assert.deepStrictEqual(errors, [])
})
