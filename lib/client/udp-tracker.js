'use strict'

const debug = require('../debug')
const { emitSafely } = require('../emit')
const engine = require('./engine')
const Tracker = require('./tracker')

/** A tracker over UDP (BEP 15). */
class UDPTracker extends Tracker {
  _submit (opts, done) {
    return engine.announceUdp(this, opts, done)
  }

  _onAnnounce ({ complete, incomplete, peers }) {
    emitSafely(this.client, 'update', { announce: this.announceUrl, complete, incomplete })
    this._emitPeers(peers)
  }

  _onScrape (rows) {
    for (const { infoHash, complete, downloaded, incomplete } of rows) {
      if (this.destroyed) return
      emitSafely(this.client, 'scrape', { announce: this.announceUrl, infoHash, complete, downloaded, incomplete })
    }
  }
}

UDPTracker.prototype._debug = debug('udp-tracker')

module.exports = UDPTracker
