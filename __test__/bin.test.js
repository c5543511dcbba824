'use strict'

const assert = require('node:assert')
const net = require('node:net')
const path = require('node:path')
const { once } = require('node:events')
const { test, needsIPv6 } = require('./helpers/test')
const { announcePath, bencoded } = require('./helpers/http')
const { freePort, until } = require('./helpers/ports')
const { ROOT, start } = require('./helpers/processes')
const { randomHex } = require('./helpers/subjects')
const { UdpPeer } = require('./helpers/udp')
const { version } = require('../package.json')

const COMMAND = path.join(ROOT, 'bin', 'bittorrent-tracker.js')
const ISO = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`
const needsSignals = process.platform === 'win32' ? { skip: 'Windows ends a process without asking it' } : {}

const run = (t, ...args) => start(t, process.execPath, [COMMAND, ...args])

/** Starts a tracker on free ports and resolves with what its first lines say. */
async function tracker (t, ...args) {
  const child = run(t, '-p', '0', ...args)
  // The lines of a start come in one go, so the last one of those expected will do.
  const last = args.includes('--http') ? 'HTTP' : args.includes('--udp') ? 'UDP' : 'WebSocket'
  await child.line(new RegExp(`${last} tracker: .*\n`))
  const port = regexp => Number(child.output.match(regexp)?.[1])
  return { child, httpPort: port(/HTTP tracker: .*:(\d+)\/announce/), udpPort: port(/UDP tracker: .*:(\d+)\n/) }
}

/** The one line of a command that cannot start. */
async function failure (t, ...args) {
  const { code, stdout, stderr } = await run(t, ...args).ended
  assert.strictEqual(code, 1)
  assert.strictEqual(stdout, '')
  const match = stderr.match(new RegExp(`^${ISO} ERROR: (.*)\n$`))
  assert.ok(match, `not one line of error: ${stderr}`)
  return match[1]
}

for (const flag of ['-v', '--version']) {
  test(`${flag} prints the version`, async t => {
    const { code, stdout, stderr } = await run(t, flag).ended
    assert.deepStrictEqual({ code, stdout, stderr }, { code: 0, stdout: `${version}\n`, stderr: '' })
  })
}

for (const flag of ['-h', '--help']) {
  test(`${flag} names every flag that works`, async t => {
    const { code, stdout, stderr } = await run(t, flag).ended
    assert.strictEqual(code, 0)
    assert.strictEqual(stderr, '')
    for (const name of ['port', 'http-hostname', 'udp-hostname', 'udp6-hostname', 'http', 'udp', 'ws', 'interval',
      'stats', 'no-stats', 'trust-proxy', 'quiet', 'silent', 'version', 'help']) {
      assert.match(stdout, new RegExp(`^ .*--${name}\\b`, 'm'))
    }
  })
}

test('the first lines tell the announce URLs', async t => {
  const { child, httpPort } = await tracker(t, '--http', '--udp-hostname', '127.0.0.1')
  assert.match(child.output, new RegExp(`^${ISO} HTTP tracker: http://(?:localhost|0\\.0\\.0\\.0):${httpPort}/announce\n`))
  assert.doesNotMatch(child.output, /UDP|WebSocket/)
})

test('--ws starts the WebSocket tracker alone', async t => {
  const { child } = await tracker(t, '--ws')
  const [, port] = /WebSocket tracker: ws:\/\/(?:localhost|0\.0\.0\.0):(\d+)\n/.exec(child.output) ?? []
  assert.ok(port, child.output)
  assert.doesNotMatch(child.output, /HTTP|UDP/)
  const { status } = await fetch(`http://localhost:${port}/announce`)
  assert.strictEqual(status, 404)
})

test('a line is printed for each event of a peer, over HTTP and UDP', async t => {
  const { child, httpPort, udpPort } = await tracker(t)
  const peer = { infoHash: randomHex(), peerId: randomHex() }
  for (const [event, line] of [['started', 'start'], ['completed', 'complete'], [undefined, 'update'], ['stopped', 'stop']]) {
    await bencoded(httpPort, announcePath({ ...peer, port: 6881, event }))
    await child.line(new RegExp(`^${ISO} ${line}: 127\\.0\\.0\\.1:6881\n`, 'm'))
  }
  const udp = await UdpPeer.open(t, udpPort)
  await udp.announce({ ...peer, port: 6882, event: 'started' })
  await child.line(new RegExp(`^${ISO} start: 127\\.0\\.0\\.1:6882\n`, 'm'))
})

test('--udp starts the UDP tracker alone', async t => {
  const { child, udpPort } = await tracker(t, '--udp')
  assert.doesNotMatch(child.output, /HTTP|WebSocket/)
  const udp = await UdpPeer.open(t, udpPort)
  await udp.connect()
})

test('each hostname binds its own tracker, and IPv6 addresses have brackets', needsIPv6, async t => {
  const { child } = await tracker(t, '--http-hostname', '127.0.0.1', '--udp-hostname', '127.0.0.1', '--udp6-hostname', '::1')
  await child.line(/UDP6 tracker: .*\n/)
  assert.match(child.output, /HTTP tracker: http:\/\/127\.0\.0\.1:\d+\/announce\n/)
  assert.match(child.output, /UDP tracker: udp:\/\/127\.0\.0\.1:\d+\n/)
  assert.match(child.output, /UDP6 tracker: udp:\/\/\[::1\]:\d+\n/)
  const http = await tracker(t, '--http', '--http-hostname', '::1')
  assert.match(http.child.output, /HTTP tracker: http:\/\/\[::1\]:\d+\/announce\n/)
})

test('--interval and --trust-proxy reach the tracker', async t => {
  const { child, httpPort } = await tracker(t, '--interval', '120000', '--trust-proxy')
  const headers = { 'x-forwarded-for': '192.0.2.7, 198.51.100.1' }
  const answer = await bencoded(httpPort, announcePath({ infoHash: randomHex(), peerId: randomHex(), event: 'started' }), { headers })
  assert.strictEqual(answer.get('interval'), 120)
  await child.line(/ start: 192\.0\.2\.7:6881\n/)
})

for (const flags of [[], ['--stats'], ['--ws'], ['--udp', '--stats']]) {
  test(`statistics are served where a line says, with ${flags.join(' ') || 'no flags'}`, async t => {
    const child = run(t, '-p', '0', ...flags)
    await child.line(new RegExp(`^${ISO} Tracker stats: .*\n`, 'm'))
    const [, host, port] = /Tracker stats: http:\/\/(localhost|0\.0\.0\.0):(\d+)\/stats\n/.exec(child.output)
    assert.match(await (await fetch(`http://${host}:${port}/stats`)).text(), /Connected Peers: 0/)
    const announce = await fetch(`http://${host}:${port}/announce`)
    assert.strictEqual(announce.status, flags.some(flag => flag === '--ws' || flag === '--udp') ? 404 : 200)
  })
}

test('--no-stats serves none, whatever else is said', async t => {
  const { child, httpPort } = await tracker(t, '--no-stats', '--stats')
  const answer = await bencoded(httpPort, '/stats.json')
  assert.ok(answer.has('failure reason'))
  await child.line(/WARNING: .*\/stats\.json\n/)
  assert.doesNotMatch(child.output, /Tracker stats/)
  await bencoded(httpPort, announcePath({ infoHash: randomHex(), peerId: randomHex() }))
})

test('UDP alone opens no port for statistics', async t => {
  const { child, udpPort } = await tracker(t, '--udp')
  const udp = await UdpPeer.open(t, udpPort)
  await udp.announce({ infoHash: randomHex(), peerId: randomHex(), port: 6881, event: 'started' })
  // The lines of the start are long out by then.
  await child.line(/ start: /)
  assert.doesNotMatch(child.output, /http:/)
})

test('bad requests are warnings on stderr', needsSignals, async t => {
  const { child, httpPort } = await tracker(t)
  await bencoded(httpPort, '/announce?info_hash=short')
  await child.line(/WARNING: .*\n/)
  child.kill('SIGTERM')
  const { stdout, stderr } = await child.ended
  assert.match(stderr, new RegExp(`^${ISO} WARNING: invalid info_hash\n`, 'm'))
  assert.doesNotMatch(stdout, /WARNING/)
})

for (const flag of ['-q', '--silent']) {
  test(`${flag} prints nothing while all is well`, needsSignals, async t => {
    const port = await freePort()
    const child = run(t, '--http', '-p', String(port), flag)
    const path = announcePath({ infoHash: randomHex(), peerId: randomHex(), event: 'started' })
    await until(child, () => bencoded(port, path))
    await bencoded(port, '/announce?info_hash=short')
    child.kill('SIGTERM')
    const { code, stdout, stderr } = await child.ended
    assert.deepStrictEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' })
  })
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`${signal} closes the tracker and ends with code 0`, needsSignals, async t => {
    const { child, httpPort } = await tracker(t)
    // Open and idle, as keep-alive leaves them.
    const socket = net.connect(httpPort, '127.0.0.1')
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    child.kill(signal)
    const ended = await child.ended
    assert.deepStrictEqual({ code: ended.code, signal: ended.signal }, { code: 0, signal: null })
  })
}

test('a second signal ends it at once', needsSignals, async t => {
  const { child, httpPort } = await tracker(t)
  // Half a request: closing has something to wait for.
  const socket = net.connect(httpPort, '127.0.0.1', () => socket.write('GET /announce HTTP/1.1\r\n'))
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  child.kill('SIGINT')
  child.kill('SIGTERM')
  const { code } = await child.ended
  // Of two signals that are pending together either may be handled first.
  assert.ok([128 + 2, 128 + 15].includes(code), `code ${code}`)
})

test('a taken port is one line that says what to do', async t => {
  const other = net.createServer().listen(0, '127.0.0.1')
  t.after(() => other.close())
  await once(other, 'listening')
  const { port } = other.address()
  const message = await failure(t, '--http', '-p', String(port), '--http-hostname', '127.0.0.1')
  assert.match(message, new RegExp(`EADDRINUSE: address already in use 127\\.0\\.0\\.1:${port}; .*--port`))
})

test('bad flags are refused', async t => {
  assert.match(await failure(t, '--bogus'), /^Unknown option '--bogus' \(see --help\)$/)
  assert.match(await failure(t, 'word'), /'word'/)
  assert.match(await failure(t, '--port', '65536'), /--port/)
  assert.match(await failure(t, '--port', 'http'), /--port/)
  assert.match(await failure(t, '--interval', 'long', '-p', '0'), /`interval`/)
})

test('--silent keeps errors back too', async t => {
  const { code, stdout, stderr } = await run(t, '--silent', '--port', '65536').ended
  assert.deepStrictEqual({ code, stdout, stderr }, { code: 1, stdout: '', stderr: '' })
})
