'use strict'

// `proxyOpts` with one proxy for everything: HTTP, UDP and WebSocket trackers by way of SOCKS5 and HTTP proxies, and
// never around them.

const assert = require('node:assert')
const dgram = require('node:dgram')
const net = require('node:net')
const { once } = require('node:events')
const { test } = require('./helpers/test')
const { nextValue } = require('./helpers/events')
const { startDante } = require('./helpers/dante')
const { FakeHttpTracker } = require('./helpers/fake-http-tracker')
const { FakeUdpTracker, transactionOf } = require('./helpers/fake-udp-tracker')
const { FakeWebSocketTracker } = require('./helpers/fake-websocket-tracker')
const { HttpProxy } = require('./helpers/http-proxy')
const { freePort } = require('./helpers/ports')
const { needsPrograms } = require('./helpers/processes')
const { SocksProxy } = require('./helpers/socks-proxy')
const { Client, assertWarning, clientOptions, createClient } = require('./helpers/subjects')

/** Nobody but the proxy knows it: the top-level domain does not exist (RFC 2606). */
const NAME = 'tracker.invalid'
const hosts = { [NAME]: '127.0.0.1' }

const TRACKERS = {
  http: FakeHttpTracker,
  udp: FakeUdpTracker,
  ws: FakeWebSocketTracker
}

/** How often a tracker was reached in any way. */
const contacts = tracker => tracker.connections ?? tracker.sockets?.length ?? tracker.packets?.length

const named = url => url.replace('127.0.0.1', NAME)

function createProxied (t, announce, proxyOpts, opts) {
  const client = createClient(t, { announce, proxyOpts, wrtc: {}, ...opts })
  for (const tracker of client._trackers) tracker._generateOffers = (n, cb) => process.nextTick(cb, [])
  return client
}

for (const kind of ['http', 'udp', 'ws']) {
  test(`${kind}: by way of a SOCKS5 proxy, which resolves the name`, async t => {
    const tracker = await TRACKERS[kind].start(t)
    const proxy = await SocksProxy.start(t, { hosts, auth: { user: 'me', password: 'p%40ss' } })
    proxy.auth.password = 'p@ss'
    const url = `socks5://me:p%40ss@127.0.0.1:${proxy.port}`
    const client = createProxied(t, named(tracker.url), url)
    client.start()
    const { announce } = await nextValue(client, 'update')
    assert.strictEqual(announce, named(tracker.url))
    const asked = proxy.requests.find(({ isName }) => isName)
    assert.deepStrictEqual([asked.host, asked.port], [NAME, Number(new URL(tracker.url).port)])
    assert.strictEqual(proxy.requests[0].user, 'me')
  })

  test(`${kind}: a tracker's address as it is, with { url }`, async t => {
    const tracker = await TRACKERS[kind].start(t)
    const proxy = await SocksProxy.start(t)
    const client = createProxied(t, tracker.url, { url: proxy.url })
    client.start()
    await nextValue(client, 'update')
    const { host, isName } = proxy.requests.find(({ command }) => command !== 'associate')
    assert.deepStrictEqual([host, isName], ['127.0.0.1', false])
  })

  test(`${kind}: a proxy that is down is a warning, and the tracker hears nothing`, async t => {
    const tracker = await TRACKERS[kind].start(t)
    const port = await freePort()
    for (const url of [`socks5://127.0.0.1:${port}`, `socks4://127.0.0.1:${port}`, `http://127.0.0.1:${port}`]) {
      const client = createProxied(t, tracker.url, url)
      client.start()
      const err = await nextValue(client, 'warning')
      assertWarning(err, /^proxy failed: /)
      assert.strictEqual(err.code, 'ERR_TRACKER_PROXY')
      assert.ok(err.message.includes(tracker.url))
    }
    assert.strictEqual(contacts(tracker), 0)
  })

  test(`${kind}: a proxy that refuses the password`, async t => {
    const tracker = await TRACKERS[kind].start(t)
    const auth = { user: 'me', password: 'right' }
    const socks = await SocksProxy.start(t, { auth })
    const http = await HttpProxy.start(t, { auth })
    for (const url of [socks.url, http.url]) {
      if (kind === 'udp' && url.startsWith('http')) continue
      const client = createProxied(t, tracker.url, url.replace('right', 'wrong'))
      client.start()
      assert.strictEqual((await nextValue(client, 'warning')).code, 'ERR_TRACKER_PROXY')
    }
    const client = createProxied(t, tracker.url, `socks5://127.0.0.1:${socks.port}`)
    client.start()
    assert.strictEqual((await nextValue(client, 'warning')).code, 'ERR_TRACKER_PROXY')
    assert.strictEqual(contacts(tracker), 0)
  })

  test(`${kind}: what a hostile proxy answers has an end`, async t => {
    const tracker = await TRACKERS[kind].start(t)
    const answers = [
      socket => socket.end(),
      socket => socket.end(Buffer.from([5])),
      socket => socket.end('HTTP/1.1 200'),
      socket => socket.end(Buffer.alloc(1000, 5)),
      socket => socket.end(Buffer.from([5, 0, 5, 0, 0, 9, 9, 9])),
      socket => endless(socket)
    ]
    for (const answer of answers) {
      const server = await listen(t, answer)
      for (const scheme of ['socks5', 'http']) {
        if (kind === 'udp' && scheme === 'http') continue
        const client = createProxied(t, tracker.url, `${scheme}://127.0.0.1:${server.address().port}`, { requestTimeout: 5000 })
        client.start()
        assertWarning(await nextValue(client, 'warning'))
      }
    }
    assert.strictEqual(contacts(tracker), 0)
  })

  test(`${kind}: by way of dante`, needsPrograms({ danted: 'dante-server' }), async t => {
    const tracker = await TRACKERS[kind].start(t)
    const { url } = await startDante(t)
    const client = createProxied(t, tracker.url, url)
    client.start()
    assert.strictEqual((await nextValue(client, 'update')).announce, tracker.url)
    const byName = createProxied(t, tracker.url.replace('127.0.0.1', 'localhost'), url)
    byName.start()
    await nextValue(byName, 'update')
  })
}

for (const kind of ['http', 'ws']) {
  test(`${kind}: by way of an HTTP proxy, which resolves the name`, async t => {
    const tracker = await TRACKERS[kind].start(t)
    const proxy = await HttpProxy.start(t, { hosts, auth: { user: 'me', password: 'secret' } })
    const client = createProxied(t, named(tracker.url), proxy.url)
    client.start()
    await nextValue(client, 'update')
    assert.match(proxy.requests[0].target, /tracker\.invalid/)
    assert.strictEqual(contacts(tracker), 1)
  })
}

test('UDP by way of an HTTP proxy is a warning, and the tracker hears nothing', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const proxy = await HttpProxy.start(t)
  const client = createProxied(t, tracker.url, proxy.url)
  client.start()
  const err = await nextValue(client, 'warning')
  assert.strictEqual(err.message, `proxy failed: ${proxy.url} carries no UDP (${tracker.url})`)
  assert.deepStrictEqual([contacts(tracker), proxy.requests], [0, []])
})

test('a relay serves many, and is asked for anew when the proxy ends it', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const proxy = await SocksProxy.start(t, { hosts })
  const clients = Array.from({ length: 20 }, () => createProxied(t, named(tracker.url), proxy.url))
  const updated = () => Promise.all(clients.map(client => nextValue(client, 'update')))
  for (const client of clients) client.start()
  await updated()
  const associated = () => proxy.recorder.of('associated').length
  assert.strictEqual(associated(), 1)
  proxy.drop()
  for (const client of clients) client.update()
  await updated()
  assert.strictEqual(associated(), 2)
})

test('what does not come from the relay is no answer', async t => {
  const tracker = await FakeUdpTracker.start(t, { connect: () => undefined })
  const proxy = await SocksProxy.start(t)
  const client = createProxied(t, tracker.url, proxy.url, { requestTimeout: 500 })
  client.start()
  const connect = await tracker.packet('connect')
  const { from } = proxy.requests.find(({ command }) => command === 'datagram')
  const answer = Buffer.concat([Buffer.alloc(4), transactionOf(connect), Buffer.alloc(8, 7)])
  const header = Buffer.from([0, 0, 0, 1, 127, 0, 0, 1, tracker.port >> 8, tracker.port & 255])
  const stranger = dgram.createSocket('udp4')
  t.after(() => stranger.close())
  stranger.send(Buffer.concat([header, answer]), from.port, '127.0.0.1')
  assert.strictEqual((await nextValue(client, 'warning')).code, 'ERR_TRACKER_TIMEOUT')
  assert.strictEqual(tracker.of('announce').length, 0)
})

test('scrapes by way of a proxy', async t => {
  const [infoHash, files] = ['01'.repeat(20), { [Buffer.alloc(20, 1).toString('latin1')]: { complete: 1 } }]
  const trackers = [await FakeUdpTracker.start(t), await FakeHttpTracker.start(t, () => ({ files }))]
  const proxy = await SocksProxy.start(t, { hosts })
  for (const tracker of trackers) {
    const client = createProxied(t, named(tracker.url), proxy.url, { infoHash })
    client.scrape()
    assert.strictEqual((await nextValue(client, 'scrape')).infoHash, infoHash)
  }
})

test('clients with other proxies do not share WebSockets', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const proxies = [await SocksProxy.start(t), await SocksProxy.start(t)]
  const urls = [undefined, proxies[0].url, proxies[1].url, proxies[1].url]
  const clients = urls.map(url => createProxied(t, tracker.url, url))
  for (const client of clients) client.start()
  await Promise.all(clients.map(client => nextValue(client, 'update')))
  assert.strictEqual(tracker.sockets.length, 3)
})

test('a redirect from a name to a private address is refused', async t => {
  const target = await FakeHttpTracker.start(t)
  const tracker = await FakeHttpTracker.start(t, (req, res) => {
    res.writeHead(302, { location: target.url }).end()
  })
  const proxy = await SocksProxy.start(t, { hosts })
  const client = createProxied(t, named(tracker.url), proxy.url)
  client.start()
  assert.strictEqual((await nextValue(client, 'warning')).code, 'ERR_TRACKER_REDIRECT_REFUSED')
  assert.strictEqual(target.connections, 0)
})

test('proxies of the environment are not used', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const proxy = await HttpProxy.start(t)
  process.env.http_proxy = proxy.url
  t.after(() => { delete process.env.http_proxy })
  const client = createProxied(t, tracker.url, undefined)
  client.start()
  await nextValue(client, 'update')
  assert.strictEqual(proxy.requests.length, 0)
})

test('what is no proxy is refused at once, without its password', () => {
  for (const proxyOpts of [
    'me:secret@proxy', 'https://me:secret@127.0.0.1', 'socks5://127.0.0.1:0', { url: 'x' }, { proxy: 'socks5://127.0.0.1' },
    { httpAgent: {} }, { socksProxy: {} }, { socksProxy: { proxy: { host: '127.0.0.1', port: 1080, type: 6 } } },
    { socksProxy: { proxy: { host: 'a@b', port: 1080 } } }, { socksProxy: { proxy: { host: '127.0.0.1', port: 'x' } } }
  ]) {
    const create = () => new Client(clientOptions({ announce: [], proxyOpts }))
    assert.throws(create, err => err.code === 'ERR_TRACKER_INVALID_OPTION' && !err.message.includes('secret'), JSON.stringify(proxyOpts))
  }
})

async function listen (t, onConnection) {
  const sockets = new Set()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket)).resume()
    onConnection(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return server
}

/** A header that never ends. */
function endless (socket) {
  socket.write('HTTP/1.1 200 OK\r\n')
  const line = `x: ${'y'.repeat(1000)}\r\n`
  const more = () => {
    while (!socket.destroyed && socket.write(line));
  }
  socket.on('drain', more)
  more()
}
