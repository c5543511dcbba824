'use strict'

const { start } = require('./children')
const { onCore } = require('./cores')

const START_LIMIT_MS = 30_000

/**
 * Starts a contender (see contenders/index.js) on a core: `{ pid, http, udp, failed, stop() }` with its ports on
 * 127.0.0.1. `failed` rejects when it ends before `stop` is called.
 */
async function startTracker (contender, cores, context = {}) {
  const { name } = contender
  const { command, args, stdio, ready } = await contender.command(context)
  const core = contender.cores === 'all' ? cores.all : cores.tracker
  const child = start(...onCore(core, command, args), stdio ? { stdio } : {})
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
    const ports = await Promise.race([ready(child), failed, late])
    // Nobody reads on; a full pipe would hold the program up.
    child.stdout?.resume()
    return { pid: child.pid, ...ports, failed, stop }
  } catch (error) {
    await stop()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

module.exports = { startTracker }
