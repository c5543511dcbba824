'use strict'

// Loading `debug` takes milliseconds and opens the standard error stream, which is for those who asked.
const isAskedFor = Boolean(process.env.DEBUG)

let file

/**
 * Lines for whoever runs the program with `DEBUG=bittorrent-tracker:*`, in the namespaces of the original.
 *
 *     if (debug.enabled) debug('announce %o', opts)
 *
 * Nothing is computed for a line that nobody reads, hence the question. What comes from others, URLs too, goes in by
 * `%o`, which escapes what would be a terminal's commands.
 */
module.exports = function debug (name) {
  let log
  const load = () => log ??= require('debug')(`bittorrent-tracker:${name}`)
  const write = (...args) => load()(...args)
  return Object.defineProperty(write, 'enabled', { get: () => (isAskedFor || isLoaded()) && load().enabled })
}

// A program that enables namespaces as it runs has loaded it for that.
function isLoaded () {
  file ??= require.resolve('debug')
  return require.cache[file] !== undefined
}
