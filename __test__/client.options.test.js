'use strict'

const assert = require('node:assert')
const { EventEmitter } = require('node:events')
const { test } = require('./helpers/test')
const { callback, nextValue, record } = require('./helpers/events')
const { FakeHttpTracker, unpercent } = require('./helpers/fake-http-tracker')
const { FakeUdpTracker, parseAnnounce } = require('./helpers/fake-udp-tracker')
const { Client, assertWarning, clientOptions, createClient, destroyClient, randomHex } = require('./helpers/subjects')

test('the module is the Client, with Client and Server on it', t => {
  assert.strictEqual(Client.Client, Client)
  assert.strictEqual(typeof Client.Server, 'function')
  assert.strictEqual(typeof Client.scrape, 'function')
  assert.ok(Client.prototype instanceof EventEmitter)
})

test('import gives the same classes', async t => {
  const namespace = await import('../index.js')
  assert.strictEqual(namespace.default, Client)
  assert.strictEqual(namespace.Client, Client)
  assert.strictEqual(namespace.Server, Client.Server)
})

test('missing options throw in the order of the checks', t => {
  const all = { peerId: randomHex(), infoHash: randomHex(), announce: 'http://127.0.0.1:1/announce', port: 6881 }
  const given = {}
  for (const name of ['peerId', 'infoHash', 'announce', 'port']) {
    assert.throws(() => new Client({ ...given }), { message: `Option \`${name}\` is required` })
    given[name] = all[name]
  }
  assert.throws(() => new Client(), { message: 'Option `peerId` is required' })
})

test('an empty announce list is allowed', t => {
  const client = createClient(t, { announce: [] })
  client.start()
  client.update()
  client.stop()
})

test('ids come as hex or bytes; the info hash is lower-cased, the peer id kept', async t => {
  const [infoHash, peerId] = [randomHex(), randomHex()]
  const asText = createClient(t, { announce: [], infoHash: infoHash.toUpperCase(), peerId: peerId.toUpperCase() })
  assert.strictEqual(asText.infoHash, infoHash)
  assert.strictEqual(asText.peerId, peerId.toUpperCase())
  for (const Bytes of [Buffer, Uint8Array]) {
    const client = createClient(t, {
      announce: [], infoHash: Bytes.from(Buffer.from(infoHash, 'hex')), peerId: Bytes.from(Buffer.from(peerId, 'hex'))
    })
    assert.strictEqual(client.infoHash, infoHash)
    assert.strictEqual(client.peerId, peerId)
    assert.strictEqual(client.destroyed, false)
  }
})

test('the properties that other packages read', t => {
  const getAnnounceOpts = () => ({})
  const [infoHash, peerId] = [randomHex(), randomHex()]
  const client = createClient(t, { announce: [], infoHash, peerId, port: 1234, getAnnounceOpts, userAgent: 'ua', rtcConfig: { a: 1 } })
  assert.strictEqual(Buffer.from(client._infoHashBuffer).toString('hex'), infoHash)
  assert.strictEqual(Buffer.from(client._peerIdBuffer).toString('hex'), peerId)
  assert.strictEqual(client._infoHashBinary, Buffer.from(infoHash, 'hex').toString('latin1'))
  assert.strictEqual(client._peerIdBinary, Buffer.from(peerId, 'hex').toString('latin1'))
  assert.strictEqual(client._port, 1234)
  assert.strictEqual(client._getAnnounceOpts, getAnnounceOpts)
  assert.strictEqual(client._userAgent, 'ua')
  assert.deepStrictEqual(client._rtcConfig, { a: 1 })
})

test('trackers: one trailing slash goes, duplicates go, the order stays', t => {
  const client = createClient(t, {
    announce: ['http://b.test/announce/', 'udp://a.test:80', Buffer.from('http://b.test/announce'), 'udp://a.test:80/', 'http://c.test/x//']
  })
  assert.deepStrictEqual(client._trackers.map(({ announceUrl }) => announceUrl), ['http://b.test/announce', 'udp://a.test:80', 'http://c.test/x/'])
  for (const tracker of client._trackers) {
    assert.strictEqual(tracker.client, client)
    assert.strictEqual(tracker.destroyed, false)
    for (const method of ['announce', 'scrape', 'setInterval', 'destroy']) assert.strictEqual(typeof tracker[method], 'function')
  }
  assert.deepStrictEqual(client._trackers.map(({ constructor }) => constructor.name), ['HTTPTracker', 'UDPTracker', 'HTTPTracker'])
  assert.strictEqual(client._trackers[0].scrapeUrl, 'http://b.test/scrape')
})

test('announce takes one string', t => {
  const client = createClient(t, { announce: 'http://a.test/announce' })
  assert.strictEqual(client._trackers.length, 1)
})

for (const [url, message] of [
  ['not a url', 'Invalid tracker URL: not a url'],
  ['http://', 'Invalid tracker URL: http:/'],
  ['http://a.test:99999/announce', /^Invalid tracker (URL|port): http:\/\/a\.test:99999\/announce$/],
  ['ftp://a.test/announce', 'Unsupported tracker protocol: ftp://a.test/announce'],
  ['ws://a.test', 'Unsupported tracker protocol: ws://a.test']
]) {
  test(`a warning for the tracker ${url}`, async t => {
    const client = createClient(t, { announce: url })
    const warned = nextValue(client, 'warning')
    assertWarning(await warned, message)
    assert.deepStrictEqual(client._trackers, [])
    client.start()
  })
}

test('warnings of the constructor come after it, one for each bad tracker', async t => {
  const client = createClient(t, { announce: ['bad', 'ftp://a.test', 'http://ok.test/announce'] })
  const warnings = record(client, 'warning')
  assert.strictEqual(warnings.log.length, 0)
  await warnings.count('warning', 2)
  assert.strictEqual(client._trackers.length, 1)
})

test('_defaultAnnounceOpts fills in numwant, uploaded and downloaded, then getAnnounceOpts', t => {
  const plain = createClient(t, { announce: [] })
  assert.deepStrictEqual(plain._defaultAnnounceOpts(), { numwant: 50, uploaded: 0, downloaded: 0 })
  const own = { numwant: 3, extra: 'x' }
  assert.strictEqual(plain._defaultAnnounceOpts(own), own, 'the object itself is filled')
  assert.deepStrictEqual(own, { numwant: 3, extra: 'x', uploaded: 0, downloaded: 0 })
  const custom = createClient(t, { announce: [], getAnnounceOpts: () => ({ uploaded: 9, extra: 'y' }) })
  assert.deepStrictEqual(custom._defaultAnnounceOpts({ uploaded: 1 }), { numwant: 50, uploaded: 9, downloaded: 0, extra: 'y' })
  const silent = createClient(t, { announce: [], getAnnounceOpts: () => undefined })
  assert.deepStrictEqual(silent._defaultAnnounceOpts(), { numwant: 50, uploaded: 0, downloaded: 0 })
})

test('methods return undefined', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const client = createClient(t, { announce: tracker.url })
  client.on('warning', () => {})
  for (const method of ['start', 'update', 'complete', 'scrape', 'stop']) assert.strictEqual(client[method](), undefined)
  assert.strictEqual(client.setInterval(60_000), undefined)
  assert.strictEqual(client.destroy(), undefined)
})

test('destroy: state, callback, and a second call that never calls back', async t => {
  const client = new Client(clientOptions({ announce: 'http://a.test/announce' }))
  const [err] = await callback(cb => client.destroy(cb))
  assert.ok(!err, `${err}`)
  assert.strictEqual(client.destroyed, true)
  assert.deepStrictEqual(client._trackers, [])
  let called = false
  client.destroy(() => { called = true })
  await new Promise(resolve => setImmediate(resolve))
  assert.strictEqual(called, false)
})

test('a destroyed client announces nothing more', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const client = createClient(t, { announce: tracker.url })
  await callback(cb => client.destroy(cb))
  client.start()
  client.update()
  client.stop()
  const other = createClient(t, { announce: tracker.url })
  other.start()
  await nextValue(other, 'update')
  assert.strictEqual(tracker.requests.length, 1)
})

// The API of 2014 to 2016: new Client(peerId, port, parsedTorrent, opts).

const positional = (t, ...args) => {
  const client = new Client(...args)
  t.after(() => destroyClient(client))
  return client
}

test('positional: announces with length, over HTTP and UDP', async t => {
  const http = await FakeHttpTracker.start(t)
  const udp = await FakeUdpTracker.start(t)
  const [infoHash, peerId] = [randomHex(), randomHex()]
  const client = positional(t, Buffer.from(peerId, 'hex'), 6881, { infoHash, length: 1000, announce: [http.url, udp.url] })
  client.start()
  const { query } = await http.request()
  assert.strictEqual(unpercent(query.info_hash).toString('hex'), infoHash)
  assert.strictEqual(unpercent(query.peer_id).toString('hex'), peerId)
  assert.strictEqual(query.left, '1000')
  assert.strictEqual(query.port, '6881')
  assert.strictEqual(query.event, 'started')
  const announce = parseAnnounce(await udp.packet('announce'))
  assert.strictEqual(announce.infoHash, infoHash)
  assert.strictEqual(announce.left, 1000n)
})

test('positional: left is length less downloaded, and complete() has downloaded all', async t => {
  const http = await FakeHttpTracker.start(t)
  const client = positional(t, Buffer.from(randomHex(), 'hex'), 6881, { infoHash: randomHex(), length: 1000, announce: http.url })
  client.update({ downloaded: 400 })
  assert.strictEqual((await http.request(1)).query.left, '600')
  client.complete()
  const { query } = await http.request(2)
  assert.strictEqual(query.event, 'completed')
  assert.strictEqual(query.left, '0')
  assert.strictEqual(query.downloaded, '1000')
})

test('positional: torrentLength may be set later', async t => {
  const http = await FakeHttpTracker.start(t)
  const client = positional(t, Buffer.from(randomHex(), 'hex'), 6881, { infoHash: randomHex(), announce: http.url })
  client.torrentLength = 77
  client.start()
  assert.strictEqual((await http.request()).query.left, '77')
})

test('positional: a peer id of 20 characters is text, one of 40 hex digits is hex', t => {
  const text = '-TS0001-abcdefghijkl'
  const torrent = { infoHash: Buffer.from(randomHex(), 'hex') }
  assert.strictEqual(positional(t, text, 6881, torrent).peerId, Buffer.from(text).toString('hex'))
  const hex = randomHex()
  assert.strictEqual(positional(t, hex, 6881, torrent).peerId, hex)
})

test('positional: no announce is no tracker; an inherited one counts', async t => {
  const infoHash = randomHex()
  const none = positional(t, randomHex(), 6881, { infoHash })
  none.start()
  const http = await FakeHttpTracker.start(t)
  const client = positional(t, randomHex(), 6881, Object.create({ infoHash, announce: [http.url] }))
  assert.strictEqual(client.infoHash, infoHash)
  client.start()
  assert.strictEqual(unpercent((await http.request()).query.info_hash).toString('hex'), infoHash)
})

test('positional: without new, and with options', async t => {
  const http = await FakeHttpTracker.start(t)
  const client = Client(randomHex(), 6881, { infoHash: randomHex(), announce: http.url }, {
    numWant: 7, getAnnounceOpts: () => ({ custom: 'x' })
  })
  t.after(() => destroyClient(client))
  assert.ok(client instanceof Client)
  client.start()
  const { query } = await http.request()
  assert.strictEqual(query.custom, 'x')
  assert.strictEqual(query.numwant, '7')
})

test('positional: the interval option is kept against the tracker\'s own', async t => {
  const http = await FakeHttpTracker.start(t, () => ({ interval: 1800, peers: '' }))
  const client = positional(t, randomHex(), 6881, { infoHash: randomHex(), announce: http.url }, { interval: 20 })
  client.start()
  await http.request(3)
})

test('positional: Client.scrape(announceUrl, infoHash, callback)', async t => {
  const udp = await FakeUdpTracker.start(t)
  const infoHash = randomHex()
  const [err, data] = await callback(cb => Client.scrape(udp.url, infoHash, cb))
  assert.ifError(err)
  assert.deepStrictEqual(data, { announce: udp.url, infoHash, complete: 1, downloaded: 10, incomplete: 100 })
})

test('options and info hashes of the wrong type are told by name', t => {
  assert.throws(() => new Client(clientOptions({ announce: [], userAgent: 5 })), {
    name: 'TypeError', code: 'ERR_TRACKER_INVALID_OPTION', message: /userAgent/
  })
  const client = createClient(t, { announce: 'udp://127.0.0.1:1' })
  assert.throws(() => client.scrape({ infoHash: 5 }), { name: 'TypeError', code: 'ERR_TRACKER_INVALID_INFO_HASH' })
})

test('destroy calls back later, and needs no callback', async t => {
  for (const announce of [[], 'http://127.0.0.1:1/announce']) {
    const client = new Client(clientOptions({ announce }))
    let called = 0
    const destroyed = new Promise(resolve => client.destroy(() => { called++; resolve() }))
    assert.strictEqual(called, 0)
    await destroyed
    for (const cb of [undefined, null]) new Client(clientOptions({ announce })).destroy(cb)
  }
})

test('the options of an announce may be frozen', t => {
  const client = createClient(t, { announce: [] })
  for (const method of ['start', 'update', 'complete', 'stop']) client[method](Object.freeze({ left: 1 }))
  const old = new Client(randomHex(), 6881, { infoHash: randomHex(), length: 10, announce: [] })
  for (const method of ['start', 'update', 'complete', 'stop']) old[method](Object.freeze({ left: 1 }))
  old.destroy()
})
