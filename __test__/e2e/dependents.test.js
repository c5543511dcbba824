'use strict'

// The programs that most use the package that this one replaces, with this one in its place: nothing else of theirs is
// changed.

const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { describe } = require('node:test')
const { pathToFileURL } = require('node:url')
const { test } = require('../helpers/test')
const { callback, nextValue, record } = require('../helpers/events')
const { installPackages } = require('../helpers/npm-packages')
const { ROOT, start } = require('../helpers/processes')
const { httpUrl, randomHex, startServer, udpUrl } = require('../helpers/subjects')
const { wsUrl } = require('../helpers/websocket-peer')
const ours = require('../../package.json')

// The first run asks npm for packages.
const options = { timeout: 240_000 }

const PACKAGES = { p2pt: '1.6.2', 'torrent-discovery': '11.0.21', webtorrent: '3.0.21' }

const local = (name, version, rest) => JSON.stringify({ name, version, ...rest })

/** The folder with the dependents, which find this package under the original's name. */
const dependents = once(async () => {
  const folder = await installPackages('dependents', {
    dependencies: {
      ...PACKAGES,
      ...ours.dependencies,
      'bittorrent-tracker': 'file:local/bittorrent-tracker',
      'utp-native': 'file:local/utp-native',
      'webrtc-polyfill': 'file:local/webrtc-polyfill'
    },
    overrides: Object.fromEntries(
      ['bittorrent-tracker', 'utp-native', 'webrtc-polyfill'].map(name => [name, `$${name}`]))
  }, {
    // Holds the place for this package.
    'local/bittorrent-tracker/package.json': local('bittorrent-tracker', '11.2.3'),
    // WebTorrent loads both, although it is told to do without uTP, and gets its WebRTC peers from the tracker client.
    // One wants a compiler or a download, the other a download, when they are installed.
    'local/utp-native/package.json': local('utp-native', '2.5.3'),
    'local/utp-native/index.js': '',
    'local/webrtc-polyfill/package.json': local('webrtc-polyfill', '1.2.2', { type: 'module', main: 'index.js' }),
    'local/webrtc-polyfill/index.js': `
      import wrtc from '@roamhq/wrtc'
      export const { RTCPeerConnection, RTCSessionDescription, RTCIceCandidate } = wrtc
      export default wrtc`
  })
  install(path.join(folder, 'local', 'bittorrent-tracker'))
  return folder
})

/** Puts what would be published there, and the binary. */
function install (folder) {
  fs.rmSync(folder, { recursive: true, force: true })
  const binaries = fs.readdirSync(ROOT).filter(name => name.endsWith('.node'))
  for (const name of ['package.json', ...ours.files, ...binaries]) {
    fs.cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true })
  }
}

function once (fn) {
  let promise
  return () => promise ??= fn()
}

/** Runs a module in the dependents' folder; `next()` is the next thing that it says. */
async function run (t, source, args) {
  const child = start(t, process.execPath, ['--input-type=module', '-e', source, JSON.stringify(args)], {
    cwd: await dependents(), ipc: true
  })
  const said = []
  const waiting = []
  child.on('message', message => waiting.length > 0 ? waiting.shift()(message) : said.push(message))
  const failed = child.ended.then(({ code, signal }) => {
    throw new Error(`a program is gone (${code ?? signal}):\n${child.output}`)
  })
  failed.catch(() => {})
  const heard = () => said.length > 0 ? said.shift() : new Promise(resolve => waiting.push(resolve))
  return { child, next: () => Promise.race([failed, heard()]) }
}

/** Ends programs that leave when they are told to. */
async function leave (...programs) {
  for (const { child } of programs) child.send('leave')
  for (const { child } of programs) assert.strictEqual((await child.ended).code, 0, child.output)
}

test('the dependents are in the versions named, and have no other tracker package', options, async () => {
  const folder = await dependents()
  for (const [name, version] of Object.entries(PACKAGES)) {
    const manifest = path.join(folder, 'node_modules', name, 'package.json')
    assert.strictEqual(JSON.parse(fs.readFileSync(manifest, 'utf8')).version, version)
    const used = require.resolve('bittorrent-tracker/package.json', { paths: [path.dirname(manifest)] })
    assert.strictEqual(require(used).name, ours.name)
  }
})

describe('torrent-discovery', () => {
  for (const [transport, urlOf] of [['HTTP', httpUrl], ['UDP', udpUrl]]) {
    test(`finds peers, completes, moves to another port and leaves, over ${transport}`, options, async t => {
      const { default: Discovery } = await import(pathToFileURL(
        path.join(await dependents(), 'node_modules', 'torrent-discovery', 'index.js')).href)
      const server = await startServer(t)
      const events = record(server, 'start', 'complete', 'stop')
      const infoHash = randomHex()
      const discover = port => {
        const discovery = new Discovery({
          infoHash, peerId: randomHex(), port, announce: [urlOf(server)], userAgent: 'test', dht: false, lsd: false
        })
        t.after(() => discovery.destroy())
        discovery.on('warning', assert.ifError).on('error', assert.ifError)
        return discovery
      }
      const first = discover(1001)
      await nextValue(first, 'trackerAnnounce')
      const second = discover(1002)
      const found = record(second, 'peer')
      await found.count('peer', 2)
      assert.deepStrictEqual(found.of('peer').sort(), [['127.0.0.1:1001', 'tracker'], ['127.0.0.1:1002', 'tracker']])

      second.complete({ left: 0 })
      await events.count('complete', 1)
      second.updatePort(1003)
      await events.count('start', 3)
      await events.count('stop', 1)
      assert.deepStrictEqual(events.of('start').map(([addr]) => addr), ['127.0.0.1:1001', '127.0.0.1:1002', '127.0.0.1:1003'])
      assert.strictEqual(events.of('stop')[0][0], '127.0.0.1:1002')

      for (const discovery of [first, second]) await callback(cb => discovery.destroy(cb))
      await events.count('stop', 3)
      assert.deepStrictEqual(server.torrents[infoHash]?.peers.keys ?? [], [])
    })
  }
})

test('p2pt: two processes meet and answer each other', options, async t => {
  const server = await startServer(t, { udp: false, ws: true })
  const source = `
    import P2PT from 'p2pt'
    const { announce, room, name } = JSON.parse(process.argv[1])
    const p2pt = new P2PT([announce], room)
    p2pt.once('trackerconnect', (tracker, stats) => process.send({ announced: stats }))
    p2pt.on('trackerwarning', err => console.error(err.message))
    p2pt.on('peerconnect', async peer => {
      const [, reply] = await p2pt.send(peer, { from: name })
      process.send({ reply })
    })
    p2pt.on('msg', (peer, message) => peer.respond('hello ' + message.from))
    process.once('message', () => {
      p2pt.destroy()
      process.exit()
    })
    p2pt.start()`
  const args = { announce: wsUrl(server), room: randomHex() }
  const programs = []
  for (const name of ['first', 'second']) {
    const program = await run(t, source, { ...args, name })
    programs.push(program)
    assert.deepStrictEqual(await program.next(), { announced: { connected: 1, total: 1 } })
  }
  const replies = await Promise.all(programs.map(program => program.next()))
  assert.deepStrictEqual(replies, [{ reply: 'hello first' }, { reply: 'hello second' }])
  await leave(...programs)
})

describe('webtorrent: a file goes from one process to another', () => {
  for (const [transport, opts, urlOf] of [
    ['HTTP', { udp: false }, httpUrl],
    ['UDP', { http: false }, udpUrl],
    ['WebSocket and WebRTC', { udp: false, ws: true }, wsUrl]
  ]) {
    test(`over ${transport}`, options, async t => {
      const server = await startServer(t, opts)
      await transfer(t, server, urlOf(server))
    })
  }
})

const WEBTORRENT = `
  import WebTorrent from 'webtorrent'
  import MemoryStore from 'memory-chunk-store'
  import wrtc from '@roamhq/wrtc'
  import crypto from 'node:crypto'

  const { announce, torrentFile, size } = JSON.parse(process.argv[1])
  const sha256 = bytes => crypto.createHash('sha256').update(bytes).digest('hex')
  // Nobody but the tracker and its peers is to be asked.
  const client = new WebTorrent({
    dht: false, lsd: false, utp: false, utPex: false, natUpnp: false, natPmp: false, webSeeds: false,
    tracker: { wrtc, rtcConfig: { iceServers: [] } }
  })
  client.on('error', err => { throw err })
  const opts = { announce: [announce], store: MemoryStore }

  function watch (torrent) {
    torrent.on('warning', err => console.error('warning: ' + err.message))
  }

  if (torrentFile === undefined) {
    const file = Object.assign(crypto.randomBytes(size), { name: 'file' })
    watch(client.seed(file, opts, torrent => process.send({
      torrentFile: Buffer.from(torrent.torrentFile).toString('base64'),
      infoHash: torrent.infoHash,
      announce: torrent.announce,
      sha256: sha256(file)
    })))
  } else {
    const torrent = client.add(Buffer.from(torrentFile, 'base64'), opts)
    watch(torrent)
    const types = []
    torrent.on('wire', wire => types.push(wire.type))
    torrent.on('done', async () => process.send({
      types: [...new Set(types)], sha256: sha256(await torrent.files[0].arrayBuffer().then(Buffer.from))
    }))
  }
  process.once('message', () => client.destroy(err => process.exit(err ? 1 : 0)))`

async function transfer (t, server, announce) {
  const events = record(server, 'start', 'complete', 'stop')
  const seeder = await run(t, WEBTORRENT, { announce, size: 300_000 })
  const torrent = await seeder.next()
  assert.deepStrictEqual(torrent.announce, [announce])
  await events.count('start', 1)
  assert.strictEqual(server.torrents[torrent.infoHash].complete, 1)

  const leecher = await run(t, WEBTORRENT, { announce, torrentFile: torrent.torrentFile })
  const { types, sha256 } = await leecher.next()
  assert.strictEqual(sha256, torrent.sha256)
  const isWebRtc = announce.startsWith('ws:')
  assert.ok(types.length > 0 && types.every(type => (type === 'webrtc') === isWebRtc), types.join())
  await events.count('complete', 1)
  await leave(seeder, leecher)
  await events.count('stop', 2)
}
