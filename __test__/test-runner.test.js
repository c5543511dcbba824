'use strict'

// The test runner must not take a failure for a pass, so it is tried on output that holds each kind.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { test } = require('node:test')
const { run } = require('../scripts/lib/process')
const { WholeReader, CargoReader, NodeReader } = require('../scripts/lib/results')
const { steps } = require('../scripts/lib/steps')

function readCargo (stdout, stderr, failure) {
  const printed = []
  const reader = new CargoReader(text => printed.push(text))
  for (const line of stdout.split('\n')) reader.line(line, 'stdout')
  for (const line of stderr.split('\n')) reader.line(line, 'stderr')
  return { ...reader.finish(failure), printed }
}

test('cargo: counts of several test programs are added up', () => {
  const result = readCargo(`
running 3 tests
test a::one ... ok
test a::two ... ignored, needs a network
test a::three ... FAILED

failures:

---- a::three stdout ----
boom

failures:
    a::three

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 2 tests
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
`, 'error: 1 target failed:', 'cargo exited with code 101')
  assert.equal(result.passed, 3)
  assert.equal(result.failed, 1)
  assert.deepEqual(result.skipped, [{ name: 'a::two', reason: 'needs a network' }])
  assert.ok(result.printed.includes('boom'))
})

test('cargo: what does not compile and what crashes are failures', () => {
  const broken = readCargo('', 'error[E0425]: cannot find value', 'cargo exited with code 101')
  assert.equal(broken.failed, 1)
  assert.match(broken.details, /E0425/)

  const stdout = 'test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out'
  const stderr = '  process didn\'t exit successfully: `target/debug/deps/x` (signal: 11, SIGSEGV: invalid memory reference)'
  assert.equal(readCargo(stdout, stderr, 'cargo exited with code 101').failed, 2)
})

test('a lint passes or fails as a whole', () => {
  assert.equal(new WholeReader().finish(null).passed, 1)
  assert.equal(new WholeReader().finish('eslint exited with code 1').failed, 1)
})

/** Runs a test file of this content as the test runner would. */
async function runFile (t, source, limit = 60_000) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'runner-'))
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'a.test.js')
  fs.writeFileSync(file, `const { test, describe, it, before } = require('node:test')\n${source}`)
  const printed = []
  const reader = new NodeReader(text => printed.push(text))
  const failure = await run(process.execPath, [
    '--test', `--test-timeout=${limit}`, '--test-reporter=./scripts/lib/node-reporter.js', file
  ], {
    // Or the runner takes itself for a file of the one that runs this test.
    env: { NODE_TEST_CONTEXT: undefined },
    onLine: (line, stream) => reader.line(line, stream)
  })
  const { passed, failed, skipped } = reader.finish(failure)
  return { counts: [passed, failed, skipped.length], reasons: skipped.map(({ reason }) => reason), text: printed.join('\n') }
}

test('node: passes, failures and skips are counted, suites are not', async t => {
  const { counts, reasons, text } = await runFile(t, `
    test('fine', () => {})
    test('parent', async t => { await t.test('child', () => { console.log('printed'); throw new Error('boom') }) })
    describe('suite', () => { it('fine', () => {}); it('skipped', { skip: 'install aria2' }, () => {}) })
    describe('skipped suite', { skip: 'no IPv6' }, () => { it('never', () => { throw new Error() }) })
    test('later', { todo: true }, () => { throw new Error() })`)
  assert.deepEqual(counts, [2, 1, 3])
  assert.deepEqual(reasons, ['install aria2', 'no IPv6', 'todo'])
  assert.match(text, /parent > child/)
  assert.match(text, /boom/)
  assert.match(text, /printed/)
})

for (const [what, source] of Object.entries({
  'fails to load': 'throw new Error()',
  'ends the process in a test': 'test("a", () => process.exit(3))',
  'ends the process quietly in a test': 'test("a", () => process.exit(0))',
  'holds no test': '',
  'throws after its tests': 'test("a", () => { setTimeout(() => { throw new Error() }, 10) }); test("b", (t, done) => setTimeout(done, 50))',
  'has a hook that fails': 'describe("a", () => { before(() => { throw new Error() }); it("b", () => {}) })'
})) {
  test(`node: a file that ${what} is a failure`, async t => {
    const { counts: [, failed] } = await runFile(t, source)
    assert.ok(failed > 0)
  })
}

test('node: a file that does not end is a failure', async t => {
  const { counts, text } = await runFile(t, 'test("a", () => {}); setInterval(() => {}, 1000)', 1000)
  assert.equal(counts[1], 1)
  assert.match(text, /timed out/)
})

test('the server tests run once more with the JavaScript path forced, but not for a quick look', () => {
  const forced = quick => steps({ quick, print () {} }).filter(({ env }) => env?.TRACKER_FORCE_JAVASCRIPT === '1')
  assert.deepEqual(forced(true), [])
  const [{ name, args, needsAddon }, ...others] = forced(false)
  assert.deepEqual(others, [])
  assert.equal(name, 'JavaScript tests, JavaScript path forced')
  assert.ok(needsAddon)
  const files = args.filter(arg => arg.startsWith('__test__/')).map(file => path.basename(file, '.test.js'))
  for (const file of ['server.http', 'ws.relay', 'contract.swarm', 'process']) assert.ok(files.includes(file), file)
  for (const file of files) assert.doesNotMatch(file, /client|paths|package/)
})
