'use strict'

const fs = require('node:fs')
const tls = require('node:tls')

/**
 * The certificates that Node trusts, in PEM form: its own, so that a container without system
 * certificates works, and those that NODE_EXTRA_CA_CERTS adds.
 *
 * @returns {string[]}
 */
exports.tlsRoots = function tlsRoots () {
  return [...tls.rootCertificates, ...extraRoots()]
}

function extraRoots () {
  const file = process.env.NODE_EXTRA_CA_CERTS
  if (!file) return []
  try {
    return [fs.readFileSync(file, 'latin1')]
  } catch {
    // Node has warned about it at its start.
    return []
  }
}
