'use strict'

// `node bench/instructions.js [--dry-run] [WORD ...]`: how many instructions an announce and its parts take.
// Runs the cases of crates/tracker/benches/cases under callgrind, all or those with all the words in
// their names, and writes the table into README.md in this folder if it was all.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { spawnSync } = require('node:child_process')
const { parseArgs } = require('node:util')
const { ROOT, run, capture, killChildrenOnSignal } = require('../scripts/lib/process')
const { SetupError, explain, checkToolchain } = require('../scripts/lib/setup')

const README = path.join(__dirname, 'README.md')
const BEGIN = '<!-- instructions -->'
const END = '<!-- /instructions -->'

// The average is over this many, as peers and torrents are drawn at random.
const TIMES = 2000

// Release speed with symbols: callgrind finds by name where to count, and what allocates.
const BUILD = ['build', '--package', 'tracker', '--bench', 'instructions', '--profile', 'profiling', '--locked']
const ALLOCATIONS = /^(malloc|calloc|realloc|memalign|posix_memalign|aligned_alloc)$/

async function main () {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { 'dry-run': { type: 'boolean', default: false } }
  })
  checkToolchain()
  if (capture('valgrind', ['--version']) === null) {
    throw new SetupError('valgrind not found: install the Debian package valgrind, then run this again.')
  }
  const program = await build()
  const all = capture(program, []).trim().split('\n').map(line => line.split('\t'))
  const cases = all.filter(([, name]) => positionals.every(word => name.includes(word)))
  const rows = []
  for (const [group, name] of cases) {
    const { instructions, allocations } = count(program, name)
    console.error(`${name}: ${instructions}, ${allocations}`)
    rows.push({ group, name, instructions, allocations })
  }
  const text = table(rows)
  console.log(text)
  if (cases.length === all.length && !values['dry-run']) writeInto(README, text)
}

/** Builds the program; its path. */
async function build () {
  const lines = []
  let program
  const failure = await run('cargo', [...BUILD, '--message-format', 'json-render-diagnostics'], {
    onLine (line, stream) {
      if (stream === 'stderr') return lines.push(line)
      const { reason, target, executable } = JSON.parse(line)
      if (reason === 'compiler-artifact' && target.name === 'instructions') program = executable
    }
  })
  if (failure || !program) throw new SetupError(`${lines.join('\n')}\n${failure}`)
  return program
}

/** Runs a case; instructions and allocations of one operation. */
function count (program, name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'instructions-'))
  const file = path.join(folder, 'callgrind.out')
  try {
    const { status, stderr } = spawnSync('valgrind', [
      '--tool=callgrind', `--callgrind-out-file=${file}`, '--collect-atstart=no',
      '--toggle-collect=instructions::counted*', program, name, String(TIMES)
    ], { cwd: ROOT, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${name}: ${stderr}`)
    const { instructions, allocations } = read(fs.readFileSync(file, 'utf8'))
    if (!instructions) throw new Error(`${name}: nothing was counted`)
    return { instructions: Math.round(instructions / TIMES), allocations: round(allocations / TIMES) }
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

/** What callgrind wrote: all instructions, and the calls of functions that allocate. */
function read (text) {
  const names = new Map()
  let instructions = 0
  let allocations = 0
  let callee
  for (const line of text.split('\n')) {
    const [key, value] = line.split('=', 2)
    if (key === 'cfn') {
      // A name is written out the first time: `(12) malloc`, then `(12)`.
      const [, id, name] = /^(\(\d+\))(?: (.*))?$/.exec(value)
      if (name) names.set(id, name)
      callee = names.get(id)
    } else if (key === 'fn') {
      const [, id, name] = /^(\(\d+\))(?: (.*))?$/.exec(value)
      if (name) names.set(id, name)
    } else if (key === 'calls' && ALLOCATIONS.test(callee)) {
      allocations += parseInt(value, 10)
    } else if (line.startsWith('totals:')) {
      instructions = Number(line.slice('totals:'.length).trim().split(' ')[0])
    }
  }
  return { instructions, allocations }
}

function table (rows) {
  const version = capture('rustc', ['-vV'])
  const field = name => new RegExp(`^${name}: (.*)$`, 'm').exec(version)[1]
  const lines = [
    `rustc ${field('release')}, ${field('host')}, profile \`profiling\` (release with symbols); the mean of ` +
      `${TIMES.toLocaleString('en')} operations.`,
    '',
    '| operation | instructions | allocations |',
    '|---|---:|---:|'
  ]
  for (const { name, instructions, allocations } of rows) {
    lines.push(`| ${name} | ${instructions.toLocaleString('en')} | ${allocations} |`)
  }
  return lines.join('\n')
}

function writeInto (file, text) {
  const old = fs.readFileSync(file, 'utf8')
  const begin = old.indexOf(BEGIN)
  const end = old.indexOf(END)
  if (begin === -1 || end < begin) throw new Error(`${file} has no ${BEGIN} ... ${END}`)
  fs.writeFileSync(file, `${old.slice(0, begin + BEGIN.length)}\n${text}\n${old.slice(end)}`)
}

function round (number) {
  return Math.round(number * 10) / 10
}

killChildrenOnSignal()
main().catch(error => {
  console.error(explain(error))
  process.exitCode = 1
})
