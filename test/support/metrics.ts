/** A worker's metrics, as Prometheus reads them. */
import { freePorts } from '../../src/embedded/ports.js';

export interface Metrics {
  /** The one series of that name with these labels, others aside; undefined if there is none. Throws if there are several. */
  value(name: string, labels?: Record<string, string>): number | undefined;
  /** Of all series; those of a histogram end in _bucket, _sum and _count. */
  names: Set<string>;
}

interface Series {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** A port for a worker's METRICS_PORT, and how to read what it serves there. */
export async function metricsPort(): Promise<{ env: { METRICS_PORT: string }; read: () => Promise<Metrics> }> {
  const [port] = await freePorts(1);
  const read = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    return metricsOf(parse(await response.text()));
  };
  return { env: { METRICS_PORT: String(port) }, read };
}

function metricsOf(all: readonly Series[]): Metrics {
  return {
    names: new Set(all.map(({ name }) => name)),
    value(name, labels = {}) {
      const found = all.filter(
        (series) =>
          series.name === name && Object.entries(labels).every(([label, text]) => series.labels[label] === text),
      );
      if (found.length > 1) throw new Error(`${found.length} series are called ${name}`);
      return found[0]?.value;
    },
  };
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/; no label of ours has a quote or a backslash in it. */
function parse(text: string): Series[] {
  return [...text.matchAll(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name = '', labels = '', value = '']) => ({
    name,
    labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, content]) => [label, content])),
    value: Number(value),
  }));
}
