'use strict'

// What bundlers for browsers find in place of every module of this package.

// The names are for `import { Client, Server }`, which is to see the line below and no complaint about names.
exports.Client = undefined
exports.Server = undefined

throw Object.assign(
  new Error('bittorrent-tracker-native has a native core and runs in Node alone: use bittorrent-tracker in browsers'),
  { code: 'ERR_TRACKER_UNSUPPORTED_PLATFORM' })
