/**
 * The field of a workflow's memo with the id of the installation that the workflow was started for
 * (meterfold.installation). It is not in the workflow's input, which people write by hand.
 */
export const INSTALLATION_MEMO = 'installation';
