'use strict'

// The trackers of the aquatic project, one program for each transport. Each gets as many workers as it needs at
// least, ports on 127.0.0.1, and no time spent on figures that nobody reads. What is not set has its default.

const fs = require('node:fs')
const path = require('node:path')
const { PEERS } = require('../peers')
const { freeUdpPort, freeTcpPort, answersUdp, answersTcp } = require('../ports')

/** Longer than any run: no peer, offer or connection goes while it is measured. */
const NEVER_S = 3600

/**
 * Over io_uring, which its authors measured to be faster than its other way. `cleaning` has settings of that section.
 */
function aquaticUdp (file, cleaning = {}) {
  return program('aquatic_udp', 'aquatic_udp (io_uring)', file, async () => {
    const port = await freeUdpPort()
    const settings = `
      socket_workers = 1
      [network]
      address = "127.0.0.1:${port}"
      use_io_uring = true
      [protocol]
      max_response_peers = 30
      [cleaning]
      ${Object.entries(cleaning).map(([key, number]) => `${key} = ${number}`).join('\n      ')}
    `
    return { settings, ready: () => answersUdp(port).then(() => ({ udp: port })) }
  })
}

/** Plain HTTP, connections are kept by default. */
function aquaticHttp (file) {
  return program('aquatic_http', 'aquatic_http', file, async () => {
    const port = await freeTcpPort()
    const settings = `
      socket_workers = 1
      swarm_workers = 1
      [network]
      address = "127.0.0.1:${port}"
      enable_tls = false
      keep_alive = true
      [protocol]
      max_peers = 50
    `
    return { settings, ready: () => answersTcp(port).then(() => ({ http: port })) }
  })
}

/** Without TLS, and without closing what is silent. */
function aquaticWs (file) {
  return program('aquatic_ws', 'aquatic_ws', file, async () => {
    const port = await freeTcpPort()
    const settings = `
      socket_workers = 1
      swarm_workers = 1
      [network]
      address = "127.0.0.1:${port}"
      enable_tls = false
      [protocol]
      max_offers = 10
      [cleaning]
      max_peer_age = ${NEVER_S}
      max_offer_age = ${NEVER_S}
      max_connection_idle = ${NEVER_S}
    `
    return { settings, ready: () => answersTcp(port).then(() => ({ http: port })) }
  })
}

function program (key, name, file, prepare) {
  return {
    key,
    name,
    command: async () => {
      const { settings, ready } = await prepare()
      const config = path.join(PEERS, `${key}.toml`)
      fs.writeFileSync(config, settings)
      return { command: file, args: ['-c', config], ready }
    }
  }
}

module.exports = { aquaticUdp, aquaticHttp, aquaticWs }
