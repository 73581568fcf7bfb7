/** Prints a progress line of a long task, with the time of day in UTC. */
export function say(line: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}
