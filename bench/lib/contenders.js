'use strict'

const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { ROOT } = require('../../scripts/lib/process')

const ENTRY = pathToFileURL(path.join(ROOT, 'index.js')).href

/**
 * Who is measured: `{ name, entry, options, isBaseline }`. Each is set up as its users would, but for the
 * one core. Ratios are to the first; `isBaseline` marks the row that the goal is about.
 */
function contenders (originalEntry, transport) {
  const options = transport === 'ws' ? {} : { ws: false }
  const all = [
    { name: 'ours', entry: ENTRY, options: { ...options, threads: 1 } },
    { name: 'original', entry: originalEntry, options, isBaseline: true }
  ]
  if (transport === 'http') {
    // Its statistics page, on by default, lists all torrents at every HTTP request.
    all.push({ name: 'original, stats off', entry: originalEntry, options: { ...options, stats: false } })
  }
  return all
}

module.exports = { contenders }
