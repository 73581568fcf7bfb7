/** Helm and kubeconform, where there are any: HELM and KUBECONFORM name them, or they are on PATH. */
import { execFileSync, spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';

const helmPath = find('helm', process.env.HELM);
const kubeconformPath = find('kubeconform', process.env.KUBECONFORM);

/** Its output; throws with what it complained of. */
export const helm =
  helmPath === undefined
    ? undefined
    : (...args: string[]): string => execFileSync(helmPath, args, { encoding: 'utf8', stdio: 'pipe' });

/** What it complains of. KUBECONFORM_SCHEMAS names places of schemas, as `-schema-location` takes them, one a line. */
export const kubeconform =
  kubeconformPath === undefined
    ? undefined
    : (manifest: string): string => {
        const places = (process.env.KUBECONFORM_SCHEMAS ?? 'default').split('\n');
        const args = ['-strict', '-ignore-missing-schemas', ...places.flatMap((place) => ['-schema-location', place])];
        return spawnSync(kubeconformPath, args, { encoding: 'utf8', input: manifest }).stdout;
      };

function find(name: string, named: string | undefined): string | undefined {
  const paths = named === undefined ? (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, name)) : [named];
  return paths.find((path) => spawnSync(path, ['-h']).error === undefined);
}
