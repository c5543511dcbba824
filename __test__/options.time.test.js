'use strict'

// Times as options: any number that makes sense is taken, those without an end too.

const assert = require('node:assert')
const { test } = require('./helpers/test')
const { nextValue, record } = require('./helpers/events')
const { FakeHttpTracker } = require('./helpers/fake-http-tracker')
const { FakeWebSocketTracker } = require('./helpers/fake-websocket-tracker')
const { Client, Server, createClient, clientOptions, httpUrl, startServer, udpUrl } = require('./helpers/subjects')
const { WsPeer } = require('./helpers/websocket-peer')

const MAX_MS = 2 ** 31 - 1

const SERVER_TIMES = ['interval', 'minInterval', 'peersCacheTtl', 'completedTtl', 'connectionIdLifetime', 'idleTimeout']
const WS_TIMES = ['interval', 'pingInterval', 'idleTimeout']

const all = (names, value) => Object.fromEntries(names.map(name => [name, value]))

for (const value of [MAX_MS + 1, 1e15, Number.MAX_VALUE, Infinity, 'Infinity']) {
  test(`a server with all times ${typeof value} ${value} works`, async t => {
    const server = await startServer(t, { ...all(SERVER_TIMES, value), ws: all(WS_TIMES, value) })
    assert.deepStrictEqual([server.intervalMs, server.peersCacheTtl], [MAX_MS, MAX_MS])
    const client = createClient(t, { announce: [httpUrl(server), udpUrl(server)] })
    const updates = record(client, 'update')
    client.start({ left: 1 })
    await updates.count('update', 2)
    const http = updates.of('update').map(([data]) => data).find(data => data.interval !== undefined)
    assert.deepStrictEqual([http.interval, http['min interval']], [2147484, 2147484])
    const peer = await WsPeer.open(t, server)
    assert.strictEqual((await peer.join(client.infoHash)).interval, 2147484)
    assert.strictEqual(server.torrents[client.infoHash].incomplete, 2)
  })
}

test('times that make no sense are refused', () => {
  for (const value of [-1, NaN, 'soon', -Infinity]) {
    for (const name of SERVER_TIMES) {
      const message = `Option \`${name}\` must be a number of milliseconds, 0 or more`
      assert.throws(() => new Server({ [name]: value }), { name: 'TypeError', code: 'ERR_TRACKER_INVALID_OPTION', message })
    }
    for (const name of WS_TIMES) assert.throws(() => new Server({ ws: { [name]: value } }), { name: 'TypeError' })
    for (const name of ['minInterval', 'requestTimeout']) {
      const opts = clientOptions({ announce: [], [name]: value })
      assert.throws(() => new Client(opts), { name: 'TypeError', code: 'ERR_TRACKER_INVALID_OPTION' })
    }
  }
})

for (const value of [MAX_MS + 1, 1e15, Infinity]) {
  test(`a client with all times ${value} works and starts no storm`, async t => {
    const http = await FakeHttpTracker.start(t)
    const webSocket = await FakeWebSocketTracker.start(t)
    const client = createClient(t, {
      announce: [http.url, webSocket.url], minInterval: value, requestTimeout: value, interval: value, wrtc: {}
    })
    for (const tracker of client._trackers) tracker._generateOffers = (numwant, cb) => cb([])
    const updates = record(client, 'update')
    client.start()
    client.setInterval(value)
    await updates.count('update', 2)
    // By now a timer that fires at once would have.
    client.update()
    await updates.count('update', 4)
    assert.strictEqual(http.requests.length, 2)
    assert.strictEqual(webSocket.messages.length, 2)
  })

  test(`with a minInterval of ${value} a tracker that sets the pace starts no storm`, async t => {
    const http = await FakeHttpTracker.start(t)
    const client = createClient(t, { announce: http.url, minInterval: value })
    client.start()
    await nextValue(client, 'update')
    client.update()
    await nextValue(client, 'update')
    assert.strictEqual(http.requests.length, 2)
  })
}
