'use strict'

// The package's client against the package's server.

const assert = require('node:assert')
const { test, hasIPv6, needsIPv6 } = require('./helpers/test')
const { callback, next, nextValue, record } = require('./helpers/events')
const { createClient, httpUrl, randomHex, startServer, udpPort, udpUrl } = require('./helpers/subjects')

const TRANSPORTS = [
  { name: 'http', url: server => httpUrl(server), addr: '127.0.0.1' },
  { name: 'udp', url: server => udpUrl(server), addr: '127.0.0.1' },
  { name: 'http over IPv6', url: server => httpUrl(server, '[::1]'), addr: '[::1]', options: needsIPv6 },
  { name: 'udp over IPv6', url: server => `udp://[::1]:${server.udp6.address().port}`, addr: '[::1]', options: needsIPv6 }
]

for (const { name, url, addr, options = {} } of TRANSPORTS) {
  test(`${name}: start, update, complete, stop`, options, async t => {
    const server = await startServer(t)
    const events = record(server, 'start', 'update', 'complete', 'stop')
    const announce = url(server)
    const client = createClient(t, { announce, port: 7001 })
    const step = async (method, opts) => {
      const updated = nextValue(client, 'update')
      client[method](opts)
      const data = await updated
      assert.strictEqual(data.announce, announce)
      return [data.complete, data.incomplete]
    }
    assert.deepStrictEqual(await step('start', { left: 10 }), [0, 1])
    assert.deepStrictEqual(await step('update', { left: 5 }), [0, 1])
    assert.deepStrictEqual(await step('complete', { left: 0 }), [1, 0])
    assert.deepStrictEqual(await step('stop', { left: 0 }), [0, 0])
    await events.count('stop', 1)
    assert.deepStrictEqual(events.names, ['start', 'update', 'complete', 'stop'])
    for (const { args: [eventAddr, params] } of events.log) {
      assert.strictEqual(eventAddr, `${addr}:7001`)
      assert.strictEqual(params.info_hash, client.infoHash)
      assert.strictEqual(params.peer_id, client.peerId)
      assert.strictEqual(params.port, 7001)
    }
  })

  test(`${name}: a client finds another, and itself`, options, async t => {
    const server = await startServer(t)
    const infoHash = randomHex()
    const one = createClient(t, { announce: url(server), infoHash, port: 7001 })
    one.start()
    assert.strictEqual(await nextValue(one, 'peer'), `${addr}:7001`)
    const two = createClient(t, { announce: url(server), infoHash, port: 7002 })
    const peers = record(two, 'peer')
    two.start()
    await peers.count('peer', 2)
    assert.deepStrictEqual(peers.of('peer').flat().sort(), [`${addr}:7001`, `${addr}:7002`])
  })

  test(`${name}: scrape`, options, async t => {
    const server = await startServer(t)
    const client = createClient(t, { announce: url(server) })
    client.start({ left: 0 })
    await next(client, 'update')
    client.scrape()
    assert.deepStrictEqual(await nextValue(client, 'scrape'), {
      announce: url(server), infoHash: client.infoHash, complete: 1, incomplete: 0, downloaded: 0
    })
  })

  test(`${name}: stop() and destroy() in one tick reach the server`, options, async t => {
    const server = await startServer(t)
    const client = createClient(t, { announce: url(server) })
    client.start()
    await next(client, 'update')
    const stopped = next(server, 'stop')
    client.stop()
    client.destroy()
    const [, params] = await stopped
    assert.strictEqual(params.peer_id, client.peerId)
    assert.strictEqual(server.torrents[client.infoHash]?.incomplete ?? 0, 0)
  })
}

test('numwant 0 brings no peers', async t => {
  const server = await startServer(t)
  for (const announce of [httpUrl(server), udpUrl(server)]) {
    const client = createClient(t, { announce })
    const peers = record(client, 'peer')
    client.start({ numwant: 0 })
    await next(client, 'update')
    client.update({ numwant: 1 })
    await peers.count('peer', 1)
    assert.strictEqual(peers.of('peer').length, 1)
  }
})

test('all trackers of a flat list are told, one update each', async t => {
  const servers = [await startServer(t), await startServer(t)]
  const announce = servers.flatMap(server => [httpUrl(server), udpUrl(server)])
  const client = createClient(t, { announce })
  const updates = record(client, 'update')
  client.start()
  await updates.count('update', 4)
  assert.deepStrictEqual(updates.of('update').map(([data]) => data.announce).sort(), [...announce].sort())
})

test('a localhost name is resolved, with one update for the tracker', async t => {
  const server = await startServer(t)
  for (const announce of [httpUrl(server, 'localhost'), udpUrl(server, 'localhost')]) {
    if (announce.startsWith('udp') && hasIPv6) assert.ok(udpPort(server))
    const client = createClient(t, { announce })
    const updates = record(client, 'update')
    client.start()
    await updates.count('update', 1)
    client.update()
    await updates.count('update', 2)
    assert.strictEqual(updates.of('update').length, 2)
  }
})

test('many clients at once share the engine', async t => {
  const server = await startServer(t)
  const infoHash = randomHex()
  const clients = Array.from({ length: 60 }, (_, i) => createClient(t, {
    announce: i % 2 ? httpUrl(server) : udpUrl(server), infoHash, port: 7000 + i
  }))
  await Promise.all(clients.map(client => {
    const updated = next(client, 'update')
    client.start()
    return updated
  }))
  assert.strictEqual(server.torrents[infoHash].incomplete, 60)
  await Promise.all(clients.map(client => {
    client.stop()
    return callback(cb => client.destroy(cb))
  }))
  assert.strictEqual(server.torrents[infoHash]?.incomplete ?? 0, 0)
})

test('_defaultAnnounceOpts is looked up late, and trackers can be asked one by one', async t => {
  const server = await startServer(t)
  const client = createClient(t, { announce: [httpUrl(server), udpUrl(server)] })
  for (const tracker of client._trackers) {
    const updated = nextValue(client, 'update')
    tracker.announce(client._defaultAnnounceOpts())
    assert.strictEqual((await updated).announce, tracker.announceUrl)
    const scraped = nextValue(client, 'scrape')
    tracker.scrape({})
    assert.strictEqual((await scraped).announce, tracker.announceUrl)
    await callback(cb => tracker.destroy(cb))
    assert.strictEqual(tracker.destroyed, true)
  }
})

test('the object given to a method is filled in, and not kept', async t => {
  const server = await startServer(t)
  const client = createClient(t, { announce: udpUrl(server) })
  const opts = { left: 4 }
  const started = next(server, 'start')
  client.start(opts)
  opts.left = 99
  assert.strictEqual(opts.numwant, 50)
  assert.strictEqual('event' in opts, false)
  assert.strictEqual((await started)[1].left, 4)
})

for (const [name, use] of [
  ['a replaced _defaultAnnounceOpts', (t, client, shared) => { client._defaultAnnounceOpts = () => shared }],
  ['one that was replaced for all clients', (t, client, shared) => {
    t.mock.method(Object.getPrototypeOf(client), '_defaultAnnounceOpts', () => shared)
  }],
  ['getAnnounceOpts', (t, client, shared) => { client._getAnnounceOpts = () => shared }]
]) {
  test(`what ${name} returns is not changed, frozen or not`, async t => {
    const server = await startServer(t)
    const shared = { numwant: 3, uploaded: 1, downloaded: 2, left: 4 }
    for (const event of ['start', 'complete', 'update', 'stop']) {
      const client = createClient(t, { announce: udpUrl(server) })
      use(t, client, shared)
      const announced = next(server, event)
      client[event]()
      assert.strictEqual((await announced)[1].uploaded, 1)
      assert.deepStrictEqual(shared, { numwant: 3, uploaded: 1, downloaded: 2, left: 4 })
      Object.freeze(shared)
    }
  })
}
