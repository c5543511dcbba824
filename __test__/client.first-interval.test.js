'use strict'

// The interval of a tracker that is being asked: none is set for the moment until the answer, and nobody is to miss it.

const assert = require('node:assert')
const { once } = require('node:events')
const { test } = require('./helpers/test')
const { FakeUdpTracker } = require('./helpers/fake-udp-tracker')
const { uint32 } = require('./helpers/udp')
const { createClient } = require('./helpers/subjects')

const HALF_AN_HOUR = 1800_000

const turnEnds = () => new Promise(resolve => setImmediate(resolve))

/** A client with one tracker, which answers its start with {@link answerOf} when it is told to. */
async function beingAsked (t, seconds, opts) {
  const asked = withResolvers()
  const tracker = await FakeUdpTracker.start(t, {
    announce: (packet, reply) => asked.resolve(() => reply(...answerOf(packet, seconds)))
  })
  const client = createClient(t, { announce: tracker.url, ...opts })
  client.start()
  const [one] = client._trackers
  const answer = async () => {
    const answered = once(client, seconds === null ? 'warning' : 'update')
    const reply = await asked.promise
    reply()
    await answered
    // What is done after the event.
    await turnEnds()
  }
  return { client, one, answer }
}

/** To an announce: with an interval of so many seconds, or an error. */
function answerOf (packet, seconds) {
  const head = code => [uint32(code), packet.subarray(12, 16)]
  return seconds === null ? [...head(3), Buffer.from('no')] : [...head(1), uint32(seconds), uint32(0), uint32(1)]
}

function withResolvers () {
  const result = {}
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }))
  return result
}

for (const [seconds, what, ms] of [
  [900, 'names 900 s', 900_000], [0, 'names none', HALF_AN_HOUR], [null, 'fails', HALF_AN_HOUR]
]) {
  test(`a tracker that is being asked has no timer until its answer ${what}`, async t => {
    const { one, answer } = await beingAsked(t, seconds)
    assert.deepStrictEqual([one._isRegular, one._line], [true, null])
    await answer()
    assert.deepStrictEqual([one._isRegular, one._line.ms], [true, ms])
  })
}

test('a tracker that is being asked has a timer for whoever looks, and none when that is cleared', async t => {
  const { one, answer } = await beingAsked(t, 0)
  const { interval } = one
  assert.deepStrictEqual([interval._idleTimeout, one._line.ms], [HALF_AN_HOUR, HALF_AN_HOUR])
  clearInterval(interval)
  await answer()
  assert.deepStrictEqual([one.interval, one._isRegular], [null, false])
})

for (const [name, end] of [
  ['setInterval(0)', client => client.setInterval(0)],
  ['its own null in the place of the timer', client => { client._trackers[0].interval = null }],
  ['destroy', client => client.destroy()]
]) {
  test(`${name} ends the interval of a tracker that is being asked`, async t => {
    const { client, one, answer } = await beingAsked(t, 0)
    end(client)
    assert.deepStrictEqual([one._isRegular, one.interval], [false, null])
    if (!client.destroyed) await answer()
    assert.deepStrictEqual([one._isRegular, one.interval], [false, null])
  })
}

test('a program\'s own setInterval in a tracker\'s place costs it no interval', async t => {
  const { one, answer } = await beingAsked(t, 900)
  one.setInterval = () => {}
  await answer()
  assert.strictEqual(one._line.ms, HALF_AN_HOUR)
})

for (const [name, result, ms] of [
  ['_onPlainResult', [900_000, { complete: 0, incomplete: 1, peers: [] }], 900_000],
  ['_onResult', [true, { error: new Error('no'), warnings: [] }], HALF_AN_HOUR]
]) {
  test(`${name}: what a program's log throws costs a tracker no interval`, t => {
    const [one] = createClient(t, { announce: 'udp://127.0.0.1:1' })._trackers
    one._request = 1
    one.setInterval()
    assert.deepStrictEqual([one._isRegular, one._line], [true, null])
    one._debug = Object.assign(() => { throw new Error('mine') }, { enabled: true })
    assert.throws(() => one[name](1, ...result), { message: 'mine' })
    delete one._debug
    assert.deepStrictEqual([one._request, one._line.ms], [0, ms])
  })
}

test('a program\'s own default interval begins at once', async t => {
  const tracker = await FakeUdpTracker.start(t, { announce: () => {} })
  const client = createClient(t, { announce: tracker.url })
  const [one] = client._trackers
  one.DEFAULT_ANNOUNCE_INTERVAL = 60_000
  client.start()
  assert.strictEqual(one._line.ms, 60_000)
})

test('setInterval while a tracker is being asked begins at once if it says how long, or requests may take days', async t => {
  const { client, one } = await beingAsked(t, 0)
  client.setInterval(20_000)
  assert.strictEqual(one._line.ms, 20_000)
  client.setInterval()
  assert.deepStrictEqual([one._isRegular, one._line], [true, null])
  const patient = await beingAsked(t, 0, { requestTimeout: Infinity })
  assert.strictEqual(patient.one._line.ms, HALF_AN_HOUR)
})

test('with tiers one that answers takes the interval over from one that was asked before', async t => {
  const failing = await FakeUdpTracker.start(t, { announce: (packet, reply) => reply(...answerOf(packet, null)) })
  const silent = await FakeUdpTracker.start(t, { announce: (packet, reply) => reply(...answerOf(packet, 0)) })
  const client = createClient(t, { announce: [[failing.url], [silent.url]] })
  const [first, second] = client._trackers
  client.start()
  assert.deepStrictEqual([first, second].map(({ _isRegular }) => _isRegular), [true, false])
  await once(client, 'update')
  await turnEnds()
  assert.deepStrictEqual([first, second].map(({ _isRegular }) => _isRegular), [false, true])
  assert.strictEqual(second._line.ms, HALF_AN_HOUR)
})
