'use strict'

// Our client against opentracker.

const assert = require('node:assert')
const { test } = require('../helpers/test')
const { callback, nextValue, record } = require('../helpers/events')
const { needsPrograms } = require('../helpers/processes')
const { startOpentracker } = require('../helpers/opentracker')
const { Client, assertWarning, createClient, randomHex } = require('../helpers/subjects')

const options = needsPrograms({ opentracker: 'opentracker' })

for (const transport of ['http', 'udp']) {
  test(`${transport}: start, update, complete, scrape, stop against opentracker`, options, async t => {
    const infoHash = randomHex()
    const tracker = await startOpentracker(t, [infoHash])
    const announce = tracker[`${transport}Url`]
    const client = createClient(t, { announce, infoHash, port: 7001 })
    const step = async (method, opts) => {
      const updated = nextValue(client, 'update')
      client[method](opts)
      const { complete, incomplete } = await updated
      return [complete, incomplete]
    }
    assert.deepStrictEqual(await step('start', { left: 1000 }), [0, 1])
    assert.deepStrictEqual(await step('update', { left: 500 }), [0, 1])
    assert.deepStrictEqual(await step('complete', { left: 0 }), [1, 0])

    client.scrape()
    const data = await nextValue(client, 'scrape')
    assert.deepStrictEqual(data, { announce, infoHash, complete: 1, downloaded: 1, incomplete: 0 })

    const second = createClient(t, { announce, infoHash, port: 7002 })
    const found = record(second, 'peer')
    second.start({ left: 1 })
    await found.until(() => found.of('peer').some(([addr]) => addr === '127.0.0.1:7001'))

    client.stop({ left: 0 })
    await callback(cb => client.destroy(cb))
    second.scrape()
    assert.deepStrictEqual(await nextValue(second, 'scrape'), { announce, infoHash, complete: 0, downloaded: 1, incomplete: 1 })
  })

  test(`${transport}: a torrent that opentracker does not know`, options, async t => {
    const tracker = await startOpentracker(t, [])
    // Over UDP it sends the head of an answer without a body, which is no answer: the time runs out.
    const client = createClient(t, { announce: tracker[`${transport}Url`], requestTimeout: 1000 })
    client.start()
    assertWarning(await nextValue(client, 'warning'))
  })

  test(`${transport}: several hashes in one scrape of opentracker`, options, async t => {
    const hashes = [randomHex(), randomHex(), randomHex()]
    const tracker = await startOpentracker(t, hashes)
    const announce = tracker[`${transport}Url`]
    for (const [i, infoHash] of hashes.entries()) {
      const client = createClient(t, { announce, infoHash, port: 7001 })
      client.start({ left: i === 1 ? 0 : 1 })
      await nextValue(client, 'update')
    }
    const [err, data] = await callback(cb => Client.scrape({ announce, infoHash: hashes }, cb))
    assert.ifError(err)
    assert.deepStrictEqual(hashes.map(hash => [data[hash].complete, data[hash].incomplete]), [[0, 1], [1, 0], [0, 1]])
  })
}
