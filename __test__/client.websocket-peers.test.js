'use strict'

// Peers by WebRTC: two clients of this process meet through a tracker and talk.

const assert = require('node:assert')
const { once } = require('node:events')
const { test } = require('./helpers/test')
const { callback, nextValue, record } = require('./helpers/events')
const { FakeWebSocketTracker, latin1, reply } = require('./helpers/fake-websocket-tracker')
const { createClient, randomHex } = require('./helpers/subjects')
const wrtc = require('@roamhq/wrtc')

const OFFLINE = { iceServers: [] }

/** A tracker that relays: each offer to one other peer, each answer to its peer. */
async function startRelay (t) {
  const peers = new Map()
  return FakeWebSocketTracker.start(t, (message, socket) => {
    const { action, peer_id: peerId, info_hash: infoHash, to_peer_id: to, offers = [] } = message
    peers.set(peerId, socket)
    const send = (socket, rest) =>
      socket.send(JSON.stringify({ action, info_hash: infoHash, peer_id: peerId, ...rest }))
    if (message.answer) return void send(peers.get(to), { answer: message.answer, offer_id: message.offer_id })
    const others = [...peers].filter(([id]) => id !== peerId)
    for (const [n, [, other]] of others.entries()) if (offers[n]) send(other, offers[n])
    return { ...reply(message), complete: 0, incomplete: peers.size }
  })
}

test('clients meet: peers have an id, come before their first signal, and carry data', async t => {
  const tracker = await startRelay(t)
  const infoHash = randomHex()
  const options = { announce: tracker.url, infoHash, wrtc, rtcConfig: OFFLINE }
  const first = createClient(t, options)
  // On the same socket: the tracker has one for both.
  const second = createClient(t, options)
  const found = [first, second].map(client => new Promise(resolve => {
    // Nothing has been signalled yet.
    client.once('peer', peer => resolve(peer._pc.signalingState === (peer.initiator ? 'have-local-offer' : 'stable') && peer))
  }))
  first.start()
  await nextValue(first, 'update')
  second.start({ numwant: 1 })
  const [answering, offering] = await Promise.all(found)
  assert.deepStrictEqual([answering.id, offering.id], [second.peerId, first.peerId])
  assert.deepStrictEqual([answering.initiator, offering.initiator], [false, true])
  await Promise.all([answering, offering].map(peer => once(peer, 'connect')))
  offering.write('over')
  assert.strictEqual(String((await once(answering, 'data'))[0]), 'over')
  answering.write('and back')
  assert.strictEqual(String((await once(offering, 'data'))[0]), 'and back')
  for (const peer of [answering, offering]) peer.destroy()
  // Peers that are connected are the program's; offers that nobody answered end with the client.
  const waiting = Object.values(first._trackers[0].peers)
  assert.strictEqual(waiting.length, 5)
  await callback(cb => first.destroy(cb))
  assert.ok(waiting.every(peer => peer.destroyed))
})

test('offers have ids of 20 random bytes and are given up after a time', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const client = createClient(t, { announce: tracker.url, wrtc, rtcConfig: OFFLINE })
  client.start()
  const { offers } = await tracker.message()
  assert.strictEqual(offers.length, 5)
  const { peers } = client._trackers[0]
  assert.strictEqual(new Set(offers.map(({ offer_id: id }) => id)).size, 5)
  for (const { offer, offer_id: id } of offers) {
    assert.match(id, /^[\0-\xff]{20}$/)
    assert.strictEqual(offer.type, 'offer')
    const peer = peers[Buffer.from(id, 'latin1').toString('hex')]
    assert.ok(peer.trackerTimeout._idleTimeout === 50_000 && !peer.trackerTimeout.hasRef())
  }
})

test('a bad answer ends its peer with a warning, an unexpected one does nothing', async t => {
  let answered = 0
  const tracker = await FakeWebSocketTracker.start(t, (message, socket) => {
    const answer = { type: 'answer', sdp: 'v=0\r\nnonsense' }
    for (const id of [message.offers[0].offer_id, message.offers[0].offer_id, 'y'.repeat(20), 7]) {
      socket.send(JSON.stringify({ action: 'announce', info_hash: message.info_hash, peer_id: 'p'.repeat(20), answer, offer_id: id }))
      answered += 1
    }
    return reply(message)
  })
  const client = createClient(t, { announce: tracker.url, wrtc, rtcConfig: OFFLINE })
  const events = record(client, 'peer', 'warning', 'update')
  client.start({ numwant: 2 })
  await events.until(() => events.names.includes('warning') && events.names.includes('update'))
  assert.strictEqual(answered, 4)
  assert.strictEqual(events.of('peer').length, 1)
  assert.match(events.of('warning')[0][0].message, /^Connection error: /)
  assert.strictEqual(events.of('warning')[0][0].code, 'ERR_TRACKER_WEBRTC')
  assert.strictEqual(Object.keys(client._trackers[0].peers).length, 1)
})

test('offers from a stranger are bounded', async t => {
  const infoHash = randomHex()
  const tracker = await FakeWebSocketTracker.start(t, (message, socket) => {
    for (let n = 0; n < 500; n++) {
      socket.send(JSON.stringify({ action: 'announce', info_hash: latin1(infoHash), peer_id: 'p'.repeat(20), offer_id: 'x'.repeat(20), offer: { type: 'offer', sdp: `v=${n}` } }))
    }
    return reply(message)
  })
  const client = createClient(t, { announce: tracker.url, infoHash, wrtc: {} })
  const { EventEmitter } = require('node:events')
  const signals = []
  class FakePeer extends EventEmitter {
    destroyed = false
    signal (data) { signals.push(data) }
    destroy () { this.destroyed = true; this.emit('close') }
  }
  client._trackers[0]._generateOffers = (numwant, cb) => cb([])
  client._trackers[0]._createPeer = () => new FakePeer()
  const events = record(client, 'update', 'peer')
  client.start()
  await events.count('update', 1)
  assert.strictEqual(events.of('peer').length, 50)
  assert.strictEqual(signals.length, 50)
  // Those that are gone make room.
  for (const [peer] of events.of('peer')) peer.destroy()
  client.update()
  await events.count('update', 2)
  assert.strictEqual(events.of('peer').length, 100)
})
