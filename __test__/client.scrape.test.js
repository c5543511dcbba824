'use strict'

const assert = require('node:assert')
const { test } = require('./helpers/test')
const { callback } = require('./helpers/events')
const { FakeHttpTracker } = require('./helpers/fake-http-tracker')
const { announcePath, bencoded } = require('./helpers/http')
const { Client, assertWarning, httpPort, httpUrl, randomHex, startServer, udpUrl } = require('./helpers/subjects')

test('missing options throw', t => {
  assert.throws(() => Client.scrape({}, () => {}), { message: 'Option `infoHash` is required' })
  assert.throws(() => Client.scrape({ infoHash: randomHex() }, () => {}), { message: 'Option `announce` is required' })
})

for (const [name, url] of [['http', httpUrl], ['udp', udpUrl]]) {
  test(`${name}: one hash gives the object`, async t => {
    const server = await startServer(t)
    const infoHash = randomHex()
    await bencoded(httpPort(server), announcePath({ infoHash, peerId: randomHex(), event: 'started', left: 0 }))
    for (const given of [infoHash, [infoHash], Buffer.from(infoHash, 'hex')]) {
      const [err, data] = await callback(cb => Client.scrape({ announce: url(server), infoHash: given }, cb))
      assert.ifError(err)
      assert.deepStrictEqual(data, { announce: url(server), infoHash, complete: 1, incomplete: 0, downloaded: 0 })
    }
  })

  test(`${name}: several hashes give an object by hash`, async t => {
    const server = await startServer(t)
    const hashes = [randomHex(), randomHex(), randomHex()]
    await bencoded(httpPort(server), announcePath({ infoHash: hashes[1], peerId: randomHex(), event: 'started' }))
    const [err, data] = await callback(cb => Client.scrape({ announce: url(server), infoHash: hashes }, cb))
    assert.ifError(err)
    assert.deepStrictEqual(Object.keys(data).sort(), [...hashes].sort())
    for (const infoHash of hashes) {
      assert.deepStrictEqual(data[infoHash], {
        announce: url(server), infoHash, complete: 0, incomplete: infoHash === hashes[1] ? 1 : 0, downloaded: 0
      })
    }
  })
}

test('it returns the client, which is destroyed once it has succeeded', async t => {
  const server = await startServer(t)
  let client
  await callback(cb => { client = Client.scrape({ announce: httpUrl(server), infoHash: randomHex() }, cb) })
  assert.ok(client instanceof Client)
  assert.strictEqual(client.destroyed, true)
})

test('a failure comes once', async t => {
  const tracker = await FakeHttpTracker.start(t, () => ({ 'failure reason': 'no' }))
  let calls = 0
  let client
  const [err] = await callback(cb => {
    client = Client.scrape({ announce: tracker.url, infoHash: randomHex() }, (...args) => { calls++; cb(...args) })
  })
  assertWarning(err, 'no')
  if (!client.destroyed) await callback(cb => client.destroy(cb))
  assert.strictEqual(calls, 1)
})

test('an announce URL that has no scrape is an error', async t => {
  const [err] = await callback(cb => Client.scrape({ announce: 'http://127.0.0.1:9/tracker', infoHash: randomHex() }, cb))
  assert.strictEqual(err.message, 'scrape not supported http://127.0.0.1:9/tracker')
})

test('Client.scrape of several hashes gives those that the tracker knows', async t => {
  const [known, unknown] = [randomHex(), randomHex()]
  const tracker = await FakeHttpTracker.start(t, () => ({
    files: { [Buffer.from(known, 'hex').toString('latin1')]: { complete: 1, downloaded: 2, incomplete: 3 } }
  }))
  const [err, results] = await callback(cb => Client.scrape({ announce: tracker.url, infoHash: [known, unknown] }, cb))
  assert.ifError(err)
  assert.deepStrictEqual(Object.keys(results), [known])
  assert.strictEqual(results[known].complete, 1)
})
