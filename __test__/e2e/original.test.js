'use strict'

// Our client against the server of the package that this one replaces.

const assert = require('node:assert')
const { test } = require('../helpers/test')
const { callback, nextValue, record } = require('../helpers/events')
const { startOriginal } = require('../helpers/original')
const { Client, createClient, randomHex } = require('../helpers/subjects')

// The first run asks npm for the package.
const options = { timeout: 180_000 }

for (const transport of ['http', 'udp']) {
  test(`${transport}: start, update, complete, scrape, stop against the original's server`, options, async t => {
    const tracker = await startOriginal(t)
    const announce = tracker[`${transport}Url`]
    const infoHash = randomHex()
    const client = createClient(t, { announce, infoHash, port: 7001 })
    const peers = record(client, 'peer')
    const step = async (method, opts) => {
      const updated = nextValue(client, 'update')
      client[method](opts)
      const { complete, incomplete } = await updated
      const { event, left, peerId, addr } = await tracker.nextEvent()
      assert.strictEqual(addr, '127.0.0.1:7001')
      assert.strictEqual(peerId, client.peerId)
      assert.strictEqual(left, opts.left)
      return [event, complete, incomplete]
    }
    assert.deepStrictEqual(await step('start', { left: 1000 }), ['start', 0, 1])
    await peers.count('peer', 1)
    assert.deepStrictEqual(peers.of('peer'), [['127.0.0.1:7001']])
    assert.deepStrictEqual(await step('update', { left: 500 }), ['update', 0, 1])
    assert.deepStrictEqual(await step('complete', { left: 0 }), ['complete', 1, 0])

    if (transport === 'udp') {
      // Over HTTP the original writes the hashes of a scrape in UTF-8, which no other client reads.
      client.scrape()
      const { complete, incomplete } = await nextValue(client, 'scrape')
      assert.deepStrictEqual([complete, incomplete], [1, 0])
    }

    const second = createClient(t, { announce, infoHash, port: 7002 })
    const found = record(second, 'peer')
    second.start({ left: 1 })
    await found.count('peer', 2)
    assert.deepStrictEqual(found.of('peer').flat().sort(), ['127.0.0.1:7001', '127.0.0.1:7002'])
    assert.strictEqual((await tracker.nextEvent()).event, 'start')

    client.stop({ left: 0 })
    await callback(cb => client.destroy(cb))
    const last = await tracker.nextEvent()
    assert.strictEqual(last.event, 'stop')
    assert.strictEqual(last.peerId, client.peerId)
  })
}

test('a scrape of several hashes at the original\'s server over UDP', options, async t => {
  const tracker = await startOriginal(t)
  const hashes = [randomHex(), randomHex()]
  const client = createClient(t, { announce: tracker.udpUrl, infoHash: hashes[1] })
  client.start({ left: 0 })
  await nextValue(client, 'update')
  const [err, data] = await callback(cb => Client.scrape({ announce: tracker.udpUrl, infoHash: hashes }, cb))
  assert.ifError(err)
  assert.deepStrictEqual(hashes.map(hash => data[hash].complete), [0, 1])
})

test('a hash without high bytes can be scraped at the original\'s server over HTTP', options, async t => {
  const tracker = await startOriginal(t)
  const infoHash = Buffer.from('abcdefghijklmnopqrst').toString('hex')
  const client = createClient(t, { announce: tracker.httpUrl, infoHash })
  client.start({ left: 0 })
  await nextValue(client, 'update')
  client.scrape()
  const data = await nextValue(client, 'scrape')
  assert.strictEqual(data.infoHash, infoHash)
  assert.strictEqual(data.complete, 1)
})
