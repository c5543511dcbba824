#!/usr/bin/env node
'use strict'

// The command line tracker: flags in, one line of log per event out.

const { parseArgs } = require('node:util')
const { version } = require('../package.json')

const OPTIONS = {
  port: { type: 'string', short: 'p', default: '8000' },
  'http-hostname': { type: 'string' },
  'udp-hostname': { type: 'string' },
  'udp6-hostname': { type: 'string' },
  'trust-proxy': { type: 'boolean' },
  interval: { type: 'string' },
  http: { type: 'boolean' },
  udp: { type: 'boolean' },
  ws: { type: 'boolean' },
  stats: { type: 'boolean' },
  // Node 20.0 knows no negated flags.
  'no-stats': { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
  silent: { type: 'boolean', short: 's' },
  version: { type: 'boolean', short: 'v' },
  help: { type: 'boolean', short: 'h' }
}

const HELP = `Usage: bittorrent-tracker [options]

Runs a BitTorrent tracker over HTTP, UDP and WebSocket until it gets SIGINT or SIGTERM.
With some of --http, --udp and --ws only those are started.

  -p, --port <number>         port of all trackers, 0 for any free ones (default: 8000)
      --http-hostname <host>  address of the HTTP tracker (default: all)
      --udp-hostname <host>   IPv4 address of the UDP tracker (default: all)
      --udp6-hostname <host>  IPv6 address of the UDP tracker (default: all)
      --http                  start the HTTP tracker
      --udp                   start the UDP tracker
      --ws                    start the WebSocket tracker (WebTorrent)
      --interval <ms>         time between a peer's announces (default: 600000)
      --stats, --no-stats     serve /stats and /stats.json (default: with HTTP or WebSocket)
      --trust-proxy           take peers' addresses from the X-Forwarded-For header
  -q, --quiet                 print errors only
  -s, --silent                print nothing
  -v, --version               print the version
  -h, --help                  print this`

/** What to do about the errors that a user meets when the tracker starts. */
const ADVICE = {
  EADDRINUSE: 'end the program that uses it, or choose another port with --port',
  EACCES: 'ports below 1024 need a privilege: choose another with --port',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'that host name has no address'
}

function main () {
  let flags
  try {
    flags = parseArgs({ options: OPTIONS }).values
  } catch (err) {
    return fail({}, `${err.message.split('. ')[0]} (see --help)`)
  }
  if (flags.version) return console.log(version)
  if (flags.help) return console.log(HELP)
  if (!isPort(flags.port)) return fail(flags, '--port must be a number from 0 to 65535')
  try {
    run(flags)
  } catch (err) {
    // A binary that does not load, or an option with a value that it cannot have.
    fail(flags, err.message)
  }
}

function run (flags) {
  const { Server } = require('..')
  const all = isAll(flags)
  const server = new Server({
    http: all || Boolean(flags.http),
    udp: all || Boolean(flags.udp),
    ws: all || Boolean(flags.ws),
    // Said, they open the HTTP port for themselves; left out, they are where it is open.
    stats: flags['no-stats'] ? false : flags.stats,
    interval: flags.interval,
    trustProxy: flags['trust-proxy']
  })
  server.on('error', err => {
    if (server.listening) return logError(flags, err.message)
    fail(flags, [err.message, ADVICE[err.code]].filter(Boolean).join('; '))
  })
  if (!flags.quiet && !flags.silent) logEvents(server, flags)
  server.listen(flags.port, {
    http: flags['http-hostname'],
    udp: flags['udp-hostname'],
    udp6: flags['udp6-hostname']
  })
  closeOnSignals(server)
}

function logEvents (server, flags) {
  server.on('listening', () => {
    const { http, udp4, udp6, ws } = server
    // WebSocket alone opens the HTTP port too.
    if (flags.http || isAll(flags)) log(`HTTP tracker: http://${authority(http)}/announce`)
    if (udp4?.address()) log(`UDP tracker: udp://${authority(udp4)}`)
    if (udp6?.address()) log(`UDP6 tracker: udp://${authority(udp6)}`)
    if (ws !== null) log(`WebSocket tracker: ws://${authority(ws)}`)
    if (http !== null && !flags['no-stats']) log(`Tracker stats: http://${authority(http)}/stats`)
  })
  for (const event of ['start', 'stop', 'complete', 'update']) {
    server.on(event, addr => log(`${event}: ${addr}`))
  }
  server.on('warning', err => console.error(line(`WARNING: ${err.message}`)))
}

/** Host and port for a URL; all addresses of IPv6 have the name that reaches them on this machine. */
function authority (listener) {
  const { address, family, port } = listener.address()
  if (address === '::') return `localhost:${port}`
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}

/** The first signal lets answers under way finish, the second one ends the process there and then. */
function closeOnSignals (server) {
  let closing = false
  for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15]]) {
    process.on(signal, () => {
      if (closing) process.exit(128 + number)
      closing = true
      server.close()
    })
  }
}

// None named means all.
function isAll ({ http, udp, ws }) {
  return !http && !udp && !ws
}

function isPort (text) {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535
}

function fail (flags, message) {
  logError(flags, message)
  process.exitCode = 1
}

function logError (flags, message) {
  if (!flags.silent) console.error(line(`ERROR: ${message}`))
}

function log (text) {
  console.log(line(text))
}

function line (text) {
  return `${new Date().toISOString()} ${text}`
}

main()
