/** Helm and kubeconform, if they are installed: HELM and KUBECONFORM name them, or they are on PATH. */
import { execFileSync, spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';

const helmPath = find('helm', process.env.HELM);
const kubeconformPath = find('kubeconform', process.env.KUBECONFORM);

/** Runs Helm and returns its output. Throws an error with its messages. */
export const helm =
  helmPath === undefined
    ? undefined
    : (...args: string[]): string => execFileSync(helmPath, args, { encoding: 'utf8', stdio: 'pipe' });

/** Returns kubeconform's complaints. KUBECONFORM_SCHEMAS lists values of `-schema-location`, one on each line. */
export const kubeconform =
  kubeconformPath === undefined
    ? undefined
    : (manifest: string): string => {
        const locations = (process.env.KUBECONFORM_SCHEMAS ?? 'default').split('\n');
        const args = [
          '-strict',
          '-ignore-missing-schemas',
          ...locations.flatMap((location) => ['-schema-location', location]),
        ];
        return spawnSync(kubeconformPath, args, { encoding: 'utf8', input: manifest }).stdout;
      };

function find(name: string, named: string | undefined): string | undefined {
  const paths = named === undefined ? (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, name)) : [named];
  return paths.find((path) => spawnSync(path, ['-h']).error === undefined);
}
