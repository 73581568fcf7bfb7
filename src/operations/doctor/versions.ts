/**
 * Whether versioned workers receive work. Temporal gives new work to the workers of the current version, or to
 * unversioned ones if no version is current. All other workers receive nothing, and do not report it.
 */
import type { WorkerVersion } from '../../config.js';
import { bad, type Check, good, warn } from './check.js';

const NAME = 'worker versions';

type Version = WorkerVersion | undefined;

/** `workflow` and `activity` are the versions that poll for each kind of task; undefined is unversioned. */
export function versionsCheck(current: Version, workflow: readonly Version[], activity: readonly Version[]): Check {
  const worksOnBoth = (version: Version) => [workflow, activity].every((polling) => includes(polling, version));
  const versioned = [...workflow, ...activity].filter((version) => version !== undefined);
  // A version whose workers poll for both kinds of task, if there is one.
  const best = versioned.find(worksOnBoth) ?? versioned[0];
  if (current !== undefined) {
    if (worksOnBoth(current)) return good(NAME, `${nameOf(current)} is current`);
    const found = `${nameOf(current)} is current, but lacks workers`;
    if (best !== undefined && worksOnBoth(best)) return bad(NAME, found, setCurrent(best));
    if (worksOnBoth(undefined)) return bad(NAME, found, setUnversioned(current));
    return bad(NAME, found, `start workers with ${settingsOf(current)}`);
  }
  if (best === undefined) return good(NAME, 'none, the workers are unversioned');
  const found = `no version is current: workers of ${nameOf(best)} receive no work`;
  if (!worksOnBoth(undefined)) return bad(NAME, found, setCurrent(best));
  return warn(NAME, `${found}, those without a version do the work`, setCurrent(best));
}

function includes(versions: readonly Version[], version: Version): boolean {
  return versions.some(
    (other) => other?.deploymentName === version?.deploymentName && other?.buildId === version?.buildId,
  );
}

function nameOf({ deploymentName, buildId }: WorkerVersion): string {
  return `"${buildId}" of deployment "${deploymentName}"`;
}

function settingsOf({ deploymentName, buildId }: WorkerVersion): string {
  return `TEMPORAL_DEPLOYMENT_NAME=${deploymentName} TEMPORAL_WORKER_BUILD_ID=${buildId}`;
}

// Temporal's CLI reads address and namespace from the same environment variables as meterfold.
const SET_CURRENT = 'temporal worker deployment set-current-version --deployment-name';

const setCurrent = ({ deploymentName, buildId }: WorkerVersion) =>
  `${SET_CURRENT} ${deploymentName} --build-id ${buildId}`;

const setUnversioned = ({ deploymentName }: WorkerVersion) => `${SET_CURRENT} ${deploymentName} --unversioned`;
