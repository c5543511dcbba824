'use strict'

const fs = require('node:fs')
const http = require('node:http')
const { once } = require('node:events')
const { tempDir } = require('./processes')

const PATH = '/usr/bin/chromium'

/** Test options that skip where there is no Chromium. */
const needsChromium = fs.existsSync(PATH) ? {} : { skip: 'chromium is missing: install the Debian package chromium' }

/**
 * A headless Chromium with a profile of its own that reaches this machine alone. `context.newPage()` opens pages;
 * `outside` are the requests that would have left it.
 */
async function startChromium (t, { chromium }) {
  const context = await chromium.launchPersistentContext(tempDir(t, 'chromium'), {
    executablePath: PATH,
    headless: true,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE *.local'
    ]
  })
  t.after(() => context.close())
  const outside = []
  const isHere = url => ['localhost', '127.0.0.1', ''].includes(new URL(url).hostname)
  await context.route('**', route => {
    const url = route.request().url()
    if (isHere(url)) return route.continue()
    outside.push(url)
    return route.abort()
  })
  // Routes do not see these.
  context.on('page', page => page.on('websocket', socket => isHere(socket.url()) || outside.push(socket.url())))
  return { context, outside }
}

/** Serves these files, by path, to pages on this machine: `{ '/a.js': { type, body } }`. */
async function serveFiles (t, files) {
  const server = http.createServer((req, res) => {
    const file = files[req.url]
    if (file === undefined) return res.writeHead(404).end()
    res.writeHead(200, { 'content-type': file.type }).end(file.body)
  })
  t.after(() => new Promise(resolve => server.close(resolve).closeAllConnections()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://localhost:${server.address().port}`
}

module.exports = { needsChromium, serveFiles, startChromium }
