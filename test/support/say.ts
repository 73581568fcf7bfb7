/** A line to whoever watches something that takes long, with the time of day in UTC. */
export function say(line: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}
