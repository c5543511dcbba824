'use strict'

// `proxyOpts` in the shapes that bittorrent-tracker has: options of the package `socks`, agents of Node, dispatchers
// of undici.

const assert = require('node:assert')
const http = require('node:http')
const zlib = require('node:zlib')
const { test } = require('./helpers/test')
const { encode } = require('./helpers/bencode')
const { callback, nextValue, record } = require('./helpers/events')
const { FakeHttpTracker } = require('./helpers/fake-http-tracker')
const { FakeUdpTracker } = require('./helpers/fake-udp-tracker')
const { FakeWebSocketTracker } = require('./helpers/fake-websocket-tracker')
const { HttpProxy, TunnelAgent, tunnelDispatcher } = require('./helpers/http-proxy')
const { SocksProxy } = require('./helpers/socks-proxy')
const { createClient } = require('./helpers/subjects')
const WebSocketTracker = require('../websocket-tracker')

const NAME = 'tracker.invalid'
const hosts = { [NAME]: '127.0.0.1' }
const named = url => url.replace('127.0.0.1', NAME)

const TRACKERS = { http: FakeHttpTracker, udp: FakeUdpTracker, ws: FakeWebSocketTracker }

/** The two kinds of agents, by way of the same proxy. */
const AGENTS = {
  'http.Agent': async proxy => new TunnelAgent(proxy),
  dispatcher: tunnelDispatcher
}

function createProxied (t, announce, proxyOpts, opts) {
  const client = createClient(t, { announce, proxyOpts, wrtc: {}, ...opts })
  for (const tracker of client._trackers) tracker._generateOffers = (n, cb) => process.nextTick(cb, [])
  return client
}

for (const kind of ['http', 'udp', 'ws']) {
  test(`${kind}: socksProxy with the options of the package socks, today's and version 1's`, async t => {
    const auth = { user: 'me', password: 'p@:ss' }
    const proxy = await SocksProxy.start(t, { hosts, auth })
    const tracker = await TRACKERS[kind].start(t)
    const { port } = proxy
    for (const socks of [
      { host: '127.0.0.1', port, type: 5, userId: 'me', password: 'p@:ss' },
      { ipaddress: '127.0.0.1', port, type: 5, authentication: { username: 'me', password: 'p@:ss' } }
    ]) {
      const client = createProxied(t, named(tracker.url), { socksProxy: { proxy: socks, command: 'associate' } })
      client.start()
      await nextValue(client, 'update')
    }
    assert.ok(proxy.requests.some(({ host, user }) => host === NAME || user === 'me'))
  })
}

test('udp: a SOCKS4 proxy or agents alone are a warning, and the tracker hears nothing', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const socks4 = { socksProxy: { proxy: { host: '127.0.0.1', port: 1080, type: 4 } } }
  for (const proxyOpts of [socks4, { httpAgent: new http.Agent(), httpsAgent: new http.Agent() }]) {
    const client = createProxied(t, tracker.url, proxyOpts)
    client.start()
    const err = await nextValue(client, 'warning')
    assert.match(err.message, /^proxy failed: .*UDP|^proxy failed: .*udp:/)
    assert.strictEqual(err.code, 'ERR_TRACKER_PROXY')
  }
  assert.strictEqual(tracker.packets.length, 0)
})

test('TLS decides which agent it is, and with the other one alone nothing is sent', async t => {
  const httpTracker = await FakeHttpTracker.start(t)
  const webSocketTracker = await FakeWebSocketTracker.start(t)
  for (const { url } of [httpTracker, webSocketTracker]) {
    const client = createProxied(t, url, { httpsAgent: new http.Agent() })
    const events = record(client, 'warning')
    client.start()
    await events.count('warning', 1)
    assert.strictEqual(events.of('warning')[0][0].code, 'ERR_TRACKER_PROXY')
  }
  assert.deepStrictEqual([httpTracker.connections, webSocketTracker.sockets.length], [0, 0])
})

test('a dispatcher carries no WebSockets: they take the SOCKS proxy, or no way', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const socks = await SocksProxy.start(t, { hosts })
  const httpAgent = await tunnelDispatcher(await HttpProxy.start(t))
  const failing = createProxied(t, tracker.url, { httpAgent })
  failing.start()
  assert.strictEqual((await nextValue(failing, 'warning')).code, 'ERR_TRACKER_PROXY')
  assert.strictEqual(tracker.sockets.length, 0)
  const client = createProxied(t, named(tracker.url), { httpAgent, socksProxy: socks.url })
  client.start()
  await nextValue(client, 'update')
})

for (const [name, makeAgent] of Object.entries(AGENTS)) {
  const setUp = async (t, answer) => {
    const [tracker, proxy] = [await FakeHttpTracker.start(t, answer), await HttpProxy.start(t, { hosts })]
    const httpAgent = await makeAgent(proxy)
    t.after(() => httpAgent.destroy())
    const announce = opts => createProxied(t, named(tracker.url), { httpAgent }, opts)
    return { tracker, proxy, announce }
  }
  const warned = async (t, answer, code, opts) => {
    const { announce, tracker } = await setUp(t, answer)
    const client = announce(opts)
    client.start()
    const err = await nextValue(client, 'warning')
    assert.strictEqual(err.code, code, err.message)
    return { err, tracker }
  }

  test(`${name}: an announce, whose answer the engine reads`, async t => {
    const body = { interval: 1800, complete: 7, incomplete: 0, peers: Buffer.from([192, 0, 2, 1, 0, 80]), 'warning message': 'slow' }
    const { announce, proxy, tracker } = await setUp(t, () => body)
    const client = announce({ userAgent: 'Tester/1' })
    const events = record(client, 'update', 'peer', 'warning')
    client.start({ left: 5 })
    await events.count('peer', 1)
    const log = events.log.map(({ name: kind, args: [value] }) => [kind, value.complete ?? value.message ?? value])
    assert.deepStrictEqual(log, [['warning', 'slow'], ['update', 7], ['peer', '192.0.2.1:80']])
    const { headers, query } = tracker.requests[0]
    assert.deepStrictEqual([headers['user-agent'], query.left, query.event], ['Tester/1', '5', 'started'])
    assert.ok(query.info_hash.length >= 20)
    assert.strictEqual(proxy.requests[0].target, `${NAME}:${tracker.port}`)
  })

  test(`${name}: a scrape, and a tracker that has none`, async t => {
    const files = { [Buffer.alloc(20, 1).toString('latin1')]: { complete: 4 } }
    const { announce, tracker } = await setUp(t, () => ({ files }))
    const client = announce({ infoHash: '01'.repeat(20) })
    client.scrape()
    assert.strictEqual((await nextValue(client, 'scrape')).complete, 4)
    assert.strictEqual(tracker.requests[0].path, '/scrape')
    const other = announce({ announce: `http://${NAME}:${tracker.port}/x` })
    other.scrape()
    assert.strictEqual((await nextValue(other, 'error')).code, 'ERR_TRACKER_SCRAPE_NOT_SUPPORTED')
  })

  test(`${name}: redirects are followed, a few, and not into the local network`, async t => {
    const { announce } = await setUp(t, (req, res) => {
      if (!req.url.startsWith('/announce')) return { interval: 1800, complete: 9 }
      res.writeHead(302, { location: '/other' }).end()
    })
    const client = announce()
    client.start()
    assert.strictEqual((await nextValue(client, 'update')).complete, 9)
    const { tracker } = await warned(t, (req, res) => { res.writeHead(302, { location: '/announce' }).end() }, 'ERR_TRACKER_REDIRECT')
    assert.strictEqual(tracker.requests.length, 6)
    const away = location => (req, res) => { res.writeHead(301, { location }).end() }
    await warned(t, away('http://127.0.0.1:1/'), 'ERR_TRACKER_REDIRECT_REFUSED')
    // With no agent for it.
    await warned(t, away(`https://${NAME}/`), 'ERR_TRACKER_PROXY')
  })

  test(`${name}: bodies are bounded, after inflation too`, async t => {
    const zip = bytes => (req, res) => { res.writeHead(200, { 'content-encoding': 'gzip' }).end(zlib.gzipSync(bytes)) }
    await warned(t, () => Buffer.alloc((1 << 20) + 1, 'x'), 'ERR_TRACKER_TOO_LARGE')
    await warned(t, zip(Buffer.alloc(1 << 26)), 'ERR_TRACKER_TOO_LARGE')
    const { announce } = await setUp(t, zip(encode({ interval: 1800, complete: 3 })))
    const client = announce()
    client.start()
    assert.strictEqual((await nextValue(client, 'update')).complete, 3)
  })

  test(`${name}: what goes wrong has the codes that it has without`, async t => {
    await warned(t, (req, res) => { res.writeHead(500).end() }, 'ERR_TRACKER_STATUS')
    await warned(t, () => Buffer.from('x'), 'ERR_TRACKER_DECODE')
    await warned(t, () => Buffer.alloc(0), 'ERR_TRACKER_RESPONSE')
    await warned(t, () => ({ 'failure reason': 'no' }), 'ERR_TRACKER_FAILURE')
    await warned(t, () => undefined, 'ERR_TRACKER_TIMEOUT', { requestTimeout: 100 })
    await warned(t, (req, res) => { res.writeHead(200, { 'content-length': 9 }).write('d', () => res.destroy()) }, 'ERR_TRACKER_NETWORK')
    const { announce, proxy, tracker } = await setUp(t)
    await proxy.stop()
    const client = announce()
    client.start()
    const err = await nextValue(client, 'warning')
    assert.strictEqual(err.code, 'ERR_TRACKER_PROXY')
    assert.strictEqual(err.cause.code, 'ECONNREFUSED')
    assert.strictEqual(tracker.connections, 0)
  })

  test(`${name}: a stop just before destroy arrives, and a silent tracker holds it up for a second`, async t => {
    const { announce, tracker } = await setUp(t)
    const client = announce()
    client.stop()
    await callback(cb => client.destroy(cb))
    assert.strictEqual(tracker.requests[0].query.event, 'stopped')
    const silent = await setUp(t, () => undefined)
    const waiting = silent.announce()
    waiting.start()
    await silent.tracker.request()
    await callback(cb => waiting.destroy(cb))
  })
}

test('http.Agent: a WebSocket, kept up and closed', async t => {
  const timing = WebSocketTracker._timing
  WebSocketTracker._timing = { reconnectMinMs: 20, reconnectJitterMs: 0 }
  t.after(() => { WebSocketTracker._timing = timing })
  const [tracker, proxy] = [await FakeWebSocketTracker.start(t), await HttpProxy.start(t, { hosts })]
  const client = createProxied(t, named(tracker.url), { httpAgent: new TunnelAgent(proxy) })
  client.start()
  await nextValue(client, 'update')
  assert.strictEqual(proxy.requests[0].target, `${NAME}:${tracker.port}`)
  const again = nextValue(client, 'update')
  tracker.sockets[0].terminate()
  await again
  assert.strictEqual(tracker.sockets.length, 2)
  client.stop()
  await callback(cb => client.destroy(cb))
  await tracker.left(2)
  assert.strictEqual(tracker.messages.at(-1).event, 'stopped')
})

test('http.Agent: a hostile WebSocket tracker is cut off, and one that is silent given up', async t => {
  const timing = WebSocketTracker._timing
  WebSocketTracker._timing = { pingMs: 100 }
  t.after(() => { WebSocketTracker._timing = timing })
  const proxy = await HttpProxy.start(t, { hosts })
  const nonsense = (message, socket) => { for (let n = 0; n < 20; n++) socket.send('[') }
  for (const [answer, code, opts] of [
    [(message, socket) => { socket.send('x'.repeat(1 << 17)) }, 'ERR_TRACKER_TOO_LARGE'],
    [nonsense, 'ERR_TRACKER_RESPONSE'],
    [(message, socket) => { socket.close(1008, 'go away') }, 'ERR_TRACKER_CLOSED'],
    [() => undefined, 'ERR_TRACKER_TIMEOUT', { autoPong: false }]
  ]) {
    const tracker = await FakeWebSocketTracker.start(t, answer, opts)
    const client = createProxied(t, named(tracker.url), { httpAgent: new TunnelAgent(proxy) })
    client.start()
    const err = await nextValue(client, 'warning')
    assert.strictEqual(err.code, code, err.message)
    await tracker.left()
  }
})

test('http.Agent: a proxy that is down keeps a WebSocket from its tracker', async t => {
  const [tracker, proxy] = [await FakeWebSocketTracker.start(t), await HttpProxy.start(t)]
  const httpAgent = new TunnelAgent({ url: proxy.url })
  await proxy.stop()
  const client = createProxied(t, tracker.url, { httpAgent })
  client.start()
  assert.strictEqual((await nextValue(client, 'warning')).code, 'ERR_TRACKER_PROXY')
  await callback(cb => client.destroy(cb))
  assert.strictEqual(tracker.sockets.length, 0)
})
