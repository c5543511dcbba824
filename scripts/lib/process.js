'use strict'

// Child processes: output by lines, no child left behind, and an end to one that hangs.

const { spawn, spawnSync } = require('node:child_process')
const path = require('node:path')
const readline = require('node:readline')

const ROOT = path.join(__dirname, '..', '..')

// A cold build is silent for a minute or two while it links; nothing good is silent for this long.
const IDLE_LIMIT_MS = 10 * 60 * 1000

const IS_WINDOWS = process.platform === 'win32'
const running = new Set()

/**
 * Runs a program in the repository's root and hands each line of its output to `onLine(line, stream)`.
 * Resolves to `null` when it succeeded, else to one line on how it ended.
 */
function run (command, args, { env, onLine = () => {}, idleLimit = IDLE_LIMIT_MS } = {}) {
  return new Promise(resolve => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that what the child starts can be ended with it.
      detached: !IS_WINDOWS
    })
    running.add(child)
    let idle = false
    const watchdog = setTimeout(() => { idle = true; kill(child) }, idleLimit)
    for (const stream of ['stdout', 'stderr']) {
      readline.createInterface({ input: child[stream], crlfDelay: Infinity }).on('line', line => {
        watchdog.refresh()
        onLine(line, stream)
      })
    }
    let startError
    child.on('error', error => { startError = error })
    child.on('close', (code, signal) => {
      clearTimeout(watchdog)
      running.delete(child)
      if (startError) resolve(`${command} did not start: ${startError.message}`)
      else if (idle) resolve(`${command} was ended after ${idleLimit / 1000} s without output`)
      else if (signal) resolve(`${command} was ended by ${signal}`)
      else resolve(code === 0 ? null : `${command} exited with code ${code}`)
    })
  })
}

/** Runs a program quietly; its standard output, or `null` when it is missing or fails. */
function capture (command, args) {
  const result = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return result.status === 0 ? result.stdout : null
}

/** The command line that runs npm: by its own script where npm started us, since Windows has no npm.exe. */
function npm (...args) {
  const script = process.env.npm_execpath
  if (script && /npm-cli\.c?js$/.test(script)) return [process.execPath, [script, ...args]]
  return IS_WINDOWS ? ['cmd.exe', ['/d', '/c', 'npm', ...args]] : ['npm', args]
}

/** Ends what is still running when the user interrupts us. */
function killChildrenOnSignal () {
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
    process.on(signal, () => {
      for (const child of running) kill(child)
      process.exit(code)
    })
  }
}

function kill (child) {
  try {
    if (IS_WINDOWS) spawnSync('taskkill', ['/pid', String(child.pid), '/t', '/f'])
    else process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It ended by itself in between.
  }
}

module.exports = { ROOT, run, capture, npm, killChildrenOnSignal }
