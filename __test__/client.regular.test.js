'use strict'

// When trackers announce again: all with one interval share a timer, and nobody should see a difference. Most of it
// by a clock that stands still until it is told, the rest over UDP and in processes of their own.

const assert = require('node:assert')
const { test } = require('./helpers/test')
const { FakeUdpTracker, parseAnnounce } = require('./helpers/fake-udp-tracker')
const { EVENTS } = require('./helpers/udp')
const { spawnNode } = require('./helpers/processes')
const { callback } = require('./helpers/events')
const { createClient } = require('./helpers/subjects')
const Regular = require('../lib/client/regular')

const MAX_MS = 2 ** 31 - 1

/** In the place of `setTimeout`, `clearTimeout` and `process.hrtime`. */
class Clock {
  constructor (t) {
    this.start = 1000
    this.now = this.start
    this.timers = new Set()
    this.delays = []
    t.mock.method(globalThis, 'setTimeout', (fn, ms, ...args) => {
      const timer = { at: this.now + ms, isRef: true, unref: () => { timer.isRef = false }, run: () => fn(...args) }
      this.timers.add(timer)
      this.delays.push(ms)
      return timer
    })
    t.mock.method(globalThis, 'clearTimeout', timer => { this.timers.delete(timer) })
    this.hrtime = t.mock.method(process, 'hrtime', () => hrtime(this.now))
  }

  get elapsed () {
    return this.now - this.start
  }

  /** So many milliseconds pass, and each timer has a turn of its own. */
  async pass (ms) {
    // The turn that is under way ends.
    await turnEnds()
    const end = this.now + ms
    for (;;) {
      const [timer] = [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)
      if (timer === undefined) break
      this.now = Math.max(this.now, timer.at)
      this.timers.delete(timer)
      timer.run()
      await turnEnds()
    }
    this.now = end
  }
}

/** Milliseconds as seconds and nanoseconds. */
const hrtime = ms => [Math.trunc(ms / 1000), ms % 1000 * 1e6]

const turnEnds = () => new Promise(resolve => setImmediate(resolve))

/** What announces by `clock`, and writes down in `log` when. */
class Beat extends Regular {
  constructor (t, clock, log, name, onAnnounce = () => {}) {
    super()
    this._announceRegularly = () => {
      log.push(`${name} ${clock.elapsed}`)
      onAnnounce(this)
    }
    t.after(() => this._setRegular(0))
  }
}

/** A clock, a log, and `beat(name, onAnnounce)`. */
function setUp (t) {
  const clock = new Clock(t)
  const log = []
  return { clock, log, beat: (...args) => new Beat(t, clock, log, ...args) }
}

test('one announces every interval', async t => {
  const { clock, log, beat } = setUp(t)
  beat('a')._setRegular(20)
  await clock.pass(19)
  assert.deepStrictEqual(log, [])
  await clock.pass(50)
  assert.deepStrictEqual(log, ['a 20', 'a 40', 'a 60'])
})

test('all with one interval share a timer, which goes with the last of them', async t => {
  const { clock, log, beat } = setUp(t)
  const beats = Array.from({ length: 100 }, (_, i) => beat(i))
  for (const one of beats) {
    one._setRegular(50)
    await clock.pass(1)
  }
  assert.strictEqual(clock.timers.size, 1)
  const wanted = Array.from({ length: 51 }, (_, i) => `${i} ${50 + i}`)
  assert.deepStrictEqual(log, [...wanted.slice(0, -1), '0 100', '50 100'])
  const other = beat('other')
  other._setRegular(70)
  assert.strictEqual(clock.timers.size, 2, 'another interval has a timer of its own')
  assert.ok([...clock.timers].every(({ isRef }) => !isRef), 'no timer keeps the process alive')
  for (const one of beats.slice(1)) one._setRegular(0)
  assert.strictEqual(clock.timers.size, 2)
  beats[0]._setRegular(0)
  other._setRegular(0)
  assert.strictEqual(clock.timers.size, 0)
})

test('they announce in the order in which they were set, each in its time', async t => {
  const { clock, log, beat } = setUp(t)
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(name => beat(name))
  c._setRegular(20)
  await clock.pass(3)
  a._setRegular(20)
  d._setRegular(20)
  await clock.pass(4)
  b._setRegular(20)
  await clock.pass(43)
  assert.deepStrictEqual(log, ['c 20', 'a 23', 'd 23', 'b 27', 'c 40', 'a 43', 'd 43', 'b 47'])
})

test('to set the interval again restarts the time', async t => {
  const { clock, log, beat } = setUp(t)
  const [a, b] = [beat('a'), beat('b')]
  a._setRegular(20)
  b._setRegular(20)
  await clock.pass(15)
  a._setRegular(20)
  await clock.pass(44)
  assert.deepStrictEqual(log, ['b 20', 'a 35', 'b 40', 'a 55'])
  b._setRegular(100)
  await clock.pass(100)
  assert.deepStrictEqual(log.slice(4), ['a 75', 'a 95', 'a 115', 'a 135', 'a 155', 'b 159'])
})

for (const [which, leaver] of [['first', 0], ['second', 1], ['last', 2]]) {
  test(`when the ${which} leaves, the others announce in their times`, async t => {
    const { clock, log, beat } = setUp(t)
    const beats = ['a', 'b', 'c'].map(name => beat(name))
    for (const one of beats) {
      one._setRegular(20)
      await clock.pass(5)
    }
    beats[leaver]._setRegular(0)
    await clock.pass(35)
    const wanted = ['a 20', 'b 25', 'c 30', 'a 40', 'b 45', 'c 50']
    assert.deepStrictEqual(log, wanted.filter(line => !line.startsWith('abc'[leaver])))
    assert.strictEqual(clock.timers.size, 1)
  })
}

test('one that leaves while it announces does so once, and the others go on', async t => {
  const { clock, log, beat } = setUp(t)
  const leave = one => one._setRegular(0)
  for (const one of [beat('a', leave), beat('b'), beat('c', leave)]) one._setRegular(20)
  await clock.pass(40)
  assert.deepStrictEqual(log, ['a 20', 'b 20', 'c 20', 'b 40'])
})

test('one alone that leaves while it announces leaves no timer, and may come back', async t => {
  const { clock, log, beat } = setUp(t)
  const a = beat('a', one => one._setRegular(0))
  a._setRegular(20)
  await clock.pass(40)
  assert.deepStrictEqual(log, ['a 20'])
  assert.strictEqual(clock.timers.size, 0)
  a._setRegular(20)
  await clock.pass(20)
  assert.deepStrictEqual(log, ['a 20', 'a 60'])
})

test('whoever is due and sent away by another\'s announce stays silent', async t => {
  const { clock, log, beat } = setUp(t)
  const others = ['b', 'c'].map(name => beat(name))
  const a = beat('a', () => others.forEach(one => one._setRegular(0)))
  for (const one of [a, ...others]) one._setRegular(20)
  await clock.pass(40)
  assert.deepStrictEqual(log, ['a 20', 'a 40'])
  a._setRegular(0)
  assert.strictEqual(clock.timers.size, 0)
})

test('an interval that is changed while it announces counts from then on', async t => {
  const { clock, log, beat } = setUp(t)
  const twice = one => one._setRegular(2 * one.interval._idleTimeout)
  for (const one of [beat('a', twice), beat('b')]) one._setRegular(20)
  await clock.pass(140)
  assert.deepStrictEqual(log.filter(line => line.startsWith('a')), ['a 20', 'a 60', 'a 140'])
  assert.deepStrictEqual(log.filter(line => line.startsWith('b')), [20, 40, 60, 80, 100, 120, 140].map(ms => `b ${ms}`))
})

test('the same interval set while it announces, as with every answer, is not one announce more', async t => {
  const { clock, log, beat } = setUp(t)
  const again = one => one._setRegular(20)
  for (const one of [beat('a', again), beat('b', again)]) one._setRegular(20)
  await clock.pass(60)
  assert.deepStrictEqual(log, ['a 20', 'b 20', 'a 40', 'b 40', 'a 60', 'b 60'])
})

test('whoever is due with the one that the timer was set for announces even by a clock that stands still', async t => {
  const { clock, log, beat } = setUp(t)
  const [a, b] = [beat('a'), beat('b')]
  clock.hrtime.mock.mockImplementation(() => hrtime(1000))
  a._setRegular(20)
  b._setRegular(20)
  await clock.pass(20)
  assert.deepStrictEqual(log, ['a 20', 'b 20'])
  await clock.pass(20)
  assert.deepStrictEqual(log, ['a 20', 'b 20', 'a 40', 'b 40'])
})

test('clearInterval ends what `interval` stands for, and nothing that was set since', async t => {
  const { clock, log, beat } = setUp(t)
  const [a, b] = [beat('a'), beat('b')]
  assert.strictEqual(a.interval, null)
  a._setRegular(20)
  b._setRegular(20)
  const { interval } = a
  assert.deepStrictEqual([interval._idleTimeout, interval._destroyed, interval.hasRef()], [20, false, false])
  await clock.pass(20)
  assert.strictEqual(a.interval, interval, 'the same from announce to announce')
  clearInterval(interval)
  assert.deepStrictEqual([interval._destroyed, interval.hasRef(), a.interval], [true, false, null])
  await clock.pass(20)
  assert.deepStrictEqual(log, ['a 20', 'b 20', 'b 40'])

  a._setRegular(20)
  assert.notStrictEqual(a.interval, interval)
  clearInterval(interval)
  interval.close()
  assert.strictEqual(a.interval._destroyed, false)
  const last = a.interval
  a._setRegular(30)
  assert.deepStrictEqual([last._destroyed, a.interval._idleTimeout], [true, 30])
  await clock.pass(30)
  assert.deepStrictEqual(log.slice(3), ['b 60', 'a 70'])
})

for (const [value, ms] of [
  [0.5, 1], [1e-9, 1], [-5, 1], ['20', 20], [1e15, MAX_MS], [Infinity, MAX_MS], [MAX_MS + 1, MAX_MS], [NaN, null],
  [0, null], [null, null]
]) {
  test(`an interval of ${typeof value} ${value} is ${ms === null ? 'none' : `${ms} ms`}`, async t => {
    const { clock, log, beat } = setUp(t)
    const a = beat('a')
    a._setRegular(10)
    a._setRegular(value)
    assert.deepStrictEqual(clock.delays, ms === null ? [10] : [10, ms])
    assert.strictEqual(a.interval?._idleTimeout ?? null, ms)
    await clock.pass((ms ?? MAX_MS) - 1)
    assert.deepStrictEqual(log, [])
    await clock.pass(1)
    assert.deepStrictEqual(log, ms === null ? [] : [`a ${ms}`])
  })
}

test('places are used again, however often intervals are set', async t => {
  const { clock, log, beat } = setUp(t)
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(name => beat(name))
  for (const one of [a, b, c, d]) one._setRegular(1000)
  let longest = 0
  for (let round = 1; round <= 50; round++) {
    for (let i = 0; i < 100; i++) a._setRegular(1000)
    longest = Math.max(longest, b._line.places.length)
    await clock.pass(1000)
    assert.deepStrictEqual(log.splice(0), ['b', 'c', 'd', 'a'].map(name => `${name} ${1000 * round}`))
  }
  assert.ok(longest < 1000, `${longest} places for four`)
  c._setRegular(0)
  await clock.pass(1000)
  assert.deepStrictEqual(log, ['b', 'd', 'a'].map(name => `${name} 51000`))
})

test('places are used again when all do no more than announce', async t => {
  const { clock, log, beat } = setUp(t)
  const [a, b] = [beat('a'), beat('b')]
  a._setRegular(10)
  b._setRegular(10)
  await clock.pass(10_000)
  assert.strictEqual(log.length, 2000)
  assert.ok(a._line.places.length < 500, `${a._line.places.length} places for two`)
})

test('over UDP: all announce again and again, but for the one that leaves', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const clients = Array.from({ length: 5 }, () => createClient(t, { announce: tracker.url, interval: 20 }))
  const announces = client => tracker.of('announce').map(parseAnnounce)
    .filter(({ infoHash }) => infoHash === client.infoHash)
  for (const client of clients) client.setInterval(20)
  await tracker.recorder.until(() => clients.every(client => announces(client).length >= 3))
  assert.ok(clients.flatMap(announces).every(({ event }) => event === EVENTS.update))
  const [leaver, ...others] = clients
  leaver.setInterval(0)
  // What is under way is answered first; the others' packets make this look again.
  await tracker.recorder.until(() => leaver._trackers[0]._request === 0)
  const count = announces(leaver).length
  const wanted = others.map(client => announces(client).length + 3)
  await tracker.recorder.until(() => others.every((client, i) => announces(client).length >= wanted[i]))
  assert.strictEqual(announces(leaver).length, count)
})

test('a tracker has half an hour if nothing is said, and nothing once it is destroyed', async t => {
  const clock = new Clock(t)
  const client = createClient(t, { announce: ['udp://127.0.0.1:1', 'http://127.0.0.1:1/announce'] })
  const trackers = client._trackers
  client.setInterval()
  assert.deepStrictEqual(trackers.map(({ interval }) => interval._idleTimeout), [1800_000, 1800_000])
  assert.deepStrictEqual(clock.delays, [1800_000])
  await callback(cb => client.destroy(cb))
  for (const tracker of trackers) tracker.setInterval(20)
  assert.deepStrictEqual(trackers.map(({ interval }) => interval), [null, null])
  assert.strictEqual(clock.timers.size, 0)
})

test('what one\'s getAnnounceOpts throws is uncaught, and the others announce all the same', async t => {
  const tracker = await FakeUdpTracker.start(t)
  const child = spawnNode(t, `
    const Client = require(process.argv[1])
    let thrown = 0
    process.on('uncaughtException', (err, origin) => { thrown += err.message === 'mine' && origin === 'uncaughtException' })
    const clients = ['a', 'b', 'c'].map(letter => new Client({
      infoHash: letter.repeat(40), peerId: letter.repeat(40), port: 6881, announce: process.argv[2], interval: 20,
      getAnnounceOpts () {
        if (letter === 'b') throw new Error('mine')
        return {}
      }
    }))
    const counts = { a: 0, c: 0 }
    for (const client of clients) {
      client.setInterval(20)
      client.on('update', () => {
        counts[client.infoHash[0]]++
        if (thrown < 3 || counts.a < 3 || counts.c < 3) return
        console.log('went on')
        process.exit()
      })
    }
    setInterval(() => {}, 1000)
  `, { args: [tracker.url] })
  assert.strictEqual((await child.ended).stdout, 'went on\n')
})

test('an interval lets the process exit', async t => {
  const child = spawnNode(t, `
    const Client = require(process.argv[1])
    for (const [i, interval] of [3600_000, 3600_000, 1800_000, Infinity].entries()) {
      const client = new Client({
        infoHash: String(i).repeat(40), peerId: 'b'.repeat(40), port: 6881, announce: 'udp://127.0.0.1:1'
      })
      client.setInterval(interval)
      client._trackers[0].interval.ref().unref()
    }
    console.log('end')
  `)
  assert.strictEqual((await child.ended).stdout, 'end\n')
})

test('ref of what `interval` stands for keeps the process alive until it is cleared', async t => {
  const child = spawnNode(t, `
    const Client = require(process.argv[1])
    const client = new Client({
      infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 6881, announce: 'udp://127.0.0.1:1'
    })
    const [tracker] = client._trackers
    client.setInterval(20)
    const { interval } = tracker
    console.log(interval.hasRef(), interval.ref().hasRef())
    // Nothing but the interval lets this come.
    tracker.announce = () => {
      console.log('announce')
      tracker.interval = null
      console.log(interval._destroyed, interval.hasRef())
    }
  `)
  assert.strictEqual((await child.ended).stdout, 'false true\nannounce\ntrue false\n')
})

test('refresh begins the time anew', async t => {
  const { clock, log, beat } = setUp(t)
  const a = beat('a')
  a._setRegular(20)
  await clock.pass(15)
  a.interval.refresh()
  await clock.pass(15)
  assert.deepStrictEqual(log, [])
  await clock.pass(5)
  assert.deepStrictEqual(log, ['a 35'])
})

test('a program may put a timer of its own in the place of `interval`', t => {
  const { beat } = setUp(t)
  const a = beat('a')
  a._setRegular(20)
  const { interval } = a
  a.interval = undefined
  assert.deepStrictEqual([a.interval, interval._destroyed], [null, true])
  a._setRegular(20)
  a.interval = 5
  assert.strictEqual(a.interval, 5)
  assert.strictEqual(a._line, null)
})

test('a clock that is put back puts nobody off by more than an interval', async t => {
  const { clock, log, beat } = setUp(t)
  const [a, b] = [beat('a'), beat('b')]
  a._setRegular(300)
  b._setRegular(300)
  clock.hrtime.mock.mockImplementation(() => hrtime(clock.now - 1e9))
  await clock.pass(100)
  a._setRegular(0)
  await clock.pass(600)
  assert.deepStrictEqual(log, ['b 600'])
})
