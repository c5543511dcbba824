'use strict'

// `npm test` and, with `--quick`, `npm run check`: set-up, then every step, then one line over all of
// it. `--addon-only` runs the JavaScript and end-to-end tests against the addon that is there, for
// machines that only got the binary. With TRACKER_FORBID_SKIPS=1 a skipped test counts as failed.

const { run, killChildrenOnSignal } = require('./lib/process')
const { SetupError, explain, installPackages, checkToolchain } = require('./lib/setup')
const { ensureAddon, wantedProfile } = require('./lib/addon')
const { steps } = require('./lib/steps')
const { Progress } = require('./lib/progress')

async function main () {
  const quick = process.argv.includes('--quick')
  const addonOnly = process.argv.includes('--addon-only')
  if (addonOnly) process.env.TRACKER_ADDON_ONLY = '1'
  else checkToolchain(['fmt', 'clippy'])
  await installPackages()

  const progress = new Progress()
  const total = { passed: 0, failed: 0, skipped: [] }
  // The linker works on one core for minutes, so the lints run beside it.
  const addon = addonOnly ? Promise.resolve(null) : buildError(quick, progress)
  let previous = { failed: 0 }
  for (const step of steps({ quick, print: text => progress.print(text) })) {
    if (addonOnly && !step.needsAddon) continue
    if (step.needsPrevious && previous.failed > 0) continue
    if (step.runsAlone) {
      progress.status('waiting for the addon')
      if (await addon && step.needsAddon) continue
    }
    previous = await runStep(step, progress)
    add(total, previous)
  }
  const error = await addon
  if (error) {
    progress.print(`${error}\n✖ the tests that need the addon did not run`)
    total.failed++
  }
  progress.stop()
  report(total)
}

/** Builds the addon if it has to be; resolves to what went wrong, or `null`. */
async function buildError (quick, progress) {
  // For a quick look whatever is up to date will do.
  const profiles = quick ? ['debug', 'release'] : [wantedProfile()]
  try {
    await ensureAddon(profiles, { log: text => progress.print(text) })
    return null
  } catch (error) {
    if (error instanceof SetupError) return explain(error)
    throw error
  }
}

async function runStep ({ name, command, args, env, reader }, progress) {
  const started = Date.now()
  progress.start(name)
  const failure = await run(command, args, {
    env,
    onLine (line, stream) {
      reader.line(line, stream)
      if (!line.startsWith('{')) progress.status(`${name}: ${line}`)
    }
  })
  const result = reader.finish(failure)
  progress.end(name, Date.now() - started, result)
  return result
}

function add (total, { passed, failed, skipped }) {
  total.passed += passed
  total.failed += failed
  total.skipped.push(...skipped)
}

function report ({ passed, failed, skipped }) {
  for (const { name, reason } of skipped) console.log(`skipped: ${name} (${reason})`)
  let skips = skipped.length
  if (process.env.TRACKER_FORBID_SKIPS === '1' && skips > 0) {
    console.log('A skipped test counts as failed here (TRACKER_FORBID_SKIPS=1).')
    failed += skips
    skips = 0
  }
  console.log(`${passed} passed, ${failed} failed${skips ? `, ${skips} skipped` : ''}`)
  process.exitCode = failed ? 1 : 0
}

killChildrenOnSignal()
main().catch(error => {
  console.error(explain(error))
  process.exit(1)
})
