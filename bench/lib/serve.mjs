// A tracker as a user would start it: `node serve.mjs <module URL> <options as JSON>`. Tells its ports to
// the parent process and ends with it.

const [entry, options] = process.argv.slice(2)
const module = await import(entry)
const Server = module.Server ?? module.default

process.on('disconnect', () => process.exit())
const server = new Server(JSON.parse(options))
server.on('error', error => { throw error })
server.listen(0, { http: '127.0.0.1', udp: '127.0.0.1', udp6: '::1' }, () => {
  process.send({ http: server.http.address().port, udp: server.udp.address().port })
})
