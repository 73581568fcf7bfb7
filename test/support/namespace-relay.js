/**
 * Runs as root in a network namespace that has only a loopback interface. Relays its TCP ports to Unix sockets, which
 * are reachable from outside, and drops the packets of the first port on a command from standard input. Prints its
 * ports as JSON once it listens, and a line for each command that it has executed.
 *
 *   drop            drops every packet of the port from now on
 *   drop-down 1000  drops every packet once 1,000 bytes were sent to one client; drop-up: were received from one
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const run = (program, ...args) => execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });

run('ip', 'link', 'set', 'lo', 'up');
run('nft', 'add', 'table', 'inet', 'meterfold');
run('nft', 'add', 'chain', 'inet', 'meterfold', 'input', '{ type filter hook input priority 0; }');

const drop = (direction, port) =>
  run('nft', 'add', 'rule', 'inet', 'meterfold', 'input', 'tcp', direction, String(port), 'drop');

let trigger;

function dropAll() {
  trigger = undefined;
  drop('dport', ports[0]);
  drop('sport', ports[0]);
  process.stdout.write('dropped\n');
}

function counted(from, to, direction) {
  let bytes = 0;
  from.on('data', (chunk) => {
    bytes += chunk.length;
    if (!to.write(chunk)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
    if (trigger?.direction === direction && bytes >= trigger.bytes) dropAll();
  });
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroy());
}

async function relay(path, isFirst) {
  const server = createServer((client) => {
    const outside = connect(path);
    counted(client, outside, isFirst ? 'up' : '');
    counted(outside, client, isFirst ? 'down' : '');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

const ports = [];
for (const path of process.argv.slice(2)) ports.push(await relay(path, ports.length === 0));
process.stdout.write(`${JSON.stringify(ports)}\n`);

for await (const line of createInterface({ input: process.stdin })) {
  const [word, bytes] = line.split(' ');
  if (word === 'drop') dropAll();
  else trigger = { direction: word.slice('drop-'.length), bytes: Number(bytes) };
}
// The process that started it has ended.
process.exit();
