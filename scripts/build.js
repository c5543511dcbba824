'use strict'

// `npm run build`: the addon with its generated loader and types. `--debug` leaves out the
// optimisation; other arguments go to `napi build`, as in `-- --target aarch64-apple-darwin`.

const { killChildrenOnSignal } = require('./lib/process')
const { explain, installPackages, checkToolchain } = require('./lib/setup')
const { buildAddon, updateGenerated } = require('./lib/addon')

async function main () {
  const args = process.argv.slice(2)
  const profile = args.includes('--debug') ? 'debug' : 'release'
  checkToolchain()
  await installPackages()
  await buildAddon(profile, {
    args: args.filter(arg => arg !== '--debug'),
    onLine: line => console.error(line)
  })
  updateGenerated()
}

killChildrenOnSignal()
main().catch(error => {
  console.error(explain(error))
  process.exitCode = 1
})
