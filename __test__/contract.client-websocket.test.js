'use strict'

// What programs may expect of a client's WebSocket trackers, whose members they use, replace and subclass.
// CONTRACT.md names the statements.

const assert = require('node:assert')
const EventEmitter = require('node:events')
const { setImmediate: turn } = require('node:timers/promises')
const { differs } = require('./helpers/contract-subject')
const { createClient, loadWebSocketTracker } = require('./helpers/contract-client')
const { callback, nextValue, record } = require('./helpers/events')
const { FakeWebSocketTracker, latin1, reply } = require('./helpers/fake-websocket-tracker')
const { randomHex } = require('./helpers/subjects')
const { test } = require('./helpers/test')

/** As much of a peer as a tracker needs. */
class FakePeer extends EventEmitter {
  constructor (opts) {
    super()
    this.opts = opts
    this.destroyed = false
    this.signals = []
    if (opts?.initiator) process.nextTick(() => this.emit('signal', { type: 'offer', sdp: 'an offer' }))
  }

  signal (data) {
    this.signals.push(data)
    if (data.type === 'offer') process.nextTick(() => this.emit('signal', { type: 'answer', sdp: 'an answer' }))
  }

  destroy () {
    if (this.destroyed) return
    this.destroyed = true
    this.emit('close')
  }
}

async function createWsClient (t, opts) {
  const client = await createClient(t, { wrtc: {}, ...opts })
  for (const tracker of client._trackers) tracker._createPeer = opts => new FakePeer(opts)
  return client
}

test('a WebSocket tracker has the members that programs use', async t => {
  const fake = await FakeWebSocketTracker.start(t)
  const client = await createWsClient(t, { announce: fake.url })
  const [tracker] = client._trackers
  assert.strictEqual(tracker.client, client)
  assert.strictEqual(tracker.announceUrl, fake.url)
  assert.strictEqual(tracker.interval, null)
  assert.strictEqual(tracker.destroyed, false)
  assert.strictEqual(tracker.reconnecting, false)
  assert.strictEqual(tracker.retries, 0)
  assert.deepStrictEqual(Object.keys(tracker.peers), [])
  assert.strictEqual(tracker.DEFAULT_ANNOUNCE_INTERVAL, 30_000)
  for (const method of ['announce', 'scrape', 'setInterval', 'destroy', '_generateOffers', '_createPeer', '_send', 'on', 'emit']) {
    assert.strictEqual(typeof tracker[method], 'function', method)
  }
  client.start()
  assert.strictEqual(tracker.interval._idleTimeout, 30_000)
  assert.strictEqual(tracker.interval.hasRef(), false)
  await nextValue(client, 'update')
  assert.strictEqual(tracker.socket.connected, true)
  assert.strictEqual(tracker.interval._idleTimeout, 120_000)
  assert.strictEqual(tracker.interval.hasRef(), false)
  await callback(cb => client.destroy(cb))
  assert.strictEqual(tracker.destroyed, true)
  assert.strictEqual(tracker.socket, null)
})

test('an announce: the caller\'s keys, then the protocol\'s', async t => {
  const fake = await FakeWebSocketTracker.start(t)
  const client = await createWsClient(t, { announce: fake.url, getAnnounceOpts: () => ({ mine: { a: 1 } }) })
  client.start({ left: 7, numwant: 2 })
  const { offers, ...message } = await fake.message()
  assert.deepStrictEqual(message, {
    left: 7, numwant: 2, uploaded: 0, downloaded: 0, mine: { a: 1 }, event: 'started', action: 'announce',
    info_hash: latin1(client.infoHash), peer_id: latin1(client.peerId)
  })
  assert.strictEqual(offers.length, 2)
  for (const { offer, offer_id: id, ...rest } of offers) {
    assert.deepStrictEqual(offer, { type: 'offer', sdp: 'an offer' })
    assert.strictEqual(id.length, 20)
    assert.deepStrictEqual(rest, {})
    assert.ok(client._trackers[0].peers[Buffer.from(id, 'latin1').toString('hex')] instanceof FakePeer)
  }
})

test('at most five offers, and none with stopped and completed', async t => {
  const fake = await FakeWebSocketTracker.start(t)
  const client = await createWsClient(t, { announce: fake.url })
  client.start()
  assert.strictEqual((await fake.message(1)).offers.length, 5)
  client.complete()
  assert.strictEqual((await fake.message(2)).offers, undefined)
  client.stop()
  assert.strictEqual((await fake.message(3)).offers, undefined)
})

test('_generateOffers may be replaced, and asks for as many as are wanted', async t => {
  const fake = await FakeWebSocketTracker.start(t)
  const client = await createWsClient(t, { announce: fake.url })
  const asked = []
  client._trackers[0]._generateOffers = (numwant, cb) => {
    asked.push(numwant)
    cb([{ offer: 'mine', offer_id: 'x'.repeat(20) }])
  }
  client.start({ numwant: 3 })
  assert.deepStrictEqual((await fake.message(1)).offers, [{ offer: 'mine', offer_id: 'x'.repeat(20) }])
  client.update()
  await fake.message(2)
  assert.deepStrictEqual(asked, [3, 5])
})

test('_generateOffers of none calls back with none', async t => {
  const fake = await FakeWebSocketTracker.start(t)
  const client = await createWsClient(t, { announce: fake.url })
  assert.deepStrictEqual(await callback(cb => client._trackers[0]._generateOffers(0, cb)), [[]])
})

test('_createPeer may be replaced, for offers of our own and of others', async t => {
  const stranger = randomHex()
  const fake = await FakeWebSocketTracker.start(t, (message, socket) => {
    if (message.answer) return
    socket.send(JSON.stringify({
      action: 'announce', info_hash: message.info_hash, peer_id: latin1(stranger), offer_id: 'y'.repeat(20),
      offer: { type: 'offer', sdp: 'theirs' }
    }))
    return reply(message)
  })
  const client = await createWsClient(t, { announce: fake.url })
  const made = []
  client._trackers[0]._createPeer = opts => {
    made.push(new FakePeer(opts))
    return made.at(-1)
  }
  const found = []
  client.on('peer', peer => found.push([peer, peer.id, peer.signals.length]))
  client.start({ numwant: 1 })
  const answered = await fake.message(2)
  assert.strictEqual(made[0].opts.initiator, true)
  assert.ok(!made[1].opts?.initiator)
  // The program hears of a peer before its first signal.
  assert.deepStrictEqual(found, [[made[1], stranger, 0]])
  assert.deepStrictEqual(made[1].signals, [{ type: 'offer', sdp: 'theirs' }])
  assert.deepStrictEqual(answered, {
    action: 'announce', info_hash: latin1(client.infoHash), peer_id: latin1(client.peerId), to_peer_id: latin1(stranger),
    answer: { type: 'answer', sdp: 'an answer' }, offer_id: 'y'.repeat(20)
  })
})

test('an answer makes a peer of who made the offer', async t => {
  const stranger = randomHex()
  const fake = await FakeWebSocketTracker.start(t, (message, socket) => {
    socket.send(JSON.stringify({
      action: 'announce', info_hash: message.info_hash, peer_id: latin1(stranger), offer_id: message.offers[0].offer_id,
      answer: { type: 'answer', sdp: 'theirs' }
    }))
  })
  const client = await createWsClient(t, { announce: fake.url })
  client.start({ numwant: 1 })
  const peer = await nextValue(client, 'peer')
  assert.strictEqual(peer.id, stranger)
  while (peer.signals.length === 0) await turn()
  assert.deepStrictEqual(peer.signals, [{ type: 'answer', sdp: 'theirs' }])
  assert.deepStrictEqual(Object.keys(client._trackers[0].peers), [])
})

test('_send sends an object as JSON', async t => {
  const fake = await FakeWebSocketTracker.start(t)
  const client = await createWsClient(t, { announce: fake.url })
  client.start()
  await nextValue(client, 'update')
  client._trackers[0]._send({ action: 'mine', x: [1] })
  assert.deepStrictEqual(await fake.message(2), { action: 'mine', x: [1] })
})

test('update comes only with an answer that has `complete`', async t => {
  const fake = await FakeWebSocketTracker.start(t, (message, socket) => {
    const { complete, ...rest } = reply(message)
    socket.send(JSON.stringify({ ...rest, n: 1 }))
    return { ...rest, complete, n: 2 }
  })
  const client = await createWsClient(t, { announce: fake.url })
  client.start()
  assert.deepStrictEqual(await nextValue(client, 'update'), {
    action: 'announce', info_hash: latin1(client.infoHash), interval: 120, complete: 0, incomplete: 1, n: 2,
    announce: fake.url, infoHash: client.infoHash
  })
})

test('a tracker id comes back with each announce', async t => {
  const fake = await FakeWebSocketTracker.start(t, message => ({ ...reply(message), 'tracker id': 'me' }))
  const client = await createWsClient(t, { announce: fake.url })
  client.start()
  await nextValue(client, 'update')
  client.update()
  assert.strictEqual((await fake.message(2)).trackerid, 'me')
})

test('scrape: text for one, a list for several, an event for each', async t => {
  const fake = await FakeWebSocketTracker.start(t)
  const client = await createWsClient(t, { announce: fake.url })
  const events = record(client, 'scrape')
  const [one, two] = ['11'.repeat(20), '22'.repeat(20)]
  client.scrape()
  await events.count('scrape', 1)
  client.scrape({ infoHash: one })
  await events.count('scrape', 2)
  client.scrape({ infoHash: [one, two] })
  await events.count('scrape', 4)
  assert.deepStrictEqual(fake.messages, [
    { action: 'scrape', info_hash: latin1(client.infoHash) },
    { action: 'scrape', info_hash: latin1(one) },
    { action: 'scrape', info_hash: [latin1(one), latin1(two)] }
  ])
  assert.deepStrictEqual(events.of('scrape')[3], [
    { complete: 1, incomplete: 0, downloaded: 0, announce: fake.url, infoHash: two }
  ])
})

test('a failure reason is a warning with that text', async t => {
  const fake = await FakeWebSocketTracker.start(t, ({ action, info_hash: hash }) => ({
    action, info_hash: hash, 'failure reason': 'no'
  }))
  const client = await createWsClient(t, { announce: fake.url })
  client.start()
  assert.strictEqual((await nextValue(client, 'warning')).message, 'no')
})

test('one socket for an announce URL, counted by its consumers', async t => {
  const WebSocketTracker = await loadWebSocketTracker()
  const fake = await FakeWebSocketTracker.start(t)
  const [one, two] = [await createWsClient(t, { announce: fake.url }), await createWsClient(t, { announce: fake.url })]
  one.start()
  await nextValue(one, 'update')
  two.start()
  await nextValue(two, 'update')
  assert.strictEqual(fake.sockets.length, 1)
  assert.strictEqual(WebSocketTracker._socketPool[fake.url].consumers, 2)
  assert.strictEqual(one._trackers[0].socket, two._trackers[0].socket)
  await callback(cb => one.destroy(cb))
  assert.strictEqual(WebSocketTracker._socketPool[fake.url].consumers, 1)
  two.update()
  await nextValue(two, 'update')
  await callback(cb => two.destroy(cb))
  assert.strictEqual(WebSocketTracker._socketPool[fake.url], undefined)
})

test('a connection that is lost: reconnecting, and retries once an attempt has failed', async t => {
  const fake = await FakeWebSocketTracker.start(t)
  const client = await createWsClient(t, { announce: fake.url })
  client.on('warning', () => {})
  const [tracker] = client._trackers
  client.start()
  await nextValue(client, 'update')
  assert.strictEqual(tracker.reconnecting, false)
  await fake.stop()
  fake.stop = () => {}
  while (!tracker.reconnecting) await turn()
  assert.strictEqual(typeof tracker.retries, 'number')
})

test('a tracker that is not there is a warning', async t => {
  const fake = await FakeWebSocketTracker.start(t)
  await fake.stop()
  fake.stop = () => {}
  const client = await createWsClient(t, { announce: fake.url })
  const warnings = record(client, 'warning')
  client.start()
  await warnings.count('warning', 1)
  assert.match(warnings.of('warning')[0][0].message, new RegExp(`Error connecting to ${fake.url}`))
})

test('a WebSocket is opened by the first announce', differs('a WebSocket is opened with the client'), async t => {
  const fake = await FakeWebSocketTracker.start(t)
  const client = await createWsClient(t, { announce: fake.url })
  assert.strictEqual(client._trackers[0].socket.connected, false)
  client.start()
  await nextValue(client, 'update')
  assert.strictEqual(fake.sockets.length, 1)
})

test('the class alone, subclassed, under a parent that is no client', async t => {
  const WebSocketTracker = await loadWebSocketTracker()
  const fake = await FakeWebSocketTracker.start(t)
  const parent = Object.assign(new EventEmitter(), {
    infoHash: 'ab'.repeat(20),
    _infoHashBinary: latin1('ab'.repeat(20)),
    _peerIdBinary: latin1('cd'.repeat(20)),
    _rtcConfig: undefined,
    _wrtc: {},
    _proxyOpts: undefined,
    _defaultAnnounceOpts: () => ({ numwant: 2, uploaded: 0, downloaded: 0 })
  })
  class Mine extends WebSocketTracker {
    announce (opts) {
      super.announce({ ...opts, mine: 'x' })
    }

    _createPeer (opts) {
      return new FakePeer(opts)
    }
  }
  const tracker = new Mine(parent, fake.url)
  tracker.announce({ numwant: 1 })
  assert.strictEqual((await nextValue(parent, 'update')).infoHash, 'ab'.repeat(20))
  assert.deepStrictEqual([fake.messages[0].mine, fake.messages[0].offers.length], ['x', 1])
  tracker.setInterval(5)
  const { mine, numwant } = await fake.message(2)
  assert.deepStrictEqual([mine, numwant], ['x', 2])
  await callback(cb => tracker.destroy(cb))
  assert.strictEqual(tracker.destroyed, true)
})
