// Many clients of a program, a torrent each, that announce once:
// `node --expose-gc clients.mjs <URL of the module> <announce URL> <number of clients> <limit in ms>`.
// Sends its parent what it took: `{ micros, cpu, memory, updated, failed, example }`.

import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

/** Memory is read when garbage is gone: what finalizers free goes with the second collection. */
const COLLECTIONS = 3
const PAUSE_MS = 50

const [entry, announce, count, limit] = process.argv.slice(2)
const module = await import(entry)
const Client = module.Client ?? module.default

process.on('disconnect', () => process.exit())
const before = await memoryInUse()
const result = await announceAll(Number(count))
const memory = await memoryInUse() - before
process.send({ ...result, memory })

/** Until each client has had an answer or a failure, or the limit is over: µs until the last answer. */
function announceAll (count) {
  const clients = Array.from({ length: count }, (_, i) => new Client({
    infoHash: randomBytes(20),
    peerId: randomBytes(20),
    announce: [announce],
    port: 1024 + i % 60_000
  }))
  return new Promise(resolve => {
    const failures = new Set()
    let [updated, example, last] = [0, null, 0n]
    const end = () => {
      clearTimeout(timer)
      const { user, system } = process.cpuUsage(cpuBefore)
      const micros = Number(last - began) / 1000
      // The clients come along, or they would be garbage when the memory is read.
      globalThis.clients = clients
      resolve({ micros, cpu: user + system, updated, failed: count - updated, example })
    }
    const timer = setTimeout(end, Number(limit))
    for (const client of clients) {
      const onFailure = error => {
        example ??= error.message
        failures.add(client)
        if (updated + failures.size >= count) end()
      }
      client.on('error', onFailure)
      client.on('warning', onFailure)
      client.once('update', () => {
        last = process.hrtime.bigint()
        updated++
        failures.delete(client)
        if (updated + failures.size >= count) end()
      })
    }
    const cpuBefore = process.cpuUsage()
    const began = process.hrtime.bigint()
    for (const client of clients) client.start()
  })
}

async function memoryInUse () {
  for (let i = 0; i < COLLECTIONS; i++) {
    globalThis.gc()
    await delay(PAUSE_MS)
  }
  return process.memoryUsage.rss()
}
