'use strict'

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
  // Late: it takes milliseconds, which `require` of this package should not. A program may enable it at run time too.
  const load = () => log ??= require('debug')(`bittorrent-tracker:${name}`)
  const write = (...args) => load()(...args)
  return Object.defineProperty(write, 'enabled', { get: () => load().enabled })
}
