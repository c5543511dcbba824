'use strict'

// The client at WebTorrent trackers: what it sends, what it makes of the answers, whom it shares a socket with.

const assert = require('node:assert')
const { Worker } = require('node:worker_threads')
const { test } = require('./helpers/test')
const { callback, nextValue, record } = require('./helpers/events')
const { FakeHttpTracker } = require('./helpers/fake-http-tracker')
const { FakeWebSocketTracker, latin1, reply } = require('./helpers/fake-websocket-tracker')
const { ROOT, spawnNode } = require('./helpers/processes')
const { Client, assertWarning, createClient, randomHex } = require('./helpers/subjects')
const WebSocketTracker = require('../websocket-tracker')

/** A client whose trackers make offers that nobody can use. */
function createWsClient (t, opts) {
  const client = createClient(t, { wrtc: {}, ...opts })
  for (const tracker of client._trackers) tracker._generateOffers = fakeOffers
  return client
}

function fakeOffers (numwant, cb) {
  const offers = Array.from({ length: numwant }, (_, n) => ({ fake_offer: [n, null, { deep: 'é' }] }))
  process.nextTick(cb, offers)
}

test('an announce says what the original\'s says', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const client = createWsClient(t, { announce: tracker.url, infoHash: 'ff00'.repeat(10) })
  client.start({ left: 5, custom: 'x', uploaded: 3n })
  const data = await nextValue(client, 'update')
  assert.deepStrictEqual(tracker.messages, [{
    numwant: 5,
    uploaded: 3,
    downloaded: 0,
    left: 5,
    custom: 'x',
    event: 'started',
    action: 'announce',
    info_hash: '\xff\0'.repeat(10),
    peer_id: latin1(client.peerId),
    offers: [0, 1, 2, 3, 4].map(n => ({ fake_offer: [n, null, { deep: 'é' }] }))
  }])
  assert.deepStrictEqual(data, {
    action: 'announce',
    info_hash: '\xff\0'.repeat(10),
    interval: 120,
    complete: 0,
    incomplete: 1,
    announce: tracker.url,
    infoHash: client.infoHash
  })
})

test('stopped and completed carry no offers, numwant asks for fewer', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const client = createWsClient(t, { announce: tracker.url })
  client.start({ numwant: 2, left: NaN })
  assert.deepStrictEqual([(await tracker.message(1)).offers.length, tracker.messages[0].numwant], [2, 2])
  assert.ok(!('left' in tracker.messages[0]), 'null would be a seeder')
  client.complete({ left: 0 })
  client.stop()
  const [, completed, stopped] = await tracker.message(3).then(() => tracker.messages)
  assert.deepStrictEqual([completed.event, completed.left, completed.offers], ['completed', 0, undefined])
  assert.deepStrictEqual([stopped.event, stopped.offers], ['stopped', undefined])
  client.update({ numwant: 0 })
  assert.deepStrictEqual((await tracker.message(4)).offers, [])
})

test('an announce whose offers come after a stop is not sent any more', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const client = createWsClient(t, { announce: tracker.url })
  client.start()
  await tracker.message(1)
  let late
  client._trackers[0]._generateOffers = (numwant, cb) => { late = cb }
  client.update()
  client.stop()
  late([])
  assert.strictEqual((await tracker.message(2)).event, 'stopped')
  client._trackers[0]._generateOffers = fakeOffers
  client.start()
  assert.strictEqual((await tracker.message(3)).event, 'started')
})

test('an announce whose offers come after a completion is sent with the counts of a seeder', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const client = createWsClient(t, { announce: tracker.url })
  client._trackers[0]._generateOffers = (numwant, cb) => { tracker.message(1).then(() => cb(['offer'])) }
  client.start({ left: 5, custom: 'x' })
  client.complete({ left: 0, uploaded: 7, downloaded: 5 })
  await tracker.message(2)
  assert.deepStrictEqual(tracker.messages.map(({ event, left, uploaded, downloaded, custom, offers }) =>
    ({ event, left, uploaded, downloaded, custom, offers })), [
    { event: 'completed', left: 0, uploaded: 7, downloaded: 5, custom: undefined, offers: undefined },
    { event: 'started', left: 0, uploaded: 7, downloaded: 5, custom: 'x', offers: ['offer'] }
  ])
})

test('stop and destroy in one tick still reach the tracker, which is told goodbye', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const client = createWsClient(t, { announce: tracker.url })
  client.start()
  await nextValue(client, 'update')
  client.stop()
  await callback(cb => client.destroy(cb))
  await tracker.left()
  assert.strictEqual(tracker.messages.at(-1).event, 'stopped')
  assert.deepStrictEqual(Object.keys(WebSocketTracker._socketPool), [])
})

test('clients share a socket and hear of their own torrent alone', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const first = createWsClient(t, { announce: tracker.url })
  const second = createWsClient(t, { announce: tracker.url })
  first.start()
  assert.strictEqual((await nextValue(first, 'update')).infoHash, first.infoHash)
  const others = record(first, 'update')
  second.start()
  await nextValue(second, 'update')
  assert.strictEqual(tracker.sockets.length, 1)
  const view = WebSocketTracker._socketPool[tracker.url]
  assert.deepStrictEqual([view.consumers, view.connected], [2, true])
  assert.strictEqual(first._trackers[0].socket, view)

  await callback(cb => first.destroy(cb))
  assert.strictEqual(view.consumers, 1)
  second.update()
  await nextValue(second, 'update')
  assert.deepStrictEqual(others.of('update'), [])
  await callback(cb => second.destroy(cb))
  await tracker.left()
})

// The threads below bring a WebRTC of their own, for without one a client loads what is installed:
// @roamhq/wrtc keeps references of the thread that loaded it last in statics, and deletes them when the
// next one loads it. If that thread has ended, this writes into freed memory.

test('threads share a socket', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const client = createWsClient(t, { announce: tracker.url })
  client.start()
  await nextValue(client, 'update')
  const worker = new Worker(`
    const { parentPort, workerData: [root, announce] } = require('node:worker_threads')
    const Client = require(root)
    const client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 6881, announce, wrtc: { RTCPeerConnection: class {} } })
    client._trackers[0]._generateOffers = (numwant, cb) => cb([])
    client.on('update', data => { parentPort.postMessage(data.infoHash); client.destroy() })
    client.start()`, { eval: true, workerData: [ROOT, tracker.url] })
  // A thread that ends quickly emits both at once.
  const exited = nextValue(worker, 'exit')
  assert.strictEqual(await nextValue(worker, 'message'), 'a'.repeat(40))
  await exited
  client.update()
  await nextValue(client, 'update')
  assert.strictEqual(tracker.sockets.length, 1)
})

test('a thread that is ended leaves its sockets', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const worker = new Worker(`
    const { parentPort, workerData: [root, announce] } = require('node:worker_threads')
    const Client = require(root)
    const client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 6881, announce, wrtc: { RTCPeerConnection: class {} } })
    client._trackers[0]._generateOffers = (numwant, cb) => cb([])
    client.on('update', () => parentPort.postMessage('updated'))
    client.start()`, { eval: true, workerData: [ROOT, tracker.url] })
  await nextValue(worker, 'message')
  await worker.terminate()
  await tracker.left()
})

test('an offer to two clients of one swarm is answered by one, its maker by none', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const infoHash = randomHex()
  const clients = [1, 2, 3].map(() => createWsClient(t, { announce: tracker.url, infoHash }))
  const created = []
  clients.forEach((client, n) => {
    client._trackers[0]._createPeer = () => { created.push(n); throw new Error('no peer') }
    client.on('warning', () => {})
    client.start()
  })
  await tracker.message(3)
  const socket = await tracker.socket()
  for (let i = 0; i < 20; i++) {
    const offer = { type: 'offer', sdp: 'v=0' }
    socket.send(JSON.stringify({ action: 'announce', info_hash: latin1(infoHash), peer_id: latin1(clients[0].peerId), offer, offer_id: 'x'.repeat(20) }))
  }
  clients[0].scrape()
  await nextValue(clients[0], 'scrape')
  assert.strictEqual(created.length, 20)
  assert.ok(!created.includes(0), 'its own offer')
})

test('scrapes, one and several, reach who asked', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const client = createWsClient(t, { announce: tracker.url })
  const other = createWsClient(t, { announce: tracker.url })
  const others = record(other, 'scrape')
  other.start()
  await nextValue(other, 'update')
  client.scrape()
  assert.deepStrictEqual(await nextValue(client, 'scrape'), {
    announce: tracker.url, infoHash: client.infoHash, complete: 0, incomplete: 0, downloaded: 0
  })
  assert.deepStrictEqual(tracker.messages.at(-1), { action: 'scrape', info_hash: latin1(client.infoHash) })
  const hashes = [randomHex(), randomHex()]
  const [err, data] = await callback(cb => Client.scrape({ announce: tracker.url, infoHash: hashes, wrtc: {} }, cb))
  assert.ifError(err)
  assert.deepStrictEqual(hashes.map(hash => data[hash].complete), [0, 1])
  assert.deepStrictEqual(tracker.messages.at(-1).info_hash, hashes.map(latin1))
  assert.strictEqual(others.names.length, 0)
})

test('a scrape that cannot be made is a warning, one without an answer an error after a time', async t => {
  const tracker = await FakeWebSocketTracker.start(t, () => undefined)
  const client = createWsClient(t, { announce: tracker.url })
  client.scrape({ infoHash: 'abc' })
  assertWarning(await nextValue(client, 'warning'))
  assert.throws(() => client.scrape({ infoHash: 5 }), { code: 'ERR_TRACKER_INVALID_INFO_HASH' })
  const opts = { announce: tracker.url, infoHash: randomHex(), wrtc: {}, requestTimeout: 50 }
  const [err] = await callback(cb => Client.scrape(opts, cb))
  assertWarning(err, `tracker request timed out (scrape) (${tracker.url})`)
})

test('the tracker\'s interval sets the pace, within limits; its tracker id is sent back', async t => {
  const answers = [{ interval: 0.01, 'tracker id': 'me' }, { interval: 7 }, { interval: 2 ** 40 }, { interval: 'x' }, { interval: -1 }]
  const tracker = await FakeWebSocketTracker.start(t, message => ({ ...reply(message), ...answers.shift() }))
  const client = createWsClient(t, { announce: tracker.url, minInterval: 1000 })
  const ws = client._trackers[0]
  assert.strictEqual(ws.DEFAULT_ANNOUNCE_INTERVAL, 30_000)
  const armed = []
  ws.setInterval = ms => armed.push(ms)
  client.start()
  for (let n = 1; n <= 5; n++) {
    await nextValue(client, 'update')
    if (n < 5) client.update()
  }
  assert.deepStrictEqual(armed, [undefined, 1000, 7000, 86_400_000])
  assert.deepStrictEqual([tracker.messages[0].trackerid, tracker.messages[4].trackerid], [undefined, 'me'])
})

test('a refusal, a message to the user and nonsense are warnings, and the socket goes on', async t => {
  const infoHash = randomHex()
  const lines = [
    [{ action: 'announce', info_hash: latin1(infoHash), 'failure reason': 'no' }, 'no', 'ERR_TRACKER_FAILURE'],
    [{ action: 'announce', info_hash: latin1(infoHash), 'warning message': 'beware' }, 'beware', 'ERR_TRACKER_WARNING'],
    [{ 'failure reason': 'what?' }, 'what?', 'ERR_TRACKER_FAILURE'],
    [{ action: 'dance' }, 'invalid action in WS response: dance', 'ERR_TRACKER_RESPONSE'],
    [{ action: 'scrape', files: {} }, 'invalid scrape response', 'ERR_TRACKER_RESPONSE'],
    ['{', 'Invalid tracker response', 'ERR_TRACKER_RESPONSE'],
    [Buffer.from([0xff, 0xfe]), 'Invalid tracker response', 'ERR_TRACKER_RESPONSE']
  ]
  const tracker = await FakeWebSocketTracker.start(t, (message, socket) => {
    if (message.action !== 'scrape') return
    const [line] = lines[tracker.messages.filter(({ action }) => action === 'scrape').length - 1]
    socket.send(typeof line === 'string' || Buffer.isBuffer(line) ? line : JSON.stringify(line))
  })
  const client = createWsClient(t, { announce: tracker.url, infoHash })
  for (const [, message, code] of lines) {
    client.scrape()
    const warning = await nextValue(client, 'warning')
    assertWarning(warning, message)
    assert.strictEqual(warning.code, code)
  }
  // Binary frames with text are as good as text.
  const socket = await tracker.socket()
  socket.send(Buffer.from(JSON.stringify({ action: 'announce', info_hash: latin1(infoHash), complete: 7 })))
  assert.strictEqual((await nextValue(client, 'update')).complete, 7)
  assert.strictEqual(tracker.sockets.length, 1)
})

test('without WebRTC the warning is the original\'s, and says what to install if nothing was found', async t => {
  const off = createClient(t, { announce: 'ws://a.test', wrtc: false })
  const warning = await nextValue(off, 'warning')
  assert.strictEqual(warning.message, 'Unsupported tracker protocol: ws://a.test')
  assertWarning(warning)
  assert.deepStrictEqual(off._trackers, [])

  const child = spawnNode(t, `
    const { Module } = require('module')
    const load = Module._load
    Module._load = (name, ...rest) => {
      if (/wrtc|webrtc/.test(name) && !name.startsWith('.')) throw Object.assign(new Error('absent'), { code: 'MODULE_NOT_FOUND' })
      return load(name, ...rest)
    }
    const Client = require(process.argv[1])
    const client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce: 'ws://a.test' })
    client.on('warning', err => console.log(err.code, err.message))
    globalThis.WRTC = {}
    console.log(new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce: 'ws://a.test' })._trackers.length)`)
  const { stdout } = await child.ended
  assert.match(stdout, /^1$/m)
  assert.match(stdout, /^ERR_TRACKER_WEBRTC Unsupported tracker protocol: ws:\/\/a\.test \(no WebRTC: install @roamhq\/wrtc, /m)
})

test('a function as wrtc is asked once', t => {
  let asked = 0
  const client = createClient(t, { announce: ['ws://a.test', 'ws://b.test'], wrtc: () => { asked += 1; return {} } })
  assert.strictEqual(asked, 1)
  assert.deepStrictEqual(client._wrtc, {})
  assert.strictEqual(client._trackers.length, 2)
})

test('tiers: a WebSocket tracker that fails hands over, one that answers is enough', async t => {
  const dead = await FakeWebSocketTracker.start(t)
  await dead.stop()
  const refusing = await FakeWebSocketTracker.start(t, ({ action, info_hash: hash }) => ({ action, info_hash: hash, 'failure reason': 'no' }))
  const good = await FakeWebSocketTracker.start(t)
  const last = await FakeHttpTracker.start(t)
  const client = createWsClient(t, { announce: [[dead.url], [refusing.url], [good.url], [last.url]] })
  const events = record(client, 'warning', 'update')
  client.start()
  await events.count('update', 1)
  assert.deepStrictEqual(events.of('warning').map(([err]) => err.message), [`Error connecting to ${dead.url}`, 'no'])
  assert.strictEqual(events.of('warning')[0][0].cause.code, 'ECONNREFUSED')
  assert.strictEqual(events.of('update')[0][0].announce, good.url)
  assert.strictEqual(last.requests.length, 0)
})

test('tiers: lower ones are not even connected to', async t => {
  const first = await FakeWebSocketTracker.start(t)
  const second = await FakeWebSocketTracker.start(t)
  const client = createWsClient(t, { announce: [[first.url], [second.url]] })
  client.start()
  await nextValue(client, 'update')
  client.update()
  await nextValue(client, 'update')
  assert.deepStrictEqual([first.messages.length, second.sockets.length], [2, 0])
})

test('the exported class works with a parent that is no client', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const { EventEmitter } = require('node:events')
  const parent = Object.assign(new EventEmitter(), {
    infoHash: 'ab'.repeat(20),
    _infoHashBinary: latin1('ab'.repeat(20)),
    _peerIdBinary: latin1('cd'.repeat(20)),
    _rtcConfig: undefined,
    _wrtc: {},
    _proxyOpts: undefined,
    _defaultAnnounceOpts: () => ({ numwant: 2, uploaded: 0, downloaded: 0 })
  })
  const { default: Imported } = await import('bittorrent-tracker-native/websocket-tracker')
  assert.strictEqual(Imported, WebSocketTracker)
  const subject = new WebSocketTracker(parent, tracker.url)
  subject._generateOffers = fakeOffers
  assert.strictEqual(subject.socket.connected, false)
  subject.announce({ numwant: 3 })
  const data = await nextValue(parent, 'update')
  assert.deepStrictEqual([data.infoHash, data.announce], ['ab'.repeat(20), tracker.url])
  assert.strictEqual(subject.socket.connected, true)
  assert.strictEqual(tracker.messages[0].offers.length, 3)
  subject.setInterval(1)
  await tracker.message(2)
  assert.strictEqual(tracker.messages[1].offers.length, 2)
  await callback(cb => subject.destroy(cb))
  await tracker.left()
})

test('a parent may announce a moment before it knows its info hash', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const { EventEmitter } = require('node:events')
  const infoHash = randomHex()
  const create = () => {
    const parent = Object.assign(new EventEmitter(), {
      infoHash: Promise.resolve(infoHash),
      _peerIdBinary: latin1(randomHex()),
      _wrtc: {},
      _defaultAnnounceOpts: () => ({})
    })
    const subject = new WebSocketTracker(parent, tracker.url)
    t.after(() => subject.destroy())
    subject._generateOffers = fakeOffers
    subject.announce({ numwant: 2 })
    return { parent, subject }
  }
  const { parent, subject } = create()
  // As often as p2pt does.
  await parent.infoHash
  parent._infoHashBinary = latin1(await parent.infoHash)
  await nextValue(parent, 'update')
  assert.deepStrictEqual(tracker.messages.map(message => message.info_hash), [latin1(infoHash)])
  await callback(cb => subject.destroy(cb))

  const without = create()
  assertWarning(await nextValue(without.parent, 'warning'))
  await callback(cb => without.subject.destroy(cb))
  // Before its moment has come.
  await callback(cb => create().subject.destroy(cb))
  assert.strictEqual(tracker.messages.length, 1)
})
