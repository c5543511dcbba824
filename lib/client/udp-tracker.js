'use strict'

const Tracker = require('./tracker')

/** A tracker over UDP (BEP 15). */
class UDPTracker extends Tracker {
  _announceRequest (opts) {
    return { ...this.client._udpFields(opts), query: [] }
  }

  _onAnnounce ({ complete, incomplete, peers }) {
    this.client.emit('update', { announce: this.announceUrl, complete, incomplete })
    this._emitPeers(peers)
  }

  _onScrape (rows) {
    for (const { infoHash, complete, downloaded, incomplete } of rows) {
      if (this.destroyed) return
      this.client.emit('scrape', { announce: this.announceUrl, infoHash, complete, downloaded, incomplete })
    }
  }
}

module.exports = UDPTracker
