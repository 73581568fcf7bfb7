/** Reads a worker's metrics as Prometheus does. */
import { freePorts } from '../../src/embedded/ports.js';

export interface Metrics {
  /**
   * The value of the series with this name whose labels include the given ones; undefined if there is none. Throws if
   * there are several.
   */
  value(name: string, labels?: Record<string, string>): number | undefined;
  /** The names of all series. Those of a histogram end in _bucket, _sum and _count. */
  names: Set<string>;
}

interface Series {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** Returns a free port for a worker's METRICS_PORT, and a function that reads the metrics on it. */
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
      if (found.length > 1) throw new Error(`${found.length} series are named ${name}`);
      return found[0]?.value;
    },
  };
}

/**
 * https://prometheus.io/docs/instrumenting/exposition_formats/; meterfold's label values contain no quotes and no
 * backslashes.
 */
function parse(text: string): Series[] {
  return [...text.matchAll(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name = '', labels = '', value = '']) => ({
    name,
    labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, content]) => [label, content])),
    value: Number(value),
  }));
}
