'use strict'

const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { ROOT } = require('../../scripts/lib/process')

const ENTRY = pathToFileURL(path.join(ROOT, 'index.js')).href

/**
 * Who is measured: `{ name, entry, options, isBaseline }`. Each is set up as its users would, but for the
 * one core. Ratios are to the first; `isBaseline` marks the row that the goal is about. `use` is what the
 * program does with its tracker; see serve.mjs.
 */
function contenders (originalEntry, transport) {
  const options = transport === 'ws' ? {} : { ws: false }
  const all = [
    { name: 'ours', entry: ENTRY, options: { ...options, threads: 1 } },
    { name: 'original', entry: originalEntry, options, isBaseline: true }
  ]
  if (transport !== 'ws') {
    // What JavaScript costs where a program wants it.
    all.push(
      { name: 'ours, listeners on every event', entry: ENTRY, options: { ...options, threads: 1 }, use: 'listeners' },
      { name: 'ours, a filter that allows', entry: ENTRY, options: { ...options, threads: 1 }, use: 'filter' }
    )
  }
  if (transport === 'http') {
    // Its statistics page, on by default, lists all torrents at every HTTP request.
    all.push({ name: 'original, stats off', entry: originalEntry, options: { ...options, stats: false } })
  }
  return all
}

module.exports = { contenders }
