'use strict'

// Trackers that lie, flood, cut or keep silent cost one warning each, and other clients go on.

const assert = require('node:assert')
const zlib = require('node:zlib')
const { once } = require('node:events')
const { test } = require('./helpers/test')
const { callback, next, nextValue, record } = require('./helpers/events')
const { encode } = require('./helpers/bencode')
const { FakeHttpTracker } = require('./helpers/fake-http-tracker')
const { FakeUdpTracker, answerWith, transactionOf } = require('./helpers/fake-udp-tracker')
const { uint32 } = require('./helpers/udp')
const { assertWarning, createClient } = require('./helpers/subjects')

const MEBIBYTE = 1024 * 1024

/** Round trips of another client; by their end a storm of the first would have shown. */
async function othersGoOn (t, rounds = 1) {
  const tracker = await FakeHttpTracker.start(t)
  const other = createClient(t, { announce: tracker.url })
  for (let i = 0; i < rounds; i++) {
    other.update()
    await next(other, 'update')
  }
}

/** Starts a client against `url` and resolves with its only warning. */
async function onlyWarning (t, url) {
  const client = createClient(t, { announce: url })
  const events = record(client, 'warning', 'error')
  client.start()
  await events.count('warning', 1)
  await othersGoOn(t, 5)
  assert.deepStrictEqual(events.names, ['warning'])
  const [err] = events.of('warning')[0]
  assertWarning(err)
  return err
}

test('200 MB of body, with a length and without', async t => {
  const chunk = Buffer.alloc(MEBIBYTE, 'a')
  for (const announced of [true, false]) {
    let sent = 0
    let closed
    const tracker = await FakeHttpTracker.start(t, (req, res) => {
      closed = once(res, 'close')
      if (announced) res.setHeader('content-length', 200 * MEBIBYTE)
      res.write(`${150 * MEBIBYTE}:`)
      const more = () => {
        while (!res.destroyed && sent < 200) {
          sent++
          if (!res.write(chunk)) return res.once('drain', more)
        }
        res.end()
      }
      more()
    })
    const before = process.memoryUsage().rss
    await onlyWarning(t, tracker.url)
    await closed
    assert.ok(sent < 100, `${sent} MiB were taken`)
    assert.ok(process.memoryUsage().rss - before < 100 * MEBIBYTE)
  }
})

test('a small body that unpacks to 200 MB', async t => {
  const body = zlib.gzipSync(Buffer.alloc(200 * MEBIBYTE), { level: 1 })
  const tracker = await FakeHttpTracker.start(t, (req, res) => {
    res.setHeader('content-encoding', 'gzip')
    return body
  })
  const before = process.memoryUsage().rss
  await onlyWarning(t, tracker.url)
  assert.ok(process.memoryUsage().rss - before < 100 * MEBIBYTE)
})

test('endless headers', async t => {
  const tracker = await FakeHttpTracker.start(t, (req, res) => {
    const { socket } = res
    socket.on('error', () => {})
    socket.write('HTTP/1.1 200 OK\r\n')
    const more = () => {
      while (!socket.destroyed) if (!socket.write('X-Filler: ' + 'a'.repeat(1000) + '\r\n')) return socket.once('drain', more)
    }
    more()
  })
  await onlyWarning(t, tracker.url)
})

test('a redirect to itself', async t => {
  const tracker = await FakeHttpTracker.start(t, (req, res) => {
    res.writeHead(302, { location: req.url }).end()
  })
  await onlyWarning(t, tracker.url)
  assert.ok(tracker.requests.length <= 21, `${tracker.requests.length} requests`)
})

for (const location of ['file:///etc/passwd', 'gopher://127.0.0.1/', 'http://', '']) {
  test(`a redirect to "${location}"`, async t => {
    const tracker = await FakeHttpTracker.start(t, (req, res) => {
      res.writeHead(302, { location }).end()
    })
    await onlyWarning(t, tracker.url)
  })
}

for (const [what, answer] of [
  ['a body cut mid-way', (req, res) => {
    res.setHeader('content-length', 1000)
    res.write('d8:complete')
    res.once('close', () => {})
    setImmediate(() => res.destroy())
  }],
  ['a connection closed without an answer', (req, res) => { res.destroy() }],
  ['an answer that is no HTTP', (req, res) => { res.socket.end('hello\r\n\r\n') }],
  ['a chunk size that is no number', (req, res) => { res.socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n') }],
  ['deeply nested lists', () => Buffer.from('l'.repeat(100_000))],
  ['deeply nested dictionaries', () => Buffer.from('d1:a'.repeat(50_000) + 'i1e' + 'e'.repeat(50_000))],
  ['half a million empty lists', () => Buffer.from('d5:peersl' + 'le'.repeat(500_000) + 'ee')],
  ['a string longer than the body', () => Buffer.from('d8:intervali60e5:peers999999999:x')],
  ['a number of ten thousand digits', () => Buffer.from(`d8:intervali${'9'.repeat(10_000)}ee`)],
  ['a list instead of a dictionary', () => encode([1, 2])],
  ['bytes after the dictionary', () => Buffer.from('d8:intervali1800ee<html>')],
  ['peers of a length that is no multiple of 6', () => encode({ interval: 1800, peers: Buffer.alloc(7) })],
  ['peers6 of a length that is no multiple of 18', () => encode({ interval: 1800, peers: '', peers6: Buffer.alloc(19) })],
  ['an interval of -1', () => encode({ interval: -1, peers: '' })],
  ['an interval of 2^40', () => encode({ interval: 2 ** 40, peers: '' })]
]) {
  test(`${what} costs one warning`, async t => {
    const tracker = await FakeHttpTracker.start(t, answer)
    await onlyWarning(t, tracker.url)
  })
}

for (const interval of [-1, 0, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER, '1', []]) {
  test(`an HTTP interval of ${JSON.stringify(interval)} starts no storm`, async t => {
    const tracker = await FakeHttpTracker.start(t, () => ({ interval, complete: 0, incomplete: 0, peers: '' }))
    const client = createClient(t, { announce: tracker.url })
    client.on('warning', () => {})
    client.start()
    await tracker.request()
    await othersGoOn(t, 30)
    assert.strictEqual(tracker.requests.length, 1)
  })
}

for (const interval of [0, 0x7fffffff, 0xffffffff]) {
  test(`a UDP interval of ${interval} starts no storm`, async t => {
    const tracker = await FakeUdpTracker.start(t, {
      announce: (packet, reply) => reply(uint32(1), transactionOf(packet), uint32(interval), uint32(0), uint32(1))
    })
    const client = createClient(t, { announce: tracker.url })
    client.on('warning', () => {})
    client.start()
    await tracker.packet('announce')
    await othersGoOn(t, 30)
    assert.strictEqual(tracker.of('announce').length, 1)
  })
}

test('a failure reason of half a megabyte is cut, not printed whole', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ 'failure reason': 'x'.repeat(512 * 1024) }))
  const err = await onlyWarning(t, tracker.url)
  assert.ok(err.message.length < 64 * 1024, `${err.message.length} characters`)
})

test('a UDP answer with peers cut in two is a warning or loses that peer alone', async t => {
  const tracker = await FakeUdpTracker.start(t, {
    announce: answerWith(Buffer.from([10, 0, 0, 1, 0, 9, 10, 0, 0]))
  })
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'update', 'peer', 'warning')
  client.start()
  await events.until(({ log }) => log.some(({ name }) => name !== 'update'))
  assert.ok(events.of('peer').every(([addr]) => addr === '10.0.0.1:9'))
})

test('a UDP scrape answer with more or fewer rows than asked', async t => {
  for (const rows of [0, 3]) {
    const tracker = await FakeUdpTracker.start(t, {
      scrape: (packet, reply) => reply(uint32(2), transactionOf(packet), Buffer.alloc(12 * rows))
    })
    const client = createClient(t, { announce: tracker.url })
    const events = record(client, 'scrape', 'warning')
    client.scrape()
    if (rows > 0) {
      await events.count('scrape', 1)
      assert.deepStrictEqual(events.of('scrape').map(([{ infoHash }]) => infoHash), [client.infoHash])
    } else {
      await othersGoOn(t, 3)
      assert.strictEqual(events.of('scrape').length, 0)
    }
  }
})

test('a scrape answer with keys that are no hashes', async t => {
  for (const files of [{ x: { complete: 1 } }, [], 5, { ['a'.repeat(20)]: 7 }]) {
    const tracker = await FakeHttpTracker.start(t, () => ({ files }))
    const client = createClient(t, { announce: tracker.url })
    client.scrape()
    assertWarning(await nextValue(client, 'warning'))
  }
})

test('keys that are special in JavaScript', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ interval: 1800, peers: '', __proto__x: 'a', constructor: 'b', ['__proto__']: { polluted: 1 } }))
  const client = createClient(t, { announce: tracker.url })
  client.start()
  const data = await nextValue(client, 'update')
  assert.strictEqual(Object.getPrototypeOf(data), Object.prototype)
  assert.strictEqual({}.polluted, undefined)
  assert.strictEqual(data.announce, tracker.url)
})

test('a tracker cannot set announce and infoHash of update', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ interval: 1800, peers: '', announce: 'x', infoHash: 'y' }))
  const client = createClient(t, { announce: tracker.url })
  client.start()
  const data = await nextValue(client, 'update')
  assert.strictEqual(data.announce, tracker.url)
  assert.strictEqual(data.infoHash, client.infoHash)
})

test('a silent HTTP tracker does not hold destroy for long, nor other clients at all', async t => {
  const tracker = await FakeHttpTracker.start(t, () => {})
  const client = createClient(t, { announce: tracker.url })
  const events = record(client, 'update', 'error')
  client.start()
  await tracker.request()
  await othersGoOn(t)
  const [err] = await callback(cb => client.destroy(cb))
  assert.ok(!err, `${err}`)
  assert.deepStrictEqual(events.names, [])
})

test('silence, over both transports, is one warning when the time is up', async t => {
  const http = await FakeHttpTracker.start(t, () => {})
  const slow = await FakeHttpTracker.start(t, (req, res) => { res.write('d8:complete') })
  const udp = await FakeUdpTracker.start(t, { connect: () => {} })
  const halfway = await FakeUdpTracker.start(t, { announce: () => {} })
  for (const [{ url }, message] of [
    [http, 'This operation was aborted'], [slow, 'This operation was aborted'],
    [udp, `tracker request timed out (started) (${udp.url})`],
    [halfway, `tracker request timed out (started) (${halfway.url})`]
  ]) {
    const client = createClient(t, { announce: url, requestTimeout: 100 })
    const events = record(client, 'warning', 'update', 'error')
    client.start()
    await events.count('warning', 1)
    await othersGoOn(t, 5)
    assert.deepStrictEqual(events.names, ['warning'])
    assertWarning(events.of('warning')[0][0], message)
  }
})

test('the time-out of stopped is no news', async t => {
  const udp = await FakeUdpTracker.start(t, { connect: () => {} })
  const client = createClient(t, { announce: udp.url, requestTimeout: 50 })
  const events = record(client, 'warning', 'error')
  client.stop()
  client.update()
  await events.count('warning', 1)
  await othersGoOn(t, 10)
  assert.strictEqual(events.log.length, 1)
})

test('a listener that throws is an uncaught exception, and the other events still come', async t => {
  const { spawnNode } = require('./helpers/processes')
  const tracker = await FakeHttpTracker.start(t, () => ({ interval: 1800, peers: Buffer.alloc(12, 1) }))
  const child = spawnNode(t, `
    const Client = require(process.argv[1])
    const client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce: process.argv[2] })
    let thrown = 0, peers = 0
    process.on('uncaughtException', () => { thrown++ })
    client.on('update', () => { throw new Error('listener') })
    client.on('peer', () => { if (++peers === 2) { client.destroy(); setImmediate(() => console.log(JSON.stringify({ thrown, peers }))) } })
    client.start()
  `, { args: [tracker.url] })
  assert.deepStrictEqual(JSON.parse((await child.ended).stdout), { thrown: 1, peers: 2 })
})
