'use strict'

// `npm run bench [-- MODE...] [--pairs N] [--seconds N] [--assert] [--write]`: this tracker beside others under
// the same load, on one core each. README.md in this folder says what is measured and how.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { ROOT, killChildrenOnSignal } = require('../scripts/lib/process')
const { SetupError, explain, installPackages, checkToolchain } = require('../scripts/lib/setup')
const { ensureAddon } = require('../scripts/lib/addon')
const { takeCores } = require('./lib/cores')
const { judge } = require('./lib/goals')
const { MODES } = require('./lib/modes')
const { ORIGINAL_VERSION, AQUATIC_VERSION } = require('./lib/peers')
const { publish } = require('./lib/publish')
const { summarize, cells, align, runLine } = require('./lib/report')
const { startTracker } = require('./lib/tracker')

const RESULTS = path.join(__dirname, 'results.json')

const USAGE = `usage: npm run bench -- [${Object.keys(MODES).join('] [')}] [--pairs N] [--seconds N] [--assert] [--write]
  --pairs N    runs of each contender, in turns (5)
  --seconds N  length of a measurement; with aquatic's UDP load in steps of 5 (3)
  --assert     exit with 1 unless all goals are met
  --write      write the tables and the chart into the READMEs, as a run of all modes does by itself`

async function main () {
  const options = readArguments()
  if (options === null) return
  const began = Date.now()
  const cores = takeCores()
  checkToolchain()
  await installPackages(log)
  await ensureAddon(['release'], { log })

  // All of them first: what only the user can mend should not come after ten minutes.
  const all = []
  for (const mode of options.modes) all.push(...await MODES[mode](log))
  const results = { ...circumstances(cores, options), parts: {} }
  for (const part of all) {
    console.log(`\n${part.title}`)
    const partBegan = Date.now()
    const rows = (await inTurns(part, options, cores)).map(summarize)
    const seconds = (Date.now() - partBegan) / 1000
    results.parts[part.key] = { title: part.title, settings: part.settings, seconds, rows }
    // What was measured stays, should a later part fail.
    save(results)
    console.log(`\n${align(cells(rows, part.columns))}`)
    const remark = part.remark?.(rows)
    if (remark) console.log(remark)
  }
  results.goals = judge(results.parts)
  results.minutes = (Date.now() - began) / 60_000
  save(results)

  const isWhole = options.modes.length === Object.keys(MODES).length
  if (options.write || isWhole) publish(results, all)

  console.log(`\n${align([
    ['goal', 'needed', 'measured', ''],
    ...results.goals.map(({ name, needed, text, met }) => [name, needed, text, met ? 'met' : 'missed'])
  ])}`)
  console.log(`\nAll runs are in ${path.relative(process.cwd(), RESULTS)}. It took ${results.minutes.toFixed(1)} minutes.`)
  if (options.assert && results.goals.some(({ met }) => !met)) process.exitCode = 1
}

function save (results) {
  fs.writeFileSync(RESULTS, JSON.stringify(results, null, 2) + '\n')
}

function readArguments () {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      pairs: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      assert: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) {
    console.log(USAGE)
    return null
  }
  const unknown = positionals.find(name => !Object.hasOwn(MODES, name))
  if (unknown !== undefined) throw new SetupError(`'${unknown}' is nothing to measure.\n${USAGE}`)
  return {
    modes: positionals.length > 0 ? [...new Set(positionals)] : Object.keys(MODES),
    pairs: within('pairs', values.pairs, 100),
    // The load tool for UDP asks for its connection ids once, and they are good for two minutes.
    seconds: within('seconds', values.seconds, 30),
    assert: values.assert,
    write: values.write
  }
}

function within (name, text, max) {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= max) return number
  throw new SetupError(`--${name} takes a whole number from 1 to ${max}.`)
}

/** A B A B: what else happens on the machine, and its temperature, should meet all alike. */
async function inTurns (part, options, cores) {
  const pairs = Math.min(options.pairs, part.pairs ?? Infinity)
  const results = part.contenders.map(contender => ({ contender, runs: [] }))
  for (let pair = 1; pair <= pairs; pair++) {
    for (const { contender, runs } of results) {
      if (pair > (contender.pairs ?? Infinity)) continue
      const context = { seconds: options.seconds, cores, contender, bytes: results[0].runs.at(-1)?.bytes }
      const run = await alone(contender, part, context)
      runs.push(run)
      console.log(runLine(pair, pairs, contender, run, part.columns))
    }
  }
  return results
}

/** A tracker process of its own for each run, or one run's peers would slow down the next. */
async function alone (contender, part, context) {
  const tracker = await startTracker(contender, context.cores, context)
  try {
    return await Promise.race([part.measure(tracker, context), tracker.failed])
  } finally {
    await tracker.stop()
  }
}

function circumstances (cores, { pairs, seconds }) {
  return {
    date: new Date().toISOString(),
    version: require(path.join(ROOT, 'package.json')).version,
    original: ORIGINAL_VERSION,
    aquatic: AQUATIC_VERSION,
    machine: { cpu: os.cpus()[0]?.model.trim(), cores: os.cpus().length, kernel: os.release(), node: process.version },
    cores,
    pairs,
    seconds
  }
}

function log (text) {
  console.error(text)
}

killChildrenOnSignal()
main().catch(error => {
  console.error(error.code?.startsWith('ERR_PARSE_ARGS') ? `${error.message}\n${USAGE}` : explain(error))
  process.exit(1)
})
