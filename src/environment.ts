/** How environment variables are read, by meterfold and by the libraries that read them themselves. */

/**
 * A copy of the environment by the one rule for all variables, whoever reads them: CRs and LFs at the end of a value are none of it, since a
 * file ends with them that a Secret or a shell has put there; and an empty value is as good as none.
 */
export function cleanEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const entries = Object.entries(environment).map(([name, value = '']) => [name, value.replace(/[\r\n]+$/, '')]);
  return Object.fromEntries(entries.filter(([, value]) => value !== ''));
}

/** Does the same to process.env, for the libraries that read it: OpenTelemetry, Temporal's, Node itself. */
export function cleanOwnEnvironment(): void {
  const clean = cleanEnvironment(process.env);
  for (const name of Object.keys(process.env)) {
    if (clean[name] === undefined) delete process.env[name];
    else if (clean[name] !== process.env[name]) process.env[name] = clean[name];
  }
}
