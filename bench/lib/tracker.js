'use strict'

const path = require('node:path')
const { start } = require('./children')
const { onCore } = require('./cores')

const START_LIMIT_MS = 30_000

/**
 * Starts a contender on a core: `{ pid, http, udp, failed, stop() }` with its ports on 127.0.0.1. `failed`
 * rejects when it ends before `stop` is called.
 */
async function startTracker ({ name, entry, options, use = '' }, core) {
  const serve = [path.join(__dirname, 'serve.mjs'), entry, JSON.stringify(options), use]
  const child = start(...onCore(core, process.execPath, serve), { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
  let isStopped = false
  const failed = child.ended.then(how => {
    if (isStopped) return
    throw new Error(`the tracker '${name}' ${how}`)
  })
  failed.catch(() => {})
  const stop = () => {
    isStopped = true
    child.kill('SIGKILL')
    return child.ended
  }

  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`the tracker '${name}' does not start`)), START_LIMIT_MS)
  })
  try {
    const ports = await Promise.race([new Promise(resolve => child.once('message', resolve)), failed, late])
    return { pid: child.pid, ...ports, failed, stop }
  } catch (error) {
    await stop()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

module.exports = { startTracker }
