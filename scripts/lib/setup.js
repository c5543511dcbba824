'use strict'

// What a fresh clone lacks: npm packages and a look at the toolchain. Uses only what Node brings
// along, since it runs before anything is installed.

const fs = require('node:fs')
const path = require('node:path')
const { ROOT, run, capture, npm } = require('./process')

/** Something that the user has to mend; its message is the one line to print, `details` a program's output. */
class SetupError extends Error {
  constructor (message, details = '') {
    super(message)
    this.details = details
  }
}

/** What to print of an error that ends a command. */
function explain (error) {
  if (!(error instanceof SetupError)) return error.stack
  return error.details ? `${error.details}\n${error.message}` : error.message
}

/** Installs the npm packages when they are missing or older than the lock file. */
async function installPackages (log = console.error) {
  // npm writes this copy of the lock file at the end of each install.
  const installed = modified(path.join(ROOT, 'node_modules', '.package-lock.json'))
  if (installed !== null && installed >= modified(path.join(ROOT, 'package-lock.json'))) return
  if (fs.lstatSync(path.join(ROOT, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    // npm empties the folder behind it first, which others use.
    throw new SetupError('node_modules is a link, and out of date: remove it, or run `npm ci` where it leads, then run this again.')
  }
  log('Installing npm packages (npm ci)')
  const lines = []
  // Build tools are development dependencies, which NODE_ENV=production would leave out.
  const [command, args] = npm('ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error')
  const failure = await run(command, args, { onLine: line => lines.push(line) })
  if (failure) throw new SetupError(`npm ci failed (${failure}).`, lines.join('\n'))
}

/** Throws a `SetupError` unless Rust and a C compiler are there; `tools` are further cargo commands needed. */
function checkToolchain (tools = []) {
  const wanted = /^rust-version = "(.*)"$/m.exec(fs.readFileSync(path.join(ROOT, 'Cargo.toml'), 'utf8'))[1]
  const found = capture('cargo', ['--version']) && capture('rustc', ['--version'])
  if (!found) {
    throw new SetupError(`No Rust toolchain found (cargo, rustc): install Rust ${wanted} or later from https://rustup.rs, then run this again.`)
  }
  const version = /\d+\.\d+/.exec(found)[0]
  if (isOlder(version, wanted)) {
    throw new SetupError(`Rust ${version} is too old: install ${wanted} or later (rustup update stable), then run this again.`)
  }
  // The linker and the TLS library's build need it. On Windows rustc itself names the missing build tools.
  if (process.platform !== 'win32' && capture('cc', ['--version']) === null) {
    throw new SetupError(`No C compiler found (cc): install ${compilerPackage()}, then run this again.`)
  }
  for (const tool of tools) {
    if (capture('cargo', [tool, '--version']) === null) {
      const component = tool === 'fmt' ? 'rustfmt' : tool
      throw new SetupError(`cargo ${tool} not found: run \`rustup component add ${component}\`, then run this again.`)
    }
  }
}

/** Time of the last change in ms, or `null` when there is no such file. */
function modified (file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? null
}

function isOlder (version, wanted) {
  const [major, minor] = version.split('.').map(Number)
  const [wantedMajor, wantedMinor] = wanted.split('.').map(Number)
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor)
}

function compilerPackage () {
  if (process.platform === 'darwin') return 'the Xcode command line tools (xcode-select --install)'
  if (fs.existsSync('/etc/alpine-release')) return '`build-base` (apk add build-base)'
  if (fs.existsSync('/etc/debian_version')) return '`build-essential` (apt-get install build-essential)'
  return 'gcc or clang'
}

module.exports = { SetupError, explain, installPackages, checkToolchain, modified }
