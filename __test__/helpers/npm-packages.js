'use strict'

const { execFile } = require('node:child_process')
const crypto = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { promisify } = require('node:util')
const { ROOT } = require('./processes')

// npm asks the registry; a machine that is cut off fails the test with npm's own words after this time.
const INSTALL_LIMIT_MS = 180_000

/** Says what a folder was made of, once it is whole. */
const STAMP = 'installed'

/**
 * A folder with these packages, installed there at the first use: they are too heavy to be there for whoever only wants
 * to build. Without install scripts, which would download what the registry does not have.
 *
 * `manifest` is the folder's package.json, `files` are others that it needs by name.
 */
function installPackages (name, manifest, files = {}) {
  if (!installs.has(name)) installs.set(name, install(name, manifest, files))
  return installs.get(name)
}

/** Tests of one process that run at the same time share an install. */
const installs = new Map()

async function install (name, manifest, files) {
  const folder = path.join(ROOT, 'node_modules', '.cache', name)
  const wanted = crypto.createHash('sha256').update(JSON.stringify([manifest, files])).digest('hex')
  if (isInstalled(folder, wanted)) return folder
  // Under another name until it is whole, for other processes that look at the same time.
  const draft = `${folder}.${process.pid}`
  const texts = { 'package.json': JSON.stringify({ private: true, ...manifest }), ...files }
  for (const [file, text] of Object.entries(texts)) {
    fs.mkdirSync(path.dirname(path.join(draft, file)), { recursive: true })
    fs.writeFileSync(path.join(draft, file), text)
  }
  try {
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
    await promisify(execFile)(npm, ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'], {
      cwd: draft, timeout: INSTALL_LIMIT_MS, shell: process.platform === 'win32'
    })
    fs.writeFileSync(path.join(draft, STAMP), wanted)
    if (!isInstalled(folder, wanted)) {
      fs.rmSync(folder, { recursive: true, force: true })
      fs.renameSync(draft, folder)
    }
  } finally {
    fs.rmSync(draft, { recursive: true, force: true })
  }
  return folder
}

function isInstalled (folder, wanted) {
  const stamp = path.join(folder, STAMP)
  return fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === wanted
}

module.exports = { installPackages }
