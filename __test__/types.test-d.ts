// The public types, used as an app would: `tsc` must take all of it, and refuse what is marked.

import Client, { Client as NamedClient, Server } from 'bittorrent-tracker-native'
import SubpathClient from 'bittorrent-tracker-native/client'
import SubpathServer from 'bittorrent-tracker-native/server'
import WebSocketTracker from 'bittorrent-tracker-native/websocket-tracker'
import Required = require('bittorrent-tracker-native')
import type { EventEmitter } from 'node:events'
import { createServer, type Server as HttpServer } from 'node:http'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
const isTrue = <T extends true>(value?: T): T | undefined => value
const takes = <T>(value: T): T => value

// One module, whatever way it is loaded.
isTrue<Equal<typeof NamedClient, typeof Client>>()
isTrue<Equal<typeof Required.Server, typeof Server>>()
isTrue<Equal<typeof SubpathClient, typeof Client>>()
isTrue<Equal<typeof SubpathServer, typeof Server>>()
takes<typeof Client>(Required)
takes<typeof Client>(Client.Client)
takes<typeof Server>(Client.Server)

// Client: options

const client = new Client({
  infoHash: 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  peerId: new Uint8Array(20),
  announce: ['http://127.0.0.1/announce', Buffer.from('udp://127.0.0.1:80')],
  port: 6881,
  getAnnounceOpts: () => ({ uploaded: 1, downloaded: 2, left: 3, numwant: 4, custom: 'x' }),
  userAgent: 'app/1.0',
  rtcConfig: { iceServers: [] },
  wrtc: false,
  requestTimeout: 15_000,
  proxyOpts: 'socks5://user:password@127.0.0.1:1080',
  minInterval: 1000
})
new Client({ infoHash: new Uint8Array(20), peerId: 'b'.repeat(40), announce: 'udp://127.0.0.1', port: 1 })
new Client({ infoHash: Buffer.alloc(20), peerId: Buffer.alloc(20), announce: [['http://a.test'], ['udp://b.test']], port: 1 })
new Client({ infoHash: 'a', peerId: 'b', announce: [], port: 1, getAnnounceOpts: () => undefined })

// @ts-expect-error the peer id is required
new Client({ infoHash: 'a', announce: [], port: 1 })
// @ts-expect-error a port is a number
new Client({ infoHash: 'a', peerId: 'b', announce: [], port: '6881' })
// @ts-expect-error a tracker is text
new Client({ infoHash: 'a', peerId: 'b', announce: [1], port: 1 })

// Client: the signature up to version 7, also without new

const old = new Client(Buffer.alloc(20), 6881, { infoHash: 'a', length: 1000, announce: ['udp://a.test'] })
new Client('b', 6881, { infoHash: Buffer.alloc(20), announce: 'udp://a.test' }, { numWant: 80, interval: 60_000 })
new Client('b', 6881, { infoHash: 'a' }, { getAnnounceOpts: () => ({ left: 0 }) })
takes<Client>(Client('b', 6881, { infoHash: 'a' }))
old.torrentLength = 2000

// Client: properties and methods

takes<EventEmitter>(client)
isTrue<Equal<typeof client.peerId, string>>()
isTrue<Equal<typeof client.infoHash, string>>()
isTrue<Equal<typeof client.destroyed, boolean>>()
takes<Buffer[]>([client.peerIdBuffer, client.infoHashBuffer])
// @ts-expect-error it is read, not set
client.infoHashBuffer = Buffer.alloc(20)
takes<void>(client.start())
client.start({ uploaded: 0, downloaded: 0, left: 10, numwant: 50, passkey: 'custom', compact: 1 })
client.update({ left: 5 })
client.complete({ downloaded: 10 })
client.stop({ numwant: 0 })
client.scrape()
client.scrape({ infoHash: 'a' })
client.scrape({ infoHash: ['a', 'b'] })
client.setInterval(60_000)
client.setInterval()
client.destroy()
client.destroy(err => takes<Error | null | undefined>(err))

// @ts-expect-error an interval is a number
client.setInterval('1 min')
// @ts-expect-error left is a number
client.start({ left: 'all' })

// Client: events

client.on('update', data => {
  isTrue<Equal<typeof data.announce, string>>()
  isTrue<Equal<typeof data.complete, number>>()
  isTrue<Equal<typeof data.incomplete, number>>()
  takes<string | undefined>(data.infoHash)
  takes<number | undefined>(data.interval)
  takes<unknown>(data['tracker id'])
  takes<unknown>(data['custom'])
})
client.once('peer', peer => {
  if (typeof peer === 'string') return takes<string>(peer)
  takes<string>(peer.id)
  peer.once('connect', () => peer.write('hello'))
  peer.destroy()
})
client.on('scrape', data => {
  isTrue<Equal<typeof data.announce, string>>()
  isTrue<Equal<typeof data.infoHash, string>>()
  isTrue<Equal<typeof data.complete, number>>()
  isTrue<Equal<typeof data.incomplete, number>>()
  isTrue<Equal<typeof data.downloaded, number>>()
})
client.on('warning', err => {
  takes<Error>(err)
  takes<string | undefined>(err.code)
  takes<unknown>(err.cause)
})
client.addListener('error', err => takes<Error>(err))
client.off('peer', (peer: string | Client.WebRTCPeer) => {})
client.removeListener('update', () => {})
takes<Client>(client.prependListener('update', () => {}))

// Client.scrape, in both forms

const scraped = Client.scrape({ announce: 'udp://a.test', infoHash: 'a' }, (err, data) => {
  if (err) return takes<Error>(err)
  takes<unknown>(data)
})
takes<Client>(scraped)
Client.scrape({ announce: 'udp://a.test', infoHash: ['a', 'b'] }, (err, data) => {
  takes<Error | null>(err)
  takes<unknown>(data)
})
Client.scrape({ announce: 'udp://a.test', infoHash: Buffer.alloc(20) }, () => {})
Client.scrape('udp://a.test', 'a', () => {})
Client.scrape('udp://a.test', ['a', 'b'], () => {})
// @ts-expect-error a scrape needs a hash
Client.scrape({ announce: 'udp://a.test' }, () => {})

// Server: options

const server = new Server({
  interval: 600_000,
  trustProxy: true,
  peersCacheLength: 1000,
  peersCacheTtl: 1_200_000,
  http: true,
  udp: { recvBufferSize: 1 << 20, sendBufferSize: 1 << 20 },
  ws: false,
  stats: false,
  minInterval: 60_000,
  trackerId: 'id',
  externalIp: true,
  maxNumwant: 82,
  fullScrape: false,
  completedTtl: 86_400_000,
  maxTorrents: 1_000_000,
  maxPeers: 10_000_000,
  threads: 2,
  portable: false,
  trustUdpIp: false,
  connectionIdLifetime: 120_000,
  maxConnections: 10_000,
  idleTimeout: 60_000,
  pathPrefix: '/tracker'
})
new Server()
new Server({ udp: false, ws: false })
new Server({ fullScrape: 100 })
new Server({ http: false, udp: false, ws: true, trustProxy: ['127.0.0.1', '10.0.0.0/8', '::1'] })
new Server({
  ws: {
    interval: 120_000,
    maxPayload: 65_536,
    maxOffers: 20,
    maxInfoHashes: 20_000,
    maxSockets: 100_000,
    maxSocketsPerIp: 1000,
    maxQueue: 1 << 20,
    pingInterval: 60_000,
    idleTimeout: 600_000,
    origins: ['https://site.example']
  }
})
// @ts-expect-error origins are a list
new Server({ ws: { origins: 'https://site.example' } })
// @ts-expect-error no option of this name
new Server({ ws: { maxMessage: 1 } })
// @ts-expect-error a proxy is an address or a network
new Server({ trustProxy: [1] })
// @ts-expect-error an interval is a number
new Server({ interval: '10 min' })
// @ts-expect-error Server is a class
Server()

// Server: properties and methods

takes<EventEmitter>(server)
isTrue<Equal<typeof server.intervalMs, number>>()
isTrue<Equal<typeof server.listening, boolean>>()
isTrue<Equal<typeof server.destroyed, boolean>>()
isTrue<Equal<typeof server.peersCacheLength, number>>()
isTrue<Equal<typeof server.peersCacheTtl, number>>()

server.listen()
server.listen(() => {})
server.listen(8000)
server.listen('8000')
server.listen(8000, () => {})
server.listen(8000, '127.0.0.1')
server.listen(8000, '127.0.0.1', () => {})
server.listen({ http: 8000, udp: 8001 }, { http: '127.0.0.1', udp: '0.0.0.0', udp6: '::1' }, () => {})
server.close()
server.close(err => takes<Error | null | undefined>(err))

const httpAddress = server.http?.address()
if (httpAddress && typeof httpAddress !== 'string') takes<{ port: number, address: string, family: string }>(httpAddress)
takes<number | undefined>(server.udp?.address()?.port)
takes<number | undefined>(server.udp4?.address()?.port)
takes<number | undefined>(server.udp6?.address()?.port)
takes<number | undefined>(server.ws?.address()?.port)
takes<number | undefined>(server.ws?.clients.size)
isTrue<Equal<typeof server.ws, Client.WebSocketServer | null>>()
isTrue<Equal<typeof server.http, HttpServer | null>>()
// @ts-expect-error the count is read, not set
server.ws!.clients.size = 0

const swarm = server.torrents['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa']
if (swarm !== undefined) {
  takes<string>(swarm.infoHash)
  takes<number>(swarm.complete + swarm.incomplete + swarm.peers.length)
  for (const key of swarm.peers.keys) {
    const peer = swarm.peers.peek(key)
    if (peer === undefined) continue
    takes<string>(peer.peerId + peer.type)
    takes<boolean>(peer.complete)
    // A WebSocket's address goes with it.
    takes<string | undefined>(peer.ip)
    takes<number | undefined>(peer.port)
    if (peer.type === 'peer') takes<string>(`${peer.ip}:${peer.port.toFixed()}`)
    else isTrue<Equal<typeof peer, Client.WebSocketPeer>>()
    isTrue<Equal<typeof peer.type, 'peer' | 'ws'>>()
    takes<typeof peer | undefined>(swarm.peers.get(key))
  }
}
takes<string[]>(Object.keys(server.torrents))
server.getSwarm('a', (err, found) => {
  takes<Error | null>(err)
  takes<number | undefined>(found?.complete)
})
server.getSwarm(new Uint8Array(20), () => {})

// Server: events

server.on('listening', () => {})
server.on('error', err => takes<Error>(err))
server.on('warning', err => {
  takes<string | undefined>(err.code)
  takes<string | undefined>(err.from)
  takes<number | undefined>(err.leftOut)
  if (err.code === 'ERR_TRACKER_SLOW_SOCKET' satisfies Client.ServerWarningCode) takes<string | undefined>(err.from)
})
for (const event of ['start', 'stop', 'complete', 'update', 'pause'] as const) {
  server.on(event, (addr, params) => {
    isTrue<Equal<typeof addr, string>>()
    takes<string>(params.info_hash + params.peer_id + params.ip + params.addr)
    takes<number>(params.port + params.left + params.numwant + params.action + params.compact)
    takes<'started' | 'stopped' | 'completed' | 'update' | 'paused'>(params.event)
    if (params.type === 'http') {
      takes<string | undefined>(params.httpReq.method ?? params.httpReq.url)
      params.httpRes?.setHeader('x-mine', 'yes')
      takes<string | undefined>(params.httpReq.socket.remoteAddress)
      takes<string | string[] | undefined>(params.headers['user-agent'])
      // Any key of the query, more than once perhaps.
      takes<unknown>(params['passkey'])
    } else if (params.type === 'ws') {
      params.socket.send(JSON.stringify({ action: 'announce', 'failure reason': 'go away' }))
      params.socket.close()
      isTrue<Equal<typeof params.compact, -1>>()
      takes<string | undefined>(params.to_peer_id)
      takes<string | undefined>(params.headers['origin'])
      for (const { offer, offer_id: id } of params.offers ?? []) takes<unknown>([offer, takes<string | undefined>(id)])
      takes<unknown>(params.answer)
      takes<unknown>(params['custom'])
      // @ts-expect-error a message is text
      params.socket.send(Buffer.from('{}'))
    } else {
      isTrue<Equal<typeof params.type, 'udp'>>()
      takes<Uint8Array>(params.connectionId)
      takes<number>(params.transactionId + params.key + params.downloaded + params.uploaded)
    }
  })
}
// @ts-expect-error listening has no arguments
server.on('listening', (port: number) => {})

// Server: filters

new Server({
  filter (infoHash, params, cb) {
    takes<string>(infoHash + params.ip)
    takes<Server>(this)
    if (params.type === 'ws') params.socket.close()
    cb(infoHash === 'a' ? null : new Error('no'))
  }
})
new Server({ filter: infoHash => infoHash === 'a' })
new Server({ filter: async (infoHash, { type }) => type === 'udp' || new Error(infoHash) })
new Server({ filter: async (infoHash, params, cb) => { await Promise.resolve(); cb() } })
new Server({ filter: null })
// @ts-expect-error a filter is a function
new Server({ filter: ['a'] })
// @ts-expect-error a refusal is an error
new Server({ filter: (infoHash, params, cb) => cb('no') })

// Server: statistics, and options of Node's and ws's servers

new Server({ stats: true, http: { requestTimeout: 1000 }, ws: { noServer: true, perMessageDeflate: true } })
// @ts-expect-error there is no such option of http.createServer
new Server({ http: { requestTimeout: 'long' } })

server.http?.on('request', (req, res) => res.end(req.url))
server.ws?.on('connection', (socket, req) => {
  takes<string | undefined>(req.url)
  socket.send('{}')
})

// Server: what programs replace and call

const inner = new Server({ http: false, udp: false, ws: false, stats: false })
const onHttpRequest = inner.onHttpRequest.bind(inner)
createServer((req, res) => onHttpRequest(req, res, { action: 'announce', trustProxy: true }))
createServer((req, res) => onHttpRequest(req, res, () => {}))
// @ts-expect-error there is no such action
createServer((req, res) => onHttpRequest(req, res, { action: 'connect' }))
server.ws?.handleUpgrade(null!, null!, Buffer.alloc(0), socket => inner.onWebSocketConnection(socket))
inner.onWebSocketConnection({ ip: '192.0.2.1', send: text => takes<string>(text), on: () => {}, removeListener: () => {} })
inner.onUdpRequest = (msg, { address, port }) => takes<string>(`${msg.length} ${address} ${port}`)
const { _onRequest } = inner
inner._onRequest = function (params, cb) {
  if (params.action === 1) takes<string>(params.info_hash + params.event)
  _onRequest.call(this, params, (err, response) => {
    if (response?.interval !== undefined) response.interval += 10
    cb(err, response)
  })
}
inner.createSwarm = (infoHash, cb) => cb(null, new Server.Swarm(String(infoHash), inner))

class Swarm extends Server.Swarm {
  override announce (params: Client.SwarmAnnounceParams, cb?: (err: Error | null, response?: Client.SwarmResponse) => void) {
    super.announce(params, (err, response) => {
      if (response !== undefined) response['custom'] = 1
      cb?.(err, response)
    })
  }

  override _onAnnounceStarted (params: Client.SwarmAnnounceParams, peer: Client.SwarmPeer | undefined, id: string) {
    takes<string>(id + (peer?.peerId ?? params.peer_id))
    super._onAnnounceStarted(params, peer, id)
  }
}
Server.Swarm = Swarm
const { peers } = new Server.Swarm('a', { peersCacheLength: 10 })
peers.set('192.0.2.1:1', { peerId: 'b', ip: '192.0.2.1', port: 1, complete: true })
peers.once('evict', ({ key, value }) => isTrue<Equal<typeof value.socket, null>>() ?? takes<string>(key))
takes<number>(peers.max + peers.maxAge)
takes<string | undefined>(peers.remove('192.0.2.1:1')?.peerId)
peers.evict()
peers.clear()
server.on('start', (addr, params) => {
  new Server.Swarm('a', server).announce(params, err => takes<Error | null>(err))
})

// WebSocketTracker: by a program that has a parent of its own

const parent = {
  infoHash: 'aa',
  _infoHashBinary: 'a',
  _peerIdBinary: 'b',
  _wrtc: undefined,
  _defaultAnnounceOpts: () => ({ numwant: 5 }),
  emit: (event: string, data: unknown) => takes<string>(event)
}
const webSocketTracker = new WebSocketTracker(parent, 'wss://tracker.test')
webSocketTracker.announce({ numwant: 3, event: 'started', custom: 'x' })
webSocketTracker.scrape()
webSocketTracker.setInterval(1000)
webSocketTracker._generateOffers = (numwant, cb) => cb(Array.from({ length: numwant }, (_, n) => ({ fake_offer: n })))
takes<boolean | undefined>(webSocketTracker.socket?.connected)
takes<number | undefined>(WebSocketTracker._socketPool['wss://tracker.test']?.consumers)
webSocketTracker.destroy(err => takes<null>(err))
new WebSocketTracker(client, 'ws://tracker.test')
// @ts-expect-error a parent has an info hash
new WebSocketTracker({ emit: () => {} }, 'ws://tracker.test')

// All are made to be extended.
class Tracker extends Server {
  constructor () {
    super({ ws: false })
    this.on('start', (addr) => takes<string>(addr))
  }
}
class Announcer extends Client {
  constructor () {
    super({ infoHash: 'a', peerId: 'b', announce: [], port: 1 })
    this.once('update', ({ announce }) => takes<string>(announce))
  }
}
takes<Server>(new Tracker())
takes<Client>(new Announcer())
