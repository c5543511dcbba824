'use strict'

// Sockets whose peers do not read: what they send meanwhile, and what others send.

const assert = require('node:assert')
const { once } = require('node:events')
const { test } = require('./helpers/test')
const { httpPort, randomHex, startServer } = require('./helpers/subjects')
const { FrameSocket } = require('./helpers/websocket-frames')
const { WsPeer, announce, binary } = require('./helpers/websocket-peer')

/** One thread: what sockets of one thread share is what is tested. */
const start = (t, opts) => startServer(t, { udp: false, ws: true, threads: 1, ...opts })

const OFFER_BYTES = 50_000
/** More than the kernel keeps for a connection whose other end does not read: some MB. */
const OFFERS = 400

test('what a slow reader sends is not taken for what another has sent', async t => {
  const server = await start(t, { ws: { maxQueue: 2 * OFFERS * OFFER_BYTES } })
  const [infoHash, slowPeer, own, others] = Array.from({ length: 4 }, () => randomHex())
  const slow = await FrameSocket.open(t, httpPort(server))
  slow.sendJson(announce({ infoHash, peerId: slowPeer }))
  await slow.nextJson()
  slow.stream.pause()

  const busy = await WsPeer.open(t, server)
  const sdp = 'x'.repeat(OFFER_BYTES)
  for (let i = 0; i < OFFERS; i++) {
    await busy.ask(announce({ infoHash, peerId: busy.peerId, numwant: 1, offers: [{ offer: { type: 'offer', sdp }, offer_id: `offer ${i}` }] }))
  }
  slow.sendJson({ action: 'scrape', info_hash: binary(own) })

  // Whenever the slow one has read a little, the tracker has written a little, and waits again.
  const other = await WsPeer.open(t, server)
  for (let i = 0; i < 20; i++) {
    slow.stream.resume()
    await once(slow.stream, 'data')
    slow.stream.pause()
    const { files } = await other.ask({ action: 'scrape', info_hash: binary(others) })
    assert.deepStrictEqual(Object.keys(files), [binary(others)])
  }

  slow.stream.resume()
  let message
  do message = await slow.nextJson()
  while (message.action !== 'scrape')
  assert.deepStrictEqual(Object.keys(message.files), [binary(own)])
})

test('an answer given right before the server closes is said', async t => {
  for (let i = 0; i < 30; i++) {
    const server = await start(t)
    const answer = { action: 'announce', complete: 1, incomplete: 2, info_hash: 'h'.repeat(20), interval: 9, peers: [] }
    server._onRequest = (params, cb) => {
      cb(null, answer)
      server.close()
    }
    const peer = await WsPeer.open(t, server)
    peer.send(announce({ infoHash: randomHex(), peerId: peer.peerId, offers: [] }))
    await peer.closed
    assert.strictEqual(peer.received.length, 1, `the answer of server ${i}`)
  }
})

test('a peer that is sent more than it reads is closed', async t => {
  const server = await start(t, { ws: { maxQueue: 4 * OFFER_BYTES } })
  const infoHash = randomHex()
  const slow = await FrameSocket.open(t, httpPort(server))
  slow.sendJson(announce({ infoHash, peerId: randomHex() }))
  await slow.nextJson()
  slow.stream.pause()

  let warning
  server.once('warning', err => { warning = err })
  const busy = await WsPeer.open(t, server)
  const offers = [{ offer: { type: 'offer', sdp: 'x'.repeat(OFFER_BYTES) }, offer_id: 'one' }]
  for (let i = 0; warning === undefined; i++) {
    assert.ok(i < OFFERS, 'it may have as much wait as it likes')
    await busy.ask(announce({ infoHash, peerId: busy.peerId, numwant: 1, offers }))
  }
  assert.strictEqual(warning.code, 'ERR_TRACKER_SLOW_SOCKET')
  slow.stream.resume()
  await slow.closed
})
