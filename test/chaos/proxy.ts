/** A small TCP proxy that simulates network faults: it cuts a connection, delays its bytes, or drops them silently. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { CopyWatch } from './copy-watch.js';

/**
 * `held`: bytes wait, and none is lost. `swallowing`: bytes are lost, and neither side notices that, or the end of the
 * other side.
 */
type LinkState = 'passing' | 'held' | 'swallowing' | 'cut';

/** The COPY to stop, and the number of bytes of rows after which it is stopped. */
export interface CopyTrigger {
  sql: RegExp;
  bytes: number;
}

/** A connection through the proxy, with a socket to each side. */
export class Link {
  readonly copy: CopyWatch | undefined;
  /** The bytes forwarded in both directions. */
  bytesPassed = 0;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #onData: (link: Link) => boolean;
  #state: LinkState = 'passing';
  #heldBack: { to: Socket; chunk: Buffer }[] = [];

  constructor(client: Socket, server: Socket, reads: boolean, onData: (link: Link) => boolean) {
    this.#client = client;
    this.#server = server;
    this.#onData = onData;
    this.copy = reads ? new CopyWatch() : undefined;
    client.on('data', (chunk: Buffer) => this.#pass(chunk, server, (copy) => copy.fromClient(chunk)));
    server.on('data', (chunk: Buffer) => this.#pass(chunk, client, (copy) => copy.fromServer(chunk)));
  }

  get state(): LinkState {
    return this.#state;
  }

  /** The client's port as seen by the server: `client_port` of pg_stat_activity. */
  get serverSidePort(): number | undefined {
    return this.#server.localPort;
  }

  get bytesHeldBack(): number {
    return this.#heldBack.reduce((sum, { chunk }) => sum + chunk.length, 0) + this.#server.readableLength;
  }

  /** Holds bytes in both directions from now on. */
  hold(): void {
    if (this.#state !== 'passing') return;
    this.#state = 'held';
    this.#client.pause();
    this.#server.pause();
  }

  /** Forwards the held bytes. */
  resume(): void {
    if (this.#state !== 'held') return;
    this.#state = 'passing';
    for (const { to, chunk } of this.#heldBack.splice(0)) to.write(chunk);
    this.#client.resume();
    this.#server.resume();
  }

  swallow(): void {
    if (this.#state === 'cut') return;
    this.#state = 'swallowing';
    this.#heldBack = [];
    this.#client.resume();
    this.#server.resume();
  }

  /** Resets the connection on both sides. */
  cut(): void {
    this.#state = 'cut';
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  /** Ends the connection when one side has ended it, unless the end must stay hidden. */
  ended(side: Socket): void {
    if (this.#state === 'swallowing' || this.#state === 'cut') return;
    const other = side === this.#client ? this.#server : this.#client;
    other.destroySoon();
  }

  #pass(chunk: Buffer, to: Socket, watch: (copy: CopyWatch) => void): void {
    if (this.#state === 'swallowing' || this.#state === 'cut') return;
    if (this.copy !== undefined) watch(this.copy);
    if (this.#state === 'passing' && this.#onData(this)) {
      // Stop within this chunk: only its first half is forwarded.
      this.hold();
      const half = chunk.length >> 1;
      to.write(chunk.subarray(0, half));
      this.#heldBack.push({ to, chunk: chunk.subarray(half) });
      return;
    }
    if (this.#state === 'held') {
      this.#heldBack.push({ to, chunk });
      return;
    }
    this.bytesPassed += chunk.length;
    const from = to === this.#client ? this.#server : this.#client;
    if (to.write(chunk)) return;
    from.pause();
    to.once('drain', () => this.#state === 'passing' && from.resume());
  }
}

export class TcpProxy {
  readonly links = new Set<Link>();
  /** The number of connections that the server's side has broken. */
  brokenByServer = 0;
  /** The total number of connections that clients have opened. */
  accepted = 0;
  readonly #server: Server;
  readonly #target: number;
  readonly #reads: boolean;
  #swallowing = false;
  #armed: { trigger: CopyTrigger; caught: (link: Link) => void } | undefined;
  readonly #strays = new Set<Socket>();
  /** Links whose client has disconnected while bytes were dropped, so that the server's side stays open. */
  readonly #orphans = new Set<Link>();

  private constructor(server: Server, target: number, reads: boolean) {
    this.#server = server;
    this.#target = target;
    this.#reads = reads;
    server.on('connection', (client) => this.#accept(client));
  }

  /** With `reads` the proxy parses PostgreSQL's protocol, so that it can stop a COPY. */
  static async open(target: number, options: { reads: boolean }): Promise<TcpProxy> {
    const server = createServer({ noDelay: true });
    server.listen({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    return new TcpProxy(server, target, options.reads);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Waits for the COPY, and holds its connection in the middle. Stops waiting when the signal aborts. */
  catchCopy(trigger: CopyTrigger, signal: AbortSignal): Promise<Link> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#armed = undefined;
        reject(signal.reason);
      };
      signal.addEventListener('abort', stop, { once: true });
      this.#armed = {
        trigger,
        caught: (link) => {
          this.#armed = undefined;
          signal.removeEventListener('abort', stop);
          resolve(link);
        },
      };
    });
  }

  cutAll(): number {
    const links = [...this.links];
    for (const link of links) link.cut();
    return links.length;
  }

  /** Drops all bytes silently, including those of new connections. */
  swallowAll(): void {
    this.#swallowing = true;
    this.swallowOpen();
  }

  /**
   * Drops all bytes of the open connections, as a firewall that has lost its state does. Returns the number of
   * connections.
   */
  swallowOpen(): number {
    for (const link of this.links) link.swallow();
    return this.links.size;
  }

  /** Ends the affected connections; new connections work again. */
  heal(): void {
    this.#swallowing = false;
    this.cutSwallowed();
    for (const stray of this.#strays) stray.resetAndDestroy();
  }

  /** Resets the connections whose bytes were dropped. */
  cutSwallowed(): void {
    for (const link of [...this.links, ...this.#orphans]) if (link.state === 'swallowing') link.cut();
    this.#orphans.clear();
  }

  async close(): Promise<void> {
    this.heal();
    this.cutAll();
    this.#server.close();
  }

  #accept(client: Socket): void {
    this.accepted++;
    client.on('error', () => {});
    if (this.#swallowing) {
      this.#strays.add(client);
      client.on('close', () => this.#strays.delete(client));
      client.resume();
      return;
    }
    const server = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    const link = new Link(client, server, this.#reads, (passing) => this.#catches(passing));
    this.links.add(link);
    server.on('error', () => {});
    client.on('close', () => {
      link.ended(client);
      this.links.delete(link);
      if (link.state === 'swallowing') this.#orphans.add(link);
    });
    server.on('close', () => {
      if (link.state !== 'cut' && !client.destroyed) this.brokenByServer++;
      link.ended(server);
      this.#orphans.delete(link);
    });
  }

  #catches(link: Link): boolean {
    if (this.#armed === undefined || link.copy === undefined) return false;
    const { trigger, caught } = this.#armed;
    if (link.copy.copied < trigger.bytes || !trigger.sql.test(link.copy.sql)) return false;
    caught(link);
    return true;
  }
}
