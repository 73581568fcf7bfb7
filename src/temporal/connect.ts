/** Connects a client to Temporal. */
import { Client, Connection, type WorkflowClientInterceptor } from '@temporalio/client';
import type { TemporalSettings } from '../config.js';

/** How long Temporal may take to answer a new connection. */
const CONNECT_MS = 5_000;
/**
 * gRPC: the deadline has passed, and the server is unavailable. Any other code is an answer, such as that the key is
 * wrong.
 */
const UNREACHABLE = [4, 14];

/** Temporal does not answer at its address. */
export class TemporalUnreachableError extends Error {
  override name = 'TemporalUnreachableError';

  constructor({ address, connection }: TemporalSettings, options: ErrorOptions) {
    super(
      `Temporal is not reachable at ${address} (${connection.tls ? 'with' : 'without'} TLS): start it (\`meterfold dev\` starts one), or set TEMPORAL_ADDRESS.`,
      options,
    );
  }
}

export interface ConnectedClient {
  client: Client;
  close(): Promise<void>;
}

/** Throws TemporalUnreachableError; an answer that refuses the connection is thrown unchanged. */
export async function connectTemporal(
  settings: TemporalSettings,
  interceptors: WorkflowClientInterceptor[] = [],
): Promise<ConnectedClient> {
  const { address, tls, apiKey, metadata } = settings.connection;
  const connection = Connection.lazy({
    connectTimeout: CONNECT_MS,
    ...(address === undefined ? {} : { address }),
    ...(tls === undefined ? {} : { tls }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata === undefined ? {} : { metadata }),
  });
  try {
    await connection.ensureConnected();
  } catch (cause) {
    await connection.close();
    const code = ((cause as Error).cause as { code?: number } | undefined)?.code;
    if (code !== undefined && !UNREACHABLE.includes(code)) throw cause;
    throw new TemporalUnreachableError(settings, { cause });
  }
  const client = new Client({
    connection,
    namespace: settings.namespace,
    ...(interceptors.length === 0 ? {} : { interceptors: { workflow: interceptors } }),
  });
  return { client, close: () => connection.close() };
}
