'use strict'

const dgram = require('node:dgram')
const net = require('node:net')
const { once } = require('node:events')
const { setTimeout: pause } = require('node:timers/promises')

const PROBE_PAUSE_MS = 25

/** A port that is free for TCP and UDP now, for programs that cannot tell which one the kernel gave them. */
async function freePort () {
  for (;;) {
    const tcp = net.createServer().listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    const { port } = tcp.address()
    const udp = dgram.createSocket('udp4')
    try {
      udp.bind(port, '127.0.0.1')
      await once(udp, 'listening')
      return port
    } catch (err) {
      if (err.code !== 'EADDRINUSE') throw err
    } finally {
      udp.close()
      await new Promise(resolve => tcp.close(resolve))
    }
  }
}

/**
 * Asks `probe` until it gives a truthy value, as outside programs have no event for us; ends early, with the
 * program's output, when `child` has ended.
 */
async function until (child, probe) {
  let ended = false
  child.ended.then(() => { ended = true }, () => { ended = true })
  let last
  while (!ended) {
    try {
      const value = await probe()
      if (value) return value
    } catch (err) {
      last = err
    }
    await pause(PROBE_PAUSE_MS)
  }
  throw new Error(`${child.spawnfile} ended while it was waited for:\n${child.output}`, { cause: last })
}

module.exports = { freePort, until }
