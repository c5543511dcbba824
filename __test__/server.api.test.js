'use strict'

const assert = require('node:assert')
const dgram = require('node:dgram')
const net = require('node:net')
const { once } = require('node:events')
const { inspect } = require('node:util')
const { NativeServer } = require('../lib/native')
const { test, needsIPv6 } = require('./helpers/test')
const { callback, nextValue, record } = require('./helpers/events')
const { UdpPeer, announceRequest } = require('./helpers/udp')
const { freePort } = require('./helpers/ports')
const { spawnNode } = require('./helpers/processes')
const { bencoded, request, announcePath } = require('./helpers/http')
const { Server, closeServer, httpPort, listen, randomHex, startServer, stranger, udpPort } = require('./helpers/subjects')

test('a new server has the defaults and listens to nothing', t => {
  const server = new Server({ ws: false })
  assert.strictEqual(server.intervalMs, 600_000)
  assert.strictEqual(server.listening, false)
  assert.strictEqual(server.destroyed, false)
  assert.deepStrictEqual(Object.keys(server.torrents), [])
  assert.ok(server.http, 'http is on by default')
  assert.ok(server.udp4, 'udp is on by default')
  assert.strictEqual(server.udp, server.udp4)
  assert.ok(server.udp6)
  assert.ok(!server.ws)
})

test('options set the properties of the same names', t => {
  const server = new Server({ ws: false, interval: 1234, peersCacheLength: 5, peersCacheTtl: 60_000 })
  assert.strictEqual(server.intervalMs, 1234)
  assert.strictEqual(server.peersCacheLength, 5)
  assert.strictEqual(server.peersCacheTtl, 60_000)
})

test('a transport that is off is null', t => {
  const udpOnly = new Server({ http: false, ws: false, stats: false })
  assert.strictEqual(udpOnly.http, null)
  const httpOnly = new Server({ udp: false, ws: false, stats: false })
  assert.strictEqual(httpOnly.udp, undefined)
  assert.strictEqual(httpOnly.udp4, null)
  assert.strictEqual(httpOnly.udp6, null)
})

test('without HTTP and WebSocket no HTTP socket is opened', async t => {
  const server = new Server({ http: false, ws: false })
  t.after(() => closeServer(server))
  await listen(server, 0)
  assert.strictEqual(server.http, null)
  assert.ok(udpPort(server) > 0)
})

test('Server is an EventEmitter class, not a function', t => {
  assert.throws(() => Server(), { name: 'TypeError' })
  assert.ok(new Server({ ws: false }) instanceof require('node:events').EventEmitter)
})

test('listen() takes no argument and picks free ports', async t => {
  const server = await startServer(t)
  assert.strictEqual(server.listening, true)
  assert.ok(httpPort(server) > 0)
  assert.ok(udpPort(server) > 0)
})

test('listen(callback) and the listening event both come, without arguments', async t => {
  const server = new Server({ ws: false, stats: false })
  t.after(() => closeServer(server))
  const events = record(server, 'listening')
  const args = await callback(cb => server.listen(cb))
  assert.deepStrictEqual(args, [])
  assert.deepStrictEqual(events.of('listening'), [[]])
})

test('listening comes on a later tick than listen()', async t => {
  const server = new Server({ ws: false, stats: false })
  t.after(() => closeServer(server))
  const events = record(server, 'listening')
  server.listen(0)
  assert.strictEqual(server.listening, false)
  assert.strictEqual(events.log.length, 0)
  await events.count('listening', 1)
})

test('listen(port) gives HTTP and UDP the same port', async t => {
  const { server, port } = await startOnFreePort(t, port => port)
  assert.strictEqual(httpPort(server), port)
  assert.strictEqual(udpPort(server), port)
})

test('listen takes the port as a string of digits', async t => {
  const { server, port } = await startOnFreePort(t, String)
  assert.strictEqual(httpPort(server), port)
  assert.strictEqual(udpPort(server), port)
})

test('listen({ http, udp }) gives each its own port', async t => {
  let udp
  const { server, port } = await startOnFreePort(t, async http => {
    do udp = await freePort()
    while (udp === http)
    return { http, udp }
  })
  assert.strictEqual(httpPort(server), port)
  assert.strictEqual(udpPort(server), udp)
})

test('with port 0 both families of a transport share one port', needsIPv6, async t => {
  const server = await startServer(t)
  assert.strictEqual(server.udp6.address().port, server.udp4.address().port)
  for (const host of ['127.0.0.1', '::1']) {
    const answer = await bencoded(httpPort(server), announcePath({ ...stranger() }), { host })
    assert.strictEqual(answer.get('incomplete'), 1)
    const peer = await UdpPeer.open(t, udpPort(server), host)
    await peer.connect()
  }
})

test('addresses have the shape of Node\'s sockets', async t => {
  const server = await startServer(t)
  assert.deepStrictEqual(Object.keys(server.udp4.address()).sort(), ['address', 'family', 'port'])
  assert.strictEqual(server.udp4.address().family, 'IPv4')
  assert.strictEqual(server.udp4.address().address, '0.0.0.0')
  assert.deepStrictEqual(Object.keys(server.http.address()).sort(), ['address', 'family', 'port'])
})

test('a plain IPv4 hostname binds that family alone', async t => {
  const server = await startServer(t, {}, 0, '127.0.0.1')
  assert.strictEqual(server.http.address().address, '127.0.0.1')
  assert.strictEqual(server.udp4.address().address, '127.0.0.1')
  const peer = await UdpPeer.open(t, udpPort(server))
  await peer.connect()
  await bencoded(httpPort(server), announcePath({ ...stranger() }))
  await assert.rejects(request(httpPort(server), '/', { host: '::1' }), err => /ECONNREFUSED|EADDRNOTAVAIL|EAFNOSUPPORT/.test(err.code))
})

test('a plain IPv6 hostname binds that family alone', needsIPv6, async t => {
  const server = await startServer(t, {}, 0, '::1')
  assert.strictEqual(server.http.address().address, '::1')
  assert.strictEqual(server.udp6.address().address, '::1')
  const peer = await UdpPeer.open(t, server.udp6.address().port, '::1')
  await peer.connect()
  await assert.rejects(request(httpPort(server), '/', { host: '127.0.0.1' }), { code: 'ECONNREFUSED' })
})

test('listen(port, { http, udp, udp6 }) takes a hostname for each', needsIPv6, async t => {
  const server = await startServer(t, {}, 0, { http: '127.0.0.1', udp: '127.0.0.1', udp6: '::1' })
  assert.strictEqual(server.http.address().address, '127.0.0.1')
  assert.strictEqual(server.udp4.address().address, '127.0.0.1')
  assert.strictEqual(server.udp6.address().address, '::1')
})

test('a second listen throws', async t => {
  const server = new Server({ ws: false, stats: false })
  t.after(() => closeServer(server))
  server.listen(0)
  assert.throws(() => server.listen(0), { message: 'server already listening' })
  await nextValue(server, 'listening')
  assert.throws(() => server.listen(0), { message: 'server already listening' })
})

test('a taken TCP port is an error event of Node\'s shape', async t => {
  const taken = net.createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address()
  const server = new Server({ udp: false, ws: false, stats: false })
  t.after(() => closeServer(server))
  const error = new Promise(resolve => server.once('error', resolve))
  server.listen(port, '127.0.0.1')
  const err = await error
  assert.strictEqual(err.code, 'EADDRINUSE')
  assert.strictEqual(err.syscall, 'listen')
  assert.strictEqual(err.address, '127.0.0.1')
  assert.strictEqual(err.port, port)
  assert.strictEqual(typeof err.errno, 'number')
  assert.strictEqual(server.listening, false)
})

test('a taken UDP port is an error event of Node\'s shape', async t => {
  const taken = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address()
  const server = new Server({ http: false, ws: false, stats: false })
  t.after(() => closeServer(server))
  const error = new Promise(resolve => server.once('error', resolve))
  server.listen(port, '127.0.0.1')
  const err = await error
  assert.strictEqual(err.code, 'EADDRINUSE')
  assert.strictEqual(err.syscall, 'bind')
  assert.strictEqual(err.address, '127.0.0.1')
  assert.strictEqual(err.port, port)
})

test('without an error listener a taken port is an uncaught exception, as in any emitter', async t => {
  const child = spawnNode(t, `
    const { Server } = require(process.argv[1])
    process.on('unhandledRejection', () => console.log('rejection'))
    process.on('uncaughtException', (err, origin) => { console.log(origin + ' ' + err.code); first.close() })
    const first = new Server({ udp: false, ws: false })
    first.listen(0, '127.0.0.1', () => new Server({ udp: false, ws: false }).listen(first.http.address().port, '127.0.0.1'))
  `)
  assert.strictEqual((await child.ended).stdout, 'uncaughtException EADDRINUSE\n')
})

test('a host that cannot be bound is refused at once', async t => {
  const server = new Server({ ws: false })
  t.after(() => closeServer(server))
  for (const hostname of [5, 'fe80::1%lo', { udp: '::1' }, { udp6: '127.0.0.1' }]) {
    assert.throws(() => server.listen(0, hostname), { code: 'ERR_TRACKER_INVALID_HOSTNAME' })
  }
  await listen(server, 0, '127.0.0.1')
})

test('a machine without IPv6 is told of once, after listening, unless the server is closed by then', async t => {
  const listenOnAll = NativeServer.prototype.listen
  t.mock.method(NativeServer.prototype, 'listen', function (bindings) {
    return { ...listenOnAll.call(this, bindings), noIpv6: true }
  })
  for (const [close, expected] of [[false, ['listening', 'ERR_TRACKER_NO_IPV6']], [true, ['listening']]]) {
    const server = new Server({ ws: false })
    t.after(() => closeServer(server))
    const seen = []
    server.on('warning', err => seen.push(err.code))
    server.on('listening', () => {
      seen.push('listening')
      if (close) server.close()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    await new Promise(resolve => setImmediate(resolve))
    assert.deepStrictEqual(seen, expected)
  }
})

test('two servers cannot share a port', async t => {
  const first = await startServer(t)
  const second = new Server({ http: false, ws: false, stats: false })
  t.after(() => closeServer(second))
  const error = new Promise(resolve => second.once('error', resolve))
  second.listen(udpPort(first))
  assert.strictEqual((await error).code, 'EADDRINUSE')
})

test('close(callback) ends the sockets and frees the port', async t => {
  const server = await startServer(t)
  const port = httpPort(server)
  const [err] = await callback(cb => server.close(cb))
  assert.ok(!err, `${err}`)
  assert.strictEqual(server.destroyed, true)
  assert.strictEqual(server.listening, false)
  await assert.rejects(request(port, '/announce'), { code: 'ECONNREFUSED' })
  const again = await startServer(t, {}, port)
  assert.strictEqual(httpPort(again), port)
})

test('close without a callback closes too', async t => {
  const server = await startServer(t)
  const port = httpPort(server)
  // It ends when the server does.
  const socket = net.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => {}).resume()
  // Not `once` of node:events, which rejects on a reset.
  const ended = new Promise(resolve => socket.once('close', resolve))
  server.close()
  assert.strictEqual(server.destroyed, true)
  await ended
  // Each thread has a listener of its own and closes it in its own time: until the last one has, there may
  // be an answer. Reset: by the kernel, which had accepted it for a socket that is being closed.
  let refusal
  while (refusal === undefined) await request(port, '/announce').catch(err => { refusal = err.code })
  assert.match(refusal, /^ECONN(?:REFUSED|RESET)$/)
})

test('close of a server with UDP alone calls back with null', async t => {
  const server = await startServer(t, { http: false })
  const [err] = await callback(cb => server.close(cb))
  assert.strictEqual(err, null)
})

test('a second close reports that the server is not running', async t => {
  const server = await startServer(t)
  await callback(cb => server.close(cb))
  const [err] = await callback(cb => server.close(cb))
  assert.match(err.message, /Server is not running/)
})

test('close of a server that never listened reports that it is not running', async t => {
  const server = new Server({ ws: false, stats: false })
  const [err] = await callback(cb => server.close(cb))
  assert.match(err.message, /Server is not running/)
  assert.strictEqual(server.destroyed, true)
})

test('close ends idle keep-alive connections', async t => {
  const server = await startServer(t)
  const socket = net.connect(httpPort(server), '127.0.0.1')
  await once(socket, 'connect')
  const closed = once(socket, 'close')
  socket.write(`GET ${announcePath({ ...stranger() })} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await once(socket, 'data')
  socket.resume()
  const [err] = await callback(cb => server.close(cb))
  assert.ok(!err, `${err}`)
  await closed
})

test('nothing is emitted after close', async t => {
  const server = await startServer(t)
  const peer = await UdpPeer.open(t, udpPort(server))
  await peer.connect()
  const closed = new Promise(resolve => {
    // The first of a batch closes the server: what is behind it in the queue must not come.
    for (const name of ['start', 'update', 'warning', 'error']) {
      server.on(name, () => {
        assert.strictEqual(server.destroyed, false, `${name} after close`)
        server.close(resolve)
      })
    }
  })
  const { connectionId } = peer
  for (let i = 0; i < 50; i++) peer.send(announceRequest({ connectionId, ...stranger(), event: 'started' }))
  await closed
  await new Promise(resolve => setImmediate(resolve))
})

test('getSwarm finds a swarm by hex, Buffer and Uint8Array, and gives undefined for none', async t => {
  const server = await startServer(t)
  const infoHash = randomHex()
  await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex() }))
  for (const key of [infoHash, Buffer.from(infoHash, 'hex'), new Uint8Array(Buffer.from(infoHash, 'hex'))]) {
    const [err, swarm] = await callback(cb => server.getSwarm(key, cb))
    assert.strictEqual(err, null)
    assert.strictEqual(swarm.infoHash, infoHash)
    assert.strictEqual(swarm.incomplete, 1)
  }
  const [err, none] = await callback(cb => server.getSwarm(randomHex(), cb))
  assert.strictEqual(err, null)
  assert.strictEqual(none, undefined)
})

test('getSwarm calls back on a later tick', async t => {
  const server = await startServer(t)
  let called = false
  const done = callback(cb => server.getSwarm(randomHex(), cb)).then(() => { called = true })
  assert.strictEqual(called, false)
  await done
})

test('torrents reads the live store', async t => {
  const server = await startServer(t)
  const [infoHash, peerId] = [randomHex(), randomHex()]
  await bencoded(httpPort(server), announcePath({ infoHash, peerId, left: 0, event: 'started' }))
  assert.deepStrictEqual(Object.keys(server.torrents), [infoHash])
  assert.ok(infoHash in server.torrents)
  assert.strictEqual(server.torrents[randomHex()], undefined)
  const swarm = server.torrents[infoHash]
  assert.strictEqual(swarm.complete, 1)
  assert.strictEqual(swarm.incomplete, 0)
  assert.strictEqual(swarm.peers.length, 1)
  assert.deepStrictEqual([...swarm.peers.keys], ['127.0.0.1:6881'])
  const peer = swarm.peers.peek('127.0.0.1:6881')
  assert.strictEqual(peer.peerId, peerId)
  assert.strictEqual(peer.ip, '127.0.0.1')
  assert.strictEqual(peer.port, 6881)
  assert.strictEqual(peer.complete, true)
  assert.strictEqual(swarm.peers.get('127.0.0.1:6881').peerId, peerId)
  assert.ok(!swarm.peers.peek('127.0.0.1:1'))
})

test('torrents is an object as programs expect one', async t => {
  const server = await startServer(t)
  const infoHash = randomHex()
  await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex() }))
  const { torrents } = server
  // eslint-disable-next-line no-prototype-builtins -- what programs do
  assert.ok(torrents.hasOwnProperty(infoHash))
  assert.strictEqual(`${torrents}`, '[object Object]')
  assert.ok(torrents instanceof Object)
  assert.match(inspect(torrents), new RegExp(infoHash), 'console.log shows the torrents')
  assert.deepStrictEqual(Object.keys(JSON.parse(JSON.stringify(torrents))), [infoHash])
  assert.deepStrictEqual(Object.keys({ ...torrents }), [infoHash])
  for (const key of ['constructor', '__proto__', 'toString']) {
    assert.ok(!Object.hasOwn(torrents, key))
    const [err, swarm] = await callback(cb => server.getSwarm(key, cb))
    assert.deepStrictEqual([err, swarm], [null, undefined])
  }
})

test('nobody can break torrents for the others', async t => {
  const server = await startServer(t)
  const infoHash = randomHex()
  await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex() }))
  const { torrents } = server
  for (const change of [
    () => Object.freeze(torrents), () => Object.preventExtensions(torrents),
    () => Object.setPrototypeOf(torrents, { evil: 1 }), () => { torrents[Symbol('evil')] = 1 },
    () => Object.defineProperty(torrents, 'evil', { get: () => 1 })
  ]) {
    assert.throws(change, TypeError)
    assert.deepStrictEqual(Object.keys(torrents), [infoHash])
    assert.strictEqual(torrents.evil, undefined)
  }
  assert.ok(delete torrents[infoHash])
  assert.deepStrictEqual(Object.keys(torrents), [])
})

test('a peer is looked up by anything, and found by its address alone', async t => {
  const server = await startServer(t)
  const infoHash = randomHex()
  await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex() }))
  const { peers } = server.torrents[infoHash]
  for (const key of [undefined, null, 6881, {}, '', 'x']) {
    assert.strictEqual(peers.get(key), undefined)
    assert.strictEqual(peers.peek(key), undefined)
  }
})

/** Listens on `arg(port)`, again with another port when somebody takes it first: test files run side by side. */
async function startOnFreePort (t, arg) {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    try {
      return { server: await startServer(t, {}, await arg(port)), port }
    } catch (err) {
      if (err.code !== 'EADDRINUSE' || attempt === 5) throw err
    }
  }
}

test('the memory of a server counts, so that forgotten ones are collected in time', async () => {
  let collected = 0
  const registry = new FinalizationRegistry(() => { collected += 1 })
  for (let made = 0; collected === 0; made++) {
    assert.ok(made < 500, 'no server was collected')
    registry.register(new Server({ ws: false }))
    await new Promise(resolve => setImmediate(resolve))
  }
})
