'use strict'

// Trackers that are node modules: this one and the one that it replaces.

const { once } = require('node:events')
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { ROOT } = require('../../../scripts/lib/process')

const ENTRY = pathToFileURL(path.join(ROOT, 'index.js')).href
const SERVE = path.join(__dirname, '..', 'serve.mjs')

/** This tracker with one thread; `more` overrides, `use` is what the program does with it (see serve.mjs). */
function ours (options, more = {}) {
  return tracker(ENTRY, { key: 'ours', name: 'ours', options: { threads: 1, ...options }, ...more })
}

function original (entry, options, more = {}) {
  return tracker(entry, { key: 'original', name: 'original', options, ...more })
}

function tracker (entry, contender) {
  const { options, use = '' } = contender
  return {
    ...contender,
    command: () => ({
      command: process.execPath,
      args: [SERVE, entry, JSON.stringify(options), use],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      // The ports.
      ready: async child => (await once(child, 'message'))[0]
    })
  }
}

module.exports = { ours, original }
