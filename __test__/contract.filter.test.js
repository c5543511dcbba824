'use strict'

// What programs may expect of the option `filter`. CONTRACT.md names the statements.

const assert = require('node:assert')
const { setImmediate: turn } = require('node:timers/promises')
const { TRANSPORTS, differs, isNew, startServer } = require('./helpers/contract-subject')
const { callback, nextValue, record } = require('./helpers/events')
const { announcePath, bencoded, scrapePath } = require('./helpers/http')
const { httpPort, stranger, udpPort } = require('./helpers/subjects')
const { test } = require('./helpers/test')
const { UdpPeer } = require('./helpers/udp')
const { WsPeer, binary, hexOf, makeOffers } = require('./helpers/websocket-peer')

const START_OF_REFUSED = differs('refused announces emit `start` and the like')

/** A server that tells of trouble by `warning`s alone, of which there may be some. */
async function startFiltered (t, filter, opts) {
  const server = await startServer(t, { filter, ...opts })
  server.on('warning', () => {})
  return server
}

const allowing = {
  'cb(null) at once': (infoHash, params, cb) => cb(null),
  'cb() at once': (infoHash, params, cb) => cb(),
  'cb(null) later': (infoHash, params, cb) => { setImmediate(cb, null) },
  'an async function that calls cb(null)': async (infoHash, params, cb) => { await turn(); cb(null) },
  'cb(null), whatever is returned': (infoHash, params, cb) => { cb(null); return false }
}

const refusing = {
  'cb(error) at once': (infoHash, params, cb) => cb(new Error('not this one')),
  'cb(error) later': (infoHash, params, cb) => { setImmediate(cb, new Error('not this one')) },
  'an async function that calls cb(error)': async (infoHash, params, cb) => { await turn(); cb(new Error('not this one')) },
  'cb(error), whatever is returned': (infoHash, params, cb) => { cb(new Error('not this one')); return true }
}

for (const [transport, join] of Object.entries(TRANSPORTS)) {
  for (const [form, filter] of Object.entries(allowing)) {
    test(`${transport}: a filter allows by ${form}`, async t => {
      const server = await startFiltered(t, filter)
      const peer = stranger()
      const started = nextValue(server, 'start')
      const { failure, incomplete } = await join(t, server, peer)
      assert.strictEqual(failure, undefined)
      assert.strictEqual(incomplete, 1)
      await started
      assert.deepStrictEqual(Object.keys(server.torrents), [peer.infoHash])
    })
  }

  for (const [form, filter] of Object.entries(refusing)) {
    test(`${transport}: a filter refuses by ${form}`, async t => {
      const server = await startFiltered(t, filter)
      const warned = nextValue(server, 'warning')
      const { failure } = await join(t, server, stranger())
      assert.strictEqual(failure, 'not this one')
      assert.strictEqual((await warned).message, 'not this one')
      assert.deepStrictEqual(Object.keys(server.torrents), [])
    })
  }

  const promising = {
    'a promise of undefined': async infoHash => {},
    'a promise of null': async infoHash => null,
    'a promise of true': async (infoHash, params) => true,
    true: infoHash => true
  }
  for (const [form, filter] of Object.entries(promising)) {
    test(`${transport}: a filter of less than three parameters allows by ${form}`, isNew, async t => {
      const server = await startFiltered(t, filter)
      const { failure, incomplete } = await join(t, server, stranger())
      assert.strictEqual(failure, undefined)
      assert.strictEqual(incomplete, 1)
    })
  }

  const breaking = {
    'a rejection': [async (infoHash, params) => { await turn(); throw new Error('not this one') }, 'not this one'],
    'a promise of an error': [async () => new Error('not this one'), 'not this one'],
    'an error': [() => new Error('not this one'), 'not this one'],
    'a promise of false': [async (infoHash, params) => false, 'disallowed info_hash'],
    false: [infoHash => false, 'disallowed info_hash']
  }
  for (const [form, [filter, message]] of Object.entries(breaking)) {
    test(`${transport}: a filter of less than three parameters refuses by ${form}`, isNew, async t => {
      const server = await startFiltered(t, filter)
      const warned = nextValue(server, 'warning')
      const { failure } = await join(t, server, stranger())
      assert.strictEqual(failure, message)
      assert.strictEqual((await warned).message, message)
      assert.deepStrictEqual(Object.keys(server.torrents), [])
    })
  }

  test(`${transport}: a refused announce is no start`, START_OF_REFUSED, async t => {
    const bad = stranger()
    const server = await startFiltered(t, (infoHash, params, cb) => cb(infoHash === bad.infoHash ? new Error('no') : null))
    const events = record(server, 'start', 'stop', 'complete', 'update', 'pause')
    await join(t, server, bad)
    const good = stranger()
    await join(t, server, good)
    await events.count('start', 1)
    assert.deepStrictEqual(events.log.map(({ args: [, params] }) => params.info_hash), [good.infoHash])
  })

  test(`${transport}: the filter gets the info hash and the params, before there is a swarm`, async t => {
    const asked = []
    const server = await startFiltered(t, function (infoHash, params, cb) {
      asked.push({ self: this, infoHash, params, torrents: Object.keys(server.torrents) })
      cb(null)
    })
    const peer = stranger()
    await join(t, server, { ...peer, left: 5 })
    assert.strictEqual(asked.length, 1)
    const [{ self, infoHash, params, torrents }] = asked
    assert.strictEqual(self, server)
    assert.strictEqual(infoHash, peer.infoHash)
    assert.deepStrictEqual(torrents, [])
    assert.strictEqual(params.type, transport)
    assert.strictEqual(params.info_hash, peer.infoHash)
    assert.strictEqual(params.peer_id, peer.peerId)
    assert.strictEqual(params.ip, '127.0.0.1')
    assert.strictEqual(params.left, 5)
    assert.strictEqual(params.event, 'started')
    assert.strictEqual(typeof params.port, 'number')
    assert.match(params.addr, /^127\.0\.0\.1:\d+$/)
    if (transport !== 'udp') assert.match(params.headers.host, /^127\.0\.0\.1:/)
    if (transport === 'http') {
      assert.strictEqual(params.httpReq.method, 'GET')
      assert.match(params.httpReq.url, /^\/announce\?info_hash=/)
      assert.strictEqual(params.httpReq.headers, params.headers)
      assert.match(params.httpReq.socket.remoteAddress, /127\.0\.0\.1$/)
    }
    if (transport === 'ws') assert.strictEqual(typeof params.socket.close, 'function')
  })

  test(`${transport}: every announce is asked for`, async t => {
    const asked = []
    const server = await startFiltered(t, (infoHash, params, cb) => {
      asked.push(params.event)
      cb(null)
    })
    const peer = stranger()
    for (const event of ['started', 'update', 'completed', 'stopped']) await join(t, server, { ...peer, event })
    assert.deepStrictEqual(asked, ['started', 'update', 'completed', 'stopped'])
  })

  test(`${transport}: a refusal leaves a peer that is in the swarm where it is`, async t => {
    const server = await startFiltered(t, (infoHash, params, cb) => cb(params.event === 'stopped' ? new Error('stay') : null))
    const peer = stranger()
    // Over one socket, which the others of this test would take along.
    if (transport === 'ws') {
      const socket = await WsPeer.open(t, server, peer)
      await socket.join(peer.infoHash)
      assert.strictEqual((await socket.announce({ infoHash: peer.infoHash, event: 'stopped' }))['failure reason'], 'stay')
    } else {
      await join(t, server, peer)
      assert.strictEqual((await join(t, server, { ...peer, event: 'stopped' })).failure, 'stay')
    }
    assert.strictEqual(server.torrents[peer.infoHash].incomplete, 1)
  })
}

test('the filter is a property', async t => {
  const filter = (infoHash, params, cb) => cb(null)
  const server = await startFiltered(t, filter)
  assert.strictEqual(server._filter, filter)
})

test('cb(true) refuses, as in every version since 9', async t => {
  const server = await startFiltered(t, (infoHash, params, cb) => cb(true))
  const warned = callback(cb => server.once('warning', cb))
  await bencoded(httpPort(server), announcePath(stranger()))
  await warned
  assert.deepStrictEqual(Object.keys(server.torrents), [])
})

test('the filter is not asked for a scrape', async t => {
  const server = await startFiltered(t, () => assert.fail('asked'))
  const { infoHash } = stranger()
  const overHttp = await bencoded(httpPort(server), scrapePath('41'.repeat(20)))
  assert.ok(overHttp.has('files'))
  const udp = await UdpPeer.open(t, udpPort(server))
  assert.deepStrictEqual((await udp.scrape(infoHash)).files, [{ complete: 0, downloaded: 0, incomplete: 0 }])
  const ws = await WsPeer.open(t, server)
  const reply = await ws.ask({ action: 'scrape', info_hash: binary(infoHash) })
  assert.strictEqual(reply.action, 'scrape')
  assert.ok(Object.hasOwn(reply.files, binary(infoHash)))
})

test('what cannot be read is refused without asking the filter', async t => {
  const server = await startFiltered(t, () => assert.fail('asked'))
  const reply = await bencoded(httpPort(server), announcePath({ ...stranger(), port: 0 }))
  assert.strictEqual(reply.get('failure reason').toString(), 'invalid port')
})

test('a WebSocket refusal names action and info hash, and leaves the socket open', async t => {
  const bad = stranger()
  const server = await startFiltered(t, (infoHash, params, cb) => cb(infoHash === bad.infoHash ? new Error('no') : null))
  const peer = await WsPeer.open(t, server)
  assert.deepStrictEqual(await peer.join(bad.infoHash), {
    action: 'announce', 'failure reason': 'no', info_hash: binary(bad.infoHash)
  })
  const { infoHash } = stranger()
  assert.strictEqual((await peer.join(infoHash)).incomplete, 1)
})

test('the filter is asked for answers, and a refused one reaches nobody', async t => {
  const answers = []
  let refuse = true
  const server = await startFiltered(t, (infoHash, params, cb) => {
    if (!params.answer) return cb(null)
    answers.push(params)
    cb(refuse ? new Error('no answers') : null)
  })
  const { infoHash } = stranger()
  const [offerer, answerer] = [await WsPeer.open(t, server), await WsPeer.open(t, server)]
  await answerer.join(infoHash)
  await offerer.join(infoHash, { offers: makeOffers(1) })
  const offer = await answerer.next()
  assert.strictEqual(hexOf(offer.peer_id), offerer.peerId)

  const answer = answerer.answer(offer)
  const reply = await answerer.next()
  assert.strictEqual(reply['failure reason'], 'no answers')
  assert.deepStrictEqual(await offerer.settle(), [])

  refuse = false
  answerer.answer(offer)
  assert.deepStrictEqual((await offerer.next()).answer, answer)
  assert.strictEqual(answers.length, 2)
  assert.strictEqual(answers[0].to_peer_id, offerer.peerId)
  assert.strictEqual(answers[0].peer_id, answerer.peerId)
  assert.strictEqual(answers[0].offer_id, offer.offer_id)
})

test('a filter can close the socket that asks', async t => {
  const server = await startFiltered(t, (infoHash, params, cb) => {
    params.socket.close()
    cb(new Error('go away'))
  })
  const peer = await WsPeer.open(t, server)
  peer.send({ action: 'announce', info_hash: binary(stranger().infoHash), peer_id: binary(peer.peerId), left: 1 })
  await peer.closed
  assert.deepStrictEqual(Object.keys(server.torrents), [])
})

test('announces wait for their own verdicts alone', async t => {
  const verdicts = new Map()
  const server = await startFiltered(t, (infoHash, params, cb) => { verdicts.set(infoHash, cb) })
  const [slow, fast] = [stranger(), stranger()]
  const answered = []
  const asks = [slow, fast].map(async peer => {
    await TRANSPORTS.http(t, server, peer)
    answered.push(peer)
  })
  while (verdicts.size < 2) await turn()
  verdicts.get(fast.infoHash)(null)
  await asks[1]
  assert.deepStrictEqual(answered, [fast])
  verdicts.get(slow.infoHash)(null)
  await asks[0]
  assert.deepStrictEqual(Object.keys(server.torrents).sort(), [slow.infoHash, fast.infoHash].sort())
})
