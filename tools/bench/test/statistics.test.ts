import { expect, it } from 'vitest';
import { geometricMean, median, spread } from '../src/statistics.js';

it('the median is the middle value, or halfway between the two', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});

it('a spread has the least and the greatest too', () => {
  expect(spread([2, 9, 4])).toEqual({ median: 4, min: 2, max: 9 });
});

it('a ratio and its inverse have the geometric mean 1', () => {
  expect(geometricMean([4, 0.25])).toBeCloseTo(1);
});
