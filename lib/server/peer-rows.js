'use strict'

// Peers come out of the engine as rows of bytes, since objects with five properties each would cost more
// than the announce. The layout is that of src/server/answers.rs.

const ROW = 47

const COMPLETE = 1
const SOCKET = 2
const V6 = 4
const ADDRESS = 8

/**
 * The peers of an answer, as programs know them.
 *
 * @param {(id: number) => object} socketOf the WebSocket of this number
 */
exports.decodePeers = function decodePeers (rows, socketOf) {
  const peers = []
  for (let at = 0; at < rows.length; at += ROW) {
    const flags = rows[at]
    const isSocket = (flags & SOCKET) !== 0
    const hasAddress = (flags & ADDRESS) !== 0
    peers.push({
      type: isSocket ? 'ws' : 'peer',
      complete: (flags & COMPLETE) !== 0,
      peerId: rows.hexSlice(at + 1, at + 21),
      ip: hasAddress ? ip(rows, at + 21, (flags & V6) !== 0) : undefined,
      port: hasAddress ? rows.readUInt16LE(at + 37) : undefined,
      socket: isSocket ? socketOf(Number(rows.readBigUInt64LE(at + 39))) : undefined
    })
  }
  return peers
}

function ip (rows, at, isV6) {
  if (!isV6) return `${rows[at]}.${rows[at + 1]}.${rows[at + 2]}.${rows[at + 3]}`
  const groups = []
  for (let group = 0; group < 8; group++) groups.push(rows.readUInt16BE(at + 2 * group).toString(16))
  return shorten(groups)
}

// RFC 5952: the longest run of zeros, of at least two, becomes `::`.
function shorten (groups) {
  let [start, length] = [-1, 1]
  for (let at = 0; at < 8; at++) {
    let end = at
    while (end < 8 && groups[end] === '0') end++
    if (end - at > length) [start, length] = [at, end - at]
    at = Math.max(at, end)
  }
  if (start === -1) return groups.join(':')
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`
}
