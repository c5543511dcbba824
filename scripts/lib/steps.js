'use strict'

// The steps of `npm test` and `npm run check`, as data for scripts/test.js.

const fs = require('node:fs')
const path = require('node:path')
const { ROOT, capture } = require('./process')
const { WholeReader, CargoReader, NodeReader } = require('./results')

const CLIPPY = ['clippy', '--workspace', '--all-targets', '--locked', '--', '-D', 'warnings']

/** For a test and also for a whole test file: one that hangs is named, and the others still run. */
const FILE_LIMIT_MS = 5 * 60 * 1000

/** Has servers answer by way of JavaScript, as they do for programs that replace parts of them. */
const FORCED = { TRACKER_FORCE_JAVASCRIPT: '1' }

/** Of test files: those in which a server of ours answers. */
const isServerTest = file => /^(server|ws|contract|process)\b/.test(file) && !/^contract\.client/.test(file)

/**
 * `{ name, command, args, env, reader }` each, in the order in which they run. `runsAlone` marks those
 * that no build runs beside, `needsAddon` those that load the addon, `needsPrevious` one that makes no
 * sense after a failure of the step before. `print` shows a failure as it happens.
 */
function steps ({ quick, print }) {
  const rustTests = ['--workspace', '--locked', ...(quick ? ['--lib'] : [])]
  return [
    cargo('rustfmt', ['fmt', '--all', '--check', '--', '--color', 'never'], new WholeReader()),
    node('JavaScript lint', ['node_modules/eslint/bin/eslint.js', '--max-warnings', '0', '.'], new WholeReader()),
    node('type tests', ['node_modules/typescript/bin/tsc', '--project', 'tsconfig.json'], new WholeReader()),
    cargo('clippy', CLIPPY, new WholeReader()),
    ...(process.env.TRACKER_CHECK_TARGETS === '1' ? otherTargets().map(checkTarget) : []),
    cargo('Rust tests compile', ['test', ...rustTests, '--no-run'], new WholeReader()),
    {
      ...cargo('Rust tests', ['test', ...rustTests, '--no-fail-fast'], new CargoReader(print)),
      runsAlone: true,
      needsPrevious: true
    },
    tests('JavaScript tests', '__test__', print),
    ...(quick ? [] : [
      { ...tests('JavaScript tests, JavaScript path forced', '__test__', print, isServerTest), env: FORCED },
      tests('end-to-end tests', '__test__/e2e', print)
    ])
  ]
}

function cargo (name, args, reader) {
  // The readers want plain text, whatever the caller's settings.
  return { name, command: 'cargo', args, env: { CARGO_TERM_COLOR: 'never' }, reader }
}

function node (name, args, reader) {
  return { name, command: process.execPath, args, reader }
}

/** The test files of one folder that are `wanted`. Node 20 knows no patterns here, so they are listed. */
function tests (name, folder, print, wanted = () => true) {
  const files = fs.readdirSync(path.join(ROOT, folder)).filter(file => file.endsWith('.test.js') && wanted(file)).sort()
  return {
    ...node(name, [
      '--test', `--test-timeout=${FILE_LIMIT_MS}`, '--test-reporter=./scripts/lib/node-reporter.js',
      ...files.map(file => `${folder}/${file}`)
    ], new NodeReader(print)),
    needsAddon: true,
    runsAlone: true
  }
}

/**
 * The engine's platform code is compiled for other systems as far as this one can: a check links
 * nothing, so the C code of the TLS library, which would need a cross compiler, is left out by a
 * compiler that does nothing.
 */
function checkTarget (target) {
  const suffix = target.replaceAll('-', '_')
  return {
    ...cargo(`engine for ${target}`, [
      'clippy', '--package', 'tracker', '--all-targets', '--target', target, '--locked', '--', '-D', 'warnings'
    ], new WholeReader()),
    env: {
      CARGO_TERM_COLOR: 'never',
      [`CC_${suffix}`]: 'true',
      [`AR_${suffix}`]: 'true',
      // Or the build asks for Apple's tools.
      SDKROOT: '/'
    }
  }
}

/** Targets beside the host's whose standard library is installed. */
function otherTargets () {
  const host = /^host: (.*)$/m.exec(capture('rustc', ['-vV']) ?? '')?.[1]
  const installed = capture('rustup', ['target', 'list', '--installed']) ?? ''
  return installed.split(/\s+/).filter(target => target && target !== host)
}

module.exports = { steps }
