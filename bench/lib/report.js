'use strict'

// Medians of the runs, and the lines that are printed.

/**
 * What a load's table says: what it counts, how a run's line goes on, and columns beyond those of all. A load that
 * has no rate leaves `rate` and `cpu` out; its runs need neither then.
 */
const ANNOUNCES = {
  rate: 'announces/s',
  cpu: 'CPU/answer',
  runText: ({ cpu, peers }) => `${micros(cpu)} of CPU and ${peers.toFixed(1)} peers per answer`,
  more: [['peers/answer', ({ peers }) => peers.median.toFixed(1)]]
}

/** Who uses less of its core than this was held up by the load, or by something else on the machine. */
const CORE_FULL = 0.95

/**
 * One row of the table: `{ key, name, runs, rate, cpu, ... }`, with `{ median, min, max }` of each figure. `index` and
 * `all` are as in `Array.map`: `ratio` is how many times this one's rate the first contender's is, `cpuRatio` the same
 * by CPU time. Both are taken pair by pair, whose two runs met the machine in the same mood.
 */
function summarize ({ contender, runs }, index, all) {
  const { key, name } = contender
  const row = { key, name, runs }
  for (const figure of Object.keys(runs[0])) row[figure] = spread(runs.map(run => run[figure]))
  if (row.rate && row.cpu) row.coreUsed = spread(runs.map(({ rate, cpu }) => rate * cpu / 1e6))
  if (index > 0) {
    const pairs = runs.map((run, i) => [all[0].runs[i], run])
    if (row.rate) row.ratio = spread(pairs.map(([first, run]) => first.rate / run.rate))
    if (row.cpu) row.cpuRatio = spread(pairs.map(([first, run]) => run.cpu / first.cpu))
  }
  return row
}

function spread (numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  return { median, min: sorted[0], max: sorted.at(-1) }
}

/** The rows with a line of titles before them, as texts. */
function cells (rows, { rate, cpu, more }) {
  const columns = [['', ({ name }) => name]]
  if (rate) {
    columns.push(
      [rate, row => whole(row.rate.median)],
      ['min - max', row => `${whole(row.rate.min)} - ${whole(row.rate.max)}`],
      [cpu, row => micros(row.cpu.median)],
      ['core used', row => percent(row.coreUsed.median)]
    )
  }
  columns.push(...more)
  if (rate) {
    columns.push(
      ['ours ahead', ({ ratio }) => ratio ? times(ratio.median) : ''],
      ['by CPU', ({ cpuRatio }) => cpuRatio ? times(cpuRatio.median) : ''],
      ['min - max', ({ cpuRatio }) => cpuRatio ? `${times(cpuRatio.min)} - ${times(cpuRatio.max)}` : '']
    )
  }
  return [columns.map(([title]) => title), ...rows.map(row => columns.map(([, text]) => text(row)))]
}

/** Lines of cells, the first column to the left and the others to the right. */
function align (lines) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map(line => line[column].length)))
  return lines.map(line => line.map((text, column) => {
    return column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column])
  }).join('   ').trimEnd()).join('\n')
}

function runLine (pair, pairs, { name }, run, { rate, runText }) {
  const start = rate ? `${whole(run.rate)} ${rate}, ` : ''
  return `  ${pair}/${pairs} ${name}: ${start}${runText(run)}`
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

/** Two digits say as much as the machine does; near 1 three. */
function times (ratio) {
  return `${ratio.toFixed(ratio < 10 ? 2 : 1)} x`
}

module.exports = {
  ANNOUNCES, CORE_FULL, summarize, spread, cells, align, runLine, whole, percent, micros, millis, times
}
