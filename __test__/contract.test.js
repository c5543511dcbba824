'use strict'

// CONTRACT.md keeps its word: each statement is held by a test that there is or replaced by a difference that the
// README lists, and none is left open.

const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { ROOT } = require('./helpers/processes')
const { test } = require('./helpers/test')

const NAME = '__test__/CONTRACT.md'

const read = name => fs.readFileSync(path.join(ROOT, name), 'utf8').replaceAll('\r\n', '\n')

/** The rows `| number | statement | held by |` with what holds them. */
function statements () {
  return read(NAME).split('\n')
    .map(line => /^\| (\d[\d.]*) \| (.*) \| (.*) \|$/.exec(line))
    .filter(Boolean)
    .map(([, number, statement, holders]) => ({ number, statement, holders: parseHolders(number, holders) }))
}

/**
 * `file "title", "another title"; other-file "title"; difference "what the original does"; see 1.2.3`, or `OPEN (who)`.
 * A file is one in this folder, or has its path from the root.
 */
function parseHolders (number, text) {
  const holders = []
  const holder = /(?:OPEN \((?<open>[^)]+)\)|see (?<see>[\d.]+)|(?<file>\S+) (?<titles>"[^"]+"(?:, "[^"]+")*))(?:; |$)/gy
  while (holder.lastIndex < text.length) {
    const at = holder.lastIndex
    const { open, see, file, titles } = holder.exec(text)?.groups ?? assert.fail(`${number}: ${text.slice(at)}`)
    if (open !== undefined) holders.push({ kind: 'open', who: open })
    else if (see !== undefined) holders.push({ kind: 'see', other: see })
    else holders.push({ kind: file === 'difference' ? file : 'test', file, titles: titles.slice(1, -1).split('", "') })
  }
  return holders
}

/** First cells of the README's table of differences. */
function differences () {
  const [, section] = read('README.md').split('\n## Differences from bittorrent-tracker\n')
  return section.split('\n## ')[0].split('\n').filter(line => line.startsWith('| ')).map(line => line.split(' | ')[0].slice(2))
}

/** Whether a file of JavaScript or Rust has a test of this title. */
function hasTest (source, title) {
  const escaped = title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  // In source a quote within a quoted title has a backslash.
  const inJavaScript = new RegExp(`(['\`])${escaped.replaceAll('\'', '\\\\?\'').replaceAll('`', '\\\\?`')}\\1,`)
  return inJavaScript.test(source) || new RegExp(`\\bfn ${escaped}\\(`).test(source)
}

const sources = new Map()
function sourceOf (file) {
  if (!sources.has(file)) sources.set(file, read(file.includes('/') && !file.startsWith('e2e/') ? file : `__test__/${file}`))
  return sources.get(file)
}

test('the statements are numbered without a gap, by section', () => {
  const numbers = statements().map(({ number }) => number)
  assert.ok(numbers.length > 200, `${numbers.length} statements`)
  let last = { section: '', n: 0 }
  for (const number of numbers) {
    const at = number.lastIndexOf('.')
    const [section, n] = [number.slice(0, at), Number(number.slice(at + 1))]
    assert.strictEqual(n, section === last.section ? last.n + 1 : 1, number)
    last = { section, n }
  }
  const sections = [...new Set(numbers.map(number => number.slice(0, number.lastIndexOf('.'))))]
  assert.deepStrictEqual(sections, ['1.1', '1.2', '1.3', '1.4', '1.5', '1.6', '1.7', '1.8', '1.9', '1.10', '2'])
})

test('every test that is named exists', () => {
  const missing = []
  for (const { number, holders } of statements()) {
    for (const { kind, file, titles } of holders) {
      if (kind !== 'test') continue
      missing.push(...titles.filter(title => !hasTest(sourceOf(file), title)).map(title => `${number}: ${file} "${title}"`))
    }
  }
  assert.deepStrictEqual(missing, [])
})

test('every difference that is named is listed in the README', () => {
  const listed = new Set(differences())
  const missing = statements().flatMap(({ number, holders }) => holders
    .filter(({ kind }) => kind === 'difference')
    .flatMap(({ titles }) => titles.filter(title => !listed.has(title)).map(title => `${number}: ${title}`)))
  assert.deepStrictEqual(missing, [])
})

test('the differences that tests leave the original out for are listed in the README', () => {
  const listed = new Set(differences())
  const missing = []
  for (const file of fs.readdirSync(__dirname).filter(name => /^contract\..*\.test\.js$/.test(name))) {
    for (const [, name] of read(`__test__/${file}`).matchAll(/\bdiffers\(\s*'((?:[^'\\]|\\.)+)'/g)) {
      if (!listed.has(name.replaceAll('\\\'', '\''))) missing.push(`${file}: ${name}`)
    }
  }
  assert.deepStrictEqual(missing, [])
})

test('who refers to another statement refers to one that is held', () => {
  const rows = new Map(statements().map(row => [row.number, row]))
  for (const { number, holders } of rows.values()) {
    for (const { kind, other } of holders) {
      if (kind !== 'see') continue
      assert.ok(rows.has(other), `${number} refers to ${other}`)
      assert.ok(rows.get(other).holders.every(({ kind }) => kind !== 'see'), `${number} refers to ${other}, which refers on`)
    }
  }
})

test('no statement is open', () => {
  const open = statements().flatMap(({ number, statement, holders }) => holders
    .filter(({ kind }) => kind === 'open').map(({ who }) => `${number} (${who}): ${statement}`))
  assert.deepStrictEqual(open, [])
})
