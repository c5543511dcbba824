'use strict'

// A native core cannot be bundled for browsers; whoever tries is told what can.

const assert = require('node:assert')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const vm = require('node:vm')
const { test } = require('../helpers/test')
const { installPackages } = require('../helpers/npm-packages')
const { ROOT, tempDir } = require('../helpers/processes')
const manifest = require('../../package.json')

const LINE = 'bittorrent-tracker-native has a native core and runs in Node alone: use bittorrent-tracker in browsers'

const SUBPATHS = ['', '/client', '/server', '/websocket-tracker']

// The first run asks npm for the bundler.
const options = { timeout: 240_000 }

/** A folder in which the package is installed. */
function createApp (t) {
  const app = fs.realpathSync(tempDir(t, 'browser'))
  fs.mkdirSync(path.join(app, 'node_modules'))
  fs.symlinkSync(ROOT, path.join(app, 'node_modules', manifest.name), 'junction')
  return app
}

/** Bundles a program in a folder for browsers, and runs it where there is nothing of Node. */
async function runBundle (folder, source) {
  const cache = await installPackages('esbuild', { dependencies: { esbuild: '0.28.2' } })
  const esbuild = require(path.join(cache, 'node_modules', 'esbuild'))
  const { outputFiles: [{ text }], warnings } = await esbuild.build({
    stdin: { contents: source, resolveDir: folder },
    bundle: true,
    platform: 'browser',
    format: 'iife',
    write: false,
    logLevel: 'silent'
  })
  assert.deepStrictEqual(warnings, [])
  assert.ok(text.length < 10_000, `nothing else is in the bundle (${text.length} characters)`)
  vm.runInNewContext(text, {})
}

const theLine = err => err.message === LINE && err.code === 'ERR_TRACKER_UNSUPPORTED_PLATFORM'

test('every module is one line in a bundle for browsers', options, async t => {
  const app = createApp(t)
  for (const subpath of SUBPATHS) {
    await assert.rejects(runBundle(app, `import it from '${manifest.name}${subpath}'\nnew it()`), theLine, `import ${subpath}`)
    await assert.rejects(runBundle(app, `require('${manifest.name}${subpath}')`), theLine, `require ${subpath}`)
  }
  await assert.rejects(runBundle(app, `import { Client, Server } from '${manifest.name}'\nnew Client(Server)`), theLine, 'names')
})

test('for bundlers that know no exports there is the older field', options, async () => {
  for (const file of [manifest.main, ...SUBPATHS.slice(1).map(subpath => `${subpath.slice(1)}.js`)]) {
    await assert.rejects(runBundle(ROOT, `require('./${file}')`), theLine, file)
  }
})

test('Node says it too if it is told to be a browser, and only then', t => {
  const app = createApp(t)
  const run = (condition, source, ...flags) => spawnSync(process.execPath, [...condition, ...flags, '-e', source], { cwd: app, encoding: 'utf8' })
  for (const subpath of SUBPATHS) {
    for (const [source, ...flags] of [
      [`require('${manifest.name}${subpath}')`],
      [`import it from '${manifest.name}${subpath}'\nit()`, '--input-type=module'],
      [`import { Client, Server } from '${manifest.name}'\nClient(Server)`, '--input-type=module']
    ]) {
      const { status, stderr } = run(['--conditions=browser'], source, ...flags)
      assert.deepStrictEqual([status, /^Error: (.*)$/m.exec(stderr)?.[1]], [1, LINE], source)
    }
    assert.strictEqual(run([], `require('${manifest.name}${subpath}')`).status, 0)
  }
})
