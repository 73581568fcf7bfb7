/**
 * The field of a workflow's memo that names the installation which it was started for (its id is in meterfold.installation). Not of its
 * input: workers of an earlier version refuse inputs that they do not know, and ignore memos.
 */
export const INSTALLATION_MEMO = 'installation';
