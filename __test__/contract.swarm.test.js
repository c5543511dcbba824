'use strict'

// What programs may expect of swarms: `Server.Swarm`, `createSwarm` and `getSwarm` are theirs to replace, and a swarm's
// `peers` is the cache that it was in npm's `lru`. CONTRACT.md names the statements.

const assert = require('node:assert')
const { setImmediate: turn } = require('node:timers/promises')
const { TRANSPORTS, createServer, loadServer, startServer, track } = require('./helpers/contract-subject')
const { callback } = require('./helpers/events')
const { fromCompact } = require('./helpers/compact')
const { announcePath, bencoded, scrapePath } = require('./helpers/http')
const { httpPort, listen, randomHex, stranger, udpPort } = require('./helpers/subjects')
const { test } = require('./helpers/test')
const { UdpPeer } = require('./helpers/udp')
const { WsPeer, binary, makeOffers } = require('./helpers/websocket-peer')

/** The class of this name for the duration of a test. */
async function replaceSwarm (t, makeClass) {
  const Server = await loadServer()
  const { Swarm } = Server
  t.after(() => { Server.Swarm = Swarm })
  Server.Swarm = makeClass(Swarm)
  return Server
}

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
  const { type, ip, port, peerId } = peers[0]
  assert.deepStrictEqual({ type, complete: peers[0].complete, ip, port, peerId }, {
    type: 'http', complete: false, ip: '10.0.0.1', port: 7001, peerId: one.peer_id
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

test('Server.Swarm is replaced for all servers', async t => {
  const made = []
  const Server = await replaceSwarm(t, Swarm => class extends Swarm {
    constructor (...args) {
      super(...args)
      made.push(args)
    }
  })
  const server = await startServer(t)
  const peer = stranger()
  for (const join of Object.values(TRANSPORTS)) await join(t, server, peer)
  assert.strictEqual(made.length, 1)
  assert.strictEqual(made[0][0], peer.infoHash)
  assert.strictEqual(made[0][1], server)
  assert.ok(server.torrents[peer.infoHash] instanceof Server.Swarm)
})

test('keys that a swarm adds to its answer or alters reach HTTP and WebSocket clients', async t => {
  await replaceSwarm(t, Swarm => class extends Swarm {
    announce (params, cb) {
      // A socket's end is told without a callback.
      if (!cb) return super.announce(params)
      super.announce(params, (err, response) => {
        if (err) return cb(err)
        response.motto = 'share'
        response.interval = 77
        response.complete = 123
        cb(null, response)
      })
    }
  })
  const server = await startServer(t)
  const overHttp = await http(server, stranger())
  assert.strictEqual(overHttp.get('motto').toString(), 'share')
  assert.strictEqual(overHttp.get('interval'), 77)
  assert.strictEqual(overHttp.get('complete'), 123)
  const udp = await UdpPeer.open(t, udpPort(server))
  const overUdp = await udp.announce(stranger())
  assert.deepStrictEqual([overUdp.interval, overUdp.complete, overUdp.incomplete], [77, 123, 1])
  const ws = await WsPeer.open(t, server)
  const { motto, complete, interval } = await ws.join(randomHex())
  // The interval over WebSocket is a fifth of the server's, whatever a swarm says.
  assert.deepStrictEqual({ motto, complete, interval }, { motto: 'share', complete: 123, interval: 120 })
})

test('a swarm that answers with an error refuses over every transport', async t => {
  await replaceSwarm(t, Swarm => class extends Swarm {
    announce (params, cb) {
      // A socket's end is told without a callback.
      if (cb) setImmediate(cb, new Error('swarm is closed'))
    }
  })
  const server = await startServer(t)
  const warnings = []
  server.on('warning', err => warnings.push(err.message))
  for (const [name, join] of Object.entries(TRANSPORTS)) {
    assert.strictEqual((await join(t, server, stranger())).failure, 'swarm is closed', name)
  }
  while (warnings.length < 3) await turn()
  assert.deepStrictEqual(warnings, Array(3).fill('swarm is closed'))
})

test('a subclass can choose the peers that are given out', async t => {
  const asked = []
  await replaceSwarm(t, Swarm => class extends Swarm {
    _getPeers (numwant, ownPeerId, isWebRTC) {
      asked.push([numwant, ownPeerId, isWebRTC])
      return super._getPeers(numwant, ownPeerId, isWebRTC).filter(peer => peer.peerId !== ownPeerId)
    }
  })
  const server = await startServer(t)
  const [one, two] = [stranger(), stranger()]
  two.infoHash = one.infoHash
  await http(server, one, { port: 7001 })
  const reply = await http(server, two, { port: 7002, numwant: 9 })
  assert.deepStrictEqual(fromCompact(reply.get('peers')), ['127.0.0.1:7001'])
  assert.deepStrictEqual(asked[1], [9, two.peerId, false])
})

test('a subclass can act on each event of a peer', async t => {
  const calls = []
  await replaceSwarm(t, Swarm => {
    class Watched extends Swarm {}
    for (const name of ['Started', 'Stopped', 'Completed', 'Update', 'Paused']) {
      Watched.prototype[`_onAnnounce${name}`] = function (params, peer, id) {
        calls.push([name, peer?.peerId, id])
        return Swarm.prototype[`_onAnnounce${name}`].call(this, params, peer, id)
      }
    }
    return Watched
  })
  const server = await startServer(t)
  const peer = stranger()
  const id = '127.0.0.1:6881'
  for (const event of ['started', 'update', 'completed', 'stopped']) await http(server, peer, { event })
  const first = calls.filter(([name], at) => at === calls.findIndex(call => call[0] === name))
  assert.deepStrictEqual(first, [
    ['Started', undefined, id], ['Update', peer.peerId, id], ['Completed', peer.peerId, id], ['Stopped', peer.peerId, id]
  ])
})

test('a subclass can alter what a scrape says', async t => {
  await replaceSwarm(t, Swarm => class extends Swarm {
    scrape (params, cb) {
      cb(null, { complete: 11, incomplete: 22 })
    }
  })
  const server = await startServer(t)
  // No byte of it is changed by the original's encoding of keys.
  const peer = { ...stranger(), infoHash: '41'.repeat(20) }
  await http(server, peer)
  const files = (await bencoded(httpPort(server), scrapePath(peer.infoHash))).get('files')
  const [row] = files.values()
  assert.deepStrictEqual([row.get('complete'), row.get('incomplete')], [11, 22])
  const udp = await UdpPeer.open(t, udpPort(server))
  const [{ complete, incomplete }] = (await udp.scrape(peer.infoHash)).files
  assert.deepStrictEqual([complete, incomplete], [11, 22])
})

test('createSwarm makes a swarm, getSwarm finds it, both later', async t => {
  const server = await createServer(t)
  const infoHash = randomHex()
  let called = false
  server.createSwarm(infoHash, () => { called = true })
  assert.strictEqual(called, false)
  const [, swarm] = await callback(cb => server.getSwarm(infoHash, cb))
  assert.ok(called)
  assert.strictEqual(swarm.infoHash, infoHash)
  const other = randomHex()
  const [err, made] = await callback(cb => server.createSwarm(Buffer.from(other, 'hex'), cb))
  assert.strictEqual(err, null)
  assert.strictEqual(made.infoHash, other)
  assert.deepStrictEqual(Object.keys(server.torrents), [infoHash, other])
  assert.deepStrictEqual(await callback(cb => server.getSwarm(randomHex(), cb)), [null, undefined])
})

/** Swarms somewhere else, which answers take a while to come from. */
class ForeignStore {
  constructor () {
    this.swarms = new Map()
    this.log = []
  }

  mount (server) {
    server.getSwarm = (infoHash, cb) => {
      this.log.push(['get', infoHash])
      setImmediate(() => cb(null, this.swarms.get(infoHash)))
    }
    server.createSwarm = (infoHash, cb) => {
      this.log.push(['create', infoHash])
      setImmediate(() => {
        // One that came in between is kept.
        if (!this.swarms.has(infoHash)) this.swarms.set(infoHash, new ForeignSwarm(infoHash))
        cb(null, this.swarms.get(infoHash))
      })
    }
  }
}

/** As little as the interface asks for: no base class, no `peers`. */
class ForeignSwarm {
  constructor (infoHash) {
    this.infoHash = infoHash
    this.members = new Map()
  }

  announce (params, cb) {
    if (params.event === 'stopped') this.members.delete(params.peer_id)
    else this.members.set(params.peer_id, ForeignSwarm.member(params))
    if (!cb) return
    const peers = [...this.members.values()]
      .filter(peer => (peer.type === 'ws') === (params.type === 'ws') && (params.type !== 'ws' || peer.peerId !== params.peer_id))
      .slice(0, params.numwant)
    setImmediate(cb, null, { complete: 0, incomplete: this.members.size, peers, store: 'foreign' })
  }

  scrape (params, cb) {
    setImmediate(cb, null, { complete: 0, incomplete: this.members.size })
  }

  static member ({ peer_id: peerId, ip, port, type, socket }) {
    return { peerId, ip, port, type, socket }
  }
}

test('createSwarm and getSwarm on the instance: every transport goes through a foreign store', async t => {
  const store = new ForeignStore()
  const server = await createServer(t)
  store.mount(server)
  await listen(server)
  const infoHash = '41'.repeat(20)
  const one = { ...stranger(), infoHash }

  const overHttp = await http(server, one, { port: 7001 })
  assert.strictEqual(overHttp.get('store').toString(), 'foreign')
  assert.deepStrictEqual(fromCompact(overHttp.get('peers')), ['127.0.0.1:7001'])
  assert.deepStrictEqual(store.log, [['get', infoHash], ['create', infoHash]])

  const udp = await UdpPeer.open(t, udpPort(server))
  const overUdp = await udp.announce({ ...stranger(), infoHash, event: 'started', port: 7002, numwant: 50 })
  assert.strictEqual(overUdp.incomplete, 2)
  assert.deepStrictEqual(overUdp.peers.sort(), ['127.0.0.1:7001', '127.0.0.1:7002'])

  const [first, second] = [await WsPeer.open(t, server), await WsPeer.open(t, server)]
  assert.strictEqual((await first.join(infoHash)).store, 'foreign')
  await second.join(infoHash, { offers: makeOffers(1) })
  const offer = await first.next()
  assert.strictEqual(offer.offer.type, 'offer')
  assert.strictEqual(offer.peer_id, binary(second.peerId))

  const [row] = (await bencoded(httpPort(server), scrapePath(infoHash))).get('files').values()
  assert.strictEqual(row.get('incomplete'), 4)
  assert.strictEqual((await udp.scrape(infoHash)).files[0].incomplete, 4)
  assert.strictEqual((await first.ask({ action: 'scrape', info_hash: binary(infoHash) })).files[binary(infoHash)].incomplete, 4)
  assert.strictEqual(store.log.filter(([call]) => call === 'create').length, 1)
  assert.deepStrictEqual(Object.keys(server.torrents), [])
})

test('getSwarm can be replaced while the server listens', async t => {
  const server = await startServer(t)
  await http(server, stranger())
  const store = new ForeignStore()
  store.mount(server)
  assert.strictEqual((await http(server, stranger())).get('store').toString(), 'foreign')
})

test('createSwarm and getSwarm of a subclass of Server count, and may call what they replace', async t => {
  const Server = await loadServer()
  const calls = []
  class Mine extends Server {
    getSwarm (infoHash, cb) {
      calls.push('get')
      super.getSwarm(infoHash, cb)
    }

    createSwarm (infoHash, cb) {
      calls.push('create')
      super.createSwarm(infoHash, cb)
    }
  }
  const server = await listen(track(t, new Mine({ stats: false })))
  const peer = stranger()
  await http(server, peer)
  await http(server, peer)
  assert.deepStrictEqual(calls, ['get', 'create', 'get'])
  assert.strictEqual(server.torrents[peer.infoHash].incomplete, 1)
})

test('an error of the store is a failure reason and a warning', async t => {
  for (const name of ['getSwarm', 'createSwarm']) {
    const server = await createServer(t)
    const warnings = []
    server.on('warning', err => warnings.push(err.message))
    server[name] = (infoHash, cb) => setImmediate(cb, new Error('store is down'))
    await listen(server)
    for (const [transport, join] of Object.entries(TRANSPORTS)) {
      assert.strictEqual((await join(t, server, stranger())).failure, 'store is down', transport)
    }
    while (warnings.length < 3) await turn()
    assert.deepStrictEqual(warnings, Array(3).fill('store is down'))
  }
})

test('torrents is there to be read and written', async t => {
  const server = await startServer(t)
  const peer = stranger()
  await http(server, peer)
  const swarm = server.torrents[peer.infoHash]
  assert.strictEqual(server.torrents[peer.infoHash], swarm)
  delete server.torrents[peer.infoHash]
  assert.deepStrictEqual(Object.keys(server.torrents), [])
  assert.strictEqual((await http(server, peer)).get('incomplete'), 1)
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
  assert.deepStrictEqual(peers.keys, KEYS)
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
  assert.deepStrictEqual(peers.keys, [KEYS[1], KEYS[2], '10.0.0.9:9'])
  peers.clear()
  assert.deepStrictEqual(peers.keys, [])
  assert.strictEqual(peers.length, 0)
})

test('peers: evict() drops the one that nobody has touched for the longest, with an event', async () => {
  const peers = await fullPeers(7001, 7002, 7003)
  const evicted = []
  peers.on('evict', ({ key, value }) => evicted.push([key, value.port]))
  // Looking is no touch, getting is.
  peers.peek(KEYS[1])
  peers.get(KEYS[0])
  peers.evict()
  peers.evict()
  assert.deepStrictEqual(evicted, [[KEYS[1], 7002], [KEYS[2], 7003]])
  assert.deepStrictEqual(peers.keys, [KEYS[0]])
})

test('peers: limits, head and tail', async () => {
  const { peers } = await loneSwarm({ peersCacheLength: 7, peersCacheTtl: 8000 })
  assert.deepStrictEqual([peers.max, peers.maxAge, peers.head, peers.tail], [7, 8000, null, null])
  peers.set('a', { port: 1 })
  peers.set('b', { port: 2 })
  assert.deepStrictEqual([peers.head, peers.tail], ['b', 'a'])
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
  assert.deepStrictEqual(swarm.peers.keys, ['127.0.0.1:7002', '127.0.0.1:7003'])
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
  const server = await startServer(t, { peersCacheTtl: 200 })
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
