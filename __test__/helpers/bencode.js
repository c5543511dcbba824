'use strict'

/** A bencode codec for tests. Strings decode to Buffers, dictionaries to Maps keyed by latin1 text. */
function encode (value) {
  if (typeof value === 'number' || typeof value === 'bigint') return Buffer.from(`i${value}e`)
  if (typeof value === 'string') value = Buffer.from(value)
  if (ArrayBuffer.isView(value)) return Buffer.concat([Buffer.from(`${value.length}:`), value])
  if (Array.isArray(value)) return Buffer.concat([Buffer.from('l'), ...value.map(encode), Buffer.from('e')])
  const entries = value instanceof Map ? [...value] : Object.entries(value)
  const pairs = entries
    .map(([key, item]) => [Buffer.from(key, 'latin1'), item])
    .sort(([a], [b]) => Buffer.compare(a, b))
    .flatMap(([key, item]) => [encode(key), encode(item)])
  return Buffer.concat([Buffer.from('d'), ...pairs, Buffer.from('e')])
}

/** Throws on anything that is not exactly one canonical value, unsorted or repeated keys included. */
function decode (bytes) {
  const reader = { bytes, at: 0 }
  const value = readValue(reader)
  if (reader.at !== bytes.length) throw new Error(`${bytes.length - reader.at} bytes after the value`)
  return value
}

function readValue (reader) {
  const type = String.fromCharCode(reader.bytes[reader.at])
  if (type === 'i') {
    reader.at++
    return Number(readUntil(reader, 'e'))
  }
  if (type === 'l') {
    reader.at++
    const list = []
    while (!atEnd(reader)) list.push(readValue(reader))
    return list
  }
  if (type === 'd') {
    reader.at++
    const dict = new Map()
    let last
    while (!atEnd(reader)) {
      const key = readBytes(reader)
      if (last && Buffer.compare(last, key) >= 0) throw new Error(`key ${key} is not in order`)
      last = key
      dict.set(key.toString('latin1'), readValue(reader))
    }
    return dict
  }
  return readBytes(reader)
}

function readBytes (reader) {
  const length = Number(readUntil(reader, ':'))
  const end = reader.at + length
  if (!Number.isInteger(length) || end > reader.bytes.length) throw new Error('bad string length')
  const bytes = reader.bytes.subarray(reader.at, end)
  reader.at = end
  return bytes
}

function readUntil (reader, mark) {
  const end = reader.bytes.indexOf(mark, reader.at)
  if (end === -1) throw new Error(`no ${mark} before the end`)
  const text = reader.bytes.toString('latin1', reader.at, end)
  if (!/^(0|-?[1-9][0-9]*)$/.test(text)) throw new Error(`bad number ${text}`)
  reader.at = end + 1
  return text
}

function atEnd (reader) {
  if (reader.at >= reader.bytes.length) throw new Error('cut short')
  if (reader.bytes[reader.at] !== 0x65) return false
  reader.at++
  return true
}

module.exports = { encode, decode }
