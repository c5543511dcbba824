'use strict'

// The figures of a run in the READMEs: between two marks each, and as a chart.

const fs = require('node:fs')
const path = require('node:path')
const { ROOT } = require('../../scripts/lib/process')
const { chart } = require('./chart')
const { cells } = require('./report')

const BENCH = path.join(ROOT, 'bench')
const BEGIN = '<!-- bench: written by `npm run bench` -->'
const END = '<!-- bench: end -->'

/** `parts` have their columns still, which results.json has not. */
function publish (results, parts) {
  fs.writeFileSync(path.join(BENCH, 'chart.svg'), chart(results.parts))
  insert(path.join(ROOT, 'README.md'), [conditions(results), goals(results)])
  insert(path.join(BENCH, 'README.md'), [
    conditions(results),
    goals(results),
    ...parts.flatMap(({ key, title, columns }) => [`**${title}**`, markdown(cells(results.parts[key].rows, columns))])
  ])
}

function conditions ({ date, version, original, aquatic, machine, pairs, minutes }) {
  return `Version ${version} beside bittorrent-tracker ${original} and aquatic ${aquatic}, ${date.slice(0, 10)}, medians of ` +
    `${pairs} alternating pairs (fewer where bench/README.md says so) in one run of ${Math.round(minutes)} minutes; ${machine.cpu}, ${machine.cores} cores, ` +
    `Linux ${machine.kernel}, Node ${machine.node}.`
}

function goals ({ goals }) {
  return markdown([
    ['goal', 'needed', 'measured', ''],
    ...goals.map(({ name, needed, text, met }) => [name, needed, text, met ? 'met' : 'missed'])
  ])
}

/** A table, its first column to the left. */
function markdown ([titles, ...lines]) {
  const row = texts => `| ${texts.join(' | ')} |`
  const rule = `|${titles.map((_, column) => column === 0 ? '---' : '---:').join('|')}|`
  return [row(titles), rule, ...lines.map(row)].join('\n')
}

/** Puts paragraphs in place of what is between the marks. */
function insert (file, paragraphs) {
  const text = fs.readFileSync(file, 'utf8')
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`${path.relative(ROOT, file)} lacks the marks '${BEGIN}' and '${END}'`)
  fs.writeFileSync(file, text.slice(0, begin + BEGIN.length) + `\n${paragraphs.join('\n\n')}\n` + text.slice(end))
}

module.exports = { publish }
