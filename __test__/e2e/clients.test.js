'use strict'

// Real BitTorrent clients meet through our tracker and through nothing else, and a file gets from one to the other.

const assert = require('node:assert')
const path = require('node:path')
const { describe } = require('node:test')
const { test } = require('../helpers/test')
const { record } = require('../helpers/events')
const { needsPrograms, tempDir } = require('../helpers/processes')
const { hashFile, makeTorrent } = require('../helpers/torrent')
const { startAria2, stopAria2 } = require('../helpers/aria2')
const { Transmission } = require('../helpers/transmission')
const { httpUrl, startServer, udpUrl } = require('../helpers/subjects')

const aria2 = { aria2c: 'aria2' }
const transmission = { 'transmission-daemon': 'transmission-daemon' }

// Most of the time is transmission's: it unchokes a peer ten seconds after it has come. So all of them run at once.
describe('clients meet', { concurrency: true }, () => {
  meetOver({ name: 'HTTP', url: httpUrl, udp: false })
  meetOver({ name: 'UDP', url: udpUrl, udp: true })
})

function meetOver ({ name, url, udp }) {
  const setUp = async t => {
    // Short, so that a client that came too early asks again soon.
    const server = await startServer(t, { interval: 2000, http: !udp, udp })
    const events = record(server, 'start', 'update', 'complete', 'stop')
    const dir = tempDir(t, 'swarm')
    const torrent = makeTorrent(path.join(dir, 'seed'), url(server))
    return { server, events, torrent, seedDir: path.join(dir, 'seed'), leechDir: path.join(dir, 'leech') }
  }
  const started = (events, left) => events.until(() => events.of('start').some(([, params]) => (params.left === 0) === (left === 0)))

  test(`aria2 downloads from aria2 over a ${name} tracker`, needsPrograms(aria2), async t => {
    const { server, events, torrent, seedDir, leechDir } = await setUp(t)
    const seeder = await startAria2(t, { torrentFile: torrent.torrentFile, dir: seedDir, seed: true, udp })
    await Promise.race([started(events, 0), seeder.line(/ended/)])
    const leecher = await startAria2(t, { torrentFile: torrent.torrentFile, dir: leechDir, seed: false, udp })
    const { code } = await leecher.ended
    assert.strictEqual(code, 0, leecher.output)
    assert.strictEqual(hashFile(path.join(leechDir, torrent.name)), torrent.sha256)
    await stopAria2(seeder)
    await events.count('stop', 2)
    for (const { args: [, params] } of events.log) {
      assert.strictEqual(params.info_hash, torrent.infoHash)
      assert.strictEqual(params.type, udp ? 'udp' : 'http')
    }
    const swarm = server.torrents[torrent.infoHash]
    assert.strictEqual((swarm?.complete ?? 0) + (swarm?.incomplete ?? 0), 0, 'both have left')
  })

  // transmission never dials 127/8: it waits in the swarm, and aria2 dials it.
  test(`aria2 downloads from transmission over a ${name} tracker`, needsPrograms({ ...aria2, ...transmission }), async t => {
    const { server, events, torrent, seedDir, leechDir } = await setUp(t)
    const seeder = await Transmission.start(t, seedDir)
    const id = await seeder.add(torrent.torrentFile)
    await started(events, 0)
    const leecher = await startAria2(t, { torrentFile: torrent.torrentFile, dir: leechDir, seed: false, udp })
    const { code } = await leecher.ended
    assert.strictEqual(code, 0, leecher.output)
    assert.strictEqual(hashFile(path.join(leechDir, torrent.name)), torrent.sha256)
    await seeder.leave(id)
    await events.count('stop', 2)
    assert.ok(server.torrents[torrent.infoHash] === undefined || server.torrents[torrent.infoHash].complete === 0)
  })

  test(`transmission downloads from aria2 over a ${name} tracker`, needsPrograms({ ...aria2, ...transmission }), async t => {
    const { events, torrent, seedDir, leechDir } = await setUp(t)
    const leecher = await Transmission.start(t, leechDir)
    const id = await leecher.add(torrent.torrentFile)
    await started(events, 1)
    await startAria2(t, { torrentFile: torrent.torrentFile, dir: seedDir, seed: true, udp })
    await leecher.untilTorrent(id, ({ percentDone }) => percentDone === 1)
    await events.until(() => events.of('complete').some(([addr]) => addr === leecher.addr))
    await leecher.leave(id)
    await events.until(() => events.of('stop').some(([addr]) => addr === leecher.addr))
    await leecher.stop()
    assert.strictEqual(hashFile(path.join(leechDir, torrent.name)), torrent.sha256)
  })
}
