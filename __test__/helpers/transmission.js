'use strict'

const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { start, tempDir } = require('./processes')
const { freePort, until } = require('./ports')

/** A transmission-daemon that finds peers through trackers alone. */
class Transmission {
  static async start (t, downloadDir) {
    const config = tempDir(t, 'transmission')
    const [rpcPort, peerPort] = [await freePort(), await freePort()]
    fs.mkdirSync(downloadDir, { recursive: true })
    fs.writeFileSync(path.join(config, 'settings.json'), JSON.stringify({
      'bind-address-ipv4': '127.0.0.1',
      'dht-enabled': false,
      'download-dir': downloadDir,
      encryption: 0,
      'incomplete-dir-enabled': false,
      'lpd-enabled': false,
      'peer-port': peerPort,
      'peer-port-random-on-start': false,
      'pex-enabled': false,
      'port-forwarding-enabled': false,
      'rpc-authentication-required': false,
      'rpc-bind-address': '127.0.0.1',
      'rpc-enabled': true,
      'rpc-host-whitelist-enabled': false,
      'rpc-port': rpcPort,
      'rpc-whitelist-enabled': false,
      'utp-enabled': false
    }))
    const child = start(t, 'transmission-daemon', ['--foreground', '--config-dir', config], { cwd: config, env: { ...process.env, HOME: config } })
    const transmission = new Transmission(child, rpcPort, peerPort)
    await until(child, () => transmission.call('session-get'))
    return transmission
  }

  constructor (child, rpcPort, peerPort) {
    this.child = child
    this.rpcPort = rpcPort
    /** As a tracker on this machine sees it. */
    this.addr = `127.0.0.1:${peerPort}`
    this.session = ''
  }

  /** Adds a torrent, checks what is on disk already and starts it. */
  async add (torrentFile) {
    const { 'torrent-added': { id } } = await this.call('torrent-add', { metainfo: fs.readFileSync(torrentFile, 'base64'), paused: true })
    await this.call('torrent-verify', { ids: [id] })
    const STOPPED = 0
    await this.untilTorrent(id, ({ status }) => status === STOPPED)
    await this.call('torrent-start-now', { ids: [id] })
    return id
  }

  /** Waits until the torrent's state satisfies `predicate`. */
  untilTorrent (id, predicate) {
    return until(this.child, async () => {
      const { torrents: [torrent] } = await this.call('torrent-get', { ids: [id], fields: ['status', 'percentDone', 'errorString', 'error'] })
      return predicate(torrent) && torrent
    })
  }

  async call (method, args = {}) {
    for (;;) {
      const { status, session, body } = await this.post(JSON.stringify({ method, arguments: args }))
      if (status === 409) {
        this.session = session
        continue
      }
      const { result, arguments: answer } = JSON.parse(body)
      if (result !== 'success') throw new Error(`transmission: ${result}`)
      return answer
    }
  }

  post (body) {
    return new Promise((resolve, reject) => {
      http.request({
        host: '127.0.0.1', port: this.rpcPort, path: '/transmission/rpc', method: 'POST', agent: false, headers: { 'x-transmission-session-id': this.session }
      }, res => {
        let text = ''
        res.setEncoding('utf8').on('data', chunk => { text += chunk })
        res.on('error', reject)
        res.on('end', () => resolve({ status: res.statusCode, session: res.headers['x-transmission-session-id'], body: text }))
      }).on('error', reject).end(body)
    })
  }

  /** Stops the torrent, which tells its trackers; a daemon that ends does not always wait for that. */
  async leave (id) {
    await this.call('torrent-stop', { ids: [id] })
  }

  async stop () {
    this.child.kill('SIGTERM')
    await this.child.ended
  }
}

module.exports = { Transmission }
