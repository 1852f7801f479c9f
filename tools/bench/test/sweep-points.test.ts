import { expect, it } from 'vitest';
import { pointsOf, questionNamed } from '../src/sweep/sweep.js';

const clients = questionNamed('clients');

it('measures the usual points, the first two in a hurry, and each one when all are wanted', () => {
  expect(pointsOf(clients, { full: false, quick: false })).toEqual([1, 2, 4, 8]);
  expect(pointsOf(clients, { full: false, quick: true })).toEqual([1, 2]);
  expect(pointsOf(clients, { full: true, quick: false })).toEqual([1, 2, 4, 8, 16]);
});

it('measures those that are asked for, each question the ones that it has', () => {
  const only = [16, 32];
  expect(pointsOf(clients, { full: false, quick: false, only })).toEqual([16]);
  expect(pointsOf(questionNamed('bricks'), { full: false, quick: false, only })).toEqual([16, 32]);
  expect(() => pointsOf(questionNamed('files'), { full: false, quick: false, only })).toThrow('files: no such point; known: 100, 1000, 10000, 100000, 1000000');
});
