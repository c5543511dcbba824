'use strict'

// Regular requests are answered without the HTTP library, which takes a connection over at the first other one
// (crates/tracker/src/server/http/direct.rs). Nobody should see a difference.

const assert = require('node:assert')
const { once } = require('node:events')
const net = require('node:net')
const { test, SOCKET_PATHS } = require('./helpers/test')
const { next } = require('./helpers/events')
const { announcePath, raw } = require('./helpers/http')
const { frame, OP } = require('./helpers/websocket-frames')
const { httpPort, randomHex, startServer, stranger } = require('./helpers/subjects')

const get = (path, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`
const CLOSE = 'Connection: close\r\n'
/** No regular request has a body, not even an empty one. */
const EMPTY_BODY = 'Content-Length: 0\r\n'

const incompletes = answer => [...answer.toString('latin1').matchAll(/10:incompletei(\d+)e/g)].map(([, n]) => Number(n))
/** What does not change from one second to the next. */
const undated = answer => answer.toString('latin1').replace(/date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/g, 'date: now')

for (const { name, opts } of SOCKET_PATHS) {
  const start = (t, more) => startServer(t, { udp: false, ...opts, ...more })

  test(`${name}: an answer is the same with and without the library`, async t => {
    const server = await start(t)
    server.on('warning', () => {})
    const announce = announcePath(stranger())
    for (const path of [announce, '/announce?info_hash=x', '/scrape', '/nowhere', announce.replace('compact=1', 'compact=0')]) {
      // One after which the connection is kept, and one after which it is not.
      const direct = undated(await raw(httpPort(server), get(path) + get(path, CLOSE)))
      assert.match(direct, /^HTTP\/1\.1 200 OK\r\n.*date: now\r\n.*HTTP\/1\.1 200 OK\r\n.*date: now\r\n/s)
      const other = undated(await raw(httpPort(server), get(path, EMPTY_BODY) + get(path, CLOSE + EMPTY_BODY)))
      assert.strictEqual(direct, other, path)
    }
  })

  test(`${name}: other requests in the middle of a pipeline are answered in their turn`, async t => {
    const server = await start(t)
    const infoHash = randomHex()
    const path = port => announcePath({ infoHash, peerId: randomHex(), port })
    const answer = await raw(httpPort(server),
      get(path(1)) + get(path(2), EMPTY_BODY) + get(path(3)) +
      `POST ${path(4)} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc` + get(path(5), CLOSE))
    assert.deepStrictEqual(incompletes(answer), [1, 2, 3, 4, 5])
  })

  test(`${name}: nothing is answered after the request that closes`, async t => {
    const server = await start(t)
    const infoHash = randomHex()
    const path = port => announcePath({ infoHash, peerId: randomHex(), port })
    const answer = await raw(httpPort(server), get(path(1)) + get(path(2), CLOSE) + get(path(3)))
    assert.deepStrictEqual(incompletes(answer), [1, 2])
  })

  test(`${name}: a head that comes in parts`, async t => {
    const server = await start(t)
    const infoHash = randomHex()
    const socket = net.connect(httpPort(server), '127.0.0.1').setNoDelay(true)
    t.after(() => socket.destroy())
    for (let port = 1; port <= 3; port++) {
      const request = get(announcePath({ infoHash, peerId: randomHex(), port }))
      const answered = once(socket, 'data')
      for (const part of request.match(/.{1,40}/gs)) {
        await new Promise(resolve => socket.write(part, resolve))
        await new Promise(setImmediate)
      }
      assert.deepStrictEqual(incompletes((await answered)[0]), [port])
    }
  })

  test(`${name}: more answers at once than the connection takes come whole and in order`, async t => {
    const server = await start(t, { maxNumwant: 200 })
    const infoHash = randomHex()
    const peers = Array.from({ length: 200 }, () => randomHex())
    const request = (n, headers) =>
      get(announcePath({ infoHash, peerId: peers[n % 200], port: 1 + n % 200, compact: 0, numwant: 200 }), headers)
    // 12 MB of answers: more than the buffers of a connection hold.
    const requests = Array.from({ length: 1000 }, (_, n) => request(n, n === 999 ? CLOSE : '')).join('')
    const socket = net.connect(httpPort(server), '127.0.0.1')
    t.after(() => socket.destroy())
    const chunks = []
    socket.write(requests)
    for await (const chunk of socket) chunks.push(chunk)
    const counts = incompletes(Buffer.concat(chunks))
    assert.deepStrictEqual(counts, Array.from({ length: 1000 }, (_, n) => Math.min(n + 1, 200)))
  })

  test(`${name}: more requests at once than a turn has`, async t => {
    // Only the end of the turn can have it go on.
    const server = await start(t, { idleTimeout: 2 ** 31 - 1 })
    const infoHash = randomHex()
    const request = (n, headers) =>
      get(announcePath({ infoHash, peerId: randomHex(), port: n + 1, numwant: 0 }), headers)
    const requests = Array.from({ length: 300 }, (_, n) => request(n, n === 299 ? CLOSE : ''))
    const answer = await raw(httpPort(server), requests.join(''))
    assert.deepStrictEqual(incompletes(answer), Array.from({ length: 300 }, (_, n) => n + 1))
  })

  test(`${name}: a client that pipelines for ever and reads nothing is cut off in time`, async t => {
    const server = await start(t, { idleTimeout: 500 })
    const socket = net.connect(httpPort(server), '127.0.0.1').pause()
    t.after(() => socket.destroy())
    socket.on('error', () => {})
    const closed = new Promise(resolve => socket.on('close', resolve))
    const requests = get(announcePath(stranger())).repeat(500)
    const send = () => socket.write(requests, err => err || setImmediate(send))
    const began = performance.now()
    send()
    await closed
    assert.ok(performance.now() - began >= 499, 'not before its time')
  })

  test(`${name}: a silent connection is closed in time, whoever answered it`, async t => {
    const idleTimeout = 2000
    const server = await start(t, { idleTimeout })
    // By us, by the library, and first by us and then by the library.
    await Promise.all([['', ''], [EMPTY_BODY, EMPTY_BODY], ['', EMPTY_BODY]].map(async requests => {
      const socket = net.connect(httpPort(server), '127.0.0.1')
      t.after(() => socket.destroy())
      const closed = once(socket, 'close')
      let last
      for (const headers of requests) {
        const answered = once(socket, 'data')
        last = performance.now()
        socket.write(get(announcePath(stranger()), headers))
        assert.match(String((await answered)[0]), /^HTTP\/1\.1 200 OK/)
      }
      await closed
      assert.ok(performance.now() - last >= idleTimeout - 1, 'not before its time')
    }))
  })

  /** Announces on a connection of its own, by `ask()`, which resolves with the answer. */
  const connect = (t, server) => {
    const socket = net.connect(httpPort(server), '127.0.0.1')
    t.after(() => socket.destroy())
    return async () => {
      const answered = once(socket, 'data')
      socket.write(get(announcePath(stranger())))
      return String((await answered)[0])
    }
  }

  test(`${name}: a filter that comes later is asked`, async t => {
    const server = await start(t)
    const ask = connect(t, server)
    assert.match(await ask(), /8:complete/)
    server._filter = (infoHash, params, cb) => cb(new Error('not today'))
    assert.match(await ask(), /14:failure reason9:not today/)
    server._filter = null
    assert.match(await ask(), /8:complete/)
  })

  test(`${name}: a listener that comes later is told`, async t => {
    const server = await start(t)
    const ask = connect(t, server)
    assert.match(await ask(), /8:complete/)
    const update = next(server, 'update')
    assert.match(await ask(), /8:complete/)
    await update
  })
}

test('a WebSocket may follow announces on their connection, with frames right behind it', async t => {
  const server = await startServer(t, { udp: false, ws: true })
  const socket = net.connect(httpPort(server), '127.0.0.1')
  t.after(() => socket.destroy())
  const answered = once(socket, 'data')
  socket.write(get(announcePath(stranger())))
  await answered
  const infoHash = Buffer.from(randomHex(), 'hex').toString('latin1')
  const message = n => frame(OP.text, JSON.stringify({
    action: 'announce', info_hash: infoHash, peer_id: 'x'.repeat(19) + n, left: 0, padding: '.'.repeat(3000)
  }))
  const handshakeHead = get('/', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n')
  // Longer than what the library reads at first: where all comes at once, a part is left with the connection.
  socket.write(Buffer.concat([Buffer.from(handshakeHead), message(1), message(2), message(3), message(4)]))
  let text = ''
  for await (const chunk of socket) {
    text += chunk.toString('latin1')
    if (text.split('"complete"').length === 5) break
  }
  assert.match(text, /^HTTP\/1\.1 101 /)
  assert.deepStrictEqual([...text.matchAll(/"complete":(\d)/g)].map(([, n]) => Number(n)), [1, 2, 3, 4])
})
