'use strict'

// Random sequences of what peers can do, over many sockets, beside a model of who is where: no message may reach a
// socket that it is not for, and nobody may stay in a swarm who has left.

const assert = require('node:assert')
const { setImmediate: turn } = require('node:timers/promises')
const { test } = require('./helpers/test')
const { randomHex, startServer } = require('./helpers/subjects')
const { WsPeer, announce, binary, hexOf, settleAll } = require('./helpers/websocket-peer')

const STEPS = 250
const MOST_SOCKETS = 10

/** Numbers that are the same for the same seed. */
function generator (seed) {
  let state = seed >>> 0
  const below = n => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 15), z | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) % n
  }
  return { below, pick: list => list[below(list.length)] }
}

class Model {
  constructor (t, server, random) {
    Object.assign(this, { t, server, random })
    // Few, so that sockets meet, and claim each other's ids.
    this.hashes = Array.from({ length: 3 }, randomHex)
    this.ids = Array.from({ length: 6 }, randomHex)
    /** `{ peer, owned: Set of 'hash id', offers: those it was given }` of open connections. */
    this.sockets = []
    /** By offer id: `{ socket, infoHash, peerId, offer, receiver }`. */
    this.offers = new Map()
    this.answers = 0
  }

  async open () {
    this.sockets.push({ peer: await WsPeer.open(this.t, this.server), owned: new Set(), offers: [] })
  }

  async close (socket) {
    this.sockets.splice(this.sockets.indexOf(socket), 1)
    if (this.random.below(2)) socket.peer.socket.terminate()
    await socket.peer.close()
    while (this.server.ws.clients.size > this.sockets.length) await turn()
    await this.untilSwarms()
  }

  /** A random announce of `socket`, not sent yet. */
  prepare (socket) {
    const { below, pick } = this.random
    const [infoHash, peerId] = [pick(this.hashes), pick(this.ids)]
    const event = pick(['started', 'started', undefined, 'completed', 'stopped'])
    const offers = Array.from({ length: below(5) }, () => {
      const id = `${this.offers.size}`
      const offer = { type: 'offer', sdp: `of ${id}` }
      this.offers.set(id, { socket, infoHash, peerId, offer })
      return { offer, offer_id: id }
    })
    const message = announce({ infoHash, peerId, event, left: event === 'completed' ? 0 : below(2), offers })
    return { socket, infoHash, peerId, event, offers, message }
  }

  apply ({ socket, infoHash, peerId, event }) {
    if (event === 'stopped') socket.owned.delete(`${infoHash} ${peerId}`)
    else socket.owned.add(`${infoHash} ${peerId}`)
  }

  /** How many peers of `socket` an announce's offers may go to. */
  candidates (socket, { infoHash, peerId }) {
    return [...socket.owned].filter(key => key.startsWith(infoHash) && !key.endsWith(peerId)).length
  }

  async announce () {
    const announced = this.prepare(this.random.pick(this.sockets))
    const possible = new Map(this.sockets.map(socket => [socket, this.candidates(socket, announced)]))
    announced.socket.peer.send(announced.message)
    this.apply(announced)
    const received = await this.settle()
    const relayed = this.sockets.flatMap((socket, index) => {
      const messages = this.withoutReplies(received[index], socket === announced.socket ? [announced] : [])
      assert.ok(messages.length <= possible.get(socket), 'one offer for each peer')
      return messages.map(message => this.offerGiven(socket, message))
    })
    const all = [...possible.values()].reduce((sum, count) => sum + count, 0)
    assert.strictEqual(relayed.length, announced.event === 'stopped' ? 0 : Math.min(announced.offers.length, all))
    assert.ok(relayed.every(({ socket }) => socket === announced.socket))
  }

  /** All at once: the order in which the tracker sees them is open, and some things hold in any. */
  async burst () {
    const before = new Map(this.sockets.map(socket => [socket, new Set(socket.owned)]))
    const announces = this.sockets.flatMap(socket => [this.prepare(socket), this.prepare(socket)])
    for (const announced of announces) {
      announced.socket.peer.send(announced.message)
      this.apply(announced)
      if (announced.event !== 'stopped') before.get(announced.socket).add(`${announced.infoHash} ${announced.peerId}`)
    }
    const received = await this.settle()
    this.sockets.forEach((socket, index) => {
      const own = announces.filter(announced => announced.socket === socket)
      for (const message of this.withoutReplies(received[index], own)) {
        const { infoHash, peerId } = this.offerGiven(socket, message)
        assert.ok(this.candidates({ owned: before.get(socket) }, { infoHash, peerId }) > 0, 'an offer of a swarm that it was never in')
      }
    })
  }

  /** A random answer, as it should be or not quite. */
  async answer () {
    const { below, pick } = this.random
    const holder = pick(this.sockets)
    // Of the latest: the tracker need not remember hundreds.
    const given = holder.offers.slice(-20)
    if (given.length === 0) return
    const socket = below(4) ? holder : pick(this.sockets)
    const offerId = pick(given)
    const offer = this.offers.get(offerId)
    const claim = { offerId, infoHash: offer.infoHash, toPeerId: offer.peerId, peerId: pick(this.ids) }
    switch (below(8)) {
      case 0: claim.infoHash = pick(this.hashes); break
      case 1: claim.toPeerId = pick(this.ids); break
      case 2: claim.offerId = `${below(this.offers.size + 1)}`; break
    }
    const answer = { type: 'answer', sdp: `${below(1e9)}` }
    socket.peer.send(announce({ ...claim, left: 1, answer, offer_id: claim.offerId, offerId: undefined }))
    this.apply({ socket, infoHash: claim.infoHash, peerId: claim.peerId })
    const claimed = this.offers.get(claim.offerId)
    const known = claimed?.receiver === socket && !claimed.answered && claimed.infoHash === claim.infoHash &&
      claimed.peerId === claim.toPeerId
    // An offer can be answered once, whether its maker is still there or not.
    if (known) claimed.answered = true
    const right = known && this.sockets.includes(claimed.socket)
    if (right) this.answers++
    const received = await this.settle()
    this.sockets.forEach((other, index) => {
      assert.deepStrictEqual(received[index], right && other === claimed.socket
        ? [{ action: 'announce', answer, offer_id: claim.offerId, peer_id: binary(claim.peerId), info_hash: binary(claim.infoHash) }]
        : [])
    })
  }

  settle () {
    return settleAll(this.sockets.map(({ peer }) => peer))
  }

  /** Takes the replies to a socket's own announces out of what it received. */
  withoutReplies (messages, announces) {
    const replies = messages.filter(message => message.complete !== undefined)
    assert.deepStrictEqual(replies.map(reply => hexOf(reply.info_hash)), announces.map(announced => announced.infoHash))
    return messages.filter(message => message.complete === undefined)
  }

  /** An offer that has come in at `socket`: is it one, is it whole, and is it here for the first time? */
  offerGiven (socket, message) {
    const given = this.offers.get(message.offer_id)
    assert.ok(given, `nobody made the offer ${message.offer_id}`)
    assert.deepStrictEqual(message, {
      action: 'announce', offer: given.offer, offer_id: message.offer_id, peer_id: binary(given.peerId), info_hash: binary(given.infoHash)
    })
    assert.strictEqual(given.receiver, undefined, 'an offer goes to one peer')
    given.receiver = socket
    socket.offers.push(message.offer_id)
    return given
  }

  /** Each swarm: how many peers it has, and their ids; one that several sockets have announced is shown once. */
  swarms () {
    return this.hashes.map(hash => {
      const keys = this.sockets.flatMap(({ owned }) => [...owned].filter(key => key.startsWith(hash)))
      return { length: keys.length, ids: [...new Set(keys.map(key => key.split(' ')[1]))].sort() }
    })
  }

  served () {
    return this.hashes.map(hash => {
      const peers = this.server.torrents[hash]?.peers
      return { length: peers?.length ?? 0, ids: [...peers?.keys ?? []].sort() }
    })
  }

  check () {
    assert.deepStrictEqual(this.served(), this.swarms())
  }

  /** A socket's end is seen by the tracker a little later; what never comes ends in the test's time limit. */
  async untilSwarms () {
    while (JSON.stringify(this.served()) !== JSON.stringify(this.swarms())) await turn()
  }
}

for (const { seed, opts } of [
  { seed: 1, opts: {} },
  { seed: 2, opts: { threads: 4 } },
  { seed: 3, opts: { threads: 1 } },
  { seed: 4, opts: { portable: true } }
]) {
  test(`no message goes astray and nobody is left behind (seed ${seed})`, { timeout: 120_000 }, async t => {
    const server = await startServer(t, { udp: false, ws: true, ...opts })
    const random = generator(seed)
    const model = new Model(t, server, random)
    await model.open()
    for (let step = 0; step < STEPS; step++) {
      const chance = random.below(20)
      try {
        if (chance < 2 && model.sockets.length < MOST_SOCKETS) await model.open()
        else if (chance < 3 && model.sockets.length > 1) await model.close(random.pick(model.sockets))
        else if (chance < 10) await model.answer()
        else if (chance < 11) await model.burst()
        else await model.announce()
        model.check()
      } catch (err) {
        err.message = `step ${step}: ${err.message}`
        throw err
      }
    }
    assert.ok(model.answers > 10, 'enough has happened')
    while (model.sockets.length > 0) await model.close(model.sockets[0])
    assert.ok(model.served().every(({ length }) => length === 0))
    assert.strictEqual(server.ws.clients.size, 0)
  })
}
