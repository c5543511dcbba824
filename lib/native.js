'use strict'

// The only place that loads binding.js: the generated loader throws a chain of a dozen attempts,
// and a user needs one line that says what to do.

const { name } = require('../package.json')

/** The platforms that a release has a binary for, by the names of the packages under npm/. */
const SUPPORTED = [
  'linux-x64-gnu', 'linux-x64-musl', 'linux-arm64-gnu', 'linux-arm64-musl',
  'darwin-x64', 'darwin-arm64', 'win32-x64-msvc'
]

try {
  module.exports = require('../binding.js')
} catch (cause) {
  throw loadError(cause)
}

function loadError (cause) {
  const host = hostPlatform()
  if (!SUPPORTED.includes(host)) {
    return codedError('ERR_TRACKER_UNSUPPORTED_PLATFORM', cause,
      `${name} has no binary for ${host}; it supports ${SUPPORTED.join(', ')}`)
  }
  // The optional dependency was left out (`--omit=optional`, a lock file or a node_modules made on
  // another platform), or its file is there but the system refuses it.
  const refused = refusal(cause)
  return codedError('ERR_TRACKER_BINARY', cause, refused
    ? `${name} cannot load its binary for ${host}: ${refused}`
    : `${name} finds no binary for ${host}: install ${name}-${host}, or run \`npm run build\` in a clone`)
}

function codedError (code, cause, message) {
  const error = new Error(message, { cause })
  error.code = code
  return error
}

/** `linux-x64-gnu`, `darwin-arm64`, ...: the suffix of the platform package. */
function hostPlatform () {
  const { platform, arch } = process
  if (platform === 'linux') return `${platform}-${arch}-${isMusl() ? 'musl' : 'gnu'}`
  if (platform === 'win32') return `${platform}-${arch}-msvc`
  return `${platform}-${arch}`
}

function isMusl () {
  // Without this flag the report may look up the name of every open connection.
  process.report.excludeNetwork = true
  return !process.report.getReport().header.glibcVersionRuntime
}

/**
 * The first failure in the chain that is something else than a file that is not there. The loader
 * copies the errors without their codes, so the text has to tell.
 */
function refusal (error) {
  for (let at = error, depth = 0; at instanceof Error && depth < 32; at = at.cause, depth++) {
    if (!/^Cannot find (?:module|native binding)/.test(at.message)) return at.message.split('\n')[0]
  }
  return null
}
