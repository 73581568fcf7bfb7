/** How environment variables are read, by meterfold itself and by its libraries. */

/**
 * A copy of the environment without empty variables, and without CR and LF at the end of a value: the file of a Secret
 * and the output of a shell command often end with them.
 */
export function cleanEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const entries = Object.entries(environment).map(([name, value = '']) => [name, value.replace(/[\r\n]+$/, '')]);
  return Object.fromEntries(entries.filter(([, value]) => value !== ''));
}

/** Does the same to process.env, which OpenTelemetry, Temporal's libraries and Node read. */
export function cleanOwnEnvironment(): void {
  const clean = cleanEnvironment(process.env);
  for (const name of Object.keys(process.env)) {
    if (clean[name] === undefined) delete process.env[name];
    else if (clean[name] !== process.env[name]) process.env[name] = clean[name];
  }
}
