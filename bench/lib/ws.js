'use strict'

// WebTorrent peers from the load tool in bench/load, as busy as they can be.

const { ours, original, aquaticWs } = require('./contenders')
const { idle } = require('./idle')
const { run } = require('./load')
const { CORE_FULL, whole, percent, micros, millis } = require('./report')

// Two torrents: each swarm has more peers than an announce has offers, so that each offer finds a peer.
const SETTINGS = { sockets: 64, torrents: 2, offers: 10, answer_every: 2 }
const WARM_UP_S = 1

const COLUMNS = {
  rate: 'messages/s',
  cpu: 'CPU/message',
  runText: ({ cpu, offers, p50, p99, p999, dropped, loadCore }) => [
    `${micros(cpu)} of CPU each`, `${offers.toFixed(2)} offers passed on per announce`,
    `announces answered in ${millis(p50)} (99 %: ${millis(p99)}, 99.9 %: ${millis(p999)})`,
    `${dropped} sockets dropped`, `the load used ${percent(loadCore)} of its core`
  ].join(', '),
  more: [
    ['per CPU second', ({ cpu }) => whole(1e6 / cpu.median)],
    ['offers/announce', ({ offers }) => offers.median.toFixed(2)],
    ['p50', ({ p50 }) => millis(p50.median)],
    ['p99', ({ p99 }) => millis(p99.median)],
    ['p99.9', ({ p999 }) => millis(p999.median)],
    ['dropped', ({ runs }) => String(runs.reduce((sum, { dropped }) => sum + dropped, 0))],
    ['load core', ({ loadCore }) => percent(loadCore.median)]
  ]
}

function parts ({ load, aquatic, original: module }) {
  const { sockets, torrents, offers, answer_every: answerEvery } = SETTINGS
  return [
    {
      key: 'ws',
      title: `WebSocket: messages to ${sockets} sockets in ${torrents} torrents that announce with ${offers} offers ` +
        `and answer every ${answerEvery === 2 ? 'second' : `${answerEvery}th`} offer`,
      settings: SETTINGS,
      columns: COLUMNS,
      contenders: [ours({}), aquaticWs(aquatic), original(module.server, {})],
      remark,
      measure: (tracker, context) => measure(load, tracker, context)
    },
    idle({ load, aquatic, original: module })
  ]
}

/** What the table cannot be read without, or nothing. */
function remark (rows) {
  const held = rows.filter(({ loadCore }) => loadCore.median > CORE_FULL).map(({ name }) => name)
  if (held.length > 0) return `The load was at its own limit with: ${held.join(', ')}. Only the figures by CPU say something there.`
}

/**
 * `{ rate, cpu, offers, p50, p99, p999, dropped, loadCore }`: messages per second, µs of CPU time per
 * message, offers passed on per announce, latency of announces in µs, sockets that the tracker closed or
 * left without an answer, share of its core that the load used.
 */
async function measure (load, tracker, { seconds, cores }) {
  const { begin, end } = await run(load, 'load', { ...SETTINGS, warm_up: WARM_UP_S, seconds }, tracker, cores.load)
  const { micros: elapsed, responses, offers, answers, wrong, dropped, lost, p50, p99, p999 } = end
  if (wrong > 0) throw new Error(`${wrong} messages were wrong`)
  const messages = responses + offers + answers
  return {
    rate: messages / elapsed * 1e6,
    cpu: (end.cpu - begin.cpu) / messages,
    offers: offers / responses,
    p50,
    p99,
    p999,
    dropped: dropped + lost,
    loadCore: (end.loadCpu - begin.loadCpu) / elapsed
  }
}

module.exports = { parts }
