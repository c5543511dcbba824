'use strict'

// Sockets that break, trackers that misbehave: warnings, bounded memory, another attempt, and an end when destroyed.

const assert = require('node:assert')
const crypto = require('node:crypto')
const net = require('node:net')
const { once } = require('node:events')
const { after, afterEach } = require('node:test')
const { test } = require('./helpers/test')
const { callback, nextValue, record } = require('./helpers/events')
const { FakeWebSocketTracker, latin1, reply } = require('./helpers/fake-websocket-tracker')
const { spawnNode } = require('./helpers/processes')
const { assertWarning, createClient } = require('./helpers/subjects')
const WebSocketTracker = require('../websocket-tracker')

const HASTE = { reconnectMinMs: 20, reconnectMaxMs: 40, reconnectJitterMs: 1 }

afterEach(() => { WebSocketTracker._timing = {} })

// A client that waits for its next attempt keeps no process alive, this one neither.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

async function isOpen ({ _trackers: [{ socket }] }) {
  while (!socket.connected) await new Promise(resolve => setImmediate(resolve))
}

function createWsClient (t, opts) {
  const client = createClient(t, { wrtc: {}, ...opts })
  for (const tracker of client._trackers) tracker._generateOffers = (numwant, cb) => cb([])
  return client
}

/** A server that upgrades and then does with the bare connection what the test says. */
async function startRaw (t, onUpgraded) {
  const sockets = new Set()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', head => {
      const key = /^sec-websocket-key: (.*)\r$/im.exec(head.latin1Slice())[1]
      const accept = crypto.createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
      onUpgraded(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { server, sockets, url: `ws://127.0.0.1:${server.address().port}/announce` }
}

test('a lost connection is made again and announced on, without a warning', async t => {
  WebSocketTracker._timing = HASTE
  const tracker = await FakeWebSocketTracker.start(t)
  const client = createWsClient(t, { announce: tracker.url, getAnnounceOpts: () => ({ left: 9 }) })
  const [ws] = client._trackers
  client.start()
  await nextValue(client, 'update')
  for (const [n, end] of [[1, 'terminate'], [2, 'close']]) {
    const updated = nextValue(client, 'update')
    tracker.sockets[n - 1][end]()
    await updated
    assert.deepStrictEqual([ws.reconnecting, ws.retries, ws.socket.connected], [false, 0, true])
    const message = tracker.messages.at(-1)
    assert.deepStrictEqual([message.event, message.left, message.offers], [undefined, 9, []])
  }
})

test('a tracker that is down is tried again and again, each failure a warning', async t => {
  WebSocketTracker._timing = HASTE
  const tracker = await FakeWebSocketTracker.start(t)
  const { port, url } = tracker
  await tracker.stop()
  const client = createWsClient(t, { announce: url })
  const warnings = record(client, 'warning')
  client.start()
  await warnings.count('warning', 3)
  for (const [err] of warnings.of('warning')) {
    assertWarning(err, `Error connecting to ${url}`)
    assert.deepStrictEqual([err.cause.code, err.cause.port], ['ECONNREFUSED', port])
  }
  assert.strictEqual(client._trackers[0].retries, 2)
  assert.strictEqual(client._trackers[0].reconnecting, true)
  const updated = new Promise(resolve => client.once('update', resolve))
  await FakeWebSocketTracker.start(t, reply, { port })
  await updated
})

test('after a stop the peer does not come back with the connection', async t => {
  WebSocketTracker._timing = HASTE
  const tracker = await FakeWebSocketTracker.start(t)
  const client = createWsClient(t, { announce: tracker.url })
  client.start()
  await nextValue(client, 'update')
  client.stop()
  await nextValue(client, 'update')
  tracker.sockets[0].terminate()
  await tracker.socket(2)
  // One that comes while the connection is down is lost.
  while (tracker.messages.length < 3) {
    client.scrape()
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.deepStrictEqual(tracker.messages[2].action, 'scrape')
})

test('destroy ends the attempts, and the process with them', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const child = spawnNode(t, `
    const Client = require(process.argv[1])
    const Tracker = require(process.argv[1] + '/websocket-tracker')
    Tracker._timing = { reconnectMinMs: 300, reconnectJitterMs: 1 }
    const client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce: process.argv[2], wrtc: {} })
    const [tracker] = client._trackers
    tracker._generateOffers = (numwant, cb) => cb([])
    client.once('update', () => {
      console.log('updated')
      const timer = setInterval(() => {
        if (!tracker.reconnecting) return
        clearInterval(timer)
        client.destroy(() => {
          console.log('destroyed')
          setTimeout(() => {}, 1000)
        })
      }, 1)
    })
    client.start()`, { args: [tracker.url] })
  await child.line(/updated/)
  tracker.sockets[0].terminate()
  assert.match((await child.ended).stdout, /^destroyed$/m)
  assert.strictEqual(tracker.sockets.length, 1)
})

test('an open socket keeps the process alive, a wait for the next attempt does not', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const child = spawnNode(t, `
    const Client = require(process.argv[1])
    const client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce: process.argv[2], wrtc: {} })
    client._trackers[0]._generateOffers = (numwant, cb) => cb([])
    client.start()
    client.on('update', () => console.log('updated'))
    process.on('exit', () => console.log('down', client._trackers[0].reconnecting))`, { args: [tracker.url] })
  await child.line(/updated/)
  assert.strictEqual(child.exitCode, null)
  tracker.sockets[0].terminate()
  assert.match((await child.ended).stdout, /^down true$/m)
})

test('destroy while connecting ends at once', async t => {
  const server = net.createServer(() => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const client = createWsClient(t, { announce: `ws://127.0.0.1:${server.address().port}` })
  client.start()
  const [socket] = await once(server, 'connection')
  const closed = new Promise(resolve => socket.on('error', () => {}).on('close', resolve).resume())
  await callback(cb => client.destroy(cb))
  await closed
})

test('destroy does not wait for a tracker that never says goodbye', async t => {
  const raw = await startRaw(t, () => {})
  const client = createWsClient(t, { announce: raw.url })
  client.start()
  await isOpen(client)
  await callback(cb => client.destroy(cb))
  assert.strictEqual(client.destroyed, true)
})

test('a tracker that answers no ping is given up', async t => {
  WebSocketTracker._timing = { ...HASTE, pingMs: 50 }
  const raw = await startRaw(t, socket => socket.resume())
  const client = createWsClient(t, { announce: raw.url })
  const warnings = record(client, 'warning')
  client.start()
  await warnings.count('warning', 1)
  const [[err]] = warnings.of('warning')
  assertWarning(err, `tracker is silent (${raw.url})`)
  assert.strictEqual(err.code, 'ERR_TRACKER_TIMEOUT')
})

test('a tracker that answers pings is kept', async t => {
  WebSocketTracker._timing = { ...HASTE, pingMs: 20 }
  let pings = 0
  const tracker = await FakeWebSocketTracker.start(t, (message, socket) => {
    socket.on('ping', () => { pings += 1; tracker.server.emit('joined') })
    return reply(message)
  })
  const client = createWsClient(t, { announce: tracker.url })
  client.start()
  await tracker.recorder.until(() => pings >= 4)
  assert.strictEqual(tracker.sockets.length, 1)
})

test('what is no WebSocket is a warning', async t => {
  const answers = {
    'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n': 'Unexpected server response: 404',
    'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n': 'Unexpected server response: 302',
    'SSH-2.0-OpenSSH_9.2\r\n': undefined,
    [`HTTP/1.1 200 OK\r\n${'X-Pad: y\r\n'.repeat(100_000)}\r\n`]: undefined,
    '': undefined
  }
  for (const [answer, cause] of Object.entries(answers)) {
    const server = net.createServer(socket => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(answer))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const client = createWsClient(t, { announce: `ws://127.0.0.1:${server.address().port}/x` })
    client.start()
    const err = await nextValue(client, 'warning')
    assertWarning(err, /^Error connecting to ws:/)
    if (cause) assert.strictEqual(err.cause.message, cause)
    await callback(cb => client.destroy(cb))
  }
})

test('frames that break the rules or the limits cost one warning and the connection', async t => {
  const header = (first, length) => {
    const head = Buffer.alloc(10)
    head[0] = first
    head[1] = 127
    head.writeBigUInt64BE(length, 2)
    return head
  }
  const endless = socket => {
    // A message in pieces without an end.
    const piece = Buffer.concat([Buffer.from([0x00, 126, 0x40, 0]), Buffer.alloc(0x4000, 'x')])
    socket.write(Buffer.from([0x01, 1, 0x78]))
    const timer = setInterval(() => socket.write(piece), 1)
    socket.on('close', () => clearInterval(timer))
  }
  const tooLong = /^tracker response is longer than 65536 bytes/
  const cases = [
    [socket => socket.write(header(0x81, 200n << 20n)), tooLong],
    [socket => socket.write(header(0x81, 2n ** 63n)), tooLong],
    [endless, tooLong],
    [socket => socket.write(Buffer.from([0xf1, 0x00])), 'Invalid tracker response'],
    [socket => socket.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x78])), 'Invalid tracker response'],
    [socket => socket.write(Buffer.from([0x81, 0x02, 0xff, 0xfe])), 'Invalid tracker response']
  ]
  for (const [misbehave, message] of cases) {
    const raw = await startRaw(t, misbehave)
    const client = createWsClient(t, { announce: raw.url })
    client.start()
    assertWarning(await nextValue(client, 'warning'), message)
    await callback(cb => client.destroy(cb))
  }
})

test('codes with which a tracker closes: those that blame us are warnings', async t => {
  WebSocketTracker._timing = HASTE
  const codes = [1000, 1001, 1008, 1012, 4000]
  const tracker = await FakeWebSocketTracker.start(t, (message, socket) => {
    const code = codes.shift()
    if (code === undefined) return reply(message)
    socket.close(code, 'because')
  })
  const client = createWsClient(t, { announce: tracker.url })
  const events = record(client, 'warning', 'update')
  client.start()
  await events.count('update', 1)
  assert.deepStrictEqual(events.of('warning').map(([err]) => [err.code, err.message]), [1008, 4000].map(code =>
    ['ERR_TRACKER_CLOSED', `tracker closed the connection: ${code} because (${tracker.url})`]))
})

test('a flood of nonsense ends the connection after a few warnings', async t => {
  const tracker = await FakeWebSocketTracker.start(t, (message, socket) => {
    for (let n = 0; n < 10_000; n++) socket.send('nonsense')
  })
  const client = createWsClient(t, { announce: tracker.url })
  const warnings = record(client, 'warning')
  client.start()
  await tracker.left()
  await warnings.count('warning', 8)
  assert.strictEqual(warnings.names.length, 8)
})

test('deep and strange JSON does no harm', async t => {
  const client = createClient(t, { announce: [], wrtc: {} })
  const hash = JSON.stringify(latin1(client.infoHash))
  const strange = [
    `{"action":"announce","info_hash":${hash},"x":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
    `{"action":"announce","info_hash":${hash},"__proto__":{"complete":1}}`,
    `{"action":"announce","info_hash":${hash},"peer_id":5,"offer":5,"offer_id":{},"answer":[]}`,
    `{"action":"announce","info_hash":${hash},"peer_id":${JSON.stringify('p'.repeat(20))},"answer":{"type":"answer","sdp":"x"},"offer_id":["toString"]}`,
    `{"action":"announce","info_hash":${hash},"peer_id":${JSON.stringify('p'.repeat(20))},"answer":{"type":"answer","sdp":"x"},"offer_id":"__proto__"}`,
    `{"action":"announce","info_hash":${hash},"peer_id":${JSON.stringify('p'.repeat(20))},"offer":{"type":"answer","sdp":"x"},"offer_id":"x"}`,
    `{"action":"announce","info_hash":${hash},"peer_id":${JSON.stringify('p'.repeat(20))},"offer":{"candidate":{},"renegotiate":true}}`,
    `{"action":"announce","info_hash":${hash},"interval":{"valueOf":1,"toString":1}}`,
    `{"action":"announce","info_hash":${hash},"min interval":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
    `{"action":"announce","info_hash":${hash},"failure reason":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
    `{"action":"announce","info_hash":${hash},"warning message":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
    '["announce",1,2,3,4,5,6]',
    `["announce",${hash},1,2,3,4,5,6]`,
    '{"action":"announce","info_hash":["a"],"failure reason":0}',
    '{"action":"scrape","files":[[]]}'
  ]
  const tracker = await FakeWebSocketTracker.start(t, (message, socket) => {
    for (const line of strange) socket.send(line)
    return { ...reply(message), complete: 99 }
  })
  const subject = createWsClient(t, { announce: tracker.url, infoHash: client.infoHash })
  const events = record(subject, 'update', 'warning', 'peer')
  subject.start()
  await events.count('update', 1)
  assert.strictEqual(events.of('update')[0][0].complete, 99)
  assert.deepStrictEqual(events.of('peer'), [])
  for (const [err] of events.of('warning')) assertWarning(err)
})

test('options that are no JSON are a warning', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const client = createWsClient(t, { announce: tracker.url })
  const circular = {}
  circular.self = circular
  client.start({ circular })
  assertWarning(await nextValue(client, 'warning'), /circular/)
  client.update()
  await nextValue(client, 'update')
})

test('offers that cannot be made leave an announce without offers', async t => {
  const tracker = await FakeWebSocketTracker.start(t)
  const client = createClient(t, { announce: tracker.url, wrtc: { RTCPeerConnection: class { constructor () { throw new Error('no room') } } } })
  const events = record(client, 'warning', 'update')
  client.start({ numwant: 2 })
  await events.count('update', 1)
  assert.deepStrictEqual(tracker.messages[0].offers, [])
  assert.deepStrictEqual(events.of('warning').map(([err]) => [err.code, err.message]),
    Array(2).fill(['ERR_TRACKER_WEBRTC', 'Connection error: no room']))
  client._trackers[0]._generateOffers = () => { throw new Error('broken') }
  client.update()
  await events.count('update', 2)
  assert.strictEqual(events.of('warning').at(-1)[0].message, 'Connection error: broken')
})
