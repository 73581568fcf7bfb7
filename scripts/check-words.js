/**
 * Refuses words that readers of this project stumble over: words with several meanings here, and old-fashioned phrases.
 *
 *   npm run check:words                    # all source, tests, infrastructure and docs
 *   node scripts/check-words.js FILE…      # these files only
 *   node scripts/check-words.js --count    # the number of findings by word and by folder
 *
 * Each finding is printed as "file:line: "word": write …". Identifiers are searched too: `openTail` is read as
 * "open Tail". A phrase that is broken over two lines is not found. Generated and historical files are not checked: see
 * UNCHECKED.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const CHECKED = ['src', 'test', 'bench', 'infra', 'scripts', 'docs', 'README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'];
const UNCHECKED = [
  'bench/report',
  'docs/history',
  'test/replay/histories',
  'test/unit/infra/rendered',
  'scripts/check-words.js',
  'test/unit/check-words.test.ts',
];
const TEXT = /\.(ts|js|json|md|py|sh|sql|tpl|txt|yaml|yml)$|Dockerfile$/;
const GENERATED = /^docs\/evaluation\/.*\.json$/;

/** A match of `banned` is a finding, unless it lies within a match of `allowed`. */
const RULES = [
  { banned: /\banew\b/i, instead: '"again", or "restarts"' },
  { banned: /\bby now\b/i, instead: '"already"' },
  { banned: /\bin spite of\b/i, instead: '"despite"' },
  { banned: /\b(?:can't|cannot|can|not to|to) be had\b/i, instead: '"is unavailable"' },
  { banned: /\b(?:is|are|was|were|be|been|being) told\b/i, instead: '"receives", or name who reports what' },
  { banned: /\b(?:go|goes|going|went|gone) on with\b/i, instead: '"continues"' },
  { banned: /\bmend(?:s|ed|ing)?\b/i, instead: '"fix"' },
  { banned: /\bwho(?:so)?ever(?:'s)?\b/i, instead: '"which process", "callers", or "any session that …"' },
  { banned: /\btwins?\b/i, instead: '"backup attempt"' },
  { banned: /\baside\b/i, instead: '"quarantined"' },
  { banned: /\bheld up\b/i, instead: '"blocked by"' },
  { banned: /\bscouts?\b/i, instead: '"lookup" or "sample"' },
  { banned: /\bstretch(?:es)?\b/i, instead: '"page range", or name the range' },
  { banned: /\bportions?\b/i, instead: '"batch"' },
  { banned: /\bextents?\b/i, instead: '"occupied range"' },
  { banned: /\bslices?\b/i, allowed: /\.slice\b/, instead: '"segment", "bucket range" or "subrange"' },
  { banned: /\btails?\b/i, allowed: /\btail -[fn]\b/, instead: '"open cycle", or "end"' },
  {
    banned: /\bplaces?\b/i,
    allowed: /\b(?:in|take|takes|taken|taking|took|two|three|decimal) places?\b/i,
    instead: '"address", "index", "location", "host" or "failure point"',
  },
  {
    banned: /\bhand(?:s|ed|ing)?\b/i,
    allowed: /\b(?:by|at|other|left|right) hand\b|\bhand[- ](?:written|made)\b|\bhand over\b/i,
    instead: '"passes", "returns" or "sends"',
  },
  {
    banned: /\b(?:the|a|its|their|this|that|by|with|without|no|gives?|grants?) leave\b|\bleft to\b/i,
    instead: '"permission" or "fallback"',
  },
  // First in a comment only: a later sentence may begin with it.
  { banned: /(?<=^\s*(?:\/\*\*|\/\/|--|#) )Of\b/, first: true, instead: 'a sentence, or a noun with its referent' },
];

/** Findings in `text`, in order: the line (from 1), the word and what to write instead. */
function findingsIn(text) {
  const lines = text.split('\n');
  return lines.flatMap((line, index) => {
    const words = line.replace(/(?<=[a-z0-9])(?=[A-Z])/g, ' ').replaceAll('_', ' ');
    return RULES.flatMap((rule) => {
      if (rule.first && continuesComment(lines, index)) return [];
      const searched = rule.allowed ? words.replace(new RegExp(rule.allowed, 'gi'), '') : words;
      const found = searched.match(rule.banned);
      return found ? [{ line: index + 1, word: found[0].toLowerCase(), instead: rule.instead }] : [];
    });
  });
}

function continuesComment(lines, index) {
  const marker = lines[index].match(/^\s*(\/\/|--|#)/)?.[1];
  return marker !== undefined && (lines[index - 1] ?? '').trimStart().startsWith(marker);
}

function checkedFiles() {
  const all = CHECKED.flatMap((path) =>
    statSync(join(root, path)).isDirectory()
      ? readdirSync(join(root, path), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => relative(root, join(entry.parentPath, entry.name)))
      : [path],
  );
  const isUnchecked = (path) => UNCHECKED.some((prefix) => path === prefix || path.startsWith(`${prefix}/`));
  return all.filter((path) => TEXT.test(path) && !GENERATED.test(path) && !isUnchecked(path)).sort();
}

function countsBy(findings, keyOf) {
  const counts = new Map();
  for (const finding of findings) counts.set(keyOf(finding), (counts.get(keyOf(finding)) ?? 0) + 1);
  const lines = [...counts].sort(([, a], [, b]) => b - a).map(([key, count]) => `${String(count).padStart(5)}  ${key}`);
  return lines.join('\n');
}

const args = process.argv.slice(2);
const named = args.filter((arg) => arg !== '--count');
const files = named.length > 0 ? named : checkedFiles();
const findings = files.flatMap((file) =>
  findingsIn(readFileSync(named.length > 0 ? file : join(root, file), 'utf8')).map((finding) => ({ file, ...finding })),
);
if (findings.length > 0) {
  const details = findings.map(({ file, line, word, instead }) => `${file}:${line}: "${word}": write ${instead}`);
  const counts = [countsBy(findings, ({ word }) => word), countsBy(findings, ({ file }) => dirname(file))];
  process.stdout.write(`${(args.includes('--count') ? counts : details).join('\n')}\n`);
}
process.stdout.write(`${files.length} files checked, ${findings.length} banned words\n`);
process.exitCode = findings.length > 0 ? 1 : 0;
