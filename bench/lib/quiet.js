'use strict'

// A tracker that nobody asks anything: what it takes of a core.

const { setTimeout: delay } = require('node:timers/promises')
const { ours } = require('./contenders')
const { threadTime } = require('./cores')

/** By then V8 has tidied up after the start. */
const SETTLE_S = 10
const SECONDS = 10

function quiet () {
  return {
    key: 'quiet',
    title: `A server that nobody uses, for ${SECONDS} s`,
    settings: { settle: SETTLE_S, seconds: SECONDS },
    columns: {
      runText: ({ micros }) => `${(micros / 1000).toFixed(2)} ms of CPU`,
      more: [['CPU', ({ micros }) => `${(micros.median / 1000).toFixed(2)} ms`]]
    },
    // Nothing to vary.
    pairs: 1,
    // With as many threads as by default, and all transports.
    contenders: [ours({ threads: undefined }, { cores: 'all' })],
    measure
  }
}

/** `{ micros, core }`: CPU time in µs, and what share of a core that was. */
async function measure (tracker) {
  await delay(SETTLE_S * 1000)
  const before = threadTime(tracker.pid)
  await delay(SECONDS * 1000)
  const micros = threadTime(tracker.pid) - before
  return { micros, core: micros / 1e6 / SECONDS }
}

module.exports = { quiet }
