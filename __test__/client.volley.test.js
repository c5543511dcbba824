'use strict'

// Many clients that announce over UDP in one turn: their announces travel together, and nobody should see it.

const assert = require('node:assert')
const { test } = require('./helpers/test')
const { callback, nextValue, record } = require('./helpers/events')
const { FakeUdpTracker, parseAnnounce, transactionOf } = require('./helpers/fake-udp-tracker')
const { SocksProxy } = require('./helpers/socks-proxy')
const { EVENTS, uint32 } = require('./helpers/udp')
const { Client, assertWarning, clientOptions, destroyClient, startServer, udpUrl } = require('./helpers/subjects')
const { ROOM } = require('../lib/client/announces')

/** More than are handed over at once, and than have their turns at once. */
const COUNT = 300
assert.ok(COUNT > 2 * ROOM)

const METHODS = ['start', 'update', 'complete', 'stop']
const EVENT_OF = { start: EVENTS.started, update: EVENTS.update, complete: EVENTS.completed, stop: EVENTS.stopped }

/** Announces that one tracker is asked at a time; more wait for their turns. */
const TURNS = 128

/** What is never answered has to be ended, and no packet is sent again for a quarter of a minute. */
const NEVER = 600_000

/**
 * So many clients, destroyed together when the test ends, each with its `events`; `optionsOf(i)` gives what is not
 * as usual.
 */
function createClients (t, count, optionsOf) {
  const clients = Array.from({ length: count }, (_, i) => {
    const client = new Client(clientOptions({ port: 1000 + i, requestTimeout: NEVER, ...optionsOf(i) }))
    client.events = record(client, 'update', 'peer', 'scrape', 'warning', 'error')
    return client
  })
  t.after(() => Promise.all(clients.map(destroyClient)))
  return clients
}

/** Whatever the tracker at `url` has sent before has arrived then: it is asked once more, and its answer is here. */
async function settled (t, url) {
  const [client] = createClients(t, 1, () => ({ announce: url }))
  client.update()
  await nextValue(client, 'update')
}

const each = (clients, name, n = 1) => Promise.all(clients.map(client => client.events.count(name, n)))
const destroyAll = clients => Promise.all(clients.map(client => callback(cb => client.destroy(cb))))
const announcesOf = tracker => tracker.of('announce').map(parseAnnounce)

/** The announces by their info hashes; each came once. */
function byInfoHash (tracker) {
  const announces = announcesOf(tracker)
  const map = new Map(announces.map(announce => [announce.infoHash, announce]))
  assert.strictEqual(map.size, announces.length, 'one announce each')
  return map
}

/** What the tracker has to say of a torrent, which is another thing for each. */
function factsOf (infoHash) {
  const bytes = Buffer.from(infoHash, 'hex')
  const [complete, incomplete, port] = [bytes.readUInt16BE(0), bytes.readUInt16BE(2), bytes.readUInt16BE(7) | 1]
  const address = Buffer.from([10, bytes[4], bytes[5], bytes[6] | 1])
  return {
    answer: [uint32(1800), uint32(incomplete), uint32(complete), address, uint32(port).subarray(2)],
    counts: { complete, incomplete },
    peer: `${address.join('.')}:${port}`
  }
}

function answerFacts (packet, reply) {
  reply(uint32(1), transactionOf(packet), ...factsOf(parseAnnounce(packet).infoHash).answer)
}

const startTracker = (t, answers) => FakeUdpTracker.start(t, { announce: answerFacts, ...answers })

/** Exactly one answer, its own, and nothing else. */
function assertAnswered (client, url) {
  const { counts, peer } = factsOf(client.infoHash)
  assert.deepStrictEqual(client.events.log, [
    { name: 'update', args: [{ announce: url, ...counts }] }, { name: 'peer', args: [peer] }
  ])
}

test('each announces what is its own, and is told of its own torrent', async t => {
  const tracker = await startTracker(t)
  const clients = createClients(t, COUNT, () => ({ announce: tracker.url }))
  const told = i => ({ uploaded: i, downloaded: 2 ** 32 + i, left: 3 * 2 ** 40 + i, numwant: 1 + i })
  clients.forEach((client, i) => client[METHODS[i % 4]](told(i)))
  await each(clients, 'peer')
  await settled(t, tracker.url)
  const announces = byInfoHash(tracker)
  for (const [i, client] of clients.entries()) {
    assertAnswered(client, tracker.url)
    const { connectionId, transactionId, options, ...announce } = announces.get(client.infoHash)
    assert.deepStrictEqual(announce, {
      infoHash: client.infoHash,
      peerId: client.peerId,
      uploaded: BigInt(i),
      downloaded: 2n ** 32n + BigInt(i),
      left: 3n * 2n ** 40n + BigInt(i),
      event: EVENT_OF[METHODS[i % 4]],
      ip: 0,
      key: client._key >>> 0,
      numwant: 1 + i,
      port: 1000 + i
    })
    assert.ok(connectionId.equals(tracker.connectionId))
    assert.strictEqual(options.length, 0)
  }
  const distinct = name => new Set(announcesOf(tracker).map(announce => announce[name].toString('hex'))).size
  // And the one that was asked for last.
  assert.strictEqual(distinct('transactionId'), COUNT + 1)
})

test('what nobody says is as usual for each, after others that did', async t => {
  const tracker = await startTracker(t)
  const clients = createClients(t, COUNT, () => ({ announce: tracker.url }))
  for (const opts of [{ uploaded: 7, downloaded: 8, left: 9, numwant: 10 }, undefined]) {
    for (const client of clients) client.update(opts && { ...opts })
    await each(clients, 'update', opts === undefined ? 2 : 1)
  }
  for (const { uploaded, downloaded, left, numwant, event } of announcesOf(tracker).slice(COUNT)) {
    assert.deepStrictEqual([uploaded, downloaded, left, numwant, event], [0n, 0n, 2n ** 64n - 1n, 50, EVENTS.update])
  }
})

test('at the package\'s own server each meets whoever has its torrent', async t => {
  const server = await startServer(t, { http: false })
  const announce = udpUrl(server)
  const first = createClients(t, COUNT, () => ({ announce }))
  first.forEach((client, i) => client.start({ left: i % 2 }))
  await each(first, 'update')
  const second = createClients(t, COUNT, i => ({ announce, port: 20_000 + i, infoHash: first[i].infoHash }))
  for (const client of second) client.start({ left: 1 })
  await each(second, 'peer', 2)
  await settled(t, announce)
  for (let i = 0; i < COUNT; i++) {
    const [complete, incomplete] = [1 - i % 2, i % 2]
    // Whoever asks is among the peers.
    const peers = [1000 + i, 20_000 + i].map(port => ['peer', `127.0.0.1:${port}`])
    for (const [client, wanted] of [
      [first[i], [['update', { announce, complete, incomplete }], peers[0]]],
      [second[i], [['update', { announce, complete, incomplete: incomplete + 1 }], ...peers]]
    ]) {
      const [update, ...rest] = client.events.log.map(({ name, args }) => [name, ...args])
      assert.deepStrictEqual([update, ...rest.sort()], wanted)
    }
  }
})

test('two trackers in turns are told of their own, and answer to their own', async t => {
  const trackers = [await startTracker(t), await startTracker(t)]
  const [a, b] = trackers.map(({ url }) => url)
  // One here, one there, and one at both.
  const clients = createClients(t, COUNT, i => ({ announce: [[a], [b], [a, b]][i % 3] }))
  for (const client of clients) client.start()
  await Promise.all(clients.map((client, i) => client.events.count('peer', i % 3 === 2 ? 2 : 1)))
  for (const { url } of trackers) await settled(t, url)
  for (const [i, client] of clients.entries()) {
    if (i % 3 < 2) {
      assertAnswered(client, trackers[i % 3].url)
    } else {
      const { counts, peer } = factsOf(client.infoHash)
      const updates = client.events.of('update').flat().sort((x, y) => x.announce === a ? -1 : 1)
      assert.deepStrictEqual(updates, [{ announce: a, ...counts }, { announce: b, ...counts }])
      assert.deepStrictEqual(client.events.of('peer'), [[peer], [peer]])
      assert.strictEqual(client.events.log.length, 4)
    }
    assert.deepStrictEqual(trackers.map(tracker => byInfoHash(tracker).has(client.infoHash)), [
      i % 3 !== 1, i % 3 !== 0
    ])
  }
})

for (const [name, event] of [['start', EVENTS.started], ['stop', EVENTS.stopped]]) {
  for (const inTurns of [false, true]) {
    const order = inTurns ? 'of one after the other' : 'of all'
    test(`${name}() and destroy() ${order} in one turn: each tells the tracker and calls back, without an event`, async t => {
      const tracker = await startTracker(t)
      // There is a connection id, and as many as are asked at once: nobody has to wait.
      await settled(t, tracker.url)
      const clients = createClients(t, TURNS, () => ({ announce: tracker.url }))
      if (!inTurns) for (const client of clients) client[name]()
      const ended = clients.map(client => {
        if (inTurns) client[name]()
        return callback(cb => client.destroy(cb))
      })
      for (const args of await Promise.all(ended)) assert.deepStrictEqual(args, [null])
      await settled(t, tracker.url)
      const announces = byInfoHash(tracker)
      for (const client of clients) {
        assert.strictEqual(announces.get(client.infoHash).event, event)
        assert.deepStrictEqual(client.events.log, [])
      }
    })
  }
}

test('destroy() while a tracker keeps silent calls back after a second, and no event comes afterwards', async t => {
  const held = []
  const tracker = await startTracker(t, { announce: (...args) => { held.push(args) } })
  const clients = createClients(t, COUNT, () => ({ announce: tracker.url }))
  // It lives on, and with it the socket.
  const [witness, ...others] = clients
  for (const client of clients) client.start()
  await tracker.packet('announce', TURNS)
  const start = performance.now()
  // Nobody would call back for ten minutes if the requests were not ended.
  for (const args of await destroyAll(others)) assert.deepStrictEqual(args, [null])
  assert.ok(performance.now() - start > 900, 'what is under way has a second to arrive')
  tracker.answers.announce = answerFacts
  for (const args of held) answerFacts(...args)
  await witness.events.count('peer', 1)
  await settled(t, tracker.url)
  assertAnswered(witness, tracker.url)
  for (const client of others) assert.deepStrictEqual(client.events.log, [])
})

test('destroy() while a tracker does not even answer the connect, in the turn of the announces and later', async t => {
  const tracker = await startTracker(t, { connect: () => {} })
  const clients = createClients(t, COUNT, () => ({ announce: tracker.url }))
  for (const client of clients) {
    client.start()
    client.update()
  }
  const ended = destroyAll(clients.slice(COUNT - 20))
  await tracker.packet('connect')
  for (const args of [...await destroyAll(clients.slice(0, COUNT - 20)), ...await ended]) {
    assert.deepStrictEqual(args, [null])
  }
  for (const client of clients) assert.deepStrictEqual(client.events.log, [])
})

test('what comes for the destroyed within their second is no event', async t => {
  const held = []
  const tracker = await startTracker(t, { announce: (...args) => { held.push(args) } })
  const clients = createClients(t, TURNS, () => ({ announce: tracker.url }))
  const [witness, ...others] = clients
  for (const client of clients) client.start()
  await tracker.packet('announce', TURNS)
  const ended = destroyAll(others)
  tracker.answers.announce = answerFacts
  for (const args of held) answerFacts(...args)
  for (const args of await ended) assert.deepStrictEqual(args, [null])
  await witness.events.count('peer', 1)
  for (const client of others) assert.deepStrictEqual(client.events.log, [])
})

test('an error packet for each is one warning each, with its text', async t => {
  const tracker = await startTracker(t, {
    announce: (packet, reply) => {
      reply(uint32(3), transactionOf(packet), Buffer.from(`no ${parseAnnounce(packet).infoHash}`))
    }
  })
  const clients = createClients(t, COUNT, () => ({ announce: tracker.url }))
  for (const client of clients) client.start()
  await each(clients, 'warning')
  tracker.answers.announce = answerFacts
  await settled(t, tracker.url)
  for (const client of clients) {
    assert.deepStrictEqual(client.events.names, ['warning'])
    assertWarning(client.events.log[0].args[0], `no ${client.infoHash}`)
  }
})

test('some are refused, and the others among them are answered', async t => {
  const isRefused = infoHash => parseInt(infoHash.at(-1), 16) % 3 === 0
  const tracker = await startTracker(t, {
    announce: (packet, reply) => {
      if (isRefused(parseAnnounce(packet).infoHash)) reply(uint32(3), transactionOf(packet), Buffer.from('denied'))
      else answerFacts(packet, reply)
    }
  })
  const clients = createClients(t, COUNT, () => ({ announce: tracker.url }))
  for (const client of clients) client.start()
  await Promise.all(clients.map(({ infoHash, events }) => events.count(isRefused(infoHash) ? 'warning' : 'peer', 1)))
  tracker.answers.announce = answerFacts
  await settled(t, tracker.url)
  for (const client of clients) {
    if (isRefused(client.infoHash)) {
      assert.deepStrictEqual(client.events.log.map(({ args: [value] }) => value.message), ['denied'])
    } else {
      assertAnswered(client, tracker.url)
    }
  }
})

test('packets that were lost are sent again as they were, and answered', async t => {
  const lost = new Map()
  const changed = []
  const tracker = await startTracker(t, {
    announce: (packet, reply) => {
      const id = transactionOf(packet).toString('hex')
      if (!lost.has(id)) return lost.set(id, packet)
      if (!packet.equals(lost.get(id))) changed.push(packet)
      answerFacts(packet, reply)
    }
  })
  // Sent again after one second and after three.
  const clients = createClients(t, TURNS + 20, () => ({ announce: tracker.url, requestTimeout: 5000 }))
  for (const client of clients) client.start()
  await each(clients, 'peer')
  assert.strictEqual(lost.size, clients.length)
  assert.deepStrictEqual(changed, [])
  for (const client of clients) assertAnswered(client, tracker.url)
})

test('a connection id that was good before and is refused costs nobody the answer', async t => {
  const tracker = await startTracker(t, {
    announce: (packet, reply, { connectionId }) => {
      if (parseAnnounce(packet).connectionId.equals(connectionId)) answerFacts(packet, reply)
      else reply(uint32(3), transactionOf(packet), Buffer.from('Connection ID missmatch.\0'))
    }
  })
  await settled(t, tracker.url)
  const old = tracker.connectionId
  tracker.connectionId = Buffer.from('0102030405060708', 'hex')
  const clients = createClients(t, COUNT, () => ({ announce: tracker.url }))
  for (const client of clients) client.start()
  await each(clients, 'peer')
  await settled(t, tracker.url)
  for (const client of clients) assertAnswered(client, tracker.url)
  assert.ok(announcesOf(tracker).slice(1).some(({ connectionId }) => connectionId.equals(old)), 'it was tried')
})

test('two announces of a client in one turn, and an announce and a scrape', async t => {
  const tracker = await startTracker(t)
  const clients = createClients(t, COUNT, () => ({ announce: tracker.url }))
  clients.forEach((client, i) => {
    client.start()
    if (i % 2 === 0) client.update()
    else client.scrape()
  })
  await Promise.all(clients.map(({ events }, i) => i % 2 === 0
    ? events.count('peer', 2)
    : Promise.all([events.count('peer', 1), events.count('scrape', 1)])))
  await settled(t, tracker.url)
  const eventsOf = ({ infoHash }) => announcesOf(tracker).filter(announce => announce.infoHash === infoHash)
    .map(({ event }) => event).sort()
  for (const [i, client] of clients.entries()) {
    const { events, infoHash } = client
    const { counts, peer } = factsOf(infoHash)
    const answers = i % 2 === 0 ? 2 : 1
    assert.deepStrictEqual(events.of('update').flat(), Array(answers).fill({ announce: tracker.url, ...counts }))
    assert.deepStrictEqual(events.of('peer').flat(), Array(answers).fill(peer))
    const scrape = { announce: tracker.url, infoHash, complete: 1, downloaded: 10, incomplete: 100 }
    assert.deepStrictEqual(events.of('scrape').flat(), i % 2 === 0 ? [] : [scrape])
    assert.deepStrictEqual(events.of('warning'), [])
    assert.deepStrictEqual(eventsOf(client), i % 2 === 0 ? [EVENTS.update, EVENTS.started] : [EVENTS.started])
  }
})

test('a port that a program has broken fails alone', async t => {
  const tracker = await startTracker(t)
  const clients = createClients(t, COUNT, () => ({ announce: tracker.url }))
  const BROKEN = new Map([[0, 70_000], [1, -1], [ROOM - 1, NaN], [ROOM, 'x'], [ROOM + 1, undefined], [COUNT - 1, 65_536]])
  for (const [i, port] of BROKEN) clients[i]._port = port
  for (const client of clients) client.start()
  await Promise.all(clients.map(({ events }, i) => events.count(BROKEN.has(i) ? 'warning' : 'peer', 1)))
  await settled(t, tracker.url)
  for (const [i, client] of clients.entries()) {
    if (!BROKEN.has(i)) {
      assertAnswered(client, tracker.url)
    } else {
      assert.deepStrictEqual(client.events.names, ['warning'])
      assertWarning(client.events.log[0].args[0], `an announce with the port ${BROKEN.get(i)}`)
    }
  }
  assert.strictEqual(byInfoHash(tracker).size, COUNT - BROKEN.size + 1)
  // And it may be mended.
  clients[0]._port = 7000
  clients[0].update()
  await clients[0].events.count('peer', 1)
  assert.strictEqual(announcesOf(tracker).at(-1).port, 7000)
})

test('an id that a program has broken is zeros, or as far as it is good, and nobody else\'s', async t => {
  const tracker = await startTracker(t)
  const whole = 'ab'.repeat(20)
  const ZEROS = '00'.repeat(20)
  const IDS = [
    [whole, whole], ['x', ZEROS], ['', ZEROS], [undefined, ZEROS], [42, ZEROS], [whole.slice(2), ZEROS],
    [`${whole}cd`, whole], ['g'.repeat(40), ZEROS], [`${whole.slice(1)}g`, ZEROS]
  ]
  const pairs = IDS.flatMap(([infoHash, expected]) =>
    IDS.map(([peerId, other]) => ({ infoHash, peerId, expected, other })))
  const clients = createClients(t, 2 * pairs.length, () => ({ announce: tracker.url }))
  // Each second one is whole, so that its ids are where the next one's will be.
  for (const [i, { infoHash, peerId }] of pairs.entries()) Object.assign(clients[2 * i + 1], { infoHash, peerId })
  for (const client of clients) client.start()
  await each(clients, 'update')
  const sent = new Map(announcesOf(tracker).map(announce => [announce.port, announce]))
  for (const [i, { infoHash, peerId, expected, other }] of pairs.entries()) {
    const announce = sent.get(1000 + 2 * i + 1)
    assert.deepStrictEqual([announce.infoHash, announce.peerId], [expected, other], `${infoHash} and ${peerId}`)
    assert.strictEqual(sent.get(1000 + 2 * i).infoHash, clients[2 * i].infoHash)
  }
})

test('those by way of a proxy and those over both families are none the worse for the others', async t => {
  const tracker = await startTracker(t)
  const proxy = await SocksProxy.start(t)
  const ways = [{}, { proxyOpts: proxy.url }, { families: 'both' }, { families: 'ipv4' }]
  const clients = createClients(t, COUNT, i => ({ announce: tracker.url, ...ways[i % ways.length] }))
  for (const client of clients) client.start()
  await each(clients, 'peer')
  await settled(t, tracker.url)
  for (const client of clients) assertAnswered(client, tracker.url)
  const relayed = new Set(proxy.recorder.of('associated').flat())
  for (const { action, packet, from } of tracker.packets) {
    if (action !== 'announce') continue
    const i = clients.findIndex(({ infoHash }) => infoHash === parseAnnounce(packet).infoHash)
    assert.strictEqual(relayed.has(from.port), i % ways.length === 1, 'the proxy is for those who want it')
  }
})
