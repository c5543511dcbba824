'use strict'

const assert = require('node:assert')
const zlib = require('node:zlib')
const { test, needsIPv6 } = require('./helpers/test')
const { callback, next, nextValue, record } = require('./helpers/events')
const { encode } = require('./helpers/bencode')
const { toCompact } = require('./helpers/compact')
const { FakeHttpTracker, unpercent } = require('./helpers/fake-http-tracker')
const { assertWarning, createClient, randomHex } = require('./helpers/subjects')

const quiet = { interval: 1800, complete: 1, incomplete: 2, peers: '' }

test('the announce has the parameters in the usual order', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const [infoHash, peerId] = [randomHex(), randomHex()]
  const client = createClient(t, { announce: tracker.url, infoHash, peerId })
  client.start()
  const { path, pairs, query } = await tracker.request()
  assert.strictEqual(path, '/announce')
  const names = pairs.map(([name]) => name).filter(name => name !== 'key')
  assert.deepStrictEqual(names, ['numwant', 'uploaded', 'downloaded', 'event', 'compact', 'info_hash', 'peer_id', 'port', 'left'])
  assert.strictEqual(query.numwant, '50')
  assert.strictEqual(query.uploaded, '0')
  assert.strictEqual(query.downloaded, '0')
  assert.strictEqual(query.event, 'started')
  assert.strictEqual(query.compact, '1')
  assert.strictEqual(query.port, '6881')
  assert.strictEqual(query.left, '16384', 'unknown')
  assert.strictEqual(unpercent(query.info_hash).toString('hex'), infoHash)
  assert.strictEqual(unpercent(query.peer_id).toString('hex'), peerId)
})

test('every byte of a hash is sent so that any tracker reads it', async t => {
  const tracker = await FakeHttpTracker.start(t)
  for (let first = 0; first < 256; first += 20) {
    const bytes = Buffer.from(Array.from({ length: 20 }, (_, i) => (first + i) & 0xff))
    const client = createClient(t, { announce: tracker.url, infoHash: bytes })
    client.start()
    await nextValue(client, 'update')
    const sent = tracker.requests.at(-1).query.info_hash
    assert.ok(unpercent(sent).equals(bytes))
    assert.doesNotMatch(sent, /[@*/+ ]/)
    assert.doesNotMatch(sent, /%[0-9A-F]?[a-f]/, 'upper case')
  }
})

for (const [method, event] of [['start', 'started'], ['stop', 'stopped'], ['complete', 'completed'], ['update', undefined]]) {
  test(`${method}() sends event=${event}`, async t => {
    const tracker = await FakeHttpTracker.start(t)
    const client = createClient(t, { announce: tracker.url })
    client[method]()
    assert.strictEqual((await tracker.request()).query.event, event)
  })
}

test('numbers and custom parameters of a call are sent, escaped', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const client = createClient(t, { announce: tracker.url })
  client.start({ left: 0, uploaded: 3, downloaded: 5_000_000_000_000, numwant: 7, testParam: 'a b&c=é', list: ['x', 'y'] })
  const { query, pairs } = await tracker.request()
  assert.strictEqual(query.left, '0')
  assert.strictEqual(query.uploaded, '3')
  assert.strictEqual(query.downloaded, '5000000000000')
  assert.strictEqual(query.numwant, '7')
  assert.match(query.testParam, /^a%20b%26c%3D/)
  assert.deepStrictEqual(pairs.filter(([name]) => name === 'list'), [['list', 'x'], ['list', 'y']])
})

test('getAnnounceOpts is asked for every announce and wins', async t => {
  const tracker = await FakeHttpTracker.start(t)
  let calls = 0
  const client = createClient(t, { announce: tracker.url, getAnnounceOpts: () => ({ uploaded: ++calls, passkey: 'k' }) })
  client.start({ uploaded: 99 })
  client.update()
  await tracker.request(2)
  assert.deepStrictEqual(tracker.requests.map(({ query }) => query.uploaded).sort(), ['1', '2'])
  assert.ok(tracker.requests.every(({ query }) => query.passkey === 'k'))
})

test('a left of NaN is unknown', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const client = createClient(t, { announce: tracker.url })
  client.start({ left: NaN })
  assert.strictEqual((await tracker.request()).query.left, '16384')
})

test('the query of the tracker\'s URL comes first', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const client = createClient(t, { announce: `${tracker.url}?passkey=a%2Fb` })
  client.start()
  const { url } = await tracker.request()
  assert.match(url, /^\/announce\?passkey=a%2Fb&/)
})

test('userAgent is the header\'s value; without it no product is named', async t => {
  const tracker = await FakeHttpTracker.start(t)
  createClient(t, { announce: tracker.url, userAgent: 'WebTorrent/1.2.3 (x)' }).start()
  assert.strictEqual((await tracker.request(1)).headers['user-agent'], 'WebTorrent/1.2.3 (x)')
  createClient(t, { announce: tracker.url }).start()
  assert.ok(!(await tracker.request(2)).headers['user-agent'])
})

test('update has all keys of the answer, with announce and infoHash', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ ...quiet, custom: 'x', 'min interval': 60, peers6: '' }))
  const client = createClient(t, { announce: tracker.url })
  client.start()
  const data = await nextValue(client, 'update')
  assert.strictEqual(data.announce, tracker.url)
  assert.strictEqual(data.infoHash, client.infoHash)
  assert.strictEqual(data.complete, 1)
  assert.strictEqual(data.incomplete, 2)
  assert.strictEqual(data.interval, 1800)
  assert.strictEqual(data['min interval'], 60)
  assert.ok(data.custom instanceof Uint8Array)
  assert.strictEqual(Buffer.from(data.custom).toString(), 'x')
  assert.strictEqual(data.peers.length, 0)
  assert.strictEqual(data.peers6.length, 0)
})

test('update comes before the peers of the answer', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ ...quiet, peers: toCompact('10.0.0.1:1', '10.0.0.2:65535') }))
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'update', 'peer')
  client.start()
  await events.count('peer', 2)
  assert.deepStrictEqual(events.names, ['update', 'peer', 'peer'])
  assert.deepStrictEqual(events.of('peer'), [['10.0.0.1:1'], ['10.0.0.2:65535']])
})

test('peers as a list of dictionaries, names and IPv6 among them', async t => {
  const peers = [
    { ip: '10.0.0.1', port: 1, 'peer id': Buffer.alloc(20, 1) }, { ip: '2001:db8::1', port: 2 }, { ip: 'peer.test', port: 3 }
  ]
  const tracker = await FakeHttpTracker.start(t, () => ({ ...quiet, peers }))
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'peer')
  client.start()
  await events.count('peer', 3)
  assert.deepStrictEqual(events.of('peer').flat(), ['10.0.0.1:1', '[2001:db8::1]:2', 'peer.test:3'])
})

test('one bad peer of a list does not spoil the others', async t => {
  const peers = [{ ip: '10.0.0.1' }, 5, { port: 1 }, { ip: '10.0.0.2', port: 70_000 }, { ip: '10.0.0.3', port: 0 }, { ip: '10.0.0.4', port: 4 }]
  const tracker = await FakeHttpTracker.start(t, () => ({ ...quiet, peers }))
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'peer')
  client.on('warning', () => {})
  client.start()
  await events.count('peer', 1)
  assert.deepStrictEqual(events.of('peer').flat(), ['10.0.0.4:4'])
})

test('peers6 in both forms', async t => {
  const address = Buffer.from('20010db8000000000000000000000001' + '1ae1', 'hex')
  for (const peers6 of [address, [{ ip: '2001:db8::1', port: 6881 }], [{ ip: '[2001:db8::1]', port: 6881 }]]) {
    const tracker = await FakeHttpTracker.start(t, () => ({ ...quiet, peers6 }))
    const client = createClient(t, { announce: tracker.url })
    client.start()
    assert.strictEqual(await nextValue(client, 'peer'), '[2001:db8::1]:6881')
  }
})

test('an announce over IPv6', needsIPv6, async t => {
  const tracker = await FakeHttpTracker.start(t, undefined, '::1')
  const client = createClient(t, { announce: tracker.url })
  client.start()
  assert.strictEqual((await nextValue(client, 'update')).announce, tracker.url)
})

test('the tracker id comes back as trackerid, and stays when an answer has none', async t => {
  let n = 0
  const tracker = await FakeHttpTracker.start(t, () => ++n === 1 ? { ...quiet, 'tracker id': 'id &1' } : quiet)
  const client = createClient(t, { announce: tracker.url })
  for (const [method, expected] of [['start', undefined], ['update', 'id &1'], ['update', 'id &1']]) {
    client[method]()
    await nextValue(client, 'update')
    const { trackerid } = tracker.requests.at(-1).query
    assert.strictEqual(trackerid && unpercent(trackerid).toString(), expected)
  }
})

test('the key is random and stays the same for a client', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const keys = []
  for (let i = 0; i < 3; i++) {
    const client = createClient(t, { announce: tracker.url })
    for (const method of ['start', 'update']) {
      client[method]()
      await nextValue(client, 'update')
      keys.push(tracker.requests.at(-1).query.key)
    }
  }
  assert.ok(keys.every(key => key?.length > 0), keys.join())
  assert.ok(keys[0] === keys[1] && keys[2] === keys[3] && keys[4] === keys[5])
  assert.strictEqual(new Set(keys).size, 3)
})

test('compressed answers', async t => {
  for (const [encoding, compress] of [['gzip', zlib.gzipSync], ['deflate', zlib.deflateSync]]) {
    const tracker = await FakeHttpTracker.start(t, (req, res) => {
      res.setHeader('content-encoding', encoding)
      return compress(encode({ ...quiet, complete: 42 }))
    })
    const client = createClient(t, { announce: tracker.url })
    client.start()
    assert.strictEqual((await nextValue(client, 'update')).complete, 42)
  }
})

test('a redirect is followed, and update names the tracker asked', async t => {
  const target = await FakeHttpTracker.start(t, () => ({ ...quiet, complete: 42 }))
  for (const status of [301, 302, 307, 308]) {
    const tracker = await FakeHttpTracker.start(t, (req, res) => {
      res.writeHead(status, { location: `http://127.0.0.1:${target.port}${req.url}` }).end()
    })
    const client = createClient(t, { announce: tracker.url })
    client.start()
    const data = await nextValue(client, 'update')
    assert.strictEqual(data.complete, 42)
    assert.strictEqual(data.announce, tracker.url)
  }
})

test('connections are kept alive between announces', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const client = createClient(t, { announce: tracker.url })
  for (let i = 0; i < 5; i++) {
    client.update()
    await nextValue(client, 'update')
  }
  assert.ok(tracker.connections < 5, `${tracker.connections} connections`)
})

test('a failure reason is a warning with that text and no update', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ 'failure reason': 'not registered: ü' }))
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'update', 'peer', 'error')
  client.start()
  assertWarning(await nextValue(client, 'warning'), 'not registered: ü')
  assert.deepStrictEqual(events.names, [])
})

test('a warning message is a warning, and the answer counts', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ ...quiet, 'warning message': 'slow down' }))
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'warning', 'update')
  client.start()
  await events.count('update', 1)
  assert.deepStrictEqual(events.names, ['warning', 'update'])
  assertWarning(events.of('warning')[0][0], 'slow down')
})

for (const [what, answer, message] of [
  ['another status than 200', (req, res) => { res.statusCode = 503; return 'x' }, tracker => `Non-200 response code 503 from ${tracker.url}`],
  ['an empty body', (req, res) => { res.end() }, tracker => `Invalid tracker response from${tracker.url}`],
  ['a body that is no bencode', () => Buffer.from('<html>'), () => /^Error decoding tracker response: /]
]) {
  test(`${what} is a warning`, async t => {
    const tracker = await FakeHttpTracker.start(t, answer)
    const client = createClient(t, { announce: tracker.url })
    client.start()
    assertWarning(await nextValue(client, 'warning'), message(tracker))
  })
}

test('nobody there is a warning that has the system\'s error as its cause', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const { url } = tracker
  await tracker.stop()
  tracker.stop = () => {}
  const client = createClient(t, { announce: url })
  client.start()
  const err = await nextValue(client, 'warning')
  assertWarning(err)
  assert.strictEqual(err.cause?.code, 'ECONNREFUSED')
})

test('setInterval announces again and again, with getAnnounceOpts and no event', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ peers: '' }))
  let left = 100
  const client = createClient(t, { announce: tracker.url, getAnnounceOpts: () => ({ left: left-- }) })
  client.setInterval(20)
  await tracker.request(3)
  const [first, second] = tracker.requests
  assert.strictEqual(first.query.event, undefined)
  assert.strictEqual(first.query.left, '100')
  assert.strictEqual(second.query.left, '99')
})

test('setInterval(0) stops the announces', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ peers: '' }))
  const client = createClient(t, { announce: tracker.url })
  client.setInterval(5)
  await tracker.request(2)
  client.setInterval(0)
  // One may be on its way; its answer is the last.
  const probe = createClient(t, { announce: tracker.url, userAgent: 'probe' })
  const ofClient = () => tracker.requests.filter(({ headers }) => headers['user-agent'] !== 'probe').length
  probe.update()
  await nextValue(probe, 'update')
  const before = ofClient()
  for (let i = 0; i < 30; i++) {
    probe.update()
    await nextValue(probe, 'update')
  }
  assert.ok(ofClient() <= before + 1, `${ofClient() - before} more announces`)
})

test('scrape asks the scrape URL and emits an event for each hash', async t => {
  const hashes = [randomHex(), randomHex()]
  const files = new Map(hashes.map((hash, i) => [Buffer.from(hash, 'hex').toString('latin1'), { complete: i, downloaded: 10 + i, incomplete: 20 + i }]))
  const tracker = await FakeHttpTracker.start(t, () => ({ files }))
  const client = createClient(t, { announce: `${tracker.url}?passkey=1` })
  const events = record(client, 'scrape')
  client.scrape({ infoHash: hashes })
  await events.count('scrape', 2)
  const { path, pairs } = await tracker.request()
  assert.strictEqual(path, '/scrape')
  assert.deepStrictEqual(pairs[0], ['passkey', '1'])
  assert.deepStrictEqual(pairs.slice(1).map(([name, value]) => [name, unpercent(value).toString('hex')]), hashes.map(hash => ['info_hash', hash]))
  const sent = events.of('scrape').map(([data]) => data)
  for (const [i, infoHash] of hashes.entries()) {
    assert.deepStrictEqual(sent.find(data => data.infoHash === infoHash), {
      announce: `${tracker.url}?passkey=1`, infoHash, complete: i, downloaded: 10 + i, incomplete: 20 + i
    })
  }
})

test('scrape without a hash asks for the client\'s own', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ files: {} }))
  const client = createClient(t, { announce: tracker.url })
  const warned = next(client, 'warning')
  client.scrape()
  const { query } = await tracker.request()
  assert.strictEqual(unpercent(query.info_hash).toString('hex'), client.infoHash)
  assertWarning((await warned)[0], 'invalid scrape response')
})

test('a tracker without a scrape URL is an error event', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const url = tracker.url.replace('announce', 'tracker')
  const client = createClient(t, { announce: url })
  const failed = new Promise(resolve => client.once('error', resolve))
  client.scrape()
  assert.strictEqual((await failed).message, `scrape not supported ${url}`)
})

test('stop() and destroy() in one tick still tell the tracker, and emit nothing', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const client = createClient(t, { announce: tracker.url })
  client.start()
  await nextValue(client, 'update')
  const events = record(client, 'update', 'peer', 'warning', 'error')
  client.stop()
  const [err] = await callback(cb => client.destroy(cb))
  assert.ok(!err, `${err}`)
  assert.strictEqual((await tracker.request(2)).query.event, 'stopped')
  assert.deepStrictEqual(events.names, [])
})

test('destroy while an answer is on its way', async t => {
  let release
  const tracker = await FakeHttpTracker.start(t, (req, res) => {
    res.write('d8:complete')
    release = () => res.destroy()
  })
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'update', 'error')
  client.start()
  await tracker.request()
  await callback(cb => client.destroy(cb))
  release()
  assert.deepStrictEqual(events.names, [])
})
