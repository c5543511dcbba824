'use strict'

/**
 * 20 bytes as 40 lower-case hexadecimal digits.
 *
 * @param {string | Uint8Array} value hexadecimal digits, or the bytes
 */
exports.toHex = function toHex (value) {
  return typeof value === 'string' ? value.toLowerCase() : bytes(value).toString('hex')
}

/** A view of the bytes as a `Buffer`; nothing is copied. */
function bytes (array) {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength)
}

exports.bytes = bytes
