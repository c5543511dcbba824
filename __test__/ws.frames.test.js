'use strict'

// WebSocket at the edge of the socket: handshakes and frames, good ones and hostile ones. Whatever comes, the answer is
// an error reply or a close, and the next peer is served.

const assert = require('node:assert')
const net = require('node:net')
const { setImmediate: turn } = require('node:timers/promises')
const { test } = require('./helpers/test')
const { nextValue, record } = require('./helpers/events')
const { announcePath } = require('./helpers/http')
const { assertWarning, httpPort, randomHex, startServer } = require('./helpers/subjects')
const { FrameSocket, OP, closePayload, frame, handshake } = require('./helpers/websocket-frames')
const { WsPeer, announce, binary } = require('./helpers/websocket-peer')

const start = (t, opts) => startServer(t, { udp: false, ws: true, ...opts })
const scrape = JSON.stringify({ action: 'scrape', info_hash: binary(randomHex()) })

/** Nothing is broken: somebody else is served, nobody is left behind, no internal error was reported. */
async function assertUnharmed (t, server, errors) {
  const peer = await WsPeer.open(t, server)
  assert.strictEqual((await peer.join(randomHex())).incomplete, 1)
  assert.deepStrictEqual(errors.log, [])
}

test('a good handshake is accepted as RFC 6455 says', async t => {
  const server = await start(t)
  const answer = await handshake(t, httpPort(server))
  assert.strictEqual(answer.status, 101)
  assert.strictEqual(answer.headers.upgrade.toLowerCase(), 'websocket')
  assert.strictEqual(answer.headers.connection.toLowerCase(), 'upgrade')
  assert.strictEqual(answer.headers['sec-websocket-accept'], answer.accepts)
  assert.strictEqual(answer.headers['sec-websocket-extensions'], undefined)
  assert.strictEqual(answer.headers['sec-websocket-protocol'], undefined)
  assert.strictEqual(answer.headers['content-length'], undefined)
})

test('extensions and subprotocols that are offered are declined', async t => {
  const server = await start(t)
  const { socket, headers } = await handshake(t, httpPort(server), {
    headers: { 'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits', 'sec-websocket-protocol': 'chat, tracker' }
  })
  assert.strictEqual(headers['sec-websocket-extensions'], undefined)
  assert.strictEqual(headers['sec-websocket-protocol'], undefined)
  socket.sendText(scrape)
  assert.strictEqual((await socket.nextJson()).action, 'scrape')
})

test('header names and tokens in any case, and among others, are accepted', async t => {
  const server = await start(t)
  for (const headers of [
    { upgrade: 'WebSocket', connection: 'keep-alive, UPGRADE' },
    { upgrade: 'h2c, websocket', connection: 'upgrade,keep-alive' },
    { upgrade: undefined, UPGRADE: 'WEBSOCKET', connection: undefined, CONNECTION: ' Upgrade ' }
  ]) {
    assert.strictEqual((await handshake(t, httpPort(server), { headers })).status, 101, JSON.stringify(headers))
  }
})

test('frames right behind the handshake are read', async t => {
  const server = await start(t)
  const { socket } = await handshake(t, httpPort(server), { then: Buffer.concat([frame(OP.text, scrape), frame(OP.ping, 'x'), frame(OP.text, scrape)]) })
  const opcodes = [await socket.next(), await socket.next(), await socket.next()].map(({ opcode }) => opcode)
  assert.deepStrictEqual(opcodes.sort((a, b) => a - b), [OP.text, OP.text, OP.pong])
})

test('a connection may ask for pages before it asks for WebSocket', async t => {
  const server = await start(t)
  const announcing = announcePath({ infoHash: randomHex(), peerId: randomHex() })
  const stream = net.connect(httpPort(server), '127.0.0.1')
  t.after(() => stream.destroy())
  const get = `GET ${announcing} HTTP/1.1\r\nHost: x\r\n\r\n`
  const upgrade = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  // All in one packet: two answers, the handshake's answer, the scrape's.
  stream.write(Buffer.concat([Buffer.from(get + get + upgrade), frame(OP.text, scrape)]))
  let text = ''
  for await (const chunk of stream.setEncoding('latin1')) {
    text += chunk
    if (text.includes('"action":"scrape"')) break
  }
  assert.match(text, /^HTTP\/1\.1 200 .*HTTP\/1\.1 200 .*HTTP\/1\.1 101 .*s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=.*"action":"scrape"/s)
})

for (const [what, change, status] of [
  ['an older version', { headers: { 'sec-websocket-version': '8' } }, 426],
  ['a version of the future', { headers: { 'sec-websocket-version': '14' } }, 426],
  ['a version that is no number', { headers: { 'sec-websocket-version': '13, 8' } }, 426],
  ['no version', { headers: { 'sec-websocket-version': undefined } }, 426],
  ['no key', { headers: { 'sec-websocket-key': undefined } }, 400],
  ['an empty key', { headers: { 'sec-websocket-key': '' } }, 400],
  ['a short key', { headers: { 'sec-websocket-key': 'dGhlIHNhbXBsZQ==' } }, 400],
  ['a long key', { headers: { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZXh4eHh4eA==' } }, 400],
  ['a key that is no base64', { headers: { 'sec-websocket-key': '!!!!!!!!!!!!!!!!!!!!!!==' } }, 400],
  ['no `Connection: upgrade`', { headers: { connection: 'keep-alive' } }, 400],
  ['another method', { method: 'POST', headers: { 'content-length': '0' } }, 400],
  ['yet another method', { method: 'PUT', headers: { 'content-length': '0' } }, 400],
  ['HTTP/1.0', { version: '1.0' }, 400]
]) {
  test(`a handshake with ${what} is refused with ${status}`, async t => {
    const server = await start(t)
    const errors = record(server, 'error')
    const warned = nextValue(server, 'warning')
    const answer = await handshake(t, httpPort(server), change)
    assert.strictEqual(answer.status, status, answer.body)
    assert.strictEqual(answer.headers['sec-websocket-version'], '13')
    assertWarning(await warned)
    await answer.closed
    assert.strictEqual(server.ws.clients.size, 0)
    await assertUnharmed(t, server, errors)
  })
}

test('a handshake with a body harms nobody', async t => {
  const server = await start(t)
  const errors = record(server, 'error')
  server.on('warning', () => {})
  const { status, socket, closed } = await handshake(t, httpPort(server), { headers: { 'content-length': '100' }, then: frame(OP.text, scrape) })
  assert.ok([101, 400].includes(status))
  socket?.stream.destroy()
  await closed
  await assertUnharmed(t, server, errors)
})

test('a client that hangs up right after the handshake is forgotten', async t => {
  const server = await start(t)
  const errors = record(server, 'error')
  for (let i = 0; i < 20; i++) {
    const { socket } = await handshake(t, httpPort(server))
    if (i % 2) socket.stream.resetAndDestroy()
    else socket.stream.end()
  }
  while (server.ws.clients.size > 0) await turn()
  await assertUnharmed(t, server, errors)
})

test('pings are answered with their payload, also within a fragmented message', async t => {
  const server = await start(t)
  const socket = await FrameSocket.open(t, httpPort(server))
  socket.send(OP.ping, 'hello')
  assert.deepStrictEqual([await socket.next()].map(({ opcode, payload }) => [opcode, payload.toString()]), [[OP.pong, 'hello']])
  const third = Math.ceil(scrape.length / 3)
  const bytes = Buffer.from(scrape)
  socket.send(OP.text, bytes.subarray(0, third), { fin: false })
  socket.send(OP.ping, Buffer.alloc(125, 1))
  socket.send(OP.continuation, bytes.subarray(third, 2 * third), { fin: false })
  socket.send(OP.pong, 'unasked')
  socket.send(OP.continuation, bytes.subarray(2 * third))
  const pong = await socket.next()
  assert.deepStrictEqual([pong.opcode, pong.payload.length], [OP.pong, 125])
  assert.strictEqual((await socket.nextJson()).action, 'scrape')
})

test('a message in single bytes is a message', async t => {
  const server = await start(t)
  const socket = await FrameSocket.open(t, httpPort(server))
  // Cut everywhere, also within characters of several bytes, with empty fragments between.
  const bytes = Buffer.from(scrape)
  bytes.forEach((byte, index) => {
    socket.send(index === 0 ? OP.text : OP.continuation, Buffer.from([byte]), { fin: false })
    socket.send(OP.continuation, '', { fin: index === bytes.length - 1 })
  })
  assert.strictEqual((await socket.nextJson()).action, 'scrape')
})

test('a frame that drips in byte by byte is a frame', async t => {
  const server = await start(t)
  const socket = await FrameSocket.open(t, httpPort(server))
  for (const byte of frame(OP.text, scrape)) {
    await new Promise(resolve => socket.stream.write(Buffer.from([byte]), resolve))
  }
  assert.strictEqual((await socket.nextJson()).action, 'scrape')
})

test('a close frame is answered with one, and the connection ends', async t => {
  const server = await start(t)
  for (const payload of ['', closePayload(1000, 'bye'), closePayload(1001), closePayload(4000, 'own')]) {
    const socket = await FrameSocket.open(t, httpPort(server))
    socket.send(OP.close, payload)
    assert.strictEqual((await socket.next()).opcode, OP.close)
    await socket.closed
  }
})

const invalid = { code: [1002, 1007] }
const HOSTILE_FRAMES = [
  ['an unmasked frame', frame(OP.text, scrape, { mask: false }), { code: [1002] }],
  ['reserved bit 1, compression that nobody agreed on', frame(OP.text, scrape, { rsv: 4 }), { code: [1002] }],
  ['reserved bit 2', frame(OP.text, scrape, { rsv: 2 }), { code: [1002] }],
  ['reserved bit 3', frame(OP.text, scrape, { rsv: 1 }), { code: [1002] }],
  ['a reserved data opcode', frame(3, scrape), { code: [1002] }],
  ['a reserved control opcode', frame(11, 'x'), { code: [1002] }],
  ['a control frame of 126 bytes', frame(OP.ping, Buffer.alloc(126)), { code: [1002] }],
  ['a control frame of 64 KiB', frame(OP.ping, Buffer.alloc(65536)), {}],
  ['a fragmented control frame', frame(OP.ping, 'x', { fin: false }), { code: [1002] }],
  ['a continuation of nothing', frame(OP.continuation, 'x'), { code: [1002] }],
  ['a message within a message', Buffer.concat([frame(OP.text, '{', { fin: false }), frame(OP.text, scrape)]), { code: [1002] }],
  ['a text that is not UTF-8', frame(OP.text, Buffer.from([0x22, 0xff, 0x22])), invalid],
  ['a surrogate half in UTF-8', frame(OP.text, Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])), invalid],
  ['an overlong encoding', frame(OP.text, Buffer.from([0x22, 0xc0, 0xaf, 0x22])), invalid],
  ['a character that is cut off at the end', frame(OP.text, Buffer.from([0x22, 0xe2, 0x82])), invalid],
  ['fragments that are not UTF-8 together', Buffer.concat([frame(OP.text, Buffer.from([0xe2]), { fin: false }), frame(OP.continuation, 'x')]), invalid],
  ['a close frame of one byte', frame(OP.close, 'x'), {}],
  ['a close frame with a code that is never sent', frame(OP.close, closePayload(1005)), {}],
  ['a close frame with code 0', frame(OP.close, closePayload(0)), {}],
  ['a close frame whose reason is not UTF-8', frame(OP.close, Buffer.concat([closePayload(1000), Buffer.from([0xff])])), {}],
  ['a frame that claims 64 KiB and a byte', frame(OP.text, '', { length: 65537 }), { code: [1009] }],
  ['a frame that claims 2^63 - 1 bytes', frame(OP.text, '', { length: 2n ** 63n - 1n }), { code: [1009] }],
  ['a frame that claims 2^64 - 1 bytes', frame(OP.text, '', { length: 2n ** 64n - 1n }), {}],
  ['a binary frame that claims 4 GiB', frame(OP.binary, '', { length: 2n ** 32n }), { code: [1009] }]
]

for (const [what, bytes, { code }] of HOSTILE_FRAMES) {
  test(`${what} closes the connection, and its peers are gone`, async t => {
    const server = await start(t)
    server.on('warning', () => {})
    const errors = record(server, 'error')
    const socket = await FrameSocket.open(t, httpPort(server))
    const infoHash = randomHex()
    socket.sendJson(announce({ infoHash, peerId: randomHex(), left: 1 }))
    assert.strictEqual((await socket.nextJson()).incomplete, 1)
    socket.write(bytes)
    const closed = await socket.closed
    if (code) assert.ok(code.includes(closed), `closed with ${closed}`)
    while (server.ws.clients.size > 0 || server.torrents[infoHash]?.incomplete) await turn()
    await assertUnharmed(t, server, errors)
  })
}

test('fragments that add up past the limit close the connection', async t => {
  const server = await start(t)
  server.on('warning', () => {})
  const socket = await FrameSocket.open(t, httpPort(server))
  const part = Buffer.alloc(1024, 0x20)
  socket.send(OP.text, part, { fin: false })
  for (let sent = 1; sent < 64; sent++) socket.send(OP.continuation, part, { fin: false })
  // Up to here it is as much as one message may have.
  socket.send(OP.ping)
  assert.strictEqual((await socket.next()).opcode, OP.pong)
  socket.send(OP.continuation, ' ', { fin: false })
  assert.strictEqual(await socket.closed, 1009)
})

test('endless empty fragments with pings between keep no memory and end with the idle time', async t => {
  const server = await start(t, { ws: { pingInterval: 100, idleTimeout: 300 } })
  server.on('warning', () => {})
  const errors = record(server, 'error')
  const socket = await FrameSocket.open(t, httpPort(server))
  const burst = Buffer.concat([...Array.from({ length: 100 }, () => frame(OP.continuation, '', { fin: false })), frame(OP.pong)])
  socket.send(OP.text, '', { fin: false })
  while (!socket.ended) {
    await Promise.race([socket.closed, new Promise(resolve => socket.stream.write(burst, resolve))])
    await turn()
  }
  await assertUnharmed(t, server, errors)
})

test('a flood of pings is no trouble for others', async t => {
  const server = await start(t)
  server.on('warning', () => {})
  const errors = record(server, 'error')
  const socket = await FrameSocket.open(t, httpPort(server))
  // The pongs are not read.
  socket.stream.pause()
  const flood = Buffer.concat(Array.from({ length: 10_000 }, () => frame(OP.ping, Buffer.alloc(125))))
  for (let i = 0; i < 5; i++) socket.write(flood)
  await assertUnharmed(t, server, errors)
})

test('a binary frame gets an error reply, whatever is in it', async t => {
  const server = await start(t)
  for (const payload of [scrape, '', Buffer.alloc(1000, 0xff)]) {
    const warned = nextValue(server, 'warning')
    const socket = await FrameSocket.open(t, httpPort(server))
    socket.send(OP.binary, payload)
    assert.deepStrictEqual(Object.keys(await socket.nextJson()), ['failure reason'])
    assertWarning(await warned)
    socket.sendText(scrape)
    assert.strictEqual((await socket.nextJson()).action, 'scrape')
  }
})

const hash = randomHex()
const id = randomHex()
const good = extra => JSON.stringify({ ...announce({ infoHash: hash, peerId: id }), ...extra })
const bad = (extra, reason) => [good(extra), reason]
const deep = (open, close) => `${open.repeat(20_000)}1${close.repeat(20_000)}`

// What is refused with an error reply, and how it reads.
const BAD_MESSAGES = [
  ['', /^invalid JSON/], ['x', /^invalid JSON/], ['{', /^invalid JSON/], ['[]', /^invalid JSON/], ['null', /^invalid JSON/],
  ['7', /^invalid JSON/], ['"announce"', /^invalid JSON/], [`${good()}x`, /^invalid JSON/], ['{\'action\':\'announce\'}', /^invalid JSON/],
  ['{"action":"announce","action":"scrape"}', /^invalid JSON/], ['\u0000', /^invalid JSON/], ['\ufeff{}', /^invalid JSON/],
  ['{}', 'invalid action in WS request: undefined'], ['{"action":null}', 'invalid action in WS request: undefined'],
  ['{"action":1}', 'invalid action in WS request: 1'], ['{"action":"bogus"}', 'invalid action in WS request: bogus'],
  ['{"action":"ANNOUNCE"}', 'invalid action in WS request: ANNOUNCE'], [`{"action":"${'x'.repeat(5000)}"}`, /^invalid action in WS request: x{1,100}$/],
  ['{"action":{"toString":1}}', /^invalid action in WS request: /],
  ['{"action":"announce"}', 'invalid info_hash'], bad({ info_hash: hash }, 'invalid info_hash'), bad({ info_hash: '' }, 'invalid info_hash'),
  bad({ info_hash: 1 }, 'invalid info_hash'), bad({ info_hash: null }, 'invalid info_hash'), bad({ info_hash: [binary(hash)] }, 'invalid info_hash'),
  bad({ info_hash: {} }, 'invalid info_hash'), bad({ info_hash: 'a'.repeat(19) }, 'invalid info_hash'),
  bad({ info_hash: 'a'.repeat(21) }, 'invalid info_hash'), bad({ info_hash: 'ā'.repeat(20) }, 'invalid info_hash'),
  bad({ info_hash: '😀'.repeat(10) }, 'invalid info_hash'), bad({ info_hash: '\ud800'.repeat(20) }, /^invalid (info_hash|JSON)/),
  bad({ peer_id: undefined }, 'invalid peer_id'), bad({ peer_id: 'short' }, 'invalid peer_id'), bad({ peer_id: 1 }, 'invalid peer_id'),
  bad({ peer_id: [] }, 'invalid peer_id'), bad({ peer_id: 'b'.repeat(21) }, 'invalid peer_id'), bad({ peer_id: 'ā'.repeat(20) }, 'invalid peer_id'),
  bad({ event: 'bogus' }, 'invalid event'), bad({ event: 1 }, 'invalid event'), bad({ event: {} }, 'invalid event'), bad({ event: ['started'] }, 'invalid event'),
  bad({ offers: [null] }, 'invalid offers'), bad({ offers: [1] }, 'invalid offers'), bad({ offers: ['x'] }, 'invalid offers'),
  bad({ offers: {} }, 'invalid offers'), bad({ offers: 'abc' }, 'invalid offers'), bad({ offers: 5 }, 'invalid offers'), bad({ offers: true }, 'invalid offers'),
  bad({ offers: [{ offer: {}, offer_id: 'x' }, null] }, 'invalid offers'), bad({ offers: [{ offer: {}, offer_id: 1 }] }, 'invalid offers'),
  bad({ offers: [{ offer: {}, offer_id: { length: 20 } }] }, 'invalid offers'), bad({ offers: [{ offer: {}, offer_id: 'x'.repeat(500) }] }, 'invalid offers'),
  bad({ answer: {} }, 'invalid `to_peer_id` (required with `answer`)'), bad({ answer: {}, to_peer_id: 'short' }, 'invalid `to_peer_id` (required with `answer`)'),
  bad({ answer: {}, to_peer_id: 7 }, 'invalid `to_peer_id` (required with `answer`)'),
  ['{"action":"scrape","info_hash":1}', 'invalid info_hash'], ['{"action":"scrape","info_hash":{}}', 'invalid info_hash'],
  ['{"action":"scrape","info_hash":"short"}', 'invalid info_hash'], ['{"action":"scrape","info_hash":[null]}', 'invalid info_hash'],
  ['{"action":"scrape","info_hash":[[]]}', 'invalid info_hash'], [`{"action":"scrape","info_hash":${deep('[', ']')}}`, /^invalid (info_hash|JSON)/],
  [deep('[', ']'), /^invalid JSON/], ['['.repeat(65_000), /^invalid JSON/], ['{"a":'.repeat(13_000), /^invalid JSON/]
]

test('bad messages get an error reply, a warning, and nothing else', async t => {
  const server = await start(t)
  const events = record(server, 'start', 'update', 'complete', 'stop', 'pause', 'error')
  const [peer, other] = [await WsPeer.open(t, server), await WsPeer.open(t, server)]
  await other.join(hash)
  for (const [message, reason] of BAD_MESSAGES) {
    const shown = message.slice(0, 200)
    const reply = await peer.ask(message)
    const text = reply['failure reason']
    if (reason instanceof RegExp) assert.match(text, reason, shown)
    else assert.strictEqual(text, reason, shown)
    assert.ok(JSON.stringify(reply).length < 1000, shown)
  }
  assert.deepStrictEqual(await other.settle(), [])
  assert.deepStrictEqual(Object.keys(server.torrents), [hash])
  assert.strictEqual(server.torrents[hash].incomplete, 1)
  assert.strictEqual((await peer.join(randomHex())).incomplete, 1, 'the socket is none the worse')
  await events.count('start', 2)
  assert.deepStrictEqual(events.names, ['start', 'start'])
})

test('a bad message is a warning that says what and from where', async t => {
  const server = await start(t)
  const peer = await WsPeer.open(t, server)
  const warned = nextValue(server, 'warning')
  await peer.ask(good({ offers: [null] }))
  const err = await warned
  assertWarning(err, 'invalid offers')
  assert.strictEqual(err.from, `127.0.0.1:${peer.socket._socket.localPort}`)
})

test('depth and odd keys where nobody looks are no trouble, for listeners as well', async t => {
  const server = await start(t)
  const events = record(server, 'update', 'warning', 'error')
  const peer = await WsPeer.open(t, server)
  const other = await WsPeer.open(t, server)
  await other.join(hash)
  const base = good().slice(0, -1)
  const messages = [
    `${base},"x":${deep('[', ']')}}`,
    `${base},"x":${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}}`,
    `${base},"offers":[{"offer":${deep('[', ']')},"offer_id":"deep"}]}`,
    `${base},"__proto__":{"left":0},"constructor":null,"toString":1,"hasOwnProperty":2}`,
    `${base},"type":"http","socket":1,"addr":"x","ip":"y","headers":null,"httpReq":{}}`,
    `${base},"left":${'9'.repeat(5000)},"numwant":${'9'.repeat(400)},"uploaded":-1e999,"downloaded":"x"}`,
    `${base},"k":"${'\\u0000'.repeat(10_000)}"}`
  ]
  for (const message of messages) {
    const reply = await peer.ask(message)
    assert.strictEqual(reply.action, 'announce', `${message.slice(0, 100)}: ${JSON.stringify(reply).slice(0, 200)}`)
  }
  await events.count('update', messages.length)
  assert.deepStrictEqual(new Set(events.names), new Set(['update']))
  for (const [, params] of events.of('update')) {
    assert.strictEqual(params.type, 'ws')
    assert.strictEqual(params.ip, '127.0.0.1')
    assert.strictEqual(params.info_hash, hash)
  }
  assert.strictEqual({}.left, undefined)
})

test('a million levels where messages may be that long', async t => {
  const server = await start(t, { ws: { maxPayload: 8 << 20 } })
  server.on('warning', () => {})
  const errors = record(server, 'error')
  const peer = await WsPeer.open(t, server)
  const base = good().slice(0, -1)
  const value = `${'['.repeat(1_000_000)}1${']'.repeat(1_000_000)}`
  for (const message of [value, `${base},"x":${value}}`, `${base},"offers":[{"offer":${value}}]}`]) {
    const reply = await peer.ask(message)
    assert.ok(reply['failure reason'] !== undefined || reply.incomplete === 1)
  }
  await assertUnharmed(t, server, errors)
})

test('the engine takes for JSON what JavaScript does: listeners read each message once more', async t => {
  const server = await start(t)
  server.on('warning', () => {})
  const updates = record(server, 'start', 'update', 'stop', 'complete', 'pause', 'error')
  const peer = await WsPeer.open(t, server)
  const random = numbers(3)
  const parts = [
    '0', '1', '-', '01', '1.', '.5', '1e', '1e5', '1E+5', '-0', '"', '\\', '\\u', '\\ud83d', '\\u00', '\\x', '\\/', '\t', '\n', '\u0001', '\u007f',
    '\u2028', '\ufeff', 'é', '😀', '[', ']', '{', '}', ',', ':', 'null', 'true', 'tru', 'NaN', 'Infinity', '"a"', '"offers"', '"info_hash"',
    '"\\u006ceft"', '"event"', ' ', '\u00a0', '/*x*/', '\''
  ]
  const base = good().slice(0, -1)
  let accepted = 0
  for (let i = 0; i < 2000; i++) {
    const value = Array.from({ length: 1 + random(6) }, () => parts[random(parts.length)]).join('')
    const places = [`${base},"x":${value}}`, `${base},${value}}`, `${base},"offers":[{"offer":${value},"offer_id":"x"}]}`]
    const message = places[random(3)]
    const reply = await peer.ask(message)
    if (reply.complete !== undefined) accepted++
    const reason = reply['failure reason'] ?? ''
    // One key twice is fine for JavaScript; here it is refused, for the two could be read differently.
    if (reason.includes('duplicate')) continue
    assert.strictEqual(!reason.startsWith('invalid JSON'), isJson(message), `${message.slice(base.length)}: ${reason}`)
  }
  assert.ok(accepted > 50)
  await updates.until(() => updates.log.length === accepted)
  assert.strictEqual(updates.of('error').length, 0)
})

function isJson (text) {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Numbers below `n`, the same for the same seed. */
function numbers (seed) {
  let state = seed
  return n => {
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return (state >> 8) % n
  }
}

test('random bytes and random frames stop nothing', async t => {
  const server = await start(t)
  server.on('warning', () => {})
  const errors = record(server, 'error')
  const random = numbers(7)
  const bytes = n => Buffer.from(Array.from({ length: n }, () => random(256)))
  for (let round = 0; round < 150; round++) {
    const socket = await FrameSocket.open(t, httpPort(server))
    for (let i = random(5); i >= 0; i--) {
      const bits = { fin: random(4) > 0, rsv: random(6) ? 0 : random(8), mask: random(6) > 0 }
      if (random(3) === 0) socket.write(bytes(random(200)))
      else socket.write(frame(random(16), random(2) ? bytes(random(130)) : scrape, bits))
    }
    if (random(2)) socket.stream.end()
    else socket.stream.destroy()
  }
  while (server.ws.clients.size > 0) await turn()
  await assertUnharmed(t, server, errors)
})
