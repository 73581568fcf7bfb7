/** The plots of the report, as SVG. */
import * as echarts from 'echarts';
import type { MeasuredContender, SizeReport } from './report.js';

const WIDTH = 900;
const HEIGHT = 420;

/** Plots the time of each contender by the number of calls. */
export function plotTimes(sizes: readonly SizeReport[]): string {
  return draw({
    title: { text: 'Seconds by number of calls (less is better)', left: 'center', textStyle: { fontSize: 14 } },
    legend: { bottom: 0, itemGap: 24 },
    grid: { left: 70, right: 40, top: 50, bottom: 110 },
    xAxis: { type: 'log', name: 'calls', nameLocation: 'middle', nameGap: 28, min: 50_000 },
    yAxis: { type: 'log', name: 'seconds' },
    series: namesOf(sizes).map(([name, title]) => ({
      name: title,
      type: 'line',
      data: sizes.flatMap((size) => {
        const found = measuredOf(size, name);
        return found === undefined ? [] : [[size.calls, found.seconds.median]];
      }),
    })),
  });
}

/** Plots the time of each contender as a multiple of meterfold's. */
export function plotRatios(sizes: readonly SizeReport[]): string {
  const compared = sizes.filter((size) => size.contenders.length > 1);
  return draw({
    title: { text: 'Time of each as a multiple of meterfold’s', left: 'center', textStyle: { fontSize: 14 } },
    legend: { bottom: 0, itemGap: 24 },
    grid: { left: 70, right: 40, top: 50, bottom: 100 },
    xAxis: { type: 'category', data: compared.map(({ calls }) => `${calls.toLocaleString('en')} calls`) },
    yAxis: { type: 'value', name: '× meterfold' },
    series: namesOf(compared).map(([name, title]) => ({
      name: title,
      type: 'bar',
      label: { show: true, position: 'top', fontSize: 10 },
      data: compared.map((size) => {
        const own = measuredOf(size, 'meterfold');
        const other = measuredOf(size, name);
        return own === undefined || other === undefined
          ? null
          : +(other.seconds.median / own.seconds.median).toFixed(1);
      }),
    })),
  });
}

export function measuredOf({ contenders }: SizeReport, name: string): MeasuredContender | undefined {
  return contenders.find((each): each is MeasuredContender => each.name === name && !('missing' in each));
}

function namesOf(sizes: readonly SizeReport[]): [string, string][] {
  return [...new Map(sizes.flatMap(({ contenders }) => contenders.map(({ name, title }) => [name, title] as const)))];
}

function draw(option: echarts.EChartsCoreOption): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    chart.setOption({ animation: false, backgroundColor: '#fff', ...option });
    return `${chart.renderToSVGString()}\n`;
  } finally {
    chart.dispose();
  }
}
