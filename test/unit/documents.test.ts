/** The documentation names only files that exist, covers every setting, and its first two pages stay short. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { repositoryDir } from '../support/repository.js';

const read = (path: string) => readFileSync(join(repositoryDir, path), 'utf8');
const pagesIn = (folder: string, recursive: boolean) =>
  readdirSync(join(repositoryDir, folder), { recursive, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
const pages = [...pagesIn('.', false), ...pagesIn('docs', true), ...pagesIn('bench', false)].sort();

/** Folders whose files the documentation names in backticks, by their path from the root. */
const NAMED_PATH = /`((?:src|test|bench|infra|docs|scripts|bin|\.ci)\/[\w./-]*\w)`/g;
const LINK = /\]\(([^)\s]+)\)/g;

/** As GitHub makes the anchor of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
}

function anchorsIn(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!));
}

describe.each(pages)('%s', (page) => {
  test('links to files and headings that exist', () => {
    const missing = [...read(page).matchAll(LINK)]
      .map(([, target]) => target!)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [path, anchor] = target.split('#') as [string, string?];
        const file = path === '' ? page : join(dirname(page), path);
        if (!existsSync(join(repositoryDir, file))) return true;
        return anchor !== undefined && !anchorsIn(file).includes(anchor);
      });
    expect(missing).toEqual([]);
  });
});

// History names files as they were then.
test.each(pages.filter((page) => !page.startsWith('docs/history/')))('%s names files that exist', (page) => {
  const paths = [...read(page).matchAll(NAMED_PATH)].map(([, path]) => path!);
  expect(paths.filter((path) => !existsSync(join(repositoryDir, path)))).toEqual([]);
});

test.each([
  ['README.md', 8 * 1024],
  ['ARCHITECTURE.md', 12 * 1024],
])('%s has at most %i bytes', (page, bytesMax) => {
  expect(Buffer.byteLength(read(page))).toBeLessThanOrEqual(bytesMax);
});

test('docs/settings.md has every setting that src/config.ts reads', () => {
  const schema = read('src/config.ts').split('environmentSchema = ')[1]!.split('\n});')[0]!;
  const settings = [...schema.matchAll(/^ {2}([A-Z_]+):/gm)].map(([, name]) => name!);
  expect(settings.length).toBeGreaterThan(15);
  const documented = read('docs/settings.md');
  expect(settings.filter((name) => !documented.includes(`\`${name}\``))).toEqual([]);
});
