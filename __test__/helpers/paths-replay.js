'use strict'

// Sends recorded requests one after another, and records the bytes of the answers.

const { request } = require('./http')
const { UdpPeer, connectRequest } = require('./udp')
const { WsPeer, binary } = require('./websocket-peer')

const NOBODY = Buffer.from('the end of an answer').toString('hex')
const MARKER = Buffer.from('ffffffff', 'hex')

/**
 * Replays `corpus` at the server of these ports; resolves with `{ name, answer }` for each entry: over HTTP
 * status, type and body, over UDP the packet, over WebSocket what each socket got. All are texts of Latin-1.
 */
async function replay (t, ports, corpus) {
  const run = new Replay(t, ports)
  const answers = []
  for (const entry of corpus) answers.push({ name: entry.name, answer: await run.send(entry) })
  run.end()
  return answers
}

class Replay {
  #t
  #ports
  #udp = new Map()
  #sockets = new Map()

  constructor (t, ports) {
    this.#t = t
    this.#ports = ports
  }

  send (entry) {
    if (entry.over === 'http') return this.#overHttp(entry)
    return entry.over === 'ws' ? this.#overWebSocket(entry) : this.#overUdp(entry)
  }

  end () {
    for (const { socket } of this.#sockets.values()) socket.terminate()
  }

  async #overHttp ({ path, headers }) {
    const { status, headers: { 'content-type': type }, body } = await request(this.#ports.http, path, { headers })
    return { status, type, body: body.toString('latin1') }
  }

  async #overUdp ({ over, packet, silent }) {
    const peer = await this.#udpPeer(over)
    peer.send(packet(peer.connectionId))
    if (!silent) return masked(await peer.receive())
    // A connect tells the end of waiting for nothing; what comes later than that is in the way of the next entry.
    peer.send(connectRequest(MARKER))
    const packets = []
    for (;;) {
      const packet = await peer.receive()
      if (packet.subarray(4, 8).equals(MARKER)) return packets
      packets.push(masked(packet))
    }
  }

  async #udpPeer (over) {
    if (!this.#udp.has(over)) {
      const host = over === 'udp6' ? '::1' : '127.0.0.1'
      const peer = await UdpPeer.open(this.#t, this.#ports.udp, host)
      await peer.connect()
      this.#udp.set(over, peer)
    }
    return this.#udp.get(over)
  }

  async #overWebSocket ({ socket: name, text, binary: isBinary, unordered, closes }) {
    const peer = await this.#webSocketPeer(name)
    if (closes !== undefined) {
      const before = await this.#count(closes)
      this.#sockets.delete(name)
      await peer.close()
      while (await this.#count(closes) === before);
      return 'closed'
    }
    peer.socket.send(isBinary ? Buffer.from(text) : text, { binary: Boolean(isBinary) })
    const got = {}
    // The sender's first: what it said has been handled by then, and what others get is on its way.
    for (const [other, each] of [[name, peer], ...this.#sockets].filter(([other], at) => at === 0 || other !== name)) {
      got[other] = await settled(each)
      if (got[other].closed !== undefined) this.#sockets.delete(other)
    }
    if (unordered) got[name].texts = got[name].texts.map(sorted)
    return got
  }

  /** How many a torrent has, as any other socket sees it. */
  async #count (infoHash) {
    const [peer] = this.#sockets.values()
    peer.send({ action: 'scrape', info_hash: binary(infoHash) })
    const { texts } = await settled(peer)
    const { complete, incomplete } = JSON.parse(texts.at(-1)).files[binary(infoHash)]
    return complete + incomplete
  }

  async #webSocketPeer (name) {
    if (!this.#sockets.has(name)) {
      const server = { http: { address: () => ({ port: this.#ports.http }) } }
      this.#sockets.set(name, await WsPeer.open(this.#t, server))
    }
    return this.#sockets.get(name)
  }
}

/** Connection ids are nobody's to guess. */
function masked (packet) {
  return (packet.readUInt32BE(0) === 0 ? packet.subarray(0, 8) : packet).toString('latin1')
}

/** The texts that a socket got until it has answers to two scrapes of nobody's torrent. */
async function settled (peer) {
  const scrape = { action: 'scrape', info_hash: binary(NOBODY) }
  let closed = false
  try {
    // One may overtake what waits for a swarm.
    for (let left = 2; left > 0; left--) {
      peer.send(scrape)
      while (!isMarker(JSON.stringify(await peer.next())));
    }
  } catch {
    await peer.closed
    closed = true
  }
  const texts = peer.texts.splice(0).filter(text => !isMarker(text))
  // Its code may get lost with what the server has not read.
  return closed ? { texts, closed } : { texts }
}

const isMarker = text => text.includes(binary(NOBODY))

/** A scrape with its torrents in order; nothing else of it changes. */
function sorted (text) {
  return text.replace(/(?<="files":\{).*(?=\},"flags")/, rows => rows.split(/(?<=\}),/).sort().join())
}

module.exports = { replay }
