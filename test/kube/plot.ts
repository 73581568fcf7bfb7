/** Plots a burst: pods, backlog and calls per second over time, in separate panels. */
import * as echarts from 'echarts';
import type { Sample } from './samples.js';

const WIDTH = 900;
const PANEL = 150;
const GAP = 70;
const LEFT = 80;

interface Panel {
  name: string;
  values: number[];
  step?: 'end';
}

/** Returns an SVG. The time axis is in seconds since `startedAt`. */
export function plotBurst(samples: readonly Sample[], startedAt: number): string {
  const seconds = samples.map(({ at }) => (at - startedAt) / 1000);
  const panels: Panel[] = [
    { name: 'ready pods', values: samples.map(({ ready }) => ready), step: 'end' },
    { name: 'waiting tasks', values: samples.map(({ backlog }) => backlog) },
    { name: 'calls mapped per second', values: callsPerSecond(samples) },
  ];
  const height = panels.length * (PANEL + GAP);
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#fff',
      title: panels.map(({ name }, number) => ({
        text: name,
        left: LEFT,
        top: number * (PANEL + GAP) + 8,
        textStyle: { fontSize: 13 },
      })),
      grid: panels.map((_, number) => ({ left: LEFT, right: 30, top: number * (PANEL + GAP) + 35, height: PANEL })),
      xAxis: panels.map((_, number) => ({
        type: 'value',
        gridIndex: number,
        min: 0,
        max: Math.ceil(seconds.at(-1)!),
        ...(number === panels.length - 1 ? { name: 'seconds', nameLocation: 'middle', nameGap: 25 } : {}),
      })),
      yAxis: panels.map((_, number) => ({ type: 'value', gridIndex: number, minInterval: 1 })),
      series: panels.map(({ values, step }, number) => ({
        type: 'line',
        xAxisIndex: number,
        yAxisIndex: number,
        showSymbol: false,
        ...(step === undefined ? {} : { step }),
        data: values.map((value, at) => [seconds[at], value]),
      })),
    });
    return `${chart.renderToSVGString()}\n`;
  } finally {
    chart.dispose();
  }
}

function callsPerSecond(samples: readonly Sample[]): number[] {
  return samples.map(({ at, calls }, number) => {
    const before = samples[number - 1];
    return before === undefined ? 0 : Math.round((1000 * (calls - before.calls)) / (at - before.at));
  });
}
