'use strict'

// Holds the invariants of ARCHITECTURE.md on who may use whom. The text is searched, not compiled, so
// the rules are first tried on lines that break them.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { test } = require('node:test')
const { codeOf, withoutTests, modulesUsed } = require('./helpers/rust-source')

const ROOT = path.join(__dirname, '..')
const ENGINE = path.join(ROOT, 'crates', 'tracker', 'src')

/** What each module of the engine may use of the others. */
const MAY_USE = {
  types: [],
  clock: ['types'],
  bencode: ['types'],
  protocol: ['types', 'bencode'],
  prefetch: [],
  swarm: ['types', 'prefetch'],
  tracker: ['types', 'swarm'],
  net: ['clock'],
  server: ['types', 'clock', 'bencode', 'protocol', 'swarm', 'tracker', 'net'],
  client: ['types', 'clock', 'bencode', 'protocol', 'net']
}

/** The modules that do no I/O; time and randomness are their arguments. */
const PURE = ['types', 'bencode', 'protocol', 'swarm', 'tracker']

const IMPURE = [
  ['an async runtime or an I/O crate', /\b(?:tokio|hyper|hyper_util|reqwest|rustls|socket2|libc)\b/],
  ['sockets', /\b(?:TcpListener|TcpStream|UdpSocket|UnixStream|UnixListener|ToSocketAddrs)\b/],
  ['a clock', /\b(?:Instant|SystemTime)\b/],
  ['its own randomness', /\b(?:getrandom|OsRng|thread_rng)\b|\bRng::new\b|\bfastrand::[a-z]/],
  ['threads, files or the environment', /\bstd::(?:thread|fs|env|process)\b/]
]

function impurities (code) {
  return IMPURE.filter(([, pattern]) => pattern.test(code)).map(([what]) => what)
}

/** `{ file, module, code }` for each source file of the engine, without comments and strings. */
function engineFiles () {
  return rustFiles(ENGINE).map(file => {
    const relative = path.relative(ENGINE, file).split(path.sep).join('/')
    return { file: relative, module: relative.split('/')[0].replace(/\.rs$/, ''), code: codeOf(fs.readFileSync(file, 'utf8')) }
  })
}

function rustFiles (folder) {
  return files(folder).filter(file => file.endsWith('.rs'))
}

function files (folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const file = path.join(folder, entry.name)
    return entry.isDirectory() ? files(file) : [file]
  })
}

test('every module of the engine has its rule', () => {
  const modules = new Set(engineFiles().map(({ module }) => module))
  modules.delete('lib')
  assert.deepEqual([...modules].sort(), Object.keys(MAY_USE).sort())
})

test('modules of the engine use only those below them', () => {
  const wrong = []
  for (const { file, module, code } of engineFiles()) {
    if (module === 'lib') continue
    for (const used of modulesUsed(withoutTests(file, code), file, Object.keys(MAY_USE))) {
      if (used !== module && !MAY_USE[module].includes(used)) wrong.push(`${file} uses ${used}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('the pure modules do no I/O and take time and randomness as arguments', () => {
  const wrong = []
  for (const { file, module, code } of engineFiles()) {
    if (!PURE.includes(module)) continue
    for (const what of impurities(withoutTests(file, code))) wrong.push(`${file} has ${what}`)
  }
  assert.deepEqual(wrong, [])
})

test('unsafe code is in net, and in the one instruction of prefetch.rs, alone', () => {
  const wrong = engineFiles()
    .filter(({ module, code }) => !['net', 'prefetch'].includes(module) && /\bunsafe\b/.test(code))
    .map(({ file }) => file)
  assert.deepEqual(wrong, [])
})

test('only the binding knows Node', () => {
  const wrong = files(path.join(ROOT, 'crates'))
    .filter(file => /\.(?:rs|toml)$/.test(file))
    .filter(file => /\bnapi/.test(codeOf(fs.readFileSync(file, 'utf8'))))
  assert.deepEqual(wrong, [])
})

test('only lib/native.js loads the generated binding', () => {
  const scripts = [...files(path.join(ROOT, 'lib')), ...files(path.join(ROOT, 'bin')),
    ...fs.readdirSync(ROOT).map(name => path.join(ROOT, name))]
  const wrong = scripts
    .filter(file => file.endsWith('.js') && !['binding.js', 'eslint.config.js'].includes(path.basename(file)))
    .filter(file => /require\(['"][^'"]*(?:\/binding(?:\.js)?|\.node)['"]\)/.test(fs.readFileSync(file, 'utf8')))
    .map(file => path.relative(ROOT, file).split(path.sep).join('/'))
  assert.deepEqual(wrong, ['lib/native.js'])
})

test('what is published uses nothing but Node, itself and its dependencies', () => {
  const { files: published, dependencies } = require('../package.json')
  const sources = published.map(name => path.join(ROOT, name))
    .flatMap(name => fs.statSync(name).isDirectory() ? files(name) : [name])
    .filter(file => file.endsWith('.js') && path.basename(file) !== 'binding.js')
  const wrong = []
  for (const file of sources) {
    for (const [, wanted] of fs.readFileSync(file, 'utf8').matchAll(/\b(?:require|import)\(['"]([^'"]+)['"]\)/g)) {
      if (wanted.startsWith('node:') || Object.hasOwn(dependencies, wanted)) continue
      const target = wanted.startsWith('.') ? path.relative(ROOT, require.resolve(path.resolve(path.dirname(file), wanted))) : null
      const isOurs = target && [...published, 'package.json'].some(name => target === name || target.startsWith(name + path.sep))
      if (!isOurs) wrong.push(`${path.relative(ROOT, file)} requires ${wanted}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('the rules see what breaks them', () => {
  const modules = Object.keys(MAY_USE)
  const used = (code, file = 'swarm/shard.rs') => [...modulesUsed(codeOf(code), file, modules)].sort()
  assert.deepEqual(used('use crate::protocol::udp;'), ['protocol'])
  assert.deepEqual(used('use crate::{\n    net::{Socket, Batch},\n    types::InfoHash,\n};'), ['net', 'types'])
  assert.deepEqual(used('let x = crate::clock::now();'), ['clock'])
  assert.deepEqual(used('use super::super::server;'), ['server'])
  assert.deepEqual(used('use super::{self, client::Udp};', 'clock.rs'), ['client'])
  assert.deepEqual(used('use super::server;'), [], 'a module of the same name beside this one')
  assert.deepEqual(used('// use crate::net;\n/* crate::net /* nested */ crate::net */ let s = "crate::net";'), [])
  assert.deepEqual(used('let s = r#"a " crate::net"#; let c = \'"\'; use crate::types;'), ['types'])

  for (const line of ['use tokio::sync::Mutex;', 'std::net::UdpSocket::bind(a)', 'Instant::now()',
    'fastrand::u32(..)', 'let rng = fastrand::Rng::new();', 'std::thread::spawn(f)']) {
    assert.equal(impurities(codeOf(line)).length, 1, line)
  }
  assert.deepEqual(impurities('fn pick(rng: &mut fastrand::Rng, now: Timestamp, at: std::net::SocketAddr)'), [])

  const tested = 'fn a() {}\n#[cfg(test)]\nmod tests { use tokio; }\n'
  assert.deepEqual(impurities(withoutTests('types/id.rs', tested)), [])
  assert.deepEqual(withoutTests('swarm/tests/model.rs', 'use tokio;'), '')
})
