'use strict'

// Medians of the runs, and the lines that are printed.

/**
 * One row of the table: `{ name, rate, cpu, peers, runs }` with `{ median, min, max }` each. `index` and
 * `all` are as in `Array.map`: `ratio` is how many times the first contender's rate is this one's.
 */
function summarize ({ contender, runs }, index, all) {
  const row = {
    name: contender.name,
    isBaseline: contender.isBaseline ?? false,
    options: contender.options,
    rate: spread(runs, 'rate'),
    cpu: spread(runs, 'cpu'),
    peers: spread(runs, 'peers'),
    runs
  }
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

function table (rows) {
  const lines = [['', 'announces/s', 'min - max', 'CPU/answer', 'core used', 'peers/answer', 'ours ahead', 'by CPU']]
  for (const { name, rate, cpu, peers, ratio, cpuRatio } of rows) {
    lines.push([
      name, whole(rate.median), `${whole(rate.min)} - ${whole(rate.max)}`, micros(cpu.median), percent(rate.median * cpu.median / 1e6),
      peers.median.toFixed(1),
      ratio ? `${ratio.toFixed(1)} x` : '', cpuRatio ? `${cpuRatio.toFixed(1)} x` : ''
    ])
  }
  const widths = lines[0].map((_, column) => Math.max(...lines.map(line => line[column].length)))
  return lines.map(line => line.map((text, column) => {
    return column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column])
  }).join('   ').trimEnd()).join('\n')
}

function runLine (pair, pairs, { name }, { rate, cpu, peers }) {
  return `  ${pair}/${pairs} ${name}: ${whole(rate)} announces/s, ${micros(cpu)} of CPU and ${peers.toFixed(1)} peers per answer`
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

module.exports = { summarize, table, runLine }
