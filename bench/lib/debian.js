'use strict'

// Programs that come with the system.

const { capture } = require('../../scripts/lib/process')
const { SetupError } = require('../../scripts/lib/setup')
const { install } = require('./peers')

/** The Debian package of each. */
const PACKAGES = { nginx: 'nginx-light', wrk: 'wrk' }

/** The paths of the programs, by name. Root gets what is missing installed; anyone else is told how. */
async function findPrograms (names, log) {
  const missing = names.filter(name => find(name) === null).map(name => PACKAGES[name])
  if (missing.length > 0) {
    const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`
    if (process.getuid() !== 0 || capture('which', ['apt-get']) === null) {
      throw new SetupError(`${missing.join(' and ')} is missing: run \`${command}\` as root (or install it in your system's way), then run this again.`)
    }
    log(`Installing ${missing.join(' and ')}`)
    // At run level 1 Debian's scripts start no service: nginx would take port 80, and time from the cores.
    const env = { RUNLEVEL: '1', DEBIAN_FRONTEND: 'noninteractive' }
    await install('apt-get', ['update', '-q'], env)
    await install('sh', ['-c', command], env)
  }
  return Object.fromEntries(names.map(name => [name, find(name)]))
}

function find (name) {
  // Debian keeps servers out of a user's path.
  const path = `${process.env.PATH}:/usr/sbin`
  return capture('env', [`PATH=${path}`, 'which', name])?.trim() ?? null
}

module.exports = { findPrograms }
