'use strict'

// What programs and people may expect of /stats and /stats.json. CONTRACT.md names the statements.

const assert = require('node:assert')
const { createServer, differs, isNew, startHttp, startServer } = require('./helpers/contract-subject')
const { announcePath, bencoded, request } = require('./helpers/http')
const { httpPort, listen, randomHex, udpPort } = require('./helpers/subjects')
const { needsIPv6, test } = require('./helpers/test')
const { UdpPeer } = require('./helpers/udp')
const { WsPeer } = require('./helpers/websocket-peer')

const ESCAPED = differs('`/stats` prints peer ids as they are')

const hex = text => Buffer.from(text, 'latin1').toString('hex')

const EMPTY = {
  torrents: 0,
  activeTorrents: 0,
  peersAll: 0,
  peersSeederOnly: 0,
  peersLeecherOnly: 0,
  peersSeederAndLeecher: 0,
  peersIPv4: 0,
  peersIPv6: 0,
  clients: {}
}

const startStats = (t, opts) => startServer(t, { stats: true, ...opts })

async function json (port, path = '/stats.json', options) {
  const { status, headers, body } = await request(port, path, options)
  assert.strictEqual(status, 200)
  assert.match(headers['content-type'], /^application\/json\b/)
  return JSON.parse(body)
}

async function html (port) {
  const { status, headers, body } = await request(port, '/stats')
  assert.strictEqual(status, 200)
  assert.match(headers['content-type'], /^text\/html\b/)
  return body.toString()
}

/** An announce of a peer with this id in Latin-1. */
function join (server, { peerId = '-WW0091-abcdefghijkl', infoHash = randomHex(), ...params } = {}, options) {
  return bencoded(httpPort(server), announcePath({ infoHash, peerId: hex(peerId), event: 'started', ...params }), options)
}

test('/stats.json of an empty tracker has every field, in the usual order', async t => {
  const server = await startStats(t)
  const stats = await json(httpPort(server))
  assert.deepStrictEqual(stats, EMPTY)
  assert.deepStrictEqual(Object.keys(stats), Object.keys(EMPTY))
})

test('statistics are on by default', async t => {
  const server = await startStats(t, { stats: undefined })
  assert.deepStrictEqual(await json(httpPort(server)), EMPTY)
})

test('/stats.json counts torrents, seeders, leechers and those that are both', async t => {
  const server = await startStats(t)
  const [one, two] = [randomHex(), randomHex()]
  await join(server, { infoHash: one, port: 7001, left: 0 })
  await join(server, { infoHash: one, port: 7002, left: 5 })
  await join(server, { infoHash: one, port: 7003, left: 0 })
  await join(server, { infoHash: two, port: 7003, left: 5 })
  assert.deepStrictEqual(await json(httpPort(server)), {
    ...EMPTY,
    torrents: 2,
    activeTorrents: 2,
    peersAll: 3,
    peersSeederOnly: 1,
    peersLeecherOnly: 1,
    peersSeederAndLeecher: 1,
    peersIPv4: 3,
    clients: { WebTorrent: { 0.91: 3 } }
  })
})

test('a torrent without peers is not active', differs('silent peers leave when somebody looks, empty torrents never'), async t => {
  const server = await startStats(t)
  const infoHash = randomHex()
  // One completion, which is remembered.
  await join(server, { infoHash, left: 5 })
  await join(server, { infoHash, left: 0, event: 'completed' })
  await join(server, { infoHash, left: 0, event: 'stopped' })
  const { torrents, activeTorrents, peersAll } = await json(httpPort(server))
  assert.deepStrictEqual([torrents, activeTorrents, peersAll], [1, 0, 0])
})

test('peers of every transport are counted', async t => {
  const server = await startStats(t)
  const infoHash = randomHex()
  await join(server, { infoHash, port: 7001 })
  const udp = await UdpPeer.open(t, udpPort(server))
  await udp.announce({ infoHash, peerId: hex('-TR2940-abcdefghijkl'), event: 'started', port: 7002 })
  const ws = await WsPeer.open(t, server, { peerId: hex('-WW0203-abcdefghijkl') })
  await ws.join(infoHash)
  const stats = await json(httpPort(server))
  assert.deepStrictEqual([stats.peersAll, stats.peersIPv4, stats.peersLeecherOnly], [3, 3, 3])
  assert.deepStrictEqual(stats.clients, { WebTorrent: { 0.91: 1, 2.3: 1 }, Transmission: { 2.94: 1 } })
})

test('IPv6 peers are counted apart', needsIPv6, async t => {
  const server = await startStats(t)
  const infoHash = randomHex()
  await join(server, { infoHash, port: 7001 })
  await join(server, { infoHash, port: 7002 }, { host: '::1' })
  const { peersAll, peersIPv4, peersIPv6 } = await json(httpPort(server))
  assert.deepStrictEqual([peersAll, peersIPv4, peersIPv6], [2, 1, 1])
})

/** Name and version of clients, by the first characters of their peer ids; null for whatever version. */
const CLIENTS = {
  '-WW0091-': ['WebTorrent', '0.91'],
  '-WW0203-': ['WebTorrent', '2.3'],
  '-WD0007-': ['WebTorrent Desktop', '0.7'],
  '-TR2940-': ['Transmission', '2.94'],
  '-TR0006-': ['Transmission', '0.6'],
  '-qB4250-': ['qBittorrent', '4.2.5'],
  '-DE1300-': ['Deluge', null],
  '-UT3550-': ['µTorrent', '3.5.5'],
  '-AZ5750-': ['Vuze', '5.7.5.0'],
  '-BT7950-': ['BitTorrent', '7.9.5'],
  '-BC0171-': ['BitComet', '1.71'],
  '-LT0100-': ['libtorrent (Rasterbar)', null],
  '-KT33D1-': ['KTorrent', null]
}

for (const [start, [client, version]] of Object.entries(CLIENTS)) {
  test(`the client of ${start} is ${client} ${version ?? ''}`, async t => {
    const server = await startStats(t)
    await join(server, { peerId: start.padEnd(20, 'x') })
    const { clients } = await json(httpPort(server))
    assert.deepStrictEqual(Object.keys(clients), [client])
    const [[shown, count]] = Object.entries(clients[client])
    assert.strictEqual(count, 1)
    // The original has a blank behind some.
    if (version !== null) assert.strictEqual(shown.trim(), version)
  })
}

test('a client that nobody knows has eight characters of its peer id as version', async t => {
  const server = await startStats(t)
  await join(server, { peerId: '01234567890123456789' })
  assert.deepStrictEqual((await json(httpPort(server))).clients, { unknown: { '01234567': 1 } })
})

test('peer ids of any bytes, and those that are special in JavaScript, do no harm', isNew, async t => {
  const server = await startStats(t)
  for (const [at, peerId] of ['__proto__abcdefghijk', '\xff'.repeat(20), '\0'.repeat(20), 'constructorxxxxxxxxx'].entries()) {
    await join(server, { peerId, port: 7001 + at })
  }
  const { peersAll, clients } = await json(httpPort(server))
  assert.strictEqual(peersAll, 4)
  assert.strictEqual(Object.values(clients.unknown).reduce((a, b) => a + b), 4)
  assert.match(await html(httpPort(server)), /Connected Peers: 4/)
})

test('/stats is a page with a line for each number', async t => {
  const server = await startStats(t)
  const infoHash = randomHex()
  await join(server, { infoHash, port: 7001, left: 0 })
  await join(server, { infoHash, port: 7002 })
  await join(server, { infoHash, port: 7003, peerId: '-TR2940-abcdefghijkl' })
  assert.deepStrictEqual((await html(httpPort(server))).trim().split('\n').map(line => line.replaceAll('&amp;', '&')), [
    '<h1>1 torrents (1 active)</h1>',
    '<h2>Connected Peers: 3</h2>',
    '<h3>Peers Seeding Only: 1</h3>',
    '<h3>Peers Leeching Only: 2</h3>',
    '<h3>Peers Seeding & Leeching: 0</h3>',
    '<h3>IPv4 Peers: 3</h3>',
    '<h3>IPv6 Peers: 0</h3>',
    '<h3>Clients:</h3>',
    '<ul>',
    '<li><strong>WebTorrent</strong> 0.91 : 2</li>',
    '<li><strong>Transmission</strong> 2.94 : 1</li>',
    '</ul>'
  ])
})

test('/stats shows what peers call themselves as text', ESCAPED, async t => {
  const server = await startStats(t)
  await join(server, { peerId: '<script>alert(1)</scr'.slice(0, 20) })
  const page = await html(httpPort(server))
  assert.doesNotMatch(page, /<script/)
  assert.match(page, /&lt;script/)
})

test('/stats with `accept: application/json` is JSON, with any other a page', async t => {
  const server = await startStats(t)
  assert.deepStrictEqual(await json(httpPort(server), '/stats', { headers: { accept: 'application/json' } }), EMPTY)
  const { headers } = await request(httpPort(server), '/stats', { headers: { accept: 'text/html, application/json' } })
  assert.match(headers['content-type'], /^text\/html\b/)
})

test('other methods and other URLs are no statistics', async t => {
  const server = await startStats(t)
  const expected = /failure reason/
  for (const [path, method] of [['/stats?x=1', 'GET'], ['/stats/', 'GET'], ['/stats.json', 'POST']]) {
    const { body } = await request(httpPort(server), path, { method })
    assert.match(body.toString(), expected, `${method} ${path}`)
  }
})

test('stats: false leaves them out', async t => {
  const server = await startStats(t, { stats: false })
  server.on('warning', () => {})
  for (const path of ['/stats', '/stats.json']) {
    const { body } = await request(httpPort(server), path)
    assert.match(body.toString(), new RegExp(`invalid action in HTTP request: ${path}`.replace('.', '\\.')))
  }
})

test('statistics beside WebSocket alone', async t => {
  const server = await startStats(t, { http: false, udp: false })
  assert.deepStrictEqual(await json(httpPort(server)), EMPTY)
  const { status, body } = await request(httpPort(server), '/other')
  assert.deepStrictEqual([status, body.toString()], [404, '404 Not Found'])
})

test('stats: true opens HTTP for them alone', async t => {
  const server = await startStats(t, { http: false, ws: false })
  assert.deepStrictEqual(await json(httpPort(server)), EMPTY)
})

test('beside statistics alone there is nothing', differs('with statistics alone other paths are never answered'), async t => {
  const server = await startStats(t, { http: false, ws: false })
  server.on('warning', () => {})
  const { status, body } = await request(httpPort(server), announcePath({ infoHash: randomHex(), peerId: randomHex() }))
  assert.deepStrictEqual([status, body.toString()], [404, '404 Not Found'])
  assert.deepStrictEqual(Object.keys(server.torrents), [])
})

test('what is on server.http answers before the statistics', async t => {
  const server = await createServer(t, { stats: true })
  server.http.prependListener('request', (req, res) => {
    if (req.url === '/stats') res.end('mine')
  })
  await listen(server)
  assert.strictEqual((await request(httpPort(server), '/stats')).body.toString(), 'mine')
  assert.deepStrictEqual(await json(httpPort(server)), EMPTY)
})

test('onHttpRequest gives statistics too', differs('`/stats` is not reached through `onHttpRequest`'), async t => {
  const server = await createServer(t, { http: false, udp: false, ws: false, stats: true })
  const port = await startHttp(t, (req, res) => server.onHttpRequest(req, res))
  await bencoded(port, announcePath({ infoHash: randomHex(), peerId: hex('-WW0091-abcdefghijkl'), event: 'started' }))
  assert.deepStrictEqual((await json(port)).clients, { WebTorrent: { 0.91: 1 } })
  assert.match(await html(port), /<h1>1 torrents \(1 active\)<\/h1>/)
})
