/** `npm run bench -- --sweep`: how the cost grows, ours and GlusterFS's, one picture for each question. */
import { median } from '../statistics.js';
import type { Side } from '../volume.js';
import { type Circumstances, QUESTIONS, type Question, type Values } from './questions.js';
import { UsageError } from '../usage-error.js';

export interface SweepPoint {
  readonly x: number;
  readonly ours: Values;
  readonly theirs: Values;
}

export interface SweepResult {
  readonly question: string;
  readonly title: string;
  readonly axis: string;
  readonly unit: string;
  readonly series: readonly string[];
  readonly labels: readonly string[];
  readonly points: readonly SweepPoint[];
}

export interface SweepOptions extends Circumstances {
  readonly names: readonly string[];
  readonly full: boolean;
  /** The first two points only. */
  readonly quick: boolean;
  /** These only, of all that there are. */
  readonly only?: readonly number[] | undefined;
  /** Runs of each point and side, of which the median counts. */
  readonly pairs: number;
  progress(line: string): void;
  /** After each point, so that a run that is broken off leaves what it had. */
  done(results: readonly SweepResult[]): void;
}

export function questionNamed(name: string): Question {
  const question = QUESTIONS.find((known) => known.name === name);
  if (!question) throw new UsageError(`unknown question ${name}; known: ${QUESTIONS.map((known) => known.name).join(', ')}`);
  return question;
}

/** Which points of a question are measured. Throws a UsageError when it has none of those that are wanted. */
export function pointsOf(question: Question, { full, quick, only }: Pick<SweepOptions, 'full' | 'quick' | 'only'>): readonly number[] {
  if (!only) return full ? question.fullPoints : question.points.slice(0, quick ? 2 : undefined);
  const wanted = question.fullPoints.filter((x) => only.includes(x));
  if (wanted.length === 0) throw new UsageError(`${question.name}: no such point; known: ${question.fullPoints.join(', ')}`);
  return wanted;
}

function middle(question: Question, runs: readonly Values[]): Values {
  return Object.fromEntries(question.series.map((name) => [name, median(runs.map((run) => run[name] ?? NaN))]));
}

export async function sweep(options: SweepOptions): Promise<SweepResult[]> {
  const results: SweepResult[] = [];
  let turn = 0;
  for (const question of options.names.map(questionNamed)) {
    const points: SweepPoint[] = [];
    const { title, axis, unit, series } = question;
    const labels: string[] = [];
    results.push({ question: question.name, title, axis, unit, series, labels, points });
    for (const x of pointsOf(question, options)) {
      const runs: Record<Side, Values[]> = { ours: [], GlusterFS: [] };
      for (let pair = 0; pair < options.pairs; pair++) {
        for (const side of turn++ % 2 === 0 ? (['ours', 'GlusterFS'] as const) : (['GlusterFS', 'ours'] as const)) {
          options.progress(`${question.name} ${question.label(x)}: ${side}`);
          runs[side].push(await question.measure(side, x, options));
        }
      }
      points.push({ x, ours: middle(question, runs.ours), theirs: middle(question, runs.GlusterFS) });
      labels.push(question.label(x));
      options.done(results);
    }
  }
  return results;
}
