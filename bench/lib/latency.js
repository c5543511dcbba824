'use strict'

// Latency of UDP announces at half of what this tracker and aquatic_udp can both do, with and without the expiry of
// millions of peers.
//
// The tracker has two kinds of peers. Two million announce once and are silent then; in some runs their time is over
// while it is measured. The announces that are measured are those of others, in torrents of their own: these come
// again before their time is over. So the same is asked in all runs, of swarms that stay the same, and what goes is
// known. A tracker does not keep the two kinds apart: an announce meets what expiry holds up.

const fs = require('node:fs')
const os = require('node:os')
const { ours, aquaticUdp } = require('./contenders')
const { run } = require('./load')
const { whole, percent, spread } = require('./report')
const { startTracker } = require('./tracker')

const SILENT = { torrents: 1_000_000, peers: 2_000_000, seed: 1 }
/** So many that answers have as many peers as are wanted. */
const LIVELY = { torrents: 3125, peers: 100_000, seed: 2 }
const NUMWANT = 30
const SOCKETS = 16
/** How often the lively peers announce to find the maximum. */
const ROUNDS = 5

// The silent peers have announced within some seconds before the measurement, and go between 3 and 15 s from its begin.
const LIFETIME_S = 12
/** How often aquatic looks for peers to remove: as often as this tracker, a quarter of their lifetime. */
const CLEANING_S = 3
const SECONDS = 18
const WARM_UP_S = 1
/** The seconds in which they go, in any run. */
const [GOING, GONE] = [3, 15]

/** The load has to be in time for what is said of the tracker to be true, in µs. */
const LATE = 20
/** Less than this share of the silent peers gone, or left, is not what was to be measured. */
const MOST = 0.99

const COLUMNS = {
  runText: ({ p50, p99, p999, second99, second999, max, lost, late99, rate, maximum, expired }) => [
    `${us(p50)}, 99 %: ${us(p99)}, 99.9 %: ${us(p999)}, all: ${us(max)}; ${lost} lost`,
    `of a second 99 %: ${us(second99)}, 99.9 %: ${us(second999)}`,
    `at ${whole(rate)}/s of ${whole(maximum)}/s`, `${percent(expired)} expired`, `load late by ${us(late99)} (99 %)`
  ].join(', '),
  more: [
    ['p50', ({ p50 }) => us(p50.median)],
    ['p99 of a second', ({ second99 }) => us(second99.median)],
    ['p99.9 of a second', ({ second999 }) => us(second999.median)],
    ['p99', ({ p99 }) => us(p99.median)],
    ['min - max', ({ p99 }) => `${us(p99.min)} - ${us(p99.max)}`],
    ['p99.9', ({ p999 }) => us(p999.median)],
    ['min - max', ({ p999 }) => `${us(p999.min)} - ${us(p999.max)}`],
    ['longest', ({ max }) => us(max.median)],
    ['lost', ({ lost }) => whole(lost.median)],
    ['load late, p99', ({ late99 }) => us(late99.median)],
    ['maximum/s', ({ maximum }) => whole(maximum.median)]
  ]
}

function parts ({ load, aquatic }) {
  const options = { ws: false }
  const brief = { ...options, peersCacheTtl: LIFETIME_S * 1000 }
  const [quiet, expiry, aquaticExpiry] = [
    ours(options),
    ours(brief, { key: 'expiry', name: 'ours, silent peers expire' }),
    {
      ...aquaticUdp(aquatic, { max_peer_age: LIFETIME_S, torrent_cleaning_interval: CLEANING_S }),
      name: 'aquatic_udp, silent peers expire',
      // It loses so many answers that no percentile is left: one run shows it.
      pairs: 1
    }
  ]
  // Found in the first run; then the same for all.
  let rate = null
  const measureAt = async (tracker, { cores }) => {
    const maximum = await findMaximum(load, tracker, cores)
    rate ??= Math.round(Math.min(maximum, await maximumOf(load, aquaticExpiry, cores)) / 2)
    return { rate, maximum, ...await measure(load, tracker, rate, cores) }
  }
  return [{
    key: 'latency',
    title: `Latency: UDP announces at a fixed rate, half of the lower maximum, from ${SOCKETS} sockets to a tracker with ` +
      `${whole(SILENT.peers)} silent peers`,
    settings: {
      silent: SILENT, lively: LIVELY, numwant: NUMWANT, sockets: SOCKETS, lifetime: LIFETIME_S, seconds: SECONDS
    },
    columns: COLUMNS,
    // Each run takes half a minute.
    pairs: 2,
    contenders: [quiet, expiry, aquaticExpiry],
    remark,
    measure: (tracker, context) => first(tracker, () => measureAt(tracker, context))
  }]
}

async function maximumOf (load, contender, cores) {
  const tracker = await startTracker(contender, cores)
  try {
    return await first(tracker, () => findMaximum(load, tracker, cores))
  } finally {
    await tracker.stop()
  }
}

/** Announces per second in a closed loop, once the lively peers are there. */
async function findMaximum (load, tracker, cores) {
  const numbers = { port: tracker.udp, ...LIVELY, numwant: NUMWANT }
  await run(load, 'fill', { ...numbers, rounds: 1 }, tracker, cores.load)
  const { end } = await run(load, 'fill', { ...numbers, rounds: ROUNDS }, tracker, cores.load)
  return end.announces / end.micros * 1e6
}

/**
 * `{ p50, p99, p999, second99, second999, max, late99, lost, peers, expired }`: latencies in µs from when the announce
 * was due, `Infinity` for a percentile that was lost, and how late the load itself sent them; announces without an
 * answer, peers per answer, share of the silent peers that went meanwhile.
 *
 * `second99` and `second999` are those of a second, the median of the seconds in which silent peers may go: expiry is
 * at work in all of them, and what else the machine does for a moment spoils one. The whole run's p99 is that moment.
 */
async function measure (load, tracker, rate, cores) {
  const silent = { port: tracker.udp, ...SILENT }
  const count = async () => (await run(load, 'count', silent, tracker, cores.load)).end.peers
  await run(load, 'fill', { ...silent, rounds: 1, numwant: NUMWANT }, tracker, cores.load)
  const before = await count()
  const { end } = await run(load, 'latency', {
    port: tracker.udp, ...LIVELY, numwant: NUMWANT, sockets: SOCKETS, rate, warm_up: WARM_UP_S, seconds: SECONDS
  }, tracker, cores.load)
  const after = await count()
  const { p50, p99, p999, p99s, p999s, max, late99, lost, answered, peers } = end
  const typical = seconds => spread(seconds.slice(GOING, GONE).map(micros => micros ?? Infinity)).median
  return {
    p50: p50 ?? Infinity,
    p99: p99 ?? Infinity,
    p999: p999 ?? Infinity,
    second99: typical(p99s),
    second999: typical(p999s),
    max,
    late99,
    lost,
    peers: peers / answered,
    expired: (before - after) / SILENT.peers
  }
}

/**
 * Lets the tracker and the load go before others, where that is allowed: a program that is at work somewhere else on
 * the machine would be most of what the longest latencies show.
 */
async function first (tracker, action) {
  const before = os.getPriority()
  const { PRIORITY_HIGHEST: highest } = os.constants.priority
  for (const thread of fs.readdirSync(`/proc/${tracker.pid}/task`)) setPriority(Number(thread), highest)
  // A child inherits it.
  setPriority(process.pid, highest)
  try {
    return await action()
  } finally {
    setPriority(process.pid, before)
  }
}

function setPriority (thread, priority) {
  try {
    os.setPriority(thread, priority)
  } catch {
    // That takes root, or the thread has just ended.
  }
}

/** What the table cannot be read without, or nothing. */
function remark (rows) {
  const remarks = []
  const names = isSo => rows.filter(isSo).map(({ name }) => name).join(', ')
  const late = names(({ late99 }) => late99.median > LATE)
  if (late) remarks.push(`The load was late with: ${late}. Part of these latencies is its own.`)
  const held = names(({ rate, maximum }) => maximum.median < rate.median * 1.1)
  if (held) remarks.push(`So much is more than these can do: ${held}.`)
  const other = names(({ key, expired }) => key === 'ours' ? expired.max > 1 - MOST : expired.min < MOST)
  if (other) remarks.push(`Not as many peers as planned have gone while it was measured, with: ${other}.`)
  return remarks.join(' ') || undefined
}

function us (micros) {
  if (micros === Infinity) return 'lost'
  return micros < 1000 ? `${micros.toFixed(0)} µs` : `${(micros / 1000).toFixed(1)} ms`
}

module.exports = { parts }
