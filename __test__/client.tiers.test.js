'use strict'

// BEP 12: a list of lists is tried tier by tier; a flat list is told all at once, as ever.

const assert = require('node:assert')
const { once } = require('node:events')
const { test } = require('./helpers/test')
const { nextValue, record } = require('./helpers/events')
const { FakeHttpTracker } = require('./helpers/fake-http-tracker')
const { FakeUdpTracker } = require('./helpers/fake-udp-tracker')
const { createClient } = require('./helpers/subjects')

const refuse = () => ({ 'failure reason': 'no' })

test('the next tier is left alone while the first one answers', async t => {
  const first = await FakeHttpTracker.start(t)
  const second = await FakeHttpTracker.start(t)
  const client = createClient(t, { announce: [[first.url], [second.url]] })
  for (const method of ['start', 'update', 'complete']) {
    client[method]()
    assert.strictEqual((await nextValue(client, 'update')).announce, first.url)
  }
  assert.strictEqual(second.requests.length, 0)
})

test('a tier that fails hands over to the next, across transports', async t => {
  const first = await FakeHttpTracker.start(t, refuse)
  const second = await FakeUdpTracker.start(t)
  const client = createClient(t, { announce: [[first.url], [second.url]] })
  const events = record(client, 'warning', 'update')
  client.start()
  await events.count('update', 1)
  assert.deepStrictEqual(events.names, ['warning', 'update'])
  assert.strictEqual(events.of('update')[0][0].announce, second.url)
})

test('all of a tier are tried before the next, and the one that answered comes first afterwards', async t => {
  const bad = [await FakeHttpTracker.start(t, refuse), await FakeHttpTracker.start(t, refuse)]
  const good = await FakeHttpTracker.start(t)
  const last = await FakeHttpTracker.start(t)
  const client = createClient(t, { announce: [[bad[0].url, good.url, bad[1].url], [last.url]] })
  const events = record(client, 'update', 'warning')
  client.start()
  await events.count('update', 1)
  const asked = bad[0].requests.length + bad[1].requests.length
  for (let n = 2; n <= 4; n++) {
    client.update()
    await events.count('update', n)
  }
  assert.strictEqual(good.requests.length, 4)
  assert.strictEqual(bad[0].requests.length + bad[1].requests.length, asked, 'the good one has moved to the front')
  assert.strictEqual(last.requests.length, 0)
})

test('when all fail there is a warning for each and no update', async t => {
  const trackers = [await FakeHttpTracker.start(t, refuse), await FakeHttpTracker.start(t, refuse)]
  const client = createClient(t, { announce: trackers.map(({ url }) => [url]) })
  const events = record(client, 'warning', 'update')
  client.start()
  await events.count('warning', 2)
  assert.deepStrictEqual(events.names, ['warning', 'warning'])
})

test('a flat list is told all at once', async t => {
  const trackers = [await FakeHttpTracker.start(t), await FakeHttpTracker.start(t)]
  const client = createClient(t, { announce: trackers.map(({ url }) => url) })
  client.start()
  await Promise.all(trackers.map(tracker => tracker.request()))
})

for (const [name, answer] of [['fails', refuse], ['has fallen silent', () => undefined]]) {
  test(`stop() and destroy() in one tick reach the tracker that has us, though the first tier ${name}`, async t => {
    let answerFirst = refuse
    const first = await FakeHttpTracker.start(t, (...args) => answerFirst(...args))
    const second = await FakeHttpTracker.start(t)
    const client = createClient(t, { announce: [[first.url], [second.url]] })
    client.on('warning', () => {})
    client.start()
    await once(client, 'update')
    answerFirst = answer
    client.stop()
    client.destroy()
    assert.strictEqual((await second.request(2)).query.event, 'stopped')
  })
}

test('a stop ends what is still looking for a tracker', async t => {
  let refuseFirst
  const first = await FakeHttpTracker.start(t, (req, res) => {
    if (req.url.includes('event=started')) refuseFirst = () => res.end('d14:failure reason2:noe')
    else return {}
  })
  const second = await FakeHttpTracker.start(t)
  const client = createClient(t, { announce: [[first.url], [second.url]] })
  client.start()
  await first.request()
  client.stop()
  assert.strictEqual((await first.request(2)).query.event, 'stopped')
  refuseFirst()
  await once(client, 'warning')
  client.start()
  await first.request(3)
  refuseFirst()
  assert.strictEqual((await second.request()).query.event, 'started')
  await once(client, 'update')
  assert.strictEqual(second.requests.length, 1, 'the first start went no further')
})

test('setInterval sets one timer, at whichever tracker it is', async t => {
  const first = await FakeHttpTracker.start(t, refuse)
  const second = await FakeHttpTracker.start(t)
  const client = createClient(t, { announce: [[first.url], [second.url]] })
  client.on('warning', () => {})
  client.start()
  await once(client, 'update')
  const timers = () => client._trackers.filter(({ interval }) => interval !== null).length
  await new Promise(resolve => setImmediate(resolve))
  assert.strictEqual(timers(), 1)
  client.setInterval(60_000)
  assert.strictEqual(timers(), 1)
  client.setInterval(0)
  assert.strictEqual(timers(), 0)
})
