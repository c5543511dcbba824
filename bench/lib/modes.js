'use strict'

// What can be measured. A mode has parts, each with a table of its own:
//
//   { key, title, settings, contenders, columns, pairs, remark (rows), measure (tracker, context) }
//
// `measure` resolves to a run's figures, numbers by name; `columns` says how they are printed (see report.js). `pairs`
// is set where runs hardly vary, so that fewer than asked for will do. `context` is `{ seconds, cores, contender }`.

const client = require('./client')
const { findPrograms } = require('./debian')
const http = require('./http')
const latency = require('./latency')
const memory = require('./memory')
const { installOriginal, installCrates, buildLoad } = require('./peers')
const udp = require('./udp')
const ws = require('./ws')

/** Each installs what it needs and resolves to its parts. */
const MODES = {
  udp: async log => {
    const crates = await installCrates(['aquatic_udp', 'aquatic_udp_load_test'], log)
    const [load, original] = [await buildLoad(log), await installOriginal(log)]
    return udp.parts({ loadTest: crates.aquatic_udp_load_test, aquatic: crates.aquatic_udp, load, original })
  },
  http: async log => {
    const { wrk, nginx } = await findPrograms(['wrk', 'nginx'], log)
    const { aquatic_http: aquatic } = await installCrates(['aquatic_http'], log)
    return http.parts({ wrk, nginx, aquatic, original: await installOriginal(log) })
  },
  ws: async log => {
    const { aquatic_ws: aquatic } = await installCrates(['aquatic_ws'], log)
    const [load, original] = [await buildLoad(log), await installOriginal(log)]
    return ws.parts({ load, aquatic, original })
  },
  client: async log => client.parts({ original: await installOriginal(log) }),
  memory: async log => memory.parts(await announced(log)),
  latency: async log => latency.parts(await announced(log))
}

/** What our own announces over UDP are sent by and, beside this tracker, to. */
async function announced (log) {
  const { aquatic_udp: aquatic } = await installCrates(['aquatic_udp'], log)
  return { load: await buildLoad(log), aquatic }
}

module.exports = { MODES }
