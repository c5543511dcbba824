// A tracker as a user would start it: `node serve.mjs <module URL> <options as JSON> [listeners | filter]`.
// Tells its ports to the parent process and ends with it.

const [entry, options, use] = process.argv.slice(2)
const module = await import(entry)
const Server = module.Server ?? module.default

process.on('disconnect', () => process.exit())
const filter = use === 'filter' ? (infoHash, params, cb) => cb(null) : undefined
const server = new Server({ ...JSON.parse(options), filter })
server.on('error', error => { throw error })
if (use === 'listeners') {
  for (const event of ['start', 'stop', 'complete', 'update', 'pause']) {
    server.on(event, (addr, params) => { server.last = params.info_hash })
  }
  server.on('warning', err => { server.last = err })
}
server.listen(0, { http: '127.0.0.1', udp: '127.0.0.1', udp6: '::1' }, () => {
  process.send({ http: server.http.address().port, udp: server.udp.address().port })
})
