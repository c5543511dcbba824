'use strict'

const assert = require('node:assert')
const http = require('node:http')
const { test, needsIPv6, SOCKET_PATHS } = require('./helpers/test')
const { fromCompact } = require('./helpers/compact')
const { decode } = require('./helpers/bencode')
const { announcePath, bencoded, percent, raw, request, scrapePath } = require('./helpers/http')
const { httpPort, randomHex, startServer, stranger } = require('./helpers/subjects')

for (const { name, opts } of SOCKET_PATHS) {
  const start = (t, more) => startServer(t, { udp: false, ...opts, ...more })

  test(`${name}: a compact announce has the original's keys and the peer itself`, async t => {
    const server = await start(t)
    const answer = await bencoded(httpPort(server), announcePath({ ...stranger(), event: 'started' }))
    assert.deepStrictEqual([...answer.keys()], ['complete', 'incomplete', 'interval', 'peers', 'peers6'])
    assert.strictEqual(answer.get('complete'), 0)
    assert.strictEqual(answer.get('incomplete'), 1)
    assert.strictEqual(answer.get('interval'), 600)
    assert.deepStrictEqual(fromCompact(answer.get('peers')), ['127.0.0.1:6881'])
    assert.strictEqual(answer.get('peers6').length, 0)
  })

  test(`${name}: many requests on one connection`, async t => {
    const server = await start(t)
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    t.after(() => agent.destroy())
    const infoHash = randomHex()
    for (let port = 1; port <= 20; port++) {
      const answer = await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex(), port }), { agent })
      assert.strictEqual(answer.get('incomplete'), port)
    }
  })

  test(`${name}: pipelined requests are answered in order`, async t => {
    const server = await start(t)
    const infoHash = randomHex()
    const get = (port, end = '') => `GET ${announcePath({ infoHash, peerId: randomHex(), port })} HTTP/1.1\r\nHost: x\r\n${end}\r\n`
    const answer = await raw(httpPort(server), get(1) + get(2) + get(3, 'Connection: close\r\n'))
    const counts = [...answer.toString('latin1').matchAll(/10:incompletei(\d+)e/g)].map(([, n]) => Number(n))
    assert.deepStrictEqual(counts, [1, 2, 3])
  })

  test(`${name}: an announce over IPv6`, needsIPv6, async t => {
    const server = await start(t)
    const infoHash = randomHex()
    await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex(), port: 1 }))
    const answer = await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex(), port: 2 }), { host: '::1' })
    assert.deepStrictEqual(fromCompact(answer.get('peers')), ['127.0.0.1:1'])
    assert.deepStrictEqual(fromCompact(answer.get('peers6'), 6), ['[::1]:2'])
  })
}

test('compact=0 and no compact at all give a list of dictionaries', async t => {
  const server = await startServer(t, { udp: false })
  const [infoHash, peerId] = [randomHex(), randomHex()]
  for (const compact of [0, undefined]) {
    const answer = await bencoded(httpPort(server), announcePath({ infoHash, peerId, compact }))
    const [peer] = answer.get('peers')
    assert.deepStrictEqual([...peer.keys()], ['ip', 'peer id', 'port'])
    assert.strictEqual(peer.get('ip').toString(), '127.0.0.1')
    assert.strictEqual(peer.get('peer id').toString('hex'), peerId, 'raw 20 bytes')
    assert.strictEqual(peer.get('port'), 6881)
    assert.ok(!answer.has('peers6'), 'the list holds both families')
  }
})

test('the dictionary form lists IPv6 peers beside IPv4 ones', needsIPv6, async t => {
  const server = await startServer(t, { udp: false })
  const infoHash = randomHex()
  await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex(), port: 1 }), { host: '::1' })
  const answer = await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex(), port: 2, compact: 0 }))
  const ips = answer.get('peers').map(peer => peer.get('ip').toString()).sort()
  assert.deepStrictEqual(ips, ['127.0.0.1', '::1'])
})

test('no_peer_id leaves the peer ids out', async t => {
  const server = await startServer(t, { udp: false })
  const answer = await bencoded(httpPort(server), announcePath({ ...stranger(), compact: 0, no_peer_id: 1 }))
  assert.deepStrictEqual([...answer.get('peers')[0].keys()], ['ip', 'port'])
})

test('a stranger compact value leaks nothing', async t => {
  const server = await startServer(t, { udp: false })
  const answer = await bencoded(httpPort(server), announcePath({ ...stranger(), compact: 2 }))
  const peers = answer.get('peers')
  if (Array.isArray(peers)) assert.deepStrictEqual([...peers[0].keys()], ['ip', 'peer id', 'port'])
  else assert.strictEqual(peers.length, 6)
})

test('numwant is exact up to 82, 50 when missing or -1, none when 0', async t => {
  const server = await startServer(t, { udp: false })
  const infoHash = randomHex()
  const announce = params => bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex(), ...params }))
  for (let port = 1; port <= 90; port++) await announce({ port, numwant: 1 })
  for (const [numwant, count] of [[1, 1], [10, 10], [82, 82], [200, 82], [undefined, 50], [-1, 50], [0, 0], ['x', 50]]) {
    const peers = fromCompact((await announce({ port: 1, numwant })).get('peers'))
    assert.strictEqual(peers.length, count, `numwant=${numwant}`)
    assert.strictEqual(new Set(peers).size, count, 'no peer twice')
  }
})

test('the peers of an answer are chosen at random', async t => {
  const server = await startServer(t, { udp: false })
  const infoHash = randomHex()
  const announce = (port, numwant) => {
    return bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex(), port, numwant }))
  }
  for (let port = 1; port <= 60; port++) await announce(port, 1)
  const seen = new Set()
  // Each of 60 peers is missed by 200 draws of 10 with a chance of (5/6)^200 < 1e-15.
  for (let i = 0; i < 200; i++) for (const peer of fromCompact((await announce(1, 10)).get('peers'))) seen.add(peer)
  assert.strictEqual(seen.size, 60)
})

test('the interval option is told in seconds, rounded up', async t => {
  const server = await startServer(t, { udp: false, interval: 61_001 })
  const answer = await bencoded(httpPort(server), announcePath({ ...stranger() }))
  assert.strictEqual(answer.get('interval'), 62)
})

test('any percent-encoding of the 20 bytes is the same hash', async t => {
  const server = await startServer(t, { udp: false })
  const bytes = Buffer.from('4142435f2d2e7e00ff2b262f3d253f2061414243', 'hex')
  const forms = [percent(bytes), percent(bytes).toUpperCase().replace(/%([0-9A-F]{2})/g, '%$1'), `ABC_-.~${percent(bytes.subarray(7, 16))}aABC`]
  for (const [i, form] of forms.entries()) {
    const path = `/announce?info_hash=${form}&peer_id=${percent(Buffer.from(randomHex(), 'hex'))}&port=${i + 1}&left=1&compact=1`
    const answer = await bencoded(httpPort(server), path)
    assert.strictEqual(answer.get('incomplete'), i + 1, form)
  }
  assert.deepStrictEqual(Object.keys(server.torrents), [bytes.toString('hex')])
})

test('scrape answers raw 20-byte keys, sorted, with true counts', async t => {
  const server = await startServer(t, { udp: false })
  const [a, b, unknown] = [randomHex(), randomHex(), randomHex()]
  const announce = (infoHash, port, params) => {
    return bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex(), port, ...params }))
  }
  await announce(a, 1, { event: 'started', left: 0 })
  await announce(a, 2, { event: 'started', left: 10 })
  await announce(a, 2, { event: 'completed', left: 0 })
  await announce(a, 3, { event: 'started', left: 10 })
  await announce(b, 4, { event: 'started', left: 10 })
  const answer = await bencoded(httpPort(server), scrapePath(a, b, unknown))
  assert.deepStrictEqual([...answer.keys()], ['files', 'flags'])
  assert.strictEqual(answer.get('flags').get('min_request_interval'), 600)
  const files = answer.get('files')
  assert.strictEqual(files.size, 3)
  const row = hash => Object.fromEntries(files.get(Buffer.from(hash, 'hex').toString('latin1')))
  assert.deepStrictEqual(row(a), { complete: 2, downloaded: 1, incomplete: 1 })
  assert.deepStrictEqual(row(b), { complete: 0, downloaded: 0, incomplete: 1 })
  assert.deepStrictEqual(row(unknown), { complete: 0, downloaded: 0, incomplete: 0 })
})

test('a hash asked for twice is answered once', async t => {
  const server = await startServer(t, { udp: false })
  const hash = randomHex()
  const answer = await bencoded(httpPort(server), scrapePath(hash, hash))
  assert.strictEqual(answer.get('files').size, 1)
})

test('scrape without a hash lists all torrents of a small tracker', async t => {
  const server = await startServer(t, { udp: false })
  const hashes = [randomHex(), randomHex()]
  for (const infoHash of hashes) await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex() }))
  const answer = await bencoded(httpPort(server), '/scrape')
  const listed = [...answer.get('files').keys()].map(key => Buffer.from(key, 'latin1').toString('hex'))
  assert.deepStrictEqual(listed.sort(), hashes.sort())
})

test('a scrape does not create a swarm', async t => {
  const server = await startServer(t, { udp: false })
  await bencoded(httpPort(server), scrapePath(randomHex()))
  assert.deepStrictEqual(Object.keys(server.torrents), [])
})

test('an answer is 200 with a length and a content type', async t => {
  const server = await startServer(t, { udp: false })
  for (const path of [announcePath({ ...stranger() }), '/announce?bad', scrapePath(randomHex())]) {
    const { status, headers, body } = await request(httpPort(server), path)
    assert.strictEqual(status, 200)
    assert.strictEqual(Number(headers['content-length']), body.length)
    assert.ok(headers['content-type'], path)
    assert.doesNotMatch(headers['content-type'], /html/)
  }
})

test('x-forwarded-for counts only with trustProxy, and its first entry then', async t => {
  const headers = { 'x-forwarded-for': '203.0.113.7, 198.51.100.1' }
  for (const [trustProxy, ip] of [[false, '127.0.0.1'], [true, '203.0.113.7']]) {
    const server = await startServer(t, { udp: false, trustProxy })
    const answer = await bencoded(httpPort(server), announcePath({ ...stranger() }), { headers })
    assert.deepStrictEqual(fromCompact(answer.get('peers')), [`${ip}:6881`])
  }
})

test('trustProxy without the header uses the connection\'s address', async t => {
  const server = await startServer(t, { udp: false, trustProxy: true })
  const answer = await bencoded(httpPort(server), announcePath({ ...stranger() }))
  assert.deepStrictEqual(fromCompact(answer.get('peers')), ['127.0.0.1:6881'])
})

test('trustProxy takes an IPv6 address', async t => {
  const server = await startServer(t, { udp: false, trustProxy: true })
  const headers = { 'x-forwarded-for': '2001:db8::7' }
  const answer = await bencoded(httpPort(server), announcePath({ ...stranger() }), { headers })
  assert.deepStrictEqual(fromCompact(answer.get('peers6'), 6), ['[2001:db8::7]:6881'])
})

test('the ip of the query is ignored', async t => {
  const server = await startServer(t, { udp: false })
  const answer = await bencoded(httpPort(server), announcePath({ ...stranger(), ip: '203.0.113.9' }))
  assert.deepStrictEqual(fromCompact(answer.get('peers')), ['127.0.0.1:6881'])
})

test('HTTP/1.0 is answered and closed', async t => {
  const server = await startServer(t, { udp: false })
  const answer = await raw(httpPort(server), `GET ${announcePath({ ...stranger() })} HTTP/1.0\r\n\r\n`)
  const body = answer.subarray(answer.indexOf('\r\n\r\n') + 4)
  assert.strictEqual(decode(body).get('incomplete'), 1)
})

test('peersCacheLength bounds a swarm', async t => {
  const server = await startServer(t, { udp: false, peersCacheLength: 5 })
  const infoHash = randomHex()
  for (let port = 1; port <= 20; port++) {
    await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex(), port }))
  }
  const answer = await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex(), port: 20 }))
  assert.strictEqual(answer.get('incomplete'), 5)
  assert.strictEqual(fromCompact(answer.get('peers')).length, 5)
})
