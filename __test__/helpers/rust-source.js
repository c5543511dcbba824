'use strict'

// Just enough reading of Rust source to see what a file names.

/** The source with comments gone and strings emptied. */
function codeOf (source) {
  let code = ''
  let at = 0
  while (at < source.length) {
    const rest = source.slice(at, at + 300)
    const rawString = /^b?r(#*)"/.exec(rest)
    const charLiteral = /^b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^\\'])'/u.exec(rest)
    if (rest.startsWith('//')) {
      at = endOf(source, '\n', at) - 1
      if (at < 0 || source[at] !== '\n') break
    } else if (rest.startsWith('/*')) {
      at = endOfBlockComment(source, at)
    } else if (rawString && !/\w/.test(code.at(-1) ?? '')) {
      at = endOf(source, '"' + rawString[1], at + rawString[0].length)
      code += '""'
    } else if (source[at] === '"') {
      at = endOfString(source, at)
      code += '""'
    } else if (charLiteral) {
      at += charLiteral[0].length
      code += '\'\''
    } else {
      code += source[at++]
    }
  }
  return code
}

/** The code without its tests: those are last in a file, or in a file or folder of that name. */
function withoutTests (file, code) {
  if (/(?:^|[/_])tests?(?:\.rs$|\/)/.test(file)) return ''
  const tests = /#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))? )?mod \w+ \{/.exec(code)
  return tests ? code.slice(0, tests.index) : code
}

/** Which of the crate's top-level `modules` the code of `file` (relative to src/) names. */
function modulesUsed (code, file, modules) {
  const used = new Set()
  // How many `super::` lead from this file's module to the crate's root.
  const depth = file.replace(/(?:\/mod)?\.rs$/, '').split('/').length
  for (const [, prefix, tree] of code.matchAll(/\b(crate::|(?:super::)+)(\{[^;]*|\w+)/g)) {
    if (prefix !== 'crate::' && prefix.split('super').length - 1 < depth) continue
    for (const name of tree.startsWith('{') ? topLevelNames(tree) : [tree]) {
      if (modules.includes(name)) used.add(name)
    }
  }
  return used
}

/** The first names of each branch of a use tree: `a` and `d` of `{a::{b, c}, d}`. */
function topLevelNames (tree) {
  const names = []
  let level = 0
  for (const [token] of tree.matchAll(/[{},]|\w+(?:::\w+)*/g)) {
    if (token === '{') level++
    else if (token === '}') level--
    else if (level === 1 && token !== ',') names.push(token.split('::')[0])
    if (level === 0) break
  }
  return names
}

function endOf (source, mark, from) {
  const at = source.indexOf(mark, from)
  return at < 0 ? source.length : at + mark.length
}

function endOfString (source, at) {
  for (at++; at < source.length && source[at] !== '"'; at++) {
    if (source[at] === '\\') at++
  }
  return at + 1
}

function endOfBlockComment (source, at) {
  let level = 0
  do {
    if (source.startsWith('/*', at)) { level++; at += 2 } else if (source.startsWith('*/', at)) { level--; at += 2 } else at++
  } while (level > 0 && at < source.length)
  return at
}

module.exports = { codeOf, withoutTests, modulesUsed }
