'use strict'

const { bytes } = require('../hex')

/**
 * An answer as bencode: what programs may have put into it as well. Texts are UTF-8, numbers are cut to
 * whole ones, keys are sorted by their bytes; what has no form in bencode is left out.
 *
 * @returns {Buffer}
 */
exports.encode = function encode (value) {
  const parts = []
  append(parts, value, 0)
  return Buffer.concat(parts)
}

/** Deeper is no answer, but a circle. */
const MAX_DEPTH = 32

function append (parts, value, depth) {
  if (depth > MAX_DEPTH) throw new RangeError('an answer that is nested too deep')
  if (ArrayBuffer.isView(value)) return appendBytes(parts, bytes(value))
  switch (typeof value) {
    case 'string': return appendBytes(parts, Buffer.from(value))
    case 'number': return Number.isFinite(value) ? parts.push(Buffer.from(`i${BigInt(Math.trunc(value))}e`)) : 0
    case 'bigint': return parts.push(Buffer.from(`i${value}e`))
    case 'boolean': return parts.push(Buffer.from(value ? 'i1e' : 'i0e'))
    case 'object': return Array.isArray(value) ? appendList(parts, value, depth) : appendDictionary(parts, value, depth)
  }
}

function appendBytes (parts, value) {
  parts.push(Buffer.from(`${value.length}:`), value)
}

function appendList (parts, list, depth) {
  parts.push(Buffer.from('l'))
  for (const item of list) {
    if (hasForm(item)) append(parts, item, depth + 1)
  }
  parts.push(Buffer.from('e'))
}

function appendDictionary (parts, object, depth) {
  // A Map's keys are bytes as Latin-1, an object's are text.
  const isMap = object instanceof Map
  const entries = Array.from(isMap ? object : Object.entries(object))
    .filter(([, value]) => hasForm(value))
    .map(([key, value]) => [Buffer.from(String(key), isMap ? 'latin1' : 'utf8'), value])
    .sort(([a], [b]) => Buffer.compare(a, b))
  parts.push(Buffer.from('d'))
  for (const [key, value] of entries) {
    appendBytes(parts, key)
    append(parts, value, depth + 1)
  }
  parts.push(Buffer.from('e'))
}

function hasForm (value) {
  if (value === null) return false
  if (typeof value === 'number') return Number.isFinite(value)
  return ['string', 'bigint', 'boolean', 'object'].includes(typeof value)
}
