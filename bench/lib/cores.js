'use strict'

// Which cores the tracker and the load run on.

const fs = require('node:fs')
const { capture } = require('../../scripts/lib/process')
const { SetupError } = require('../../scripts/lib/setup')

/**
 * The first core that we may use for the tracker and the last one for the load, so that they are
 * unlikely to be two threads of one core; `all` has both. Moves this process to the load's.
 */
function takeCores () {
  if (process.platform !== 'linux') throw new SetupError('The benchmarks need Linux: they read /proc and bind processes to cores.')
  if (capture('taskset', ['--version']) === null) {
    throw new SetupError('taskset is missing: install the Debian package util-linux, then run this again.')
  }
  const allowed = parseList(/^Cpus_allowed_list:\s*(.*)$/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1])
  const cores = { tracker: allowed[0], load: allowed.at(-1), all: `${allowed[0]},${allowed.at(-1)}` }
  if (allowed.length < 2) console.error('There is one core only: tracker and load share it, and rates say little.')
  bind(process.pid, cores.load)
  return cores
}

/** Numbers of `0-3,8`. */
function parseList (text) {
  return text.split(',').flatMap(range => {
    const [first, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

/** The command line that runs a program on one core, or on a list of them. */
function onCore (core, command, args) {
  return ['taskset', ['-c', String(core), command, ...args]]
}

/** Moves a process with all its threads to a core. */
function bind (pid, core) {
  capture('taskset', ['-a', '-c', '-p', String(core), String(pid)])
}

/** CPU time in µs that a process has used, all its threads and the kernel's work for it included. */
function cpuTime (pid) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name, which may hold anything; utime and stime are 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 1e6 / ticksPerSecond()
}

/** CPU time in µs too, but to the nanosecond: `cpuTime` counts ticks of 10 ms. Threads that have ended do not count. */
function threadTime (pid) {
  const tasks = `/proc/${pid}/task`
  const nanos = task => Number(fs.readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0])
  return fs.readdirSync(tasks).reduce((sum, task) => sum + nanos(task), 0) / 1000
}

/** Bytes of memory that a process has in use (its resident set). */
function residentMemory (pid) {
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
}

let ticks
function ticksPerSecond () {
  ticks ??= Number(capture('getconf', ['CLK_TCK'])) || 100
  return ticks
}

module.exports = { takeCores, onCore, bind, cpuTime, threadTime, residentMemory }
