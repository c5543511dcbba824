'use strict'

// What programs may expect of a client: options, the trackers within, the end.
// CONTRACT.md names the statements.

const assert = require('node:assert')
const { setImmediate: turn } = require('node:timers/promises')
const { createClient, destroy, loadClient } = require('./helpers/contract-client')
const { callback, nextValue, record } = require('./helpers/events')
const { FakeHttpTracker } = require('./helpers/fake-http-tracker')
const { FakeUdpTracker, parseAnnounce, transactionOf } = require('./helpers/fake-udp-tracker')
const { clientOptions, randomHex } = require('./helpers/subjects')
const { test } = require('./helpers/test')
const { uint32 } = require('./helpers/udp')

const HALF_HOUR = 30 * 60 * 1000

const delayOf = tracker => tracker.interval._idleTimeout

// Options.

test('options are checked in order, whatever else is wrong', async () => {
  const Client = await loadClient()
  const all = { peerId: randomHex(), infoHash: randomHex(), announce: [], port: 6881 }
  const order = ['peerId', 'infoHash', 'announce', 'port']
  for (const [at, name] of order.entries()) {
    const given = { ...all, userAgent: 'x' }
    // It and all that are checked after it are missing, in each of the ways to be missing.
    for (const nothing of [undefined, null, '', 0]) {
      for (const later of order.slice(at)) given[later] = nothing
      assert.throws(() => new Client(given), { name: 'Error', message: `Option \`${name}\` is required` })
    }
  }
})

test('Client.scrape checks infoHash, then announce', async () => {
  const Client = await loadClient()
  assert.throws(() => Client.scrape({}, () => {}), { message: 'Option `infoHash` is required' })
  assert.throws(() => Client.scrape({ announce: 'x' }, () => {}), { message: 'Option `infoHash` is required' })
  assert.throws(() => Client.scrape({ infoHash: randomHex() }, () => {}), { message: 'Option `announce` is required' })
})

test('the class is made with new where there is one object of options', async () => {
  const Client = await loadClient()
  assert.throws(() => Client(clientOptions({ announce: [] })), {
    name: 'TypeError', message: 'Class constructor Client cannot be invoked without \'new\''
  })
})

test('a client is of its class, and can be subclassed', async t => {
  const Client = await loadClient()
  class Mine extends Client {
    emit (name, ...args) {
      return super.emit(name, ...args, 'mine')
    }
  }
  const client = new Mine(clientOptions({ announce: [] }))
  t.after(() => destroy(client))
  assert.ok(client instanceof Client && client instanceof Mine)
  client.on('anything', (...args) => assert.deepStrictEqual(args, [1, 'mine']))
  client.emit('anything', 1)
})

test('a list of trackers is of strings and bytes', async t => {
  const client = await createClient(t, { announce: [new TextEncoder().encode('http://a.test/announce/'), 'udp://b.test:1'] })
  assert.deepStrictEqual(client._trackers.map(tracker => tracker.announceUrl), ['http://a.test/announce', 'udp://b.test:1'])
})

test('one tracker with a port that there is not is a warning that names it', async t => {
  const Client = await loadClient()
  const client = new Client(clientOptions({ announce: 'http://a.test:99999/announce' }))
  t.after(() => destroy(client))
  const err = await nextValue(client, 'warning')
  assert.match(err.message, /^Invalid tracker (URL|port): http:\/\/a\.test:99999\/announce$/)
})

test('options are kept under names that programs read', async t => {
  const getAnnounceOpts = () => ({})
  const wrtc = { mine: true }
  const client = await createClient(t, {
    announce: [], port: 1234, getAnnounceOpts, rtcConfig: { a: 1 }, userAgent: 'ua', wrtc: () => wrtc
  })
  assert.strictEqual(client._port, 1234)
  assert.strictEqual(client._getAnnounceOpts, getAnnounceOpts)
  assert.deepStrictEqual(client._rtcConfig, { a: 1 })
  assert.strictEqual(client._userAgent, 'ua')
  assert.strictEqual(client._wrtc, wrtc)
  assert.ok(Array.isArray(client._trackers))
})

test('proxyOpts is kept as it was given', async t => {
  const proxyOpts = { socksProxy: { proxy: { host: '127.0.0.1', port: 1080, type: 5 }, command: 'associate' } }
  const client = await createClient(t, { announce: [], proxyOpts })
  assert.strictEqual(client._proxyOpts, proxyOpts)
})

// The trackers.

const SCRAPE_URLS = {
  'http://a.test/announce': 'http://a.test/scrape',
  'http://a.test/x/announce': 'http://a.test/x/scrape',
  'http://a.test/announce.php': 'http://a.test/scrape.php',
  'http://a.test/announce?x=y': 'http://a.test/scrape?x=y',
  'http://a.test/announce.php?x=y': 'http://a.test/scrape.php?x=y',
  'http://a.test/a': null,
  'http://a.test/announce/x': null,
  'http://a.test/announce?x=/y': null,
  'http://a.test/x-announce': null
}

test('scrapeUrl of an HTTP tracker', async t => {
  const client = await createClient(t, { announce: Object.keys(SCRAPE_URLS) })
  for (const { announceUrl, scrapeUrl } of client._trackers) {
    assert.strictEqual(scrapeUrl ?? null, SCRAPE_URLS[announceUrl], announceUrl)
  }
})

const FAKES = { http: FakeHttpTracker, udp: FakeUdpTracker }

for (const [name, Fake] of Object.entries(FAKES)) {
  test(`${name}: a tracker of a client has the members that programs use`, async t => {
    const { url } = await Fake.start(t)
    const client = await createClient(t, { announce: url })
    const [tracker] = client._trackers
    assert.strictEqual(tracker.client, client)
    assert.strictEqual(tracker.announceUrl, url)
    assert.strictEqual(tracker.interval, null)
    assert.strictEqual(tracker.destroyed, false)
    assert.strictEqual(tracker.DEFAULT_ANNOUNCE_INTERVAL, HALF_HOUR)
    for (const method of ['announce', 'scrape', 'setInterval', 'destroy', 'on', 'emit']) {
      assert.strictEqual(typeof tracker[method], 'function', method)
    }
    const updated = nextValue(client, 'update')
    tracker.announce({ numwant: 1, uploaded: 0, downloaded: 0, event: 'started' })
    assert.strictEqual((await updated).announce, url)
    await callback(cb => tracker.destroy(cb))
    assert.strictEqual(tracker.destroyed, true)
    // A second time is nothing new.
    await callback(cb => tracker.destroy(cb))
  })

  test(`${name}: start arms the default timer, whatever was set before, and no timer keeps the process`, async t => {
    const { url } = await Fake.start(t)
    const client = await createClient(t, { announce: url })
    const [tracker] = client._trackers
    client.setInterval(15 * 60 * 1000)
    assert.strictEqual(delayOf(tracker), 15 * 60 * 1000)
    assert.strictEqual(tracker.interval.hasRef(), false)
    client.start()
    assert.strictEqual(delayOf(tracker), HALF_HOUR)
    assert.strictEqual(tracker.interval.hasRef(), false)
  })

  test(`${name}: the interval of an answer sets the timer, after setInterval too`, async t => {
    const answers = {
      http: () => ({ interval: 3600, peers: '' }),
      udp: { announce: (packet, reply) => reply(uint32(1), transactionOf(packet), uint32(3600), uint32(0), uint32(1)) }
    }
    const { url } = await Fake.start(t, answers[name])
    const client = await createClient(t, { announce: url })
    client.start()
    client.setInterval(100_000)
    await nextValue(client, 'update')
    assert.strictEqual(delayOf(client._trackers[0]), 3600_000)
    assert.strictEqual(client._trackers[0].interval.hasRef(), false)
  })

  test(`${name}: stop leaves the timer`, async t => {
    const { url } = await Fake.start(t)
    const client = await createClient(t, { announce: url })
    client.start()
    await nextValue(client, 'update')
    const { interval } = client._trackers[0]
    client.stop()
    assert.strictEqual(client._trackers[0].interval, interval)
    assert.strictEqual(interval._destroyed, false)
  })

  test(`${name}: the timer asks the tracker's own announce with fresh options`, async t => {
    const { url } = await Fake.start(t)
    let asked = 0
    const client = await createClient(t, { announce: url, getAnnounceOpts: () => ({ n: ++asked }) })
    const [tracker] = client._trackers
    const announced = []
    tracker.announce = opts => announced.push(opts)
    client.setInterval(5)
    while (announced.length < 2) await turn()
    tracker.setInterval(0)
    assert.deepStrictEqual(announced.slice(0, 2), [
      { numwant: 50, uploaded: 0, downloaded: 0, n: 1 }, { numwant: 50, uploaded: 0, downloaded: 0, n: 2 }
    ])
  })

  test(`${name}: setInterval(0) takes the timer away`, async t => {
    const { url } = await Fake.start(t)
    const client = await createClient(t, { announce: url })
    client.setInterval(100_000)
    const { interval } = client._trackers[0]
    client.setInterval(0)
    assert.strictEqual(interval._destroyed, true)
  })

  test(`${name}: destroy takes the timer away`, async t => {
    const { url } = await Fake.start(t)
    const client = await createClient(t, { announce: url })
    client.setInterval(100_000)
    const { interval } = client._trackers[0]
    await callback(cb => client.destroy(cb))
    assert.strictEqual(interval._destroyed, true)
    assert.strictEqual(client._getAnnounceOpts, null)
  })

  test(`${name}: update says no event, not even its caller's`, async t => {
    const fake = await Fake.start(t)
    const client = await createClient(t, { announce: fake.url })
    client.update({ event: 'started' })
    if (name === 'http') assert.strictEqual((await fake.request()).query.event, undefined)
    else assert.strictEqual(parseAnnounce(await fake.packet('announce')).event, 0)
  })

  test(`${name}: a call's numbers are the defaults that getAnnounceOpts overrides`, async t => {
    const fake = await Fake.start(t)
    const client = await createClient(t, { announce: fake.url, getAnnounceOpts: () => ({ uploaded: 7, left: 8 }) })
    client.start({ uploaded: 1, downloaded: 2, left: 3, numwant: 4 })
    const { uploaded, downloaded, left, numwant } = name === 'http'
      ? (await fake.request()).query
      : parseAnnounce(await fake.packet('announce'))
    assert.deepStrictEqual([uploaded, downloaded, left, numwant].map(Number), [7, 2, 8, 4])
  })

  test(`${name}: _defaultAnnounceOpts may be replaced`, async t => {
    const fake = await Fake.start(t)
    const client = await createClient(t, { announce: fake.url })
    client._defaultAnnounceOpts = () => ({ numwant: 3, uploaded: 1, downloaded: 2, left: 4 })
    client.start()
    const { numwant, left } = name === 'http'
      ? (await fake.request()).query
      : parseAnnounce(await fake.packet('announce'))
    assert.deepStrictEqual([numwant, left].map(Number), [3, 4])
  })
}

test('_trackers may be changed by programs', async t => {
  const [one, two] = [await FakeHttpTracker.start(t), await FakeHttpTracker.start(t)]
  const client = await createClient(t, { announce: [one.url, two.url] })
  const calls = []
  client._trackers.shift()
  client._trackers.push({
    announceUrl: 'mine:',
    announce: ({ event }) => calls.push(['announce', event]),
    scrape: () => calls.push(['scrape']),
    setInterval: ms => calls.push(['setInterval', ms]),
    destroy (cb) {
      calls.push(['destroy'])
      cb(null)
    }
  })
  client.start()
  assert.strictEqual((await nextValue(client, 'update')).announce, two.url)
  client.on('warning', () => {})
  client.scrape()
  client.setInterval(5000)
  client.stop()
  await callback(cb => client.destroy(cb))
  assert.deepStrictEqual(calls, [
    ['announce', 'started'], ['setInterval', undefined], ['scrape'], ['setInterval', 5000], ['announce', 'stopped'], ['destroy']
  ])
  assert.strictEqual(one.requests.length, 0)
})

test('several trackers each tell their own', async t => {
  const [http, udp] = [await FakeHttpTracker.start(t), await FakeUdpTracker.start(t)]
  const client = await createClient(t, { announce: [http.url, udp.url] })
  const events = record(client, 'update')
  client.start()
  await events.count('update', 2)
  assert.deepStrictEqual(events.of('update').map(([{ announce }]) => announce).sort(), [http.url, udp.url].sort())
})

test('a client may be made in the callback of another\'s destroy', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const client = await createClient(t, { announce: tracker.url })
  client.start()
  await nextValue(client, 'update')
  client.stop()
  const opts = { announce: tracker.url, port: 7000 }
  const next = await new Promise(resolve => client.destroy(() => resolve(createClient(t, opts))))
  next.start()
  await nextValue(next, 'update')
  assert.deepStrictEqual(tracker.requests.map(({ query }) => [query.event, query.port]), [
    ['started', '6881'], ['stopped', '6881'], ['started', '7000']
  ])
})

test('Client.scrape gives its own options, a peer id and a port to the client', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const Client = await loadClient()
  const infoHash = randomHex()
  let client
  const [err, data] = await callback(cb => {
    client = Client.scrape({ announce: tracker.url, infoHash, userAgent: 'ua', wrtc: false }, cb)
  })
  assert.ifError(err)
  assert.deepStrictEqual(data, { announce: tracker.url, infoHash, complete: 1, downloaded: 10, incomplete: 100 })
  assert.strictEqual(client.peerId, Buffer.from('01234567890123456789').toString('hex'))
  assert.deepStrictEqual([client._port, client._userAgent, client.destroyed], [6881, 'ua', true])
})
