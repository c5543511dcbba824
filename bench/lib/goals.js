'use strict'

/** How far ahead of the original this tracker has to be for `--assert`, by rate or by processor time. */
const GOALS = {
  udp: { times: 7, by: 'ratio' },
  http: { times: 20, by: 'ratio' },
  ws: { times: 2, by: 'cpuRatio' }
}

/** How far ahead it has to stay with listeners on all events, or a filter. */
const WITH_JAVASCRIPT = 3

/** Passing on fewer offers than this share of the original's would be no speed. */
const SAME_WORK = 0.98

/** `{ isMet, text }` for the rows of a transport. */
function judge (transport, rows) {
  const { times, by } = GOALS[transport]
  const [ours] = rows
  const baseline = rows.find(row => row.isBaseline)
  const faults = []
  if (baseline[by] < times) faults.push('too slow')
  for (const { name, use, rate } of rows) {
    if (use && rate.median < WITH_JAVASCRIPT * baseline.rate.median) faults.push(`${name}: too slow`)
  }
  if (ours.dropped?.max > 0) faults.push('sockets were dropped')
  if (ours.offers?.median < SAME_WORK * baseline.offers?.median) faults.push('fewer offers were passed on')
  const measure = by === 'cpuRatio' ? 'by CPU' : 'by rate'
  const outcome = faults.length > 0 ? `missed (${faults.join(', ')})` : 'met'
  return { isMet: faults.length === 0, text: `goal: ${times}-fold ${measure}, ${outcome} with ${baseline[by].toFixed(1)}` }
}

module.exports = { GOALS, judge }
