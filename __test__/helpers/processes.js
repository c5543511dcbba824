'use strict'

const { execFileSync, spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const ROOT = path.resolve(__dirname, '../..')

// Only a child that hangs meets it.
const CHILD_LIMIT_MS = 60_000

/** A folder that goes when the test ends. */
function tempDir (t, name = 'tracker-test') {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), `${name}-`))
  t.after(() => fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
  return dir
}

/** The full path of a program, or undefined. */
function which (program) {
  try {
    return execFileSync('/bin/sh', ['-c', 'command -v "$0"', program], { encoding: 'utf8' }).trim() || undefined
  } catch {
    return undefined
  }
}

/** Test options that skip with a reason when a program is missing: `{ program: 'Debian package' }`. */
function needsPrograms (programs) {
  const missing = Object.entries(programs).filter(([program]) => !which(program))
  if (missing.length === 0) return {}
  return {
    skip: missing.map(([program, name]) => `${program} is missing: install the Debian package ${name}`).join('; ')
  }
}

/**
 * Starts a program that is killed when the test ends. `child.output` grows; `child.line(regexp)` waits for it, and
 * rejects with all output when the program ends first; `child.ended` resolves with `{ code, signal, stdout, stderr }`.
 */
function start (t, program, args, options = {}) {
  const { ipc, limit, ...spawnOptions } = options
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? ['ipc'] : [])], ...spawnOptions })
  child.output = ''
  let [stdout, stderr] = ['', '']
  const watchers = new Set()
  const onData = text => {
    child.output += text
    for (const watcher of watchers) watcher()
  }
  child.stdout.setEncoding('utf8').on('data', text => { stdout += text; onData(text) })
  child.stderr.setEncoding('utf8').on('data', text => { stderr += text; onData(text) })

  child.ended = new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${program} does not end:\n${child.output}`))
    }, limit ?? CHILD_LIMIT_MS)
    child.on('error', err => { clearTimeout(timer); reject(err) })
    child.on('close', (code, signal) => { clearTimeout(timer); resolve({ code, signal, stdout, stderr }) })
  })
  // Whoever needs it awaits it; a program that dies unwatched is no unhandled rejection.
  child.ended.catch(() => {})

  child.line = regexp => new Promise((resolve, reject) => {
    const watcher = () => {
      const match = child.output.match(regexp)
      if (!match) return
      watchers.delete(watcher)
      resolve(match)
    }
    watchers.add(watcher)
    watcher()
    child.ended.then(({ code, signal }) => {
      if (watchers.delete(watcher)) reject(new Error(`${program} ended (${code ?? signal}) without ${regexp}:\n${child.output}`))
    }, reject)
  })

  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await child.ended.catch(() => {})
  })
  return child
}

/** Runs JavaScript text in a Node of its own; `process.argv[1]` is the package's folder. */
function spawnNode (t, script, { args = [], ...options } = {}) {
  const child = start(t, process.execPath, ['-e', script, ROOT, ...args], options)
  const ended = child.ended
  child.ended = ended.then(result => {
    if (result.code !== 0) throw new Error(`the child ended with ${result.code ?? result.signal}:\n${result.stdout}${result.stderr}`)
    return result
  })
  child.ended.catch(() => {})
  return child
}

module.exports = { ROOT, needsPrograms, spawnNode, start, tempDir, which }
