'use strict'

// What programs may expect of swarms of their own: `Server.Swarm`, `createSwarm` and `getSwarm` are theirs to replace.
// CONTRACT.md names the statements.

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
