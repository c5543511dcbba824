'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { bencoded, announcePath } = require('./http')
const { freePort, until } = require('./ports')
const { start, tempDir } = require('./processes')
const { randomHex } = require('./subjects')

/**
 * An opentracker that knows `hashes`; Debian's build serves only what its whitelist names. The whitelist's path is
 * relative because opentracker, started as root, locks itself into its folder before it reads it.
 */
async function startOpentracker (t, hashes) {
  const dir = tempDir(t, 'opentracker')
  const port = await freePort()
  const probe = randomHex()
  fs.chmodSync(dir, 0o755)
  fs.writeFileSync(path.join(dir, 'whitelist.txt'), [...hashes, probe].join('\n') + '\n')
  fs.writeFileSync(path.join(dir, 'opentracker.conf'), `listen.tcp_udp 127.0.0.1:${port}\naccess.whitelist whitelist.txt\n`)
  const child = start(t, 'opentracker', ['-f', path.join(dir, 'opentracker.conf'), '-d', dir], { cwd: dir })
  // It listens before it has read the whitelist.
  await until(child, async () => (await bencoded(port, announcePath({ infoHash: probe, peerId: randomHex(), event: 'stopped' }))).has('interval'))
  return { child, port, httpUrl: `http://127.0.0.1:${port}/announce`, udpUrl: `udp://127.0.0.1:${port}` }
}

module.exports = { startOpentracker }
