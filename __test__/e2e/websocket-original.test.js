'use strict'

// Our client at the WebSocket server of the package that this one replaces.

const assert = require('node:assert')
const crypto = require('node:crypto')
const { test } = require('../helpers/test')
const { callback, nextValue } = require('../helpers/events')
const { startOriginal } = require('../helpers/original')
const { spawnNode } = require('../helpers/processes')
const { Client, createClient, randomHex } = require('../helpers/subjects')

// The first run asks npm for the package.
const options = { timeout: 180_000 }
const MEGABYTE = 2 ** 20

test('ws: start, update, complete, scrape, stop against the original\'s server', options, async t => {
  const tracker = await startOriginal(t, { ws: true })
  const client = createClient(t, { announce: tracker.wsUrl, wrtc: {} })
  client._trackers[0]._generateOffers = (numwant, cb) => cb([])
  const step = async (method, opts) => {
    const updated = nextValue(client, 'update')
    client[method](opts)
    const { complete, incomplete, interval, infoHash } = await updated
    assert.deepStrictEqual([interval, infoHash], [120, client.infoHash])
    const { event, left, peerId, addr } = await tracker.nextEvent()
    assert.deepStrictEqual([addr, peerId], [client.peerId, client.peerId])
    assert.strictEqual(left, opts.left)
    return [event, complete, incomplete]
  }
  assert.deepStrictEqual(await step('start', { left: 1000 }), ['start', 0, 1])
  assert.deepStrictEqual(await step('update', { left: 500 }), ['update', 0, 1])
  assert.deepStrictEqual(await step('complete', { left: 0 }), ['complete', 1, 0])
  client.scrape()
  assert.deepStrictEqual(await nextValue(client, 'scrape'), {
    complete: 1, incomplete: 0, downloaded: 1, announce: tracker.wsUrl, infoHash: client.infoHash
  })
  const hashes = [randomHex(), client.infoHash]
  const [err, data] = await callback(cb => Client.scrape({ announce: tracker.wsUrl, infoHash: hashes, wrtc: {} }, cb))
  assert.ifError(err)
  assert.deepStrictEqual(hashes.map(hash => data[hash].complete), [0, 1])
  client.stop({ left: 0 })
  await callback(cb => client.destroy(cb))
  const last = await tracker.nextEvent()
  assert.deepStrictEqual([last.event, last.peerId], ['stop', client.peerId])
})

test('ws: a magnet link\'s leecher is no seeder at the original\'s server', options, async t => {
  const tracker = await startOriginal(t, { ws: true })
  const client = createClient(t, { announce: tracker.wsUrl, wrtc: {} })
  client._trackers[0]._generateOffers = (numwant, cb) => cb([])
  client.start({ left: NaN })
  const { complete, incomplete } = await nextValue(client, 'update')
  assert.deepStrictEqual([complete, incomplete], [0, 1])
})

test('ws: a peer error of the original\'s server is a warning', options, async t => {
  const tracker = await startOriginal(t, { ws: true })
  const client = createClient(t, { announce: tracker.wsUrl, wrtc: {} })
  const [ws] = client._trackers
  ws._generateOffers = (numwant, cb) => cb([])
  client.start({ left: 1 })
  await nextValue(client, 'update')
  ws._send({ action: 'announce', info_hash: 'short' })
  const warning = await nextValue(client, 'warning')
  assert.deepStrictEqual([warning.code, warning.message], ['ERR_TRACKER_FAILURE', 'invalid info_hash'])
  assert.strictEqual(ws.socket.connected, true)
})

const PEER = `
  const crypto = require('node:crypto')
  const [root, announce, infoHash, role] = process.argv.slice(1)
  const Client = require(root)
  const client = new Client({
    announce, infoHash, peerId: crypto.randomBytes(20), port: 6881,
    wrtc: require(require.resolve('@roamhq/wrtc', { paths: [root] })), rtcConfig: { iceServers: [] }
  })
  client.on('warning', err => console.error(err))
  client.once('update', () => console.log('joined'))
  client.once('peer', peer => peer.on('error', err => console.error(err)).once('connect', () => {
    const hash = crypto.createHash('sha256')
    let received = 0
    const data = crypto.randomBytes(${MEGABYTE})
    console.log('sent ' + crypto.createHash('sha256').update(data).digest('hex'))
    peer.on('data', chunk => {
      hash.update(chunk)
      received += chunk.length
      if (received < ${MEGABYTE}) return
      console.log('received ' + hash.digest('hex'))
    })
    for (let at = 0; at < data.length; at += 16384) peer.write(data.subarray(at, at + 16384))
  }))
  process.once('message', () => client.destroy(() => process.exit()))
  client.start({ left: role === 'seeder' ? 0 : 1000 })`

test('ws: two processes exchange a megabyte over WebRTC', options, async t => {
  const tracker = await startOriginal(t, { ws: true })
  const infoHash = crypto.randomBytes(20).toString('hex')
  const peer = role => spawnNode(t, PEER, { args: [tracker.wsUrl, infoHash, role], ipc: true })
  const seeder = peer('seeder')
  await seeder.line(/joined/)
  const leecher = peer('leecher')
  const hash = async (child, what) => (await child.line(new RegExp(`${what} (\\w{64})`)))[1]
  for (const [from, to] of [[seeder, leecher], [leecher, seeder]]) {
    assert.strictEqual(await hash(from, 'sent'), await hash(to, 'received'))
  }
  for (const child of [seeder, leecher]) child.send('enough')
  for (const child of [seeder, leecher]) assert.strictEqual((await child.ended).code, 0)
})
