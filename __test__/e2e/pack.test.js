'use strict'

// The two packages as npm would serve them, installed without a network into an empty folder.

const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { after, before, test } = require('node:test')
const manifest = require('../../package.json')
const { npm } = require('../../scripts/lib/process')

const ROOT = path.join(__dirname, '..', '..')

let folder
let app
let packed

before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pack-'))
  app = path.join(folder, 'app')
  fs.mkdirSync(app)
  fs.writeFileSync(path.join(app, 'package.json'), '{"name":"app","private":true}')
  packed = [pack(ROOT), pack(platformPackage())]
  copyDependencies()
  runNpm(app, 'install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund',
    ...packed.map(({ filename }) => path.join(folder, filename)))
})

after(() => fs.rmSync(folder, { recursive: true, force: true }))

/** Puts what the package depends on where npm would have put it, for there is no network. */
function copyDependencies () {
  const { packages } = require('../../package-lock.json')
  for (const [name, { dev, optional, peer }] of Object.entries(packages)) {
    if (name === '' || dev || optional || peer) continue
    fs.cpSync(path.join(ROOT, name), path.join(app, name), { recursive: true })
  }
}

/** A copy of the folder under npm/ for this platform, with the binary in it. */
function platformPackage () {
  const binary = fs.readdirSync(ROOT).find(name => name.endsWith('.node') && isForThisHost(name))
  const copy = path.join(folder, 'platform')
  fs.cpSync(path.join(ROOT, 'npm', binary.split('.')[1]), copy, { recursive: true })
  fs.copyFileSync(path.join(ROOT, binary), path.join(copy, binary))
  return copy
}

/** There may be binaries for other systems in the root, which this one cannot load. */
function isForThisHost (name) {
  return spawnSync(process.execPath, ['-e', 'require(process.argv[1])', path.join(ROOT, name)]).status === 0
}

function pack (directory) {
  return JSON.parse(runNpm(directory, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder))[0]
}

function runNpm (cwd, ...args) {
  const [command, all] = npm(...args)
  const result = spawnSync(command, all, { cwd, encoding: 'utf8' })
  assert.equal(result.status, 0, result.stderr)
  return result.stdout
}

/** Runs a program in the app's folder and gives back the JSON that it prints. */
function evaluate (source, ...flags) {
  const result = spawnSync(process.execPath, [...flags, '-e', source], { cwd: app, encoding: 'utf8' })
  assert.equal(result.status, 0, result.stderr)
  return JSON.parse(result.stdout)
}

test('the packages hold what they should and nothing else', () => {
  const [main, platform] = packed.map(({ files }) => files.map(file => file.path).sort())
  for (const name of ['index.js', 'index.d.ts', 'binding.js', 'lib/native.js', 'bin/bittorrent-tracker.js', 'README.md', 'LICENSE']) {
    assert.ok(main.includes(name), name)
  }
  const allowed = [...manifest.files, 'README.md', 'LICENSE', 'package.json']
  const strays = main.filter(file => !allowed.includes(file.split('/')[0]) || file.endsWith('.node'))
  assert.deepEqual(strays, [])
  assert.deepEqual(platform.map(file => file.replace(/^tracker\..*\.node$/, 'binary')), ['README.md', 'package.json', 'binary'])
})

test('require works', () => {
  const kinds = evaluate(`
    const main = require('${manifest.name}')
    const { Client, Server } = main
    console.log(JSON.stringify({
      main: main === Client,
      client: require('${manifest.name}/client') === Client,
      server: require('${manifest.name}/server') === Server,
      webSocketTracker: typeof require('${manifest.name}/websocket-tracker') === 'function',
      kinds: [typeof Client, typeof Server],
      version: require('${manifest.name}/package.json').version
    }))`)
  assert.deepEqual(kinds, {
    main: true,
    client: true,
    server: true,
    webSocketTracker: true,
    kinds: ['function', 'function'],
    version: manifest.version
  })
})

test('import works and gives the same classes as require', () => {
  const kinds = evaluate(`
    import Default, { Client, Server } from '${manifest.name}'
    import ClientModule from '${manifest.name}/client'
    import ServerModule from '${manifest.name}/server'
    import { createRequire } from 'node:module'
    const main = createRequire(process.cwd() + '/')('${manifest.name}')
    console.log(JSON.stringify({
      main: Default === Client,
      client: ClientModule === Client,
      server: ServerModule === Server,
      same: main.Client === Client && main.Server === Server
    }))`, '--input-type=module')
  assert.deepEqual(kinds, { main: true, client: true, server: true, same: true })
})

test('the command is installed', () => {
  const bin = path.join(app, 'node_modules', '.bin', 'bittorrent-tracker')
  const result = process.platform === 'win32'
    ? spawnSync(`"${bin}.cmd" --version`, { encoding: 'utf8', shell: true })
    : spawnSync(bin, ['--version'], { encoding: 'utf8' })
  assert.equal(result.status, 0, result.stderr)
  assert.equal(result.stdout.trim(), manifest.version)
})

test('TypeScript finds the types from modules of both kinds', () => {
  const source = `
    import Default, { Client, Server } from '${manifest.name}'
    import ClientModule from '${manifest.name}/client'
    import ServerModule from '${manifest.name}/server'
    export const clients: Array<typeof Client> = [Default, ClientModule]
    export const servers: Array<typeof Server> = [Server, ServerModule]
    // @ts-expect-error: a class is no number, so the types are not all \`any\`
    export const wrong: number = Client\n`
  for (const name of ['app.mts', 'app.cts']) fs.writeFileSync(path.join(app, name), source)
  const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  const result = spawnSync(process.execPath, [tsc, '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022',
    '--typeRoots', path.join(ROOT, 'node_modules', '@types'), '--types', 'node', 'app.mts', 'app.cts'],
  { cwd: app, encoding: 'utf8' })
  assert.equal(result.status, 0, result.stdout)
})
