'use strict'

// Medians of the runs, and the lines that are printed.

/** What a load's table says: what it counts, how a run's line goes on, and columns beyond those of all. */
const ANNOUNCES = {
  rate: 'announces/s',
  cpu: 'CPU/answer',
  runText: ({ cpu, peers }) => `${micros(cpu)} of CPU and ${peers.toFixed(1)} peers per answer`,
  more: [['peers/answer', ({ peers }) => peers.median.toFixed(1)]]
}

/**
 * One row of the table: `{ name, rate, cpu, ..., runs }` with `{ median, min, max }` each. `index` and
 * `all` are as in `Array.map`: `ratio` is how many times the first contender's rate is this one's.
 */
function summarize ({ contender, runs }, index, all) {
  const { name, isBaseline = false, use, options } = contender
  const row = { name, isBaseline, use, options, runs }
  for (const key of Object.keys(runs[0])) row[key] = spread(runs, key)
  if (index > 0) {
    row.ratio = spread(all[0].runs, 'rate').median / row.rate.median
    row.cpuRatio = row.cpu.median / spread(all[0].runs, 'cpu').median
  }
  return row
}

function spread (runs, key) {
  const sorted = runs.map(run => run[key]).sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  return { median, min: sorted[0], max: sorted.at(-1) }
}

function table (rows, columns) {
  const lines = [['', columns.rate, 'min - max', columns.cpu, 'core used', ...columns.more.map(([title]) => title), 'ours ahead', 'by CPU']]
  for (const row of rows) {
    const { name, rate, cpu, ratio, cpuRatio } = row
    lines.push([
      name, whole(rate.median), `${whole(rate.min)} - ${whole(rate.max)}`, micros(cpu.median), percent(rate.median * cpu.median / 1e6),
      ...columns.more.map(([, text]) => text(row)),
      ratio ? `${ratio.toFixed(1)} x` : '', cpuRatio ? `${cpuRatio.toFixed(1)} x` : ''
    ])
  }
  const widths = lines[0].map((_, column) => Math.max(...lines.map(line => line[column].length)))
  return lines.map(line => line.map((text, column) => {
    return column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column])
  }).join('   ').trimEnd()).join('\n')
}

function runLine (pair, pairs, { name }, run, columns) {
  return `  ${pair}/${pairs} ${name}: ${whole(run.rate)} ${columns.rate}, ${columns.runText(run)}`
}

function whole (number) {
  return Math.round(number).toLocaleString('en')
}

function percent (share) {
  return `${Math.round(share * 100)} %`
}

function micros (number) {
  return `${number.toFixed(2)} µs`
}

function millis (micros) {
  return `${(micros / 1000).toFixed(1)} ms`
}

module.exports = { ANNOUNCES, summarize, table, runLine, whole, percent, micros, millis }
