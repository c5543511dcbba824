'use strict'

// What WebTorrent peers say to each other through the tracker.

const assert = require('node:assert')
const { test } = require('./helpers/test')
const { record } = require('./helpers/events')
const { UdpPeer, announceRequest, decodeReply } = require('./helpers/udp')
const { announcePath, bencoded, scrapePath } = require('./helpers/http')
const { fromCompact } = require('./helpers/compact')
const { httpPort, randomHex, startServer, udpPort } = require('./helpers/subjects')
const { WsPeer, announce, binary, counts, hexOf, makeOffers, settleAll, untilCount } = require('./helpers/websocket-peer')

const start = (t, opts) => startServer(t, { udp: false, ws: true, ...opts })

/** So many peers of one swarm, all joined. */
async function swarm (t, server, count, infoHash = randomHex()) {
  const peers = []
  for (let i = 0; i < count; i++) {
    const peer = await WsPeer.open(t, server)
    await peer.join(infoHash)
    peers.push(peer)
  }
  return { infoHash, peers }
}

/** One offer of `from` reaches `to`; resolves with it as it comes in there. */
async function offerTo (from, to, infoHash) {
  const offers = makeOffers(1)
  await from.announce({ infoHash, offers })
  const offer = await to.next()
  assert.strictEqual(offer.offer_id, offers[0].offer_id)
  return offer
}

test('an announce is answered with counts and a fifth of the interval, and nothing else', async t => {
  const server = await start(t)
  const infoHash = randomHex()
  const peer = await WsPeer.open(t, server)
  assert.deepStrictEqual(await peer.join(infoHash), {
    complete: 0, incomplete: 1, action: 'announce', interval: 120, info_hash: binary(infoHash)
  })
  assert.deepStrictEqual(await peer.announce({ infoHash, event: 'completed', left: 0 }), {
    complete: 1, incomplete: 0, action: 'announce', interval: 120, info_hash: binary(infoHash)
  })
  assert.deepStrictEqual(await peer.announce({ infoHash, event: 'stopped' }), {
    complete: 0, incomplete: 0, action: 'announce', interval: 120, info_hash: binary(infoHash)
  })
})

for (const [opts, interval] of [
  [{ interval: 10_000 }, 2], [{ interval: 11_000 }, 3], [{ interval: 1000 }, 1],
  [{ interval: 600_000, ws: { interval: 45_000 } }, 45],
  [{ ws: { interval: 1500 } }, 2], [{ ws: { interval: 0 } }, 120]
]) {
  test(`the interval with ${JSON.stringify(opts)} is ${interval} s`, async t => {
    const server = await start(t, opts)
    const peer = await WsPeer.open(t, server)
    assert.strictEqual((await peer.join(randomHex())).interval, interval)
  })
}

test('each offer goes to another peer, and none back to its sender', async t => {
  const server = await start(t)
  const { infoHash, peers } = await swarm(t, server, 6)
  const [sender, ...others] = peers
  const offers = makeOffers(5)
  await sender.announce({ infoHash, offers, numwant: 5 })
  const [own, ...received] = await settleAll(peers)
  assert.deepStrictEqual(own, [])
  const expected = offers.map(({ offer, offer_id }) => ({
    action: 'announce', offer, offer_id, peer_id: binary(sender.peerId), info_hash: binary(infoHash)
  }))
  assert.deepStrictEqual(received.map(messages => messages.length), others.map(() => 1), 'one each')
  const byId = (a, b) => a.offer_id < b.offer_id ? -1 : 1
  assert.deepStrictEqual(received.flat().sort(byId), expected.sort(byId))
})

test('more offers than peers: each peer gets one, the others go nowhere', async t => {
  const server = await start(t)
  const { infoHash, peers } = await swarm(t, server, 3)
  await peers[0].announce({ infoHash, offers: makeOffers(10) })
  assert.deepStrictEqual((await settleAll(peers)).map(messages => messages.length), [0, 1, 1])
})

test('all peers of a large swarm get offers in time', async t => {
  const server = await start(t)
  const { infoHash, peers } = await swarm(t, server, 12)
  const [sender, ...others] = peers
  const met = new Set()
  // Each round misses one of eleven peers with a probability of 6/11: after 200 rounds, with 1e-51.
  for (let round = 0; round < 200 && met.size < others.length; round++) {
    await sender.announce({ infoHash, offers: makeOffers(5) })
    const [own, ...received] = await settleAll(peers)
    assert.deepStrictEqual(own, [])
    assert.strictEqual(received.flat().length, 5)
    received.forEach((messages, index) => messages.length > 0 && met.add(index))
  }
  assert.strictEqual(met.size, others.length)
})

test('offers stay in their swarm', async t => {
  const server = await start(t)
  const { infoHash, peers } = await swarm(t, server, 2)
  const { peers: strangers } = await swarm(t, server, 3)
  await peers[0].announce({ infoHash, offers: makeOffers(5) })
  const received = await settleAll([...peers, ...strangers])
  assert.deepStrictEqual(received.map(messages => messages.length), [0, 1, 0, 0, 0])
})

test('who stops gets no peer for its offers', async t => {
  const server = await start(t)
  const { infoHash, peers } = await swarm(t, server, 2)
  await peers[0].announce({ infoHash, event: 'stopped', offers: makeOffers(5) })
  assert.deepStrictEqual(await settleAll(peers), [[], []])
  assert.deepStrictEqual(counts(server, infoHash), [0, 1])
})

test('an answer reaches the peer that made the offer, once', async t => {
  const server = await start(t)
  const { infoHash, peers: [offerer, answerer] } = await swarm(t, server, 2)
  const offer = await offerTo(offerer, answerer, infoHash)
  const answer = answerer.answer(offer)
  assert.deepStrictEqual(await offerer.next(), {
    action: 'announce', answer, offer_id: offer.offer_id, peer_id: binary(answerer.peerId), info_hash: binary(infoHash)
  })
  assert.deepStrictEqual(await answerer.settle(), [], 'an answer gets no reply')
  answerer.answer(offer)
  assert.deepStrictEqual(await settleAll([offerer, answerer]), [[], []], 'a second answer to the same offer')
})

test('an answer that nobody waits for is a warning and reaches nobody', async t => {
  const server = await start(t)
  const warnings = record(server, 'warning')
  const { infoHash, peers } = await swarm(t, server, 3)
  const [offerer, answerer, third] = peers
  // The third peer gets out of the way of the offer, and comes back.
  await third.announce({ infoHash, event: 'stopped' })
  const offer = await offerTo(offerer, answerer, infoHash)
  await third.join(infoHash)
  const swapped = { ...offer, info_hash: binary(randomHex()) }
  const wrong = [
    [third, offer], // was not given the offer
    [answerer, { ...offer, offer_id: 'no such offer' }],
    [answerer, { ...offer, offer_id: undefined }],
    [answerer, { ...offer, peer_id: binary(third.peerId) }], // did not make it
    [answerer, { ...offer, peer_id: binary(randomHex()) }],
    [answerer, swapped] // another torrent
  ]
  for (const [peer, offer] of wrong) {
    peer.answer(offer)
    assert.deepStrictEqual(await settleAll(peers), [[], [], []])
  }
  await warnings.count('warning', wrong.length)
  for (const [err] of warnings.of('warning')) {
    assert.strictEqual(err.message, 'no peer with that `to_peer_id`')
    assert.strictEqual(err.code, 'ERR_TRACKER_UNKNOWN_OFFER')
  }
  // None of that has spoilt the offer.
  answerer.answer(offer)
  assert.strictEqual((await offerer.next()).offer_id, offer.offer_id)
})

test('an offer without an id cannot be answered', async t => {
  const server = await start(t)
  const { infoHash, peers: [offerer, answerer] } = await swarm(t, server, 2)
  await offerer.announce({ infoHash, offers: [{ offer: { sdp: 'x' } }] })
  const offer = await answerer.next()
  assert.deepStrictEqual(offer, { action: 'announce', offer: { sdp: 'x' }, peer_id: binary(offerer.peerId), info_hash: binary(infoHash) })
  answerer.answer(offer)
  assert.deepStrictEqual(await settleAll([offerer, answerer]), [[], []])
})

test('an answer to a peer whose socket is closed reaches nobody', async t => {
  const server = await start(t)
  const { infoHash, peers: [offerer, answerer] } = await swarm(t, server, 2)
  const offer = await offerTo(offerer, answerer, infoHash)
  await offerer.close()
  await untilCount(server, infoHash, 1)
  const heir = await WsPeer.open(t, server, { peerId: offerer.peerId })
  await heir.join(infoHash)
  answerer.answer(offer)
  assert.deepStrictEqual(await settleAll([answerer, heir]), [[], []])
})

test('an answer is an announce as well', async t => {
  const server = await start(t)
  const events = record(server, 'start', 'update')
  const { infoHash, peers: [offerer, answerer] } = await swarm(t, server, 2)
  const offer = await offerTo(offerer, answerer, infoHash)
  answerer.answer(offer, { type: 'answer', sdp: 'a' }, { left: 0 })
  await offerer.next()
  assert.deepStrictEqual(counts(server, infoHash), [1, 1])
  await events.until(() => events.log.some(({ args: [, params] }) => params.answer))
  const [id, params] = events.log.find(({ args: [, params] }) => params.answer).args
  assert.strictEqual(id, answerer.peerId)
  assert.deepStrictEqual(params.answer, { type: 'answer', sdp: 'a' })
  assert.strictEqual(params.to_peer_id, offerer.peerId)
  assert.strictEqual(params.offer_id, offer.offer_id)
})

test('another socket cannot stop a peer', async t => {
  const server = await start(t)
  const { infoHash, peers: [peer] } = await swarm(t, server, 1)
  const intruder = await WsPeer.open(t, server, { peerId: peer.peerId })
  assert.strictEqual((await intruder.announce({ infoHash, event: 'stopped' })).incomplete, 1)
  assert.deepStrictEqual(counts(server, infoHash), [0, 1])
  // Not even when it has announced the same id before.
  await intruder.join(infoHash)
  await intruder.announce({ infoHash, event: 'stopped' })
  assert.deepStrictEqual(counts(server, infoHash), [0, 1])
  const offerer = await WsPeer.open(t, server)
  await offerTo(offerer, peer, infoHash)
  assert.deepStrictEqual(await intruder.settle(), [])
})

test('another socket cannot make a leecher a seeder', async t => {
  const server = await start(t)
  const { infoHash, peers: [peer] } = await swarm(t, server, 1)
  const intruder = await WsPeer.open(t, server, { peerId: peer.peerId })
  await intruder.join(infoHash, { event: 'completed', left: 0 })
  assert.deepStrictEqual(counts(server, infoHash), [1, 1], 'a peer of its own')
  await intruder.close()
  await untilCount(server, infoHash, 1)
  assert.deepStrictEqual(counts(server, infoHash), [0, 1])
})

test('a client that reconnects while its old socket is half-open', async t => {
  const server = await start(t)
  const infoHash = randomHex()
  const old = await WsPeer.open(t, server)
  await old.join(infoHash)
  const fresh = await WsPeer.open(t, server, { peerId: old.peerId })
  assert.strictEqual((await fresh.join(infoHash, { left: 0, offers: makeOffers(3) })).complete, 1)
  assert.deepStrictEqual(await old.settle(), [], 'no offer to itself')

  const { peers } = server.torrents[infoHash]
  assert.strictEqual(peers.get(old.peerId).complete, true, 'the newest is shown')
  assert.strictEqual(peers.get(old.peerId).port, fresh.socket._socket.localPort)

  // Each answers for the offers that it was given.
  const offerer = await WsPeer.open(t, server)
  const offers = makeOffers(2)
  await offerer.join(infoHash, { offers })
  for (const peer of [old, fresh]) {
    const offer = await peer.next()
    peer.answer(offer)
    assert.strictEqual((await offerer.next()).offer_id, offer.offer_id)
  }

  await old.close()
  await untilCount(server, infoHash, 2)
  assert.ok(peers.get(fresh.peerId), 'the old socket takes only its own peer along')
  await offerTo(offerer, fresh, infoHash)
})

test('`stopped` and a closed socket remove their peers at once', async t => {
  const server = await start(t)
  const infoHashes = [randomHex(), randomHex()]
  const peer = await WsPeer.open(t, server)
  const other = randomHex()
  for (const infoHash of infoHashes) {
    await peer.join(infoHash)
    await peer.announce({ infoHash, peerId: other, event: 'started', left: 0 })
    assert.deepStrictEqual(counts(server, infoHash), [1, 1], 'two peers of one socket')
  }
  await peer.announce({ infoHash: infoHashes[0], event: 'stopped' })
  assert.deepStrictEqual(counts(server, infoHashes[0]), [1, 0])
  peer.socket.terminate()
  for (const infoHash of infoHashes) await untilCount(server, infoHash, 0)
})

test('one socket for several torrents: each offer comes with its torrent', async t => {
  const server = await start(t)
  const infoHashes = [randomHex(), randomHex(), randomHex()]
  const [a, b] = [await WsPeer.open(t, server), await WsPeer.open(t, server)]
  for (const infoHash of infoHashes) await a.join(infoHash)
  for (const infoHash of infoHashes) {
    await b.join(infoHash, { offers: makeOffers(1) })
    const offer = await a.next()
    assert.strictEqual(hexOf(offer.info_hash), infoHash)
    a.answer(offer)
    assert.strictEqual(hexOf((await b.next()).info_hash), infoHash)
  }
})

test('many messages in one write are answered in order', async t => {
  const server = await start(t)
  const peer = await WsPeer.open(t, server)
  const infoHashes = Array.from({ length: 300 }, randomHex)
  peer.socket._socket.cork()
  for (const infoHash of infoHashes) peer.send(announce({ infoHash, peerId: peer.peerId, left: 0 }))
  peer.socket._socket.uncork()
  for (const infoHash of infoHashes) assert.strictEqual(hexOf((await peer.next()).info_hash), infoHash)
})

test('offers and answers pass as the very bytes they came as', async t => {
  const server = await start(t)
  const { infoHash, peers: [offerer, answerer] } = await swarm(t, server, 2)
  // Spaces, order, escapes, numbers and keys that a parser would change; not one byte may.
  const odd = [
    '{ "sdp" :\t"v=0\\r\\no=- 1 2 IN IP4 127.0.0.1\\r\\n" , "type":"offer"}',
    '{"a":1,"a":2,"b":1e400,"c":-0.0,"d":12345678901234567890,"e":1.10}',
    '{"s":"\\u00e9\\/\\u2028é😀\\ud83d\\ude00\\u0000","__proto__":{"x":1},"constructor":null}',
    '{"half":"\\ud83d"}',
    '"text"', '[1,[2,[3]]]', '42', 'true', '{}', '""'
  ]
  for (const json of odd) {
    const id = `id ${odd.indexOf(json)}`
    const base = JSON.stringify(announce({ infoHash, peerId: offerer.peerId })).slice(0, -1)
    await offerer.ask(`${base},"offers":[{"offer":${json},"offer_id":"${id}"}]}`)
    const offer = await answerer.next()
    assert.ok(answerer.texts.at(-1).includes(`"offer":${json},"offer_id":"${id}"`), `${answerer.texts.at(-1)} for ${json}`)
    if (json === '""') continue // an empty text is no answer
    const to = { peerId: answerer.peerId, toPeerId: hexOf(offer.peer_id) }
    const back = JSON.stringify(announce({ infoHash, ...to })).slice(0, -1)
    answerer.send(`${back},"offer_id":"${id}","answer":${json}}`)
    await offerer.next()
    assert.ok(offerer.texts.at(-1).includes(`"answer":${json},"offer_id":"${id}"`), `${offerer.texts.at(-1)} for ${json}`)
  }
})

test('an answer\'s offer id may be written in another way than the offer\'s', async t => {
  const server = await start(t)
  const { infoHash, peers: [offerer, answerer] } = await swarm(t, server, 2)
  const base = JSON.stringify(announce({ infoHash, peerId: offerer.peerId })).slice(0, -1)
  await offerer.ask(`${base},"offers":[{"offer":{},"offer_id":"\\u00e9\\u0041\\/\\n"}]}`)
  const offer = await answerer.next()
  assert.strictEqual(offer.offer_id, 'éA/\n')
  answerer.answer(offer)
  assert.strictEqual((await offerer.next()).offer_id, 'éA/\n')
})

test('ids in every form of escape name the same peer and torrent', async t => {
  const server = await start(t)
  const bytes = Buffer.from('00080c0a0d09225c2f7fff80c3a920414243e9fe', 'hex')
  const escapes = { 8: '\\b', 12: '\\f', 10: '\\n', 13: '\\r', 9: '\\t', 34: '\\"', 92: '\\\\', 47: '\\/' }
  const hex = (byte, upper) => `\\u${upper ? byte.toString(16).toUpperCase().padStart(4, '0') : byte.toString(16).padStart(4, '0')}`
  const forms = [
    [...bytes].map(byte => hex(byte, false)).join(''),
    [...bytes].map(byte => hex(byte, true)).join(''),
    [...bytes].map(byte => escapes[byte] ?? (byte < 32 ? hex(byte) : String.fromCharCode(byte))).join(''),
    JSON.stringify(bytes.toString('latin1')).slice(1, -1)
  ]
  const peer = await WsPeer.open(t, server)
  for (const form of forms) {
    for (const peerForm of forms) {
      const reply = await peer.ask(`{"\\u0061ction":"announce","info_hash":"${form}","peer_id":"${peerForm}","left":1}`)
      assert.strictEqual(reply.incomplete, 1, JSON.stringify(reply))
      assert.strictEqual(hexOf(reply.info_hash), bytes.toString('hex'))
    }
  }
  assert.deepStrictEqual(Object.keys(server.torrents), [bytes.toString('hex')])
  assert.deepStrictEqual(server.torrents[bytes.toString('hex')].peers.keys, [bytes.toString('hex')])
})

test('every byte value passes in ids', async t => {
  const server = await start(t)
  const peer = await WsPeer.open(t, server)
  for (let at = 0; at < 256; at += 16) {
    const id = Buffer.from(Array.from({ length: 20 }, (_, index) => (at + index) & 0xff)).toString('hex')
    assert.strictEqual(hexOf((await peer.join(id, { peerId: id })).info_hash), id)
    assert.strictEqual(server.torrents[id].peers.get(id).peerId, id)
  }
})

test('UDP and HTTP peers count, but get no WebSocket peers and are none', async t => {
  const server = await start(t, { udp: true })
  const infoHash = randomHex()
  const httpIds = [randomHex(), randomHex()]
  const udp = await UdpPeer.open(t, udpPort(server))
  const connectionId = await udp.connect()
  const udpAnnounce = async () => {
    const packet = announceRequest({ connectionId, infoHash, peerId: randomHex(), port: 7001 })
    return decodeReply(await udp.exchange(packet))
  }
  await udpAnnounce()
  await bencoded(httpPort(server), announcePath({ infoHash, peerId: httpIds[0], port: 7002, left: 0 }))

  const [a, b] = [await WsPeer.open(t, server), await WsPeer.open(t, server)]
  const first = await a.join(infoHash, { offers: makeOffers(5) })
  assert.deepStrictEqual([first.complete, first.incomplete], [1, 2])
  const second = await b.join(infoHash, { left: 0, offers: makeOffers(5) })
  assert.deepStrictEqual([second.complete, second.incomplete], [2, 2])
  assert.deepStrictEqual((await settleAll([a, b])).map(messages => messages.length), [1, 0])

  const http = await bencoded(httpPort(server), announcePath({ infoHash, peerId: httpIds[1], port: 7003 }))
  assert.deepStrictEqual([http.get('complete'), http.get('incomplete')], [2, 3])
  assert.deepStrictEqual(fromCompact(http.get('peers')).map(peer => peer.split(':')[1]).sort(), ['7001', '7002', '7003'])
  assert.strictEqual(http.get('peers6').length, 0)
  const scraped = await bencoded(httpPort(server), scrapePath(infoHash))
  const file = scraped.get('files').values().next().value
  assert.deepStrictEqual([file.get('complete'), file.get('incomplete')], [2, 3])
  const reply = await udpAnnounce()
  assert.deepStrictEqual([reply.complete, reply.incomplete], [2, 3])
  assert.strictEqual(reply.peers.length, 3)

  await a.close()
  await untilCount(server, infoHash, 4)
})

test('an announce without offers, with none, or with null', async t => {
  const server = await start(t)
  const { infoHash, peers: [a, b] } = await swarm(t, server, 2)
  for (const extra of [{}, { offers: [] }, { offers: null }, { offers: [{}], numwant: 1 }]) {
    assert.strictEqual((await a.announce({ infoHash, ...extra })).incomplete, 2)
  }
  // An offer that is none is passed on as the nothing that it is.
  assert.deepStrictEqual(await b.settle(), [{ action: 'announce', peer_id: binary(a.peerId), info_hash: binary(infoHash) }])
})

test('an announce whose values JavaScript cannot turn into numbers reaches the listeners like any other', async t => {
  const server = await start(t)
  const events = record(server, 'start', 'warning')
  const peer = await WsPeer.open(t, server)
  const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
  for (const left of ['{"valueOf":1,"toString":1}', deep, '{"__proto__":null}', 'true', '[0]']) {
    const message = JSON.stringify(announce({ infoHash: randomHex(), peerId: peer.peerId, event: 'started', left: 'LEFT' }))
    assert.strictEqual((await peer.ask(message.replace('"LEFT"', left))).incomplete, 1)
  }
  await events.count('start', 5)
  for (const [, params] of events.of('start')) assert.strictEqual(params.left, Infinity)
  assert.deepStrictEqual(events.of('warning'), [])
})

test('`left` makes a seeder of who says 0, and nobody else', async t => {
  const server = await start(t)
  const peer = await WsPeer.open(t, server)
  for (const [left, complete] of [[0, 1], ['0', 1], [1, 0], ['7', 0], [0.5, 0], [null, 0], [-1, 0], ['', 0], ['x', 0], [1e300, 0], [[], 0], [{}, 0], [undefined, 0]]) {
    const reply = await peer.announce({ infoHash: randomHex(), event: 'started', left })
    assert.deepStrictEqual([reply.complete, reply.incomplete], [complete, 1 - complete], JSON.stringify(left))
  }
})

test('scrape: one torrent, several, one twice, one that nobody knows', async t => {
  const server = await start(t, { interval: 30_000 })
  const [a, b, unknown] = [randomHex(), randomHex(), randomHex()]
  const peer = await WsPeer.open(t, server)
  await peer.join(a, { left: 0 })
  await peer.join(b)
  await peer.announce({ infoHash: b, peerId: randomHex(), event: 'started', left: 1 })
  await peer.announce({ infoHash: b, peerId: randomHex(), event: 'completed', left: 0 })
  const flags = { min_request_interval: 30 }
  const ofA = { [binary(a)]: { complete: 1, incomplete: 0, downloaded: 0 } }
  const one = await peer.ask({ action: 'scrape', info_hash: binary(a) })
  ofA[binary(a)].downloaded = one.files[binary(a)].downloaded
  assert.deepStrictEqual(one, { action: 'scrape', files: ofA, flags })
  const several = await peer.ask({ action: 'scrape', info_hash: [binary(b), binary(a), binary(b)] })
  assert.deepStrictEqual(Object.keys(several.files).sort(), [binary(a), binary(b)].sort())
  assert.deepStrictEqual([several.files[binary(b)].complete, several.files[binary(b)].incomplete], [1, 2])
  const none = await peer.ask({ action: 'scrape', info_hash: [binary(unknown)] })
  assert.deepStrictEqual(none.files, { [binary(unknown)]: { complete: 0, incomplete: 0, downloaded: 0 } })
  assert.deepStrictEqual(Object.keys(server.torrents).sort(), [a, b].sort(), 'a scrape makes no swarm')
})

test('scrape of all torrents, up to the limit', async t => {
  const server = await start(t, { fullScrape: 2 })
  const peer = await WsPeer.open(t, server)
  const hashes = [randomHex(), randomHex(), randomHex()]
  await peer.join(hashes[0])
  await peer.join(hashes[1])
  const all = await peer.ask({ action: 'scrape' })
  assert.deepStrictEqual(Object.keys(all.files).map(hexOf).sort(), hashes.slice(0, 2).sort())
  await peer.join(hashes[2])
  const over = await peer.ask({ action: 'scrape' })
  assert.deepStrictEqual(Object.keys(over), ['failure reason'])
  assert.strictEqual(Object.keys((await peer.ask({ action: 'scrape', info_hash: hashes.map(binary) })).files).length, 3)
})
