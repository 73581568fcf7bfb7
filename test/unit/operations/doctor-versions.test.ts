import { expect, test } from 'vitest';
import { versionsCheck } from '../../../src/operations/doctor/versions.js';

const v1 = { deploymentName: 'billing', buildId: '1' };
const v2 = { deploymentName: 'billing', buildId: '2' };
const set = (version: string) => `temporal worker deployment set-current-version --deployment-name billing ${version}`;

test.each([
  ['no worker polls', undefined, [], [], 'ok', undefined],
  ['all are unversioned', undefined, [undefined], [undefined], 'ok', undefined],
  ['the current version has workers of both kinds', v1, [v1], [v1, v1], 'ok', undefined],
  ['an older version drains meanwhile', v2, [v1, v2], [v2, v1], 'ok', undefined],
  ['none is current', undefined, [v1], [v1], 'fault', set('--build-id 1')],
  ['none is current, and one version polls for both kinds', undefined, [v1, v2], [v2], 'fault', set('--build-id 2')],
  [
    'none is current, but unversioned workers poll for both kinds',
    undefined,
    [v1, undefined],
    [v1, undefined],
    'warning',
    set('--build-id 1'),
  ],
  [
    'none is current, and unversioned workers poll for one kind',
    undefined,
    [v1, undefined],
    [v1],
    'fault',
    set('--build-id 1'),
  ],
  ['the current one has stopped, and another polls', v1, [v2], [v2], 'fault', set('--build-id 2')],
  ['the current one lacks workers of one kind', v1, [v1, v2], [v2], 'fault', set('--build-id 2')],
  [
    'the current one has stopped, and unversioned workers poll',
    v1,
    [undefined],
    [undefined],
    'fault',
    set('--unversioned'),
  ],
  [
    'the current one has stopped, and no other polls for both kinds',
    v1,
    [v2],
    [],
    'fault',
    'start workers with TEMPORAL_DEPLOYMENT_NAME=billing TEMPORAL_WORKER_BUILD_ID=1',
  ],
] as const)('%s', (_, current, workflow, activity, judged, fix) => {
  const check = versionsCheck(current, workflow, activity);
  expect([check.ok ? (check.warning ? 'warning' : 'ok') : 'fault', check.fix]).toEqual([judged, fix]);
});
