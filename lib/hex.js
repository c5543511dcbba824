'use strict'

/**
 * 20 bytes as 40 lower-case hexadecimal digits.
 *
 * @param {string | Uint8Array} value hexadecimal digits, or the bytes
 */
exports.toHex = function toHex (value) {
  if (typeof value === 'string') return value.toLowerCase()
  if (ArrayBuffer.isView(value)) return bytes(value).toString('hex')
  throw Object.assign(
    new TypeError('An info hash must be 20 bytes, or 40 hexadecimal digits'),
    { code: 'ERR_TRACKER_INVALID_INFO_HASH' })
}

/** A view of the bytes as a `Buffer`; nothing is copied. */
function bytes (array) {
  return Buffer.isBuffer(array) ? array : Buffer.from(array.buffer, array.byteOffset, array.byteLength)
}

exports.bytes = bytes
