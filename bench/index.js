'use strict'

// `npm run bench [-- udp|http|ws] [--pairs N] [--seconds N] [--assert]`: this tracker beside others under
// the same load, on one core each. README.md in this folder says what is measured and how.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')
const { ROOT, killChildrenOnSignal } = require('../scripts/lib/process')
const { SetupError, explain, installPackages, checkToolchain } = require('../scripts/lib/setup')
const { ensureAddon } = require('../scripts/lib/addon')
const { contenders } = require('./lib/contenders')
const { takeCores } = require('./lib/cores')
const http = require('./lib/http')
const { GOALS, judge } = require('./lib/goals')
const { ORIGINAL_VERSION, installOriginal, installUdpLoadTool, buildWebSocketLoadTool, findWrk } = require('./lib/peers')
const { summarize, table, runLine } = require('./lib/report')
const { startTracker } = require('./lib/tracker')
const udp = require('./lib/udp')
const ws = require('./lib/ws')

const RESULTS = path.join(__dirname, 'results.json')

const USAGE = `usage: npm run bench -- [udp] [http] [ws] [--pairs N] [--seconds N] [--assert]
  --pairs N    runs of each tracker, in turns (3)
  --seconds N  length of a measurement; over UDP in steps of 5 (5)
  --assert     exit with 1 unless this tracker is ahead ${GOALS.udp.times}-fold over UDP, ${GOALS.http.times}-fold over HTTP, and
               ${GOALS.ws.times}-fold by processor time over WebSocket with no socket dropped`

async function main () {
  const options = readArguments()
  if (options === null) return
  const cores = takeCores()
  const loads = await setUp(options.transports)
  const original = await installOriginal(log)

  const results = { ...circumstances(cores, options), transports: {} }
  let isAhead = true
  for (const transport of options.transports) {
    const load = loads[transport]
    const { title, settings } = load
    console.log(`\n${title}`)
    const runs = await inTurns(contenders(original, transport), options, cores, load)
    const rows = runs.map(summarize)
    results.transports[transport] = { ...settings, goal: GOALS[transport], rows }
    console.log(`\n${table(rows, load.columns)}`)
    const remark = load.remark?.(rows)
    if (remark) console.log(remark)
    const { isMet, text } = judge(transport, rows)
    if (!isMet) isAhead = false
    console.log(text)
    if (load.idle) {
      const runs = await idle(contenders(original, transport), cores, load.idle)
      results.transports[transport].idleRuns = runs
    }
  }
  fs.writeFileSync(RESULTS, JSON.stringify(results, null, 2) + '\n')
  console.log(`\nAll runs are in ${path.relative(process.cwd(), RESULTS)}.`)
  if (options.assert && !isAhead) process.exitCode = 1
}

function readArguments () {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      pairs: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '5' },
      assert: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) {
    console.log(USAGE)
    return null
  }
  const unknown = positionals.find(name => !Object.hasOwn(GOALS, name))
  if (unknown !== undefined) throw new SetupError(`'${unknown}' is no transport.\n${USAGE}`)
  return {
    transports: positionals.length > 0 ? [...new Set(positionals)] : Object.keys(GOALS),
    pairs: within('pairs', values.pairs, 100),
    // The load tool for UDP asks for its connection ids once, and they are good for two minutes.
    seconds: within('seconds', values.seconds, 30),
    assert: values.assert
  }
}

function within (name, text, max) {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1 && number <= max) return number
  throw new SetupError(`--${name} takes a whole number from 1 to ${max}.`)
}

/** Whatever a fresh clone lacks; the programs that only the user can install come first. */
async function setUp (transports) {
  const loads = {}
  const wrk = transports.includes('http') ? findWrk() : null
  checkToolchain()
  await installPackages(log)
  await ensureAddon(['release'], { log })
  if (transports.includes('udp')) loads.udp = udp.load(await installUdpLoadTool(log))
  if (transports.includes('http')) loads.http = http.load(wrk)
  if (transports.includes('ws')) loads.ws = ws.load(await buildWebSocketLoadTool(log))
  return loads
}

/** A B A B: what else happens on the machine, and its temperature, should meet all alike. */
async function inTurns (all, { pairs, seconds }, cores, load) {
  const results = all.map(contender => ({ contender, runs: [] }))
  for (let pair = 1; pair <= pairs; pair++) {
    for (const { contender, runs } of results) {
      const run = await alone(contender, cores, tracker => load.measure(tracker, { seconds, core: cores.load }))
      runs.push(run)
      console.log(runLine(pair, pairs, contender, run, load.columns))
    }
  }
  return results
}

/** Once each: memory hardly varies. */
async function idle (all, cores, { title, options, measure, line }) {
  console.log(`\n${title}`)
  const runs = []
  for (const contender of all) {
    const contenderToo = { ...contender, options: { ...contender.options, ...options } }
    const run = await alone(contenderToo, cores, tracker => measure(tracker, { core: cores.load }))
    runs.push({ name: contender.name, ...run })
    console.log(line(contender, run))
  }
  return runs
}

/** A tracker process of its own for each run, or one run's peers would slow down the next. */
async function alone (contender, cores, measure) {
  const tracker = await startTracker(contender, cores.tracker)
  try {
    return await Promise.race([measure(tracker), tracker.failed])
  } finally {
    await tracker.stop()
  }
}

function circumstances (cores, { pairs, seconds }) {
  return {
    date: new Date().toISOString(),
    version: require(path.join(ROOT, 'package.json')).version,
    original: ORIGINAL_VERSION,
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
