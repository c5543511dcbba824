'use strict'

// What programs may expect of a swarm alone, and of its `peers`: the cache that it was in npm's `lru`. CONTRACT.md
// names the statements.

const assert = require('node:assert')
const { setImmediate: turn } = require('node:timers/promises')
const { loadServer, startServer } = require('./helpers/contract-subject')
const { callback } = require('./helpers/events')
const { announcePath, bencoded } = require('./helpers/http')
const { httpPort, randomHex, stranger } = require('./helpers/subjects')
const { test } = require('./helpers/test')
const { WsPeer } = require('./helpers/websocket-peer')

const http = async (server, peer, params) => bencoded(httpPort(server), announcePath({ ...peer, event: 'started', ...params }))

/** A swarm alone, with the parts of a server that its constructor reads. */
async function loneSwarm (opts = {}) {
  const Server = await loadServer()
  return new Server.Swarm('aa'.repeat(20), opts)
}

const announceTo = (swarm, params) => callback(cb => swarm.announce({ type: 'http', numwant: 50, left: 1, ...params }, cb))

const peerAt = port => ({ addr: `10.0.0.1:${port}`, ip: '10.0.0.1', port, peer_id: 'bb'.repeat(19) + port.toString(16).slice(-2).padStart(2, '0') })

test('a swarm has four properties of its own', async () => {
  const swarm = await loneSwarm()
  assert.deepStrictEqual(Object.keys(swarm).filter(key => !key.startsWith('_')), ['infoHash', 'complete', 'incomplete', 'peers'])
  assert.strictEqual(swarm.infoHash, 'aa'.repeat(20))
  assert.deepStrictEqual([swarm.complete, swarm.incomplete, swarm.peers.length], [0, 0, 0])
})

test('a swarm alone can be announced to and scraped', async () => {
  const swarm = await loneSwarm()
  const one = peerAt(7001)
  const [err, { complete, incomplete, peers }] = await announceTo(swarm, { ...one, event: 'started' })
  assert.strictEqual(err, null)
  assert.deepStrictEqual([complete, incomplete], [0, 1])
  assert.strictEqual(peers.length, 1)
  const { ip, port, peerId } = peers[0]
  assert.deepStrictEqual({ complete: peers[0].complete, ip, port, peerId }, {
    complete: false, ip: '10.0.0.1', port: 7001, peerId: one.peer_id
  })
  const [, counts] = await callback(cb => swarm.scrape({}, cb))
  assert.deepStrictEqual([counts.complete, counts.incomplete], [0, 1])
})

test('the states of a peer in a swarm', async () => {
  const swarm = await loneSwarm()
  const one = peerAt(7001)
  const counts = async params => {
    await announceTo(swarm, { ...one, ...params })
    return [swarm.complete, swarm.incomplete]
  }
  assert.deepStrictEqual(await counts({ event: 'stopped' }), [0, 0])
  assert.deepStrictEqual(await counts({ event: 'started' }), [0, 1])
  assert.deepStrictEqual(await counts({ event: 'started' }), [0, 1])
  assert.deepStrictEqual(await counts({ event: 'paused' }), [0, 1])
  assert.deepStrictEqual(await counts({ event: 'completed', left: 0 }), [1, 0])
  assert.deepStrictEqual(await counts({ event: 'completed', left: 0 }), [1, 0])
  assert.deepStrictEqual(await counts({ event: 'stopped' }), [0, 0])
  for (const event of ['completed', 'update', 'paused']) {
    assert.deepStrictEqual(await counts({ event, left: 0 }), [1, 0], event)
    assert.deepStrictEqual(await counts({ event: 'stopped' }), [0, 0], event)
  }
})

test('an event that there is not is an error', async () => {
  const swarm = await loneSwarm()
  const [err] = await announceTo(swarm, { ...peerAt(7001), event: 'bogus' })
  assert.strictEqual(err.message, 'invalid event')
})

test('a stopped needs no callback', async () => {
  const swarm = await loneSwarm()
  await announceTo(swarm, { ...peerAt(7001), event: 'started' })
  swarm.announce({ type: 'http', event: 'stopped', numwant: 0, addr: '10.0.0.1:7001', peer_id: peerAt(7001).peer_id })
  assert.strictEqual(swarm.incomplete, 0)
})

test('peers of WebSockets and others are apart', async () => {
  const swarm = await loneSwarm()
  const socket = { infoHashes: [], send () {} }
  const ws = { type: 'ws', socket, ip: '10.0.0.2', port: 1, addr: '10.0.0.2:1' }
  await announceTo(swarm, { ...peerAt(7001), event: 'started' })
  await announceTo(swarm, { ...ws, event: 'started', peer_id: 'c1'.repeat(20) })
  const [, { peers }] = await announceTo(swarm, { ...ws, event: 'started', peer_id: 'c2'.repeat(20) })
  assert.deepStrictEqual(peers.map(peer => peer.peerId), ['c1'.repeat(20)])
  assert.strictEqual(peers[0].socket, socket)
  const [, answer] = await announceTo(swarm, { ...peerAt(7002), event: 'started' })
  assert.deepStrictEqual(answer.peers.map(peer => peer.port).sort(), [7001, 7002])
  assert.deepStrictEqual(swarm.peers.keys.sort(), ['10.0.0.1:7001', '10.0.0.1:7002', 'c1'.repeat(20), 'c2'.repeat(20)])
})

// The cache of peers.

async function fullPeers (...ports) {
  const swarm = await loneSwarm()
  for (const port of ports) await announceTo(swarm, { ...peerAt(port), event: 'started' })
  return swarm.peers
}

const KEYS = ['10.0.0.1:7001', '10.0.0.1:7002', '10.0.0.1:7003']

test('peers: keys, length, peek and get', async () => {
  const peers = await fullPeers(7001, 7002, 7003)
  assert.deepStrictEqual(peers.keys.sort(), KEYS)
  assert.strictEqual(peers.length, 3)
  assert.strictEqual(peers.peek(KEYS[1]).port, 7002)
  assert.strictEqual(peers.get(KEYS[1]).port, 7002)
  assert.strictEqual(peers.peek('10.0.0.1:1'), undefined)
  assert.strictEqual(peers.get('10.0.0.1:1'), undefined)
})

test('peers: set returns the value, remove too, and clear leaves none', async () => {
  const peers = await fullPeers(7001, 7002, 7003)
  const value = { type: 'http', complete: false, peerId: 'dd'.repeat(20), ip: '10.0.0.9', port: 9 }
  assert.deepStrictEqual(peers.set('10.0.0.9:9', value), value)
  assert.strictEqual(peers.length, 4)
  assert.strictEqual(peers.peek('10.0.0.9:9').peerId, 'dd'.repeat(20))
  assert.strictEqual(peers.remove(KEYS[0]).port, 7001)
  assert.strictEqual(peers.remove(KEYS[0]), undefined)
  assert.deepStrictEqual(peers.keys.sort(), [KEYS[1], KEYS[2], '10.0.0.9:9'])
  peers.clear()
  assert.deepStrictEqual(peers.keys, [])
  assert.strictEqual(peers.length, 0)
})

test('peers: evict() drops one, with an event', async () => {
  const peers = await fullPeers(7001, 7002, 7003)
  const evicted = []
  peers.on('evict', ({ key, value }) => evicted.push([key, value.port]))
  peers.evict()
  peers.evict()
  assert.strictEqual(peers.length, 1)
  for (const [key, port] of evicted) assert.strictEqual(key, `10.0.0.1:${port}`)
  assert.deepStrictEqual([...peers.keys, ...evicted.map(([key]) => key)].sort(), KEYS)
})

test('peers: limits', async () => {
  const { peers } = await loneSwarm({ peersCacheLength: 7, peersCacheTtl: 8000 })
  assert.deepStrictEqual([peers.max, peers.maxAge], [7, 8000])
})

test('peers: a peer may be silent for 20 minutes', async () => {
  const { peers } = await loneSwarm()
  assert.strictEqual(peers.maxAge, 20 * 60 * 1000)
})

test('peers of a listening server have the same members', async t => {
  const server = await startServer(t)
  const peer = stranger()
  await http(server, peer)
  const swarm = server.torrents[peer.infoHash]
  const key = '127.0.0.1:6881'
  assert.deepStrictEqual(swarm.peers.keys, [key])
  const { type, complete, peerId, ip, port } = swarm.peers.get(key)
  assert.deepStrictEqual({ complete, peerId, ip, port }, { complete: false, peerId: peer.peerId, ip: '127.0.0.1', port: 6881 })
  assert.notStrictEqual(type, 'ws')
  for (const name of ['peek', 'get', 'set', 'remove', 'clear', 'evict', 'on', 'once', 'removeListener']) {
    assert.strictEqual(typeof swarm.peers[name], 'function', name)
  }
  swarm.peers.remove(key)
  assert.strictEqual(swarm.peers.length, 0)
  assert.strictEqual(swarm.peers.peek(key), undefined)
})

test('an evicting announce: counts are right when the listener runs, before the answer', async t => {
  const server = await startServer(t, { peersCacheLength: 2 })
  const infoHash = randomHex()
  const members = [stranger(), stranger(), stranger()].map(peer => ({ ...peer, infoHash }))
  await http(server, members[0], { port: 7001 })
  const swarm = server.torrents[infoHash]
  const evicted = []
  swarm.peers.on('evict', ({ key, value }) => {
    const counts = [swarm.complete, swarm.incomplete]
    evicted.push({ key, peerId: value.peerId, socket: value.socket ?? null, counts, left: swarm.peers.peek(key) })
  })
  await http(server, members[1], { port: 7002, left: 0 })
  assert.deepStrictEqual(evicted, [])
  const reply = await http(server, members[2], { port: 7003 })
  assert.deepStrictEqual(evicted, [{
    key: '127.0.0.1:7001', peerId: members[0].peerId, socket: null, counts: [1, 1], left: undefined
  }])
  assert.deepStrictEqual([reply.get('complete'), reply.get('incomplete')], [1, 1])
  assert.deepStrictEqual(swarm.peers.keys.sort(), ['127.0.0.1:7002', '127.0.0.1:7003'])
})

test('an evicted WebSocket peer has no socket any more', async t => {
  const server = await startServer(t, { peersCacheLength: 1 })
  const infoHash = randomHex()
  const [one, two] = [await WsPeer.open(t, server), await WsPeer.open(t, server)]
  await one.join(infoHash)
  const swarm = server.torrents[infoHash]
  const evicted = []
  swarm.peers.on('evict', ({ key, value }) => evicted.push([key, value.socket, swarm.incomplete]))
  assert.strictEqual((await two.join(infoHash)).incomplete, 1)
  assert.deepStrictEqual(evicted, [[one.peerId, null, 1]])
})

test('a peer that was silent for peersCacheTtl is evicted with an event', async t => {
  const server = await startServer(t, { peersCacheTtl: 1000 })
  const peer = stranger()
  await http(server, peer)
  const swarm = server.torrents[peer.infoHash]
  let evicted
  swarm.peers.on('evict', ({ key }) => { evicted = [key, swarm.incomplete] })
  while (evicted === undefined) {
    // The original looks when somebody asks.
    swarm.peers.peek('127.0.0.1:6881')
    await turn()
  }
  assert.deepStrictEqual(evicted, ['127.0.0.1:6881', 0])
})
