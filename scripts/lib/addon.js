'use strict'

// Building the addon, and knowing when it has to be built. Everything is generated into target/addon,
// from where the binary is copied to the root. binding.js and binding.d.ts are committed, so only
// `npm run build` replaces them; a test compares the two.

const fs = require('node:fs')
const path = require('node:path')
const { ROOT, run } = require('./process')
const { SetupError, modified } = require('./setup')

const OUTPUT = path.join(ROOT, 'target', 'addon')
const STAMP = path.join(OUTPUT, 'stamp.json')
const GENERATED = ['binding.js', 'binding.d.ts']
const SOURCES = ['src', 'crates', 'Cargo.toml', 'Cargo.lock', 'build.rs', 'package-lock.json']

/** The profile that `npm start` and `npm test` use; `TRACKER_PROFILE=debug` saves time while developing. */
function wantedProfile () {
  const profile = process.env.TRACKER_PROFILE || 'release'
  if (!['release', 'debug'].includes(profile)) {
    throw new SetupError(`TRACKER_PROFILE is '${profile}': it can be 'release' or 'debug'.`)
  }
  return profile
}

/** Whether the addon in the root is one of `profiles`, built on this platform, and as new as its sources. */
function isFresh (profiles) {
  let stamp
  try {
    stamp = JSON.parse(fs.readFileSync(STAMP, 'utf8'))
  } catch {
    return false
  }
  return profiles.includes(stamp.profile) && stamp.host === host() &&
    fs.existsSync(path.join(ROOT, stamp.file)) && newestSource() < stamp.started
}

/** Builds the addon unless it is fresh. `profiles[0]` is built, the others will do as well. */
async function ensureAddon (profiles = [wantedProfile()], { log = console.error, onLine } = {}) {
  if (isFresh(profiles)) return
  log(`Building the addon (${profiles[0]}; the first time takes a few minutes)`)
  await buildAddon(profiles[0], { onLine })
}

/**
 * Builds the addon into target/addon and copies the binary to the root. `args` go to `napi build`.
 * Throws a `SetupError` that holds the compiler's output when it fails.
 */
async function buildAddon (profile, { args = [], onLine } = {}) {
  const started = Date.now()
  fs.rmSync(OUTPUT, { recursive: true, force: true })
  const lines = []
  const failure = await run(process.execPath, [
    path.join('node_modules', '@napi-rs', 'cli', 'dist', 'cli.js'), 'build', '--platform',
    ...(profile === 'release' ? ['--release'] : []),
    '--js', 'binding.js', '--dts', 'binding.d.ts', '--output-dir', path.relative(ROOT, OUTPUT),
    ...args, '--', '--locked'
  ], {
    onLine (line, stream) {
      lines.push(line)
      onLine?.(line, stream)
    }
  })
  if (failure) {
    // Who has seen every line needs no excerpt.
    throw new SetupError('The addon does not build.', onLine ? '' : excerpt(lines))
  }
  const file = fs.readdirSync(OUTPUT).find(name => name.endsWith('.node'))
  // A new inode: writing into a library that a running process has mapped would crash it.
  fs.rmSync(path.join(ROOT, file), { force: true })
  fs.copyFileSync(path.join(OUTPUT, file), path.join(ROOT, file))
  // A binary for another target says nothing about this one.
  if (args.length === 0) fs.writeFileSync(STAMP, JSON.stringify({ profile, file, host: host(), started }))
}

/** The compiler's errors, without the trace of the tool around it. */
function excerpt (lines) {
  const end = lines.findIndex(line => /Internal Error/.test(line))
  const output = end < 0 ? lines : lines.slice(0, end)
  const firstError = output.findIndex(line => /^error/.test(line))
  return output.slice(Math.max(firstError, output.length - 200, 0)).join('\n')
}

/** Puts the generated loader and types in place of the committed ones. */
function updateGenerated () {
  for (const name of GENERATED) fs.copyFileSync(path.join(OUTPUT, name), path.join(ROOT, name))
}

/** Directories count too: their time changes when a file is added or removed. */
function newestSource () {
  const files = SOURCES.map(name => path.join(ROOT, name))
  let newest = 0
  for (let file = files.pop(); file; file = files.pop()) {
    newest = Math.max(newest, modified(file) ?? 0)
    for (const entry of fs.statSync(file).isDirectory() ? fs.readdirSync(file) : []) {
      if (entry !== 'tests' && entry !== 'benches') files.push(path.join(file, entry))
    }
  }
  return newest
}

/** Tells apart the systems that may look at one clone, as a container with another libc does. */
function host () {
  const libc = process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'other'
  return `${process.platform}-${process.arch}-${libc}`
}

module.exports = { OUTPUT, GENERATED, wantedProfile, isFresh, ensureAddon, buildAddon, updateGenerated }
