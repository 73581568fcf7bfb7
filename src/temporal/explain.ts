/** What an error of Temporal's client means, and how to fix it. */

interface TemporalError {
  name?: unknown;
  message?: unknown;
  /** The status code of a gRPC call: https://grpc.io/docs/guides/status-codes/ */
  code?: unknown;
  details?: unknown;
}

/** A sentence with the address of the server; undefined for an error that is not Temporal's. */
export function explainTemporal(
  { name, code, details }: TemporalError,
  { temporal, namespace }: { temporal: string; namespace: string },
): string | undefined {
  const at = `Temporal at ${temporal}`;
  const noNamespace = `${at} has no namespace "${namespace}": create it with \`temporal operator namespace create --namespace ${namespace}\`, or set TEMPORAL_NAMESPACE.`;
  if (name === 'NamespaceNotFoundError') return noNamespace;
  if (name === 'WorkflowNotFoundError') {
    return `${at} has no such workflow in namespace "${namespace}": \`meterfold runs\` shows each run's workflow id.`;
  }
  if (typeof code !== 'number' || typeof details !== 'string') return undefined;
  const said = details.trim().split('\n')[0]!;
  switch (code) {
    case 4:
    case 14:
      return `Temporal is not reachable at ${temporal}: start it (\`meterfold dev\` starts one), or set TEMPORAL_ADDRESS.`;
    case 5:
      return said.toLowerCase().includes('namespace') ? noNamespace : `${at} did not find it: ${said}.`;
    case 7:
      return `${at} does not allow this in namespace "${namespace}" (${said}): check TEMPORAL_NAMESPACE and the permissions of TEMPORAL_API_KEY.`;
    case 16:
      return `${at} does not accept the credentials (${said}): set TEMPORAL_API_KEY, or TEMPORAL_TLS_CLIENT_CERT_PATH and _KEY_PATH.`;
    default:
      return `${at} refused a request: ${said}.`;
  }
}
