'use strict'

// Who is measured. A contender is
//
//   { key, name, cores, pairs, command (context) }
//
// `key` is what the goals call it. `cores` is 'all' where it may use them; else it is bound to one. `pairs` is set
// where fewer runs will do than of the others.
// `command` resolves to `{ command, args, stdio, ready (child) }`: what to start, and its ports on 127.0.0.1,
// `{ udp, http }`, when it answers there. `context.bytes` is how long our answers were in this pair.
//
// Each is set up as its users would, but for the cores. Ours comes first: ratios are to the first one.

const { aquaticUdp, aquaticHttp, aquaticWs } = require('./aquatic')
const { udpFloor, nginx } = require('./floors')
const { ours, original } = require('./node')

module.exports = { ours, original, aquaticUdp, aquaticHttp, aquaticWs, udpFloor, nginx }
