'use strict'

// Two pages of a browser run the real WebTorrent and find each other through our tracker and nothing else.

const assert = require('node:assert')
const fs = require('node:fs')
const { createRequire } = require('node:module')
const path = require('node:path')
const { test } = require('../helpers/test')
const { needsChromium, serveFiles, startChromium } = require('../helpers/chromium')
const { record } = require('../helpers/events')
const { installPackages } = require('../helpers/npm-packages')
const { startServer } = require('../helpers/subjects')
const { wsUrl } = require('../helpers/websocket-peer')

const SIZE = 1_000_003

// The first run asks npm for packages.
const options = { timeout: 280_000, ...needsChromium }

const PAGE = `<!doctype html><meta charset="utf-8"><title>WebTorrent</title><link rel="icon" href="data:,">
<script type="module">
import WebTorrent from '/webtorrent.min.js'
window.problems = []
const rtcConfig = { iceServers: [] }
window.client = new WebTorrent({ tracker: { rtcConfig }, dht: false, lsd: false, utPex: false })
window.client.on('error', err => window.problems.push(String(err)))
</script>`

test('WebTorrent seeds and downloads a file in a browser', options, async t => {
  const folder = await installPackages('webtorrent-browser', {
    dependencies: { webtorrent: '3.0.21', 'playwright-core': '1.65.1' }
  })
  const playwright = createRequire(path.join(folder, 'package.json'))('playwright-core')
  const files = {
    '/': { type: 'text/html', body: PAGE },
    '/webtorrent.min.js': {
      type: 'text/javascript',
      body: fs.readFileSync(path.join(folder, 'node_modules', 'webtorrent', 'dist', 'webtorrent.min.js'))
    }
  }
  // WebTorrent stores files by origin, so pages of one origin would share what they have.
  const sites = [await serveFiles(t, files), await serveFiles(t, files)]
  // Short, so that a page that came too early asks again soon.
  const server = await startServer(t, { udp: false, ws: { interval: 2000, origins: sites } })
  const events = record(server, 'start', 'update', 'complete', 'stop', 'warning')
  const announce = [wsUrl(server)]
  const { context, outside } = await startChromium(t, playwright)

  const open = async site => {
    const page = await context.newPage()
    page.on('pageerror', err => t.diagnostic(`page: ${err.message}`))
    await page.goto(site)
    await page.waitForFunction(() => window.client !== undefined)
    return page
  }
  const seeder = await open(sites[0])
  const { sha256, torrentFile, infoHash } = await seeder.evaluate(seed, { size: SIZE, announce })
  await events.until(() => events.of('start').some(([, params]) => params.info_hash === infoHash && params.left === 0))

  const leecher = await open(sites[1])
  const downloaded = await leecher.evaluate(download, { torrentFile, announce })
  assert.deepStrictEqual(downloaded, { sha256, length: SIZE, announce })
  await events.count('complete', 1)

  for (const page of [leecher, seeder]) {
    assert.deepStrictEqual(await page.evaluate(() => window.problems), [])
    await page.evaluate(() => new Promise(resolve => window.client.destroy(resolve)))
  }
  await events.count('stop', 2)
  assert.deepStrictEqual(events.of('warning'), [])
  assert.ok(events.log.every(({ args: [, params] }) => params.type === 'ws' && params.info_hash === infoHash))
  assert.deepStrictEqual(new Set(events.log.map(({ args: [, params] }) => params.headers.origin)), new Set(sites))
  assert.ok(events.of('update').some(([, params]) => params.answer), 'they met through the tracker')
  assert.deepStrictEqual(outside, [])
})

// The rest runs in the pages.

/* global window */

async function seed ({ size, announce }) {
  const bytes = new Uint8Array(size)
  // A call gives 64 KiB at most.
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, size)))
  const torrent = await new Promise(resolve => window.client.seed(new File([bytes], 'payload.bin'), { announce }, resolve))
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return {
    infoHash: torrent.infoHash,
    torrentFile: [...torrent.torrentFile],
    sha256: [...digest].map(byte => byte.toString(16).padStart(2, '0')).join('')
  }
}

async function download ({ torrentFile, announce }) {
  const torrent = window.client.add(new Uint8Array(torrentFile), { announce })
  await new Promise((resolve, reject) => torrent.once('done', resolve).once('error', reject))
  const blob = await torrent.files[0].blob()
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()))
  return {
    length: blob.size,
    announce: torrent.announce,
    sha256: [...digest].map(byte => byte.toString(16).padStart(2, '0')).join('')
  }
}
