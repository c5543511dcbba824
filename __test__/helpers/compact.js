'use strict'

/** `1.2.3.4:6881` or `[2001:db8::1]:6881` for each 6- or 18-byte entry. */
function fromCompact (bytes, family = 4) {
  const size = family === 4 ? 6 : 18
  if (bytes.length % size !== 0) throw new Error(`${bytes.length} bytes are no whole number of ${size}-byte peers`)
  const peers = []
  for (let at = 0; at < bytes.length; at += size) {
    const port = bytes.readUInt16BE(at + size - 2)
    if (family === 4) {
      peers.push(`${[...bytes.subarray(at, at + 4)].join('.')}:${port}`)
    } else {
      const groups = []
      for (let i = 0; i < 16; i += 2) groups.push(bytes.readUInt16BE(at + i).toString(16))
      peers.push(`${new URL(`http://[${groups.join(':')}]`).hostname}:${port}`)
    }
  }
  return peers
}

/** The 6 bytes of `1.2.3.4:6881`. */
function toCompact (...addrs) {
  return Buffer.concat(addrs.map(addr => {
    const [ip, port] = addr.split(':')
    return Buffer.from([...ip.split('.').map(Number), port >> 8, port & 0xff])
  }))
}

module.exports = { fromCompact, toCompact }
